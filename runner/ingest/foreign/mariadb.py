"""Tables of a MariaDB or MySQL, through mysql_fdw."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg import sql

from runner.database.names import join
from runner.database.session import Row
from runner.database.tables import exists
from runner.errors import StartError
from runner.ingest.foreign.attachment import Attachment, options
from runner.project.files import read_text, statement
from runner.project.template import render


class MariaDBAttachment(Attachment):
    """A table of a MariaDB, created column by column, as mysql_fdw's import would lose types."""

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
        self.has_zone = any(each["has_zone"] for each in columns if each["name"] == self.cursor)
        self.types = {each["name"]: each["later_type"] for each in columns if each["later_type"]}
        self._run(
            "create foreign table {table} ({columns}) server {server} {options}",
            columns=join([_definition(column) for column in columns]),
            options=options({"dbname": self.namespace, "table_name": self.name}),
        )
        self.made.append(
            f"foreign table {self.relation} of {self.namespace}.{self.name}, {len(columns)} columns"
        )
        clock = f"{self.server}.clock"
        if exists(self.session, clock):
            self.clock = clock
        elif self._columns("milepost_clock"):
            self.session.run(self._text("mariadb_clock", database=self.namespace))
            self.clock = clock
            self.made.append(f"foreign table {clock}: the clock of {self.namespace}")
        else:
            self._advise("mariadb")
        self._note_index("mariadb_indexed", database=self.namespace)
        self._run("drop foreign table {server}._columns, {server}._indexes")

    def _columns(self, table: str) -> list[Row]:
        values = {"database": self.namespace, "table": table, "cursor": self.cursor}
        return self.session.rows(self._text("mariadb_columns", **values))


def _definition(column: Row) -> sql.Composed:
    form = "{} {} not null" if column["is_required"] else "{} {}"
    return sql.SQL(form).format(sql.Identifier(column["name"]), sql.SQL(column["arrives_as"]))


def source_sql(project: Path, source: str, role: str) -> str:
    """Return what an administrator runs there, so that a table can be read with a clock.

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
