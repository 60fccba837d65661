"""Tables of a MariaDB or MySQL, through mysql_fdw."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database.names import join
from runner.errors import StartError
from runner.ingest.foreign.attachment import Attachment, options
from runner.project.files import read_text, statement
from runner.project.template import render

# Types of MariaDB, as they are here; all others are text. A date there may be 0000-00-00: dates
# come as text, and get their type later, where a row without a real one can be set aside.
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
UNSIGNED_TYPES = {"smallint": "integer", "int": "bigint", "bigint": "numeric(20,0)"}
TEXT_TYPES = {
    "date": "date",
    "datetime": "timestamp without time zone",
    "timestamp": "timestamp with time zone",
    "time": "interval",
}
# The columns of a clock: sql/ingest/clock.sql.
CLOCK_COLUMNS = (
    "clock timestamptz",
    "settled timestamptz",
    "held_since timestamptz",
    "held_by text",
    "sees_all boolean",
    "horizon numeric",
    "next_xid numeric",
    "identity text",
)


class MariaDBAttachment(Attachment):
    """A table of a MariaDB, column by column, because the import of mysql_fdw loses types."""

    user_option = "username"
    install = "install it there; Debian has it as postgresql-15-mysql-fdw"

    @property
    def _remote_options(self) -> Sequence[Mapping[str, str]]:
        return ({"dbname": self.namespace, "table_name": self.name},)

    def _make_tables(self) -> None:
        encoding = self.session.row("show server_encoding")["server_encoding"]
        if encoding != "UTF8":
            raise StartError(
                f"the encoding of this database is {encoding}, and text from a MariaDB is UTF8",
                "create the warehouse in a database with encoding UTF8",
            )
        self.session.run(self._text("mariadb_catalogue"))
        columns = self._columns(self.name)
        if not columns:
            raise self._missing()
        cursor = next((column for column in columns if column["name"] == self.cursor), None)
        self.has_zone = cursor is not None and cursor["data_type"] == "timestamp"
        definitions = [self._definition(column) for column in columns]
        self._create(self.local_name, definitions, self.name)
        self.made.append(
            f"foreign table {self.relation} of {self.namespace}.{self.name}, {len(columns)} columns"
        )
        clock = f"{self.server}.clock"
        if self._has(clock):
            self.clock = clock
        elif self._columns("milepost_clock"):
            self._create("clock", [sql.SQL(text) for text in CLOCK_COLUMNS], "milepost_clock")
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
            type_name = UNSIGNED_TYPES.get(kind, type_name)
        if kind == "decimal":
            type_name = f"numeric({column['precision']},{column['scale']})"
        if name == self.cursor and kind in ("datetime", "timestamp"):
            type_name = "timestamp"  # windows search by it, and it cannot be set aside
        elif kind in TEXT_TYPES:
            self.types[name] = TEXT_TYPES[kind]
        return sql.SQL("{} {}" + (" not null" if column["is_required"] else "")).format(
            sql.Identifier(name), sql.SQL(type_name)
        )

    def _create(self, name: str, definitions: list[Any], remote_name: str | None = None) -> None:
        self._run(
            "create foreign table {}.{} ({}) server {} {}",
            sql.Identifier(self.server),
            sql.Identifier(name),
            join(definitions),
            sql.Identifier(self.server),
            options({"dbname": self.namespace, "table_name": remote_name or name}),
        )


def source_sql(project: Path, source: str, role: str) -> str:
    """Return what an administrator runs there, so that a table can be read by its clock.

    `source` is DATABASE.TABLE, `role` USER or USER@HOST.
    """
    file = statement(project, "on_mariadb")
    database, _, table = source.partition(".")
    user, _, host = role.partition("@")
    values = {
        "database": _backticked(database),
        "source": sql.SQL("{}.{}").format(_backticked(database), _backticked(table)),
        "role": sql.SQL("{}@{}").format(_backticked(user), _backticked(host or "%")),
    }
    return render(read_text(file), values, file)


def _backticked(name: str) -> sql.SQL:
    return sql.SQL("`" + name.replace("`", "``") + "`")
