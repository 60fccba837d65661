"""Tables of another PostgreSQL, through postgres_fdw."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg import sql

from runner.database.names import join, relation, shortened
from runner.database.session import QueryFailed
from runner.database.tables import exists
from runner.errors import StartError
from runner.ingest.foreign.attachment import CONTRIB, Attachment
from runner.ingest.source import clock_text
from runner.project.files import read_text, statement
from runner.project.template import render

NO_SUCH_SCHEMA = "HV00Q"
IMPORTED = sql.Identifier("imported by milepost")
NO_SUCH_TYPES = ("42704", "3F000")


class PostgresAttachment(Attachment):
    """A table of another PostgreSQL, or its view with the age of rows, if its owner created one."""

    user_option = "user"
    install = CONTRIB

    @property
    def _remote_options(self) -> Sequence[Mapping[str, str]]:
        view = view_of(f"{self.namespace}.{self.name}")
        return (
            {"schema_name": "milepost", "table_name": view},
            {"schema_name": self.namespace, "table_name": self.name},
        )

    def _make_tables(self) -> None:
        view, clock = view_of(f"{self.namespace}.{self.name}"), f"{self.server}.clock"
        has_clock = exists(self.session, clock)
        # A schema of its own, as a table here may have the name of a view there.
        self._run("create schema {imported}", imported=IMPORTED)
        try:
            with self.session.savepoint():
                self._import("milepost", [view] if has_clock else ["clock", view])
        except QueryFailed as error:
            if error.sqlstate != NO_SUCH_SCHEMA:
                raise
        if not has_clock and self._take("clock", "clock"):
            self.made.append(f"foreign table {clock}: the clock of {self.address.database}")
        self.clock = clock if exists(self.session, clock) else None
        if self._take(view, self.local_name):
            read = f"milepost.{view}"
        else:
            self._import(self.namespace, [self.name])
            if not self._take(self.name, self.local_name):
                raise self._missing()
            read = f"{self.namespace}.{self.name}"
        self._run("drop schema {imported}", imported=IMPORTED)
        self.made.append(f"foreign table {self.relation} of {read} in {self.address.database}")
        if self.clock is None or not read.startswith("milepost."):
            self._advise("postgres")
        self.session.run(self._text("postgres_catalogue"))
        self._note_index("postgres_indexed", namespace=self.namespace)
        self._run("drop foreign table {server}._indexes")

    def _take(self, imported: str, name: str) -> bool:
        """Rename an imported table, and move it to the server's schema; False if there is none."""
        values = {"name": imported, "schema": IMPORTED.as_string().strip('"')}
        if not self.session.named("ingest/foreign/foreign.imported", **values):
            return False
        names = {"imported": IMPORTED, "old": sql.Identifier(imported), "new": sql.Identifier(name)}
        if name != imported:
            self._run("alter foreign table {imported}.{old} rename to {new}", **names)
        self._run("alter foreign table {imported}.{new} set schema {server}", **names)
        return True

    def _import(self, namespace: str, names: list[str]) -> None:
        try:
            self._run(
                "import foreign schema {there} limit to ({names}) from server {server}"
                " into {imported} options (import_collate 'false', import_generated 'false')",
                there=sql.Identifier(namespace),
                names=join(map(sql.Identifier, names)),
                imported=IMPORTED,
            )
        except QueryFailed as error:
            if error.sqlstate not in NO_SUCH_TYPES:
                raise
            raise StartError(
                f"{self.namespace}.{self.name} has a column whose type is missing here:"
                f" {error.message}",
                "create the type in the warehouse as it is on the source server, or cast the column"
                " to text in the view there",
            ) from error


def view_of(source: str) -> str:
    """Return the name of the view there of a table, such as shop_orders for shop.orders; no other
    table's view has it.
    """
    namespace, _, name = source.partition(".")
    # If the schema contains an underscore, only a dot separates it from the table for certain.
    return shortened(f"{namespace}{'.' if '_' in namespace else '_'}{name}")


def source_sql(project: Path, source: str, role: str) -> str:
    """Return what the owner of a table runs there, so that no row of it is missed."""
    file = statement(project, "on_postgres")
    clock, identity = clock_text(project, sql.NULL), read_text(statement(project, "identity"))
    tables = sql.SQL("select tables.oid from tables")

    def fragment(text: str) -> sql.SQL:
        return sql.SQL(text.rstrip().removesuffix(";"))

    values = {
        "clock": fragment(clock),
        "identity": fragment(render(identity, {"tables": tables}, "identity.sql")),
        "view": sql.Identifier(view_of(source)),
        "view_name": view_of(source),
        "former_view_name": source.replace(".", "_"),
        "source": relation(source),
        "source_name": relation(source).as_string(),
        "role": sql.Identifier(role),
        "role_name": role,
    }
    return render(read_text(file), values, file)
