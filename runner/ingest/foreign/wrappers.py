"""The wrappers: how a table of another PostgreSQL, of a MariaDB or a CSV file is read from here."""

from __future__ import annotations

import csv
from typing import Any

from psycopg import sql

from runner.database.names import join, relation
from runner.database.session import QueryFailed
from runner.errors import StartError
from runner.ingest.foreign.attachment import Attachment, options

NO_SUCH_SCHEMA = "HV00Q"
NO_SUCH_TYPES = ("42704", "3F000")

# Types of MariaDB, as they are here; what is not among them is text. Dates there may be 0000-00-00:
# they come as text, and get their type where a row that has no real one can be set aside.
TYPES = {
    "tinyint": "smallint",
    "smallint": "smallint",
    "mediumint": "integer",
    "int": "integer",
    "bigint": "bigint",
    "year": "smallint",
    "float": "real",
    "double": "double precision",
    "bit": "bytea",
    "binary": "bytea",
    "varbinary": "bytea",
    "tinyblob": "bytea",
    "blob": "bytea",
    "mediumblob": "bytea",
    "longblob": "bytea",
}
UNSIGNED = {"smallint": "integer", "int": "bigint", "bigint": "numeric(20,0)"}
TYPES_OF_TEXTS = {
    "date": "date",
    "datetime": "timestamp without time zone",
    "timestamp": "timestamp with time zone",
    "time": "interval",
}
# What a clock is made of: sql/ingest/clock.sql.
CLOCK = (
    "clock timestamptz",
    "settled timestamptz",
    "held_since timestamptz",
    "held_by text",
    "sees_all boolean",
    "horizon numeric",
    "next_xid numeric",
    "identity text",
)


class PostgresAttachment(Attachment):
    """A table of another PostgreSQL, read through the view that tells the age of its rows, if the
    owner made one.
    """

    user_option = "user"
    install = "install it there; it comes with the contributed modules of PostgreSQL"

    def _make_tables(self) -> None:
        view, clock = view_of(f"{self.namespace}.{self.name}"), f"{self.server}.clock"
        wanted = [view] if self._has(clock) else ["clock", view]
        try:
            with self.session.savepoint():
                self._import("milepost", wanted)
        except QueryFailed as error:
            if error.sqlstate != NO_SUCH_SCHEMA:
                raise
        if self._has(clock):
            self.clock = clock
            if "clock" in wanted:
                self.made.append(f"foreign table {clock}: the clock of {self.origin.database}")
        imported = f"{self.server}.{view}"
        if self._has(imported):
            if view != self.name:
                text = "alter foreign table {} rename to {}"
                self._run(text, relation(imported), sql.Identifier(self.name))
            read = f"milepost.{view}"
        else:
            self._import(self.namespace, [self.name])
            read = f"{self.namespace}.{self.name}"
        if not self._has(self.relation):
            raise self._missing()
        self.made.append(f"foreign table {self.relation} of {read} in {self.origin.database}")
        if self.clock is None or not read.startswith("milepost."):
            self._advise("postgres")
        self.session.run(self._text("postgres_catalogue"))
        self._note_index("postgres_indexed", namespace=self.namespace)
        self._run("drop foreign table {}._indexes", sql.Identifier(self.server))

    def _import(self, namespace: str, names: list[str]) -> None:
        try:
            self._run(
                "import foreign schema {} limit to ({}) from server {} into {}"
                " options (import_collate 'false', import_generated 'false')",
                sql.Identifier(namespace),
                join([sql.Identifier(name) for name in names]),
                sql.Identifier(self.server),
                sql.Identifier(self.server),
            )
        except QueryFailed as error:
            if error.sqlstate not in NO_SUCH_TYPES:
                raise
            raise StartError(
                f"{self.namespace}.{self.name} has a column of a type that is not here:"
                f" {error.message}",
                "create the type here as it is there, or cast the column to text in the view there",
            ) from error


class MariaAttachment(Attachment):
    """A table of a MariaDB, column by column: its own import makes too little of types."""

    user_option = "username"
    install = "install it there; Debian has it as postgresql-15-mysql-fdw"

    def _make_tables(self) -> None:
        encoding = self.session.row("show server_encoding")["server_encoding"]
        if encoding != "UTF8":
            raise StartError(
                f"this database holds text as {encoding}, and what comes from a MariaDB is UTF8",
                "make the warehouse a database with the encoding UTF8",
            )
        self.session.run(self._text("mariadb_catalogue"))
        columns = self._columns(self.name)
        if not columns:
            raise self._missing()
        cursor = next((column for column in columns if column["name"] == self.cursor), None)
        self.has_zone = cursor is not None and cursor["data_type"] == "timestamp"
        self._create(self.name, [self._definition(column) for column in columns])
        self.made.append(
            f"foreign table {self.relation} of {self.namespace}.{self.name}, {len(columns)} columns"
        )
        clock = f"{self.server}.clock"
        if self._has(clock):
            self.clock = clock
        elif self._columns("milepost_clock"):
            self._create("clock", [sql.SQL(text) for text in CLOCK], "milepost_clock")
            self.clock = clock
            self.made.append(f"foreign table {clock}: the clock of {self.namespace}")
        else:
            self._advise("mariadb")
        self._note_index("mariadb_indexed", database=self.namespace)
        for name in ("_columns", "_indexes"):
            self._run("drop foreign table {}.{}", sql.Identifier(self.server), sql.Identifier(name))

    def _columns(self, table: str) -> list[dict[str, Any]]:
        text = self._text("mariadb_columns", database=self.namespace, table=table)
        return self.session.rows(text)

    def _definition(self, column: dict[str, Any]) -> sql.Composed:
        name, kind = column["name"], column["data_type"]
        type_name = TYPES.get(kind, "text")
        if column["is_unsigned"]:
            type_name = UNSIGNED.get(kind, type_name)
        if kind == "decimal":
            type_name = f"numeric({column['precision']},{column['scale']})"
        if name == self.cursor and kind in ("datetime", "timestamp"):
            type_name = "timestamp"  # it has to be searched by, and cannot be set aside
        elif kind in TYPES_OF_TEXTS:
            self.types[name] = TYPES_OF_TEXTS[kind]
        return sql.SQL("{} {}" + (" not null" if column["is_required"] else "")).format(
            sql.Identifier(name), sql.SQL(type_name)
        )

    def _create(self, name: str, definitions: list[Any], there: str | None = None) -> None:
        self._run(
            "create foreign table {}.{} ({}) server {} {}",
            sql.Identifier(self.server),
            sql.Identifier(name),
            join(definitions),
            sql.Identifier(self.server),
            options({"dbname": self.namespace, "table_name": there or name}),
        )


class FileAttachment(Attachment):
    """A CSV file with a header, on the machine of the database server. All is text but the cursor:
    column_types gives the others their types, where a value that does not fit can be set aside.
    """

    install = PostgresAttachment.install

    def _make_tables(self) -> None:
        name = self.origin.options["filename"]
        server, schema = sql.Identifier(self.server), sql.Identifier(self.server)
        self._run(
            "create foreign table {}._lines (line text) server {} {}",
            schema,
            server,
            options({"filename": name, "format": "text", "delimiter": "\x01"}),
        )
        lines = self.session.rows(
            sql.SQL("select line from {}._lines limit 1").format(schema).as_string(None)
        )
        self._run("drop foreign table {}._lines", schema)
        header = next(csv.reader([lines[0]["line"] or ""])) if lines else []
        if self.cursor not in header:
            raise StartError(
                f"the header of {name} has no column {self.cursor}: {', '.join(header)}",
                "the first line names the columns, separated by commas",
            )
        kind = "timestamp" if self.is_local_time else "timestamptz"
        self._run(
            "create foreign table {} ({}) server {} {}",
            relation(self.relation),
            join(
                [
                    sql.SQL("{} {}").format(
                        sql.Identifier(column),
                        sql.SQL(kind if column == self.cursor else "text"),
                    )
                    for column in header
                ]
            ),
            server,
            # A column that comes, goes or moves is an error and not another column's value.
            options({"filename": name, "format": "csv", "header": "match"}),
        )
        self.made.append(f"foreign table {self.relation} of {name}, {len(header)} columns")
        self.notes.append("a file has no index: every window reads the whole file")


def view_of(source: str) -> str:
    """The view there that reads a table: shop.orders is milepost.shop_orders."""
    return source.replace(".", "_")
