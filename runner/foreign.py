"""Sources in other databases: what reads them from here, and the proof that they search for us.

Nothing here shows a password: it goes into the user mapping and nowhere else.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from psycopg import sql

from runner.database import QueryFailed, Session
from runner.errors import RunnerError, StartError, UsageError
from runner.queries import queries
from runner.replica import join, relation
from runner.shared import statement
from runner.template import render

POSTGRES, MARIADB, FILE = "postgres_fdw", "mysql_fdw", "file_fdw"
WRAPPERS = {
    "postgresql": POSTGRES,
    "postgres": POSTGRES,
    "mariadb": MARIADB,
    "mysql": MARIADB,
}
# A network that goes away is noticed, a query that hangs ends, rows come ten thousand at a time.
SERVER_OPTIONS: dict[str, dict[str, str]] = {
    POSTGRES: {
        "port": "5432",
        "fetch_size": "10000",
        "connect_timeout": "10",
        "keepalives_idle": "60",
        "keepalives_interval": "10",
        "keepalives_count": "6",
        "options": "-c statement_timeout=10min -c idle_in_transaction_session_timeout=1h",
    },
    MARIADB: {
        "port": "3306",
        "fetch_size": "10000",
        # Without it text comes as this machine speaks, and the wrapper does not look at it.
        "character_set": "utf8mb4",
        # What has a time zone arrives in UTC.
        "init_command": "SET time_zone='+00:00'",
    },
    FILE: {},
}
USER_OPTION = {POSTGRES: "user", MARIADB: "username"}
NO_SUCH_SCHEMA = "HV00Q"
NOT_AVAILABLE = ("0A000", "58P01")

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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a source is: a server with its options and a user on it, or a file."""

    wrapper: str
    database: str
    options: Mapping[str, str]
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A foreign table that was made here, and what belongs to it.

    `made` says what is new, `notes` what is doubtful; `has_zone` is whether a cursor that has no
    time zone here has one there, and arrives in UTC.
    """

    relation: str
    clock: str | None
    types: Mapping[str, str]
    has_zone: bool
    made: tuple[str, ...]
    notes: tuple[str, ...]


def origin(address: str, password: str | None) -> Origin:
    """What an address means: postgresql://, mariadb:// or mysql://, or the path of a CSV file."""
    if "://" not in address:
        return Origin(FILE, "files", {"filename": str(Path(address).absolute())})
    # Nothing of the address is repeated in an error: any part of it may be the password.
    try:
        parts = urlsplit(address)
        port, given = parts.port, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise UsageError(
            "--from is no address that can be read",
            "scheme://user@host:port/database; in a password, write @ as %40, / as %2F, : as %3A",
        ) from None
    wrapper, database = WRAPPERS.get(parts.scheme), unquote(parts.path.strip("/"))
    if wrapper is None or not database or not re.fullmatch(r"[^./]+", database):
        raise UsageError(
            "--from names no database that can be read",
            "postgresql://user@host/database, mariadb://user@host/database, or a CSV file",
        )
    options = {**SERVER_OPTIONS[wrapper], **given}
    if parts.hostname:
        options["host"] = unquote(parts.hostname)
    if port:
        options["port"] = str(port)
    if wrapper == POSTGRES:
        options["dbname"] = database
    user = unquote(parts.username) if parts.username else None
    inside = unquote(parts.password) if parts.password else None
    return Origin(wrapper, database, options, user, inside or password)


def attach(
    session: Session, origin: Origin, table: str | None, cursor: str, is_local_time: bool
) -> Table:
    """Make what reads a table elsewhere, inside a transaction of the caller's."""
    return _Attachment(session, origin, table, cursor, is_local_time).table()


def clock_beside(session: Session, source: str) -> str | None:
    """The clock of a foreign table that was made before: the one in its schema."""
    clock = f"{source.partition('.')[0]}.clock"
    kinds = [_kind(session, source), _kind(session, clock)]
    return clock if kinds == ["f", "f"] and source != clock else None


def complete(
    session: Session, pipeline_id: int, clock: str | None, types: Mapping[str, str], timezone: str
) -> None:
    """Write what a source elsewhere needs into the row of its pipeline."""
    values = {"clock": clock, "types": json.dumps(types), "timezone": timezone}
    session.row(queries("foreign.sql")["describe"], {"pipeline_id": pipeline_id, **values})


def prove_search(session: Session, source: str, cursor: str, cursor_type: str) -> str | None:
    """How another server is asked for a window; StartError if it would send the whole table.

    None where there is no other server: a file is read whole.
    """
    zone = "timestamp" if "without" in cursor_type else "timestamptz"
    bounds = ("2026-01-01 00:00:00", "2026-01-02 00:00:00")
    low, high = (sql.SQL("{}::" + zone).format(sql.Literal(bound)) for bound in bounds)
    values = {
        "source": relation(source),
        "cursor": sql.Identifier(cursor),
        "low": low,
        "high": high,
    }
    text = render(queries("foreign.sql")["explain"], values, "foreign.sql")
    plans = _plans(session.row(text)["QUERY PLAN"][0]["Plan"])
    asked = [plan.get("Remote SQL") or plan.get("Remote query") for plan in plans]
    sent = [str(query) for query in asked if query]
    for query in sent:
        if all(bound in query for bound in bounds):
            return query
    if sent:
        raise StartError(
            f"{source} cannot be searched by {cursor} where it is: every window would fetch the"
            " whole table",
            f"give {cursor} of the foreign table the type that it has there, and compute nothing",
        )
    return None


def script_for_source(kind: str, project: Path, source: str, role: str) -> str:
    """What the owner of a source runs there, so that its rows can be read without a loss."""
    file = statement(project, f"on_{kind}")
    namespace, _, table = source.partition(".")
    values: dict[str, Any]
    if kind == "postgres":
        clock = statement(project, "clock").read_text(encoding="utf-8")
        values = {
            "clock": sql.SQL(clock.rstrip().removesuffix(";")),
            "view": sql.Identifier(_view(source)),
            "source": relation(source),
            "role": sql.Identifier(role),
            "role_name": role,
        }
    else:
        user, _, host = role.partition("@")
        values = {
            "database": _backticked(namespace),
            "source": sql.SQL("{}.{}").format(_backticked(namespace), _backticked(table)),
            "role": sql.SQL("{}@{}").format(_backticked(user), _backticked(host or "%")),
        }
    return render(file.read_text(encoding="utf-8"), values, file)


class _Attachment:
    """The steps of `attach`, and what they have made so far."""

    def __init__(
        self, session: Session, origin: Origin, table: str | None, cursor: str, is_local_time: bool
    ) -> None:
        self.session = session
        self.origin = origin
        self.cursor = cursor
        self.is_local_time = is_local_time
        self.made: list[str] = []
        self.notes: list[str] = []
        self.types: dict[str, str] = {}
        self.clock: str | None = None
        self.has_zone = False
        if origin.wrapper == FILE:
            table = table or f"files.{Path(origin.options['filename']).stem}"
        elif table is None:
            raise UsageError("--source says which table to read there: SCHEMA.TABLE")
        self.namespace, _, self.name = table.partition(".")

    def table(self) -> Table:
        self._make_extension()
        self._make_server()
        self.relation = f"{self.server}.{self.name}"
        self._run("create schema if not exists {}", sql.Identifier(self.server))
        if _kind(self.session, self.relation):
            raise UsageError(
                f"{self.relation} is here already",
                f"read it as it is: --source {self.relation} without --from",
            )
        {POSTGRES: self._postgres, MARIADB: self._mariadb, FILE: self._file}[self.origin.wrapper]()
        return Table(
            self.relation,
            self.clock,
            self.types,
            self.has_zone,
            tuple(self.made),
            tuple(self.notes),
        )

    def _make_extension(self) -> None:
        name = self.origin.wrapper
        if self.session.rows(queries("foreign.sql")["has_extension"], {"name": name}):
            return
        try:
            self._run("create extension {}", sql.Identifier(name))
        except QueryFailed as error:
            if error.sqlstate not in NOT_AVAILABLE:
                raise
            raise StartError(
                f"the server of the warehouse has no {name}",
                "install it there; Debian has it as postgresql-15-mysql-fdw"
                if name == MARIADB
                else "install it there; it comes with the contributed modules of PostgreSQL",
            ) from error
        self.made.append(f"extension {name}")

    def _make_server(self) -> None:
        """The server that leads there, or a new one; with a user of this role's on it."""
        origin, base = self.origin, re.sub(r"\W", "_", f"from_{self.origin.database}")
        where = {
            name: origin.options[name]
            for name in ("host", "port", "dbname")
            if name in origin.options
        }
        servers = {row["name"]: row for row in self.session.rows(queries("foreign.sql")["servers"])}
        for number in range(1, len(servers) + 2):
            self.server = base if number == 1 else f"{base}_{number}"
            found = servers.get(self.server)
            if not found or (
                found["wrapper"] == origin.wrapper and where.items() <= found["options"].items()
            ):
                break
        if self.server not in servers:
            options = {} if origin.wrapper == FILE else origin.options
            self._run(
                "create server {} foreign data wrapper {} {}",
                sql.Identifier(self.server),
                sql.Identifier(origin.wrapper),
                _options(options),
            )
            place = " ".join(f"{name}={value}" for name, value in where.items())
            self.made.append(f"server {self.server} ({origin.wrapper}) {place}".rstrip())
        if origin.user:
            self._map_user(origin.user)

    def _map_user(self, user: str) -> None:
        named = {"server": self.server}
        if self.session.rows(queries("foreign.sql")["is_mapped"], named):
            if self.origin.password is None:
                return
            self._run("drop user mapping for current_user server {}", sql.Identifier(self.server))
        self._keep_password(self.origin.password or "")
        self.session.run(
            self._text("map_user", user_option=USER_OPTION[self.origin.wrapper], user=user)
        )
        self._keep_password("")
        self.made.append(
            f"user mapping on {self.server}: this role is {user} there; this database keeps the"
            " password"
        )

    def _keep_password(self, password: str) -> None:
        self.session.rows(queries("foreign.sql")["keep_password"], {"password": password})

    def _postgres(self) -> None:
        view, clock = _view(f"{self.namespace}.{self.name}"), f"{self.server}.clock"
        wanted = [view] if _kind(self.session, clock) else ["clock", view]
        try:
            with self.session.savepoint():
                self._import("milepost", wanted)
        except QueryFailed as error:
            if error.sqlstate != NO_SUCH_SCHEMA:
                raise
        if _kind(self.session, clock):
            self.clock = clock
            if "clock" in wanted:
                self.made.append(f"foreign table {clock}: the clock of {self.origin.database}")
        imported = f"{self.server}.{view}"
        if _kind(self.session, imported):
            if view != self.name:
                text = "alter foreign table {} rename to {}"
                self._run(text, relation(imported), sql.Identifier(self.name))
            read = f"milepost.{view}"
        else:
            self._import(self.namespace, [self.name])
            read = f"{self.namespace}.{self.name}"
        if not _kind(self.session, self.relation):
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
                "import foreign schema {} limit to ({}) from server {} into {}",
                sql.Identifier(namespace),
                join([sql.Identifier(name) for name in names]),
                sql.Identifier(self.server),
                sql.Identifier(self.server),
            )
        except QueryFailed as error:
            if error.sqlstate != "42704":
                raise
            raise StartError(
                f"{self.namespace}.{self.name} has a column of a type that is not here:"
                f" {error.message}",
                "create the type here as it is there, or cast the column to text in the view there",
            ) from error

    def _mariadb(self) -> None:
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
        if _kind(self.session, clock):
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
            _options({"dbname": self.namespace, "table_name": there or name}),
        )

    def _file(self) -> None:
        """A CSV file with a header, on the machine of the database server; all is text but the
        cursor.
        """
        name = self.origin.options["filename"]
        server, schema = sql.Identifier(self.server), sql.Identifier(self.server)
        self._run(
            "create foreign table {}._lines (line text) server {} {}",
            schema,
            server,
            _options({"filename": name, "format": "text", "delimiter": "\x01"}),
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
            _options({"filename": name, "format": "csv", "header": "match"}),
        )
        self.made.append(f"foreign table {self.relation} of {name}, {len(header)} columns")
        self.notes.append("a file has no index: every window reads the whole file")

    def _advise(self, kind: str) -> None:
        """What is missing there, and what would make it."""
        user = self.origin.user or "ROLE"
        self.notes.append(
            f"{self.origin.database} does not tell what is still being written, so rows that come"
            " late are found in the lookback only; for more, run there what this prints, before you"
            f" add the pipeline: python -m runner pipelines source-sql {kind}"
            f" --source {self.namespace}.{self.name} --role {user}"
        )

    def _note_index(self, query: str, **values: str) -> None:
        text = self._text(query, table=self.name, column=self.cursor, **values)
        if not self.session.rows(text):
            self.notes.append(
                f"no index of {self.namespace}.{self.name} begins with {self.cursor}: every window"
                " reads all of it there"
            )

    def _missing(self) -> RunnerError:
        return StartError(
            f"{self.origin.database} has no table {self.namespace}.{self.name}, or hides it",
            f"look at its name and at the rights of {self.origin.user or 'the user'} there",
        )

    def _text(self, query: str, **values: Any) -> str:
        """A query by its name. The schema of the foreign tables is called like their server."""
        names = {"server": sql.Identifier(self.server), "server_name": self.server}
        return render(queries("foreign.sql")[query], {**names, **values}, "foreign.sql")

    def _run(self, text: str, *values: sql.Composable) -> None:
        self.session.run(sql.SQL(text).format(*values).as_string(None))


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


def _view(source: str) -> str:
    """The view there that reads a table: shop.orders is milepost.shop_orders."""
    return source.replace(".", "_")


def _backticked(name: str) -> sql.SQL:
    return sql.SQL("`" + name.replace("`", "``") + "`")


def _options(options: Mapping[str, str]) -> sql.Composed:
    pairs = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in options.items()
    ]
    return sql.SQL("options ({})").format(join(pairs)) if pairs else sql.SQL("").format()


def _kind(session: Session, name: str) -> str | None:
    values = {"relation": relation(name).as_string(None)}
    found = session.rows(queries("foreign.sql")["relation_kind"], values)
    return found[0]["kind"] if found else None


def _plans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _plans(part)
