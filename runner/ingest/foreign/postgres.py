"""Tables of another PostgreSQL, through postgres_fdw."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from runner.database.names import join, relation
from runner.database.session import QueryFailed
from runner.errors import StartError
from runner.ingest.foreign.attachment import CONTRIB, Attachment
from runner.project.files import read_text, statement
from runner.project.template import render

NO_SUCH_SCHEMA = "HV00Q"
NO_SUCH_TYPES = ("42704", "3F000")


class PostgresAttachment(Attachment):
    """A table of another PostgreSQL.

    It is read through the view that shows the age of its rows, if its owner has created one.
    """

    user_option = "user"
    install = CONTRIB

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
                self.made.append(f"foreign table {clock}: the clock of {self.address.database}")
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
        self.made.append(f"foreign table {self.relation} of {read} in {self.address.database}")
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
                f"{self.namespace}.{self.name} has a column whose type is missing here:"
                f" {error.message}",
                "create the type in the warehouse as it is on the source server, or cast the column"
                " to text in the view there",
            ) from error


def view_of(source: str) -> str:
    """Return the name of the view there that reads a table: shop_orders for shop.orders."""
    return source.replace(".", "_")


def source_sql(project: Path, source: str, role: str) -> str:
    """Return what the owner of a table runs there, so that it can be read without loss."""
    file = statement(project, "on_postgres")
    tables = sql.SQL("select tables.oid from tables")
    values = {
        # Whether a build is ours is not known there.
        "clock": sql.SQL(_fragment(project, "clock", own_builds=sql.SQL("and false"))),
        "identity": sql.SQL(_fragment(project, "identity", tables=tables)),
        "view": sql.Identifier(view_of(source)),
        "source": relation(source),
        "role": sql.Identifier(role),
        "role_name": role,
    }
    return render(read_text(file), values, file)


def _fragment(project: Path, name: str, **values: sql.Composable) -> str:
    """Return a statement to put into another."""
    file = statement(project, name)
    text = render(read_text(file), values, file)
    return text.rstrip().removesuffix(";")
