"""Connections, transactions and locks. Only this module catches errors of psycopg."""

import contextlib
import logging
import operator
import os
import re
import socket
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from runner.database.queries import named_query
from runner.errors import CONVERT, RunnerError, StartError

# The first key of an advisory lock; the second is the id of a pipeline, or the number of a name.
PIPELINE_LOCK = 0x4D50_0001
REPLICA_LOCK = 0x4D50_0002
BUILD_LOCK = 0x4D50_0003
LOAD_LOCK = 0x4D50_0004
SCHEMA_LOCK = 0x4D50_0005

# For every session. Set by statements, because the address may have `options` already.
SETTINGS = (
    # First: on another path, a role that may create functions in one of its schemas could have its
    # own run by this role in place of PostgreSQL's. All other names are written with their schema.
    "set search_path = pg_catalog, pg_temp;"
    " set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set client_min_messages = 'warning';"
    # Values that are kept or compared as text are always written in the same way.
    " set intervalstyle = 'postgres'; set extra_float_digits = 1; set bytea_output = 'hex';"
    " set xmloption = 'content'; set quote_all_identifiers = off;"
    " set idle_session_timeout = 0"  # one session holds the locks while another works
)

CONNECTION_LOST = "08006"
WRITES = re.compile(r"^(insert|update|delete) (?:into |from )?(\S+)", re.MULTILINE)

LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
UNDEFINED_COLUMN = "42703"
UNDEFINED_TABLE = "42P01"
OTHER_COLUMNS = "42P16"  # a view whose columns would not stay
OTHER_KIND = "42809"  # a view where a table was meant, or the other way round
NO_FILE = "58P01"
HINTS = {
    "22021": f"the text is not in the encoding of the database: {CONVERT}",
    "23505": "the constraint named here allows one row per key: remove the duplicates, or give the"
    " table another key",
    "42501": "grant the privilege to this role, or name another role in DATABASE_URL",
    "57014": "it took too long or somebody cancelled it: allow a longer statement_timeout",
}

# psycopg logs lost connections, which it also raises as errors.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

Row = dict[str, Any]


class QueryFailed(RunnerError):
    """The server refused a statement, or the connection was lost.

    `sqlstate` is the error code, `context` where in the server it was raised, and `reason` the
    message without file and line.
    """

    def __init__(
        self, message: str, hint: str | None, sqlstate: str | None, context: str = "", why: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.sqlstate, self.context, self.reason = sqlstate, context, why or message

    def within(self, what: str) -> "QueryFailed":
        """Return the same error, whose message begins with what it is about."""
        return QueryFailed(
            f"{what}: {self.message}", self.hint, self.sqlstate, self.context, self.reason
        )

    def is_one_of(self, *codes: str) -> bool:
        """Whether the error code is one of these, or begins as one of them."""
        return (self.sqlstate or "").startswith(codes)


class LockHeld(StartError):
    """Another runner holds the lock."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of a table that the open transaction has written so far."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(*map(operator.add, astuple(self), astuple(other)))


class Session:
    """One connection, in autocommit outside `transaction()`; its time zone is UTC. `on_wait` gets a
    message if a lock takes long. Errors of psycopg are raised as QueryFailed.
    """

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.connection = connection
        self.backend_pid = connection.info.backend_pid
        self.on_wait: Callable[[str], object] = lambda message: None
        self._written: dict[str, Changes] = {}

    def run(self, text: str, file: Path | str | None = None) -> int:
        """Run one or more statements; return how many rows the first wrote. An error names the file
        and, if the server knows it, the line.
        """
        with _translated(text, file):
            cursor = self.connection.execute(sql.SQL(text), prepare=False)
            rows, said = cursor.rowcount, [cursor.statusmessage or ""]
            while cursor.nextset():
                said.append(cursor.statusmessage or "")
            self._count(text, said)
            return rows

    def _count(self, text: str, said: Sequence[str]) -> None:
        """Count the rows that statements wrote, by table, from their command tags."""
        written = (each for each in said if each.startswith(("INSERT", "UPDATE", "DELETE")))
        rows = [int(each.split()[-1]) for each in written]
        found = WRITES.findall(text)
        for (verb, table), n in zip(found, rows, strict=False) if len(found) == len(rows) else ():
            changes = Changes(*(n * (verb == each) for each in ("insert", "update", "delete")))
            self._written[table] = self._written.get(table, Changes()) + changes

    def rows(
        self, query: str, values: Mapping[str, Any] | None = None, may_prepare: bool = False
    ) -> list[Row]:
        """Run a query with parameters; return its rows, none for a statement that returns none.

        If it reads only catalogs and the ledger, the types of its columns never change: it
        `may_prepare`, which psycopg does with a query that is often repeated.
        """
        with _translated(query, None):
            cursor = self.connection.execute(
                sql.SQL(query), values, prepare=None if may_prepare else False
            )
            return cursor.fetchall() if cursor.description else []

    def row(
        self, query: str, values: Mapping[str, Any] | None = None, may_prepare: bool = False
    ) -> Row:
        """Return the first row of a query that always has one."""
        return self.rows(query, values, may_prepare)[0]

    def value(self, query: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return the first value of the first row."""
        return next(iter(self.row(query, values).values()))

    def named(self, query: str, /, **values: Any) -> list[Row]:
        """Run a query of a .sql file in the package, such as `database/ledger.begin_run`."""
        return self.rows(named_query(query), values, may_prepare=True)

    def query(self, text: str, file: Path | None) -> list[Row]:
        """Run the statements of a file, without parameters; return the rows of the last one."""
        with _translated(text, file):
            cursor = self.connection.execute(sql.SQL(text), prepare=False)
            while cursor.nextset():
                pass
            return cursor.fetchall()

    def columns(self, text: str, file: Path | None) -> list[str]:
        """Run a query without parameters; return the names of its columns."""
        with _translated(text, file):
            return [each.name for each in self.connection.execute(sql.SQL(text)).description or ()]

    def copy(self, statement: str, content: Iterable[bytes]) -> int:
        """Send content to a `copy ... from stdin`, block by block; return how many rows it has."""
        with _translated("", None), self.connection.cursor() as cursor:
            with cursor.copy(sql.SQL(statement)) as copy:
                for block in content:
                    copy.write(block)
            return cursor.rowcount

    @contextmanager
    def copy_out(self, statement: str) -> Iterator[Iterator[bytes]]:
        """Yield the blocks that a `copy ... to stdout` sends; leaving early cancels it."""
        with _translated("", None), self.connection.cursor().copy(sql.SQL(statement)) as copy:
            yield map(bytes, copy)

    def copy_rows(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Send rows of values to a `copy ... from stdin`."""
        with _translated("", None), self.connection.cursor().copy(sql.SQL(statement)) as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run what is inside in a transaction with one snapshot; roll back on any exception."""
        with _translated("", None):
            self.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._written.clear()
            with self.connection.transaction():
                yield

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run what is inside in a savepoint: any exception rolls back that part alone."""
        with _translated("", None), self.connection.transaction():
            yield

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Run what is inside and roll it back, even on success: in a transaction with one snapshot,
        or in a savepoint of the open one.
        """
        with _translated("", None):
            if self.connection.info.transaction_status == TransactionStatus.IDLE:
                self.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with self.connection.transaction(force_rollback=True):
                yield

    def cancel(self) -> None:
        """Cancel the statement that runs on this connection; call this from another thread."""
        with contextlib.suppress(psycopg.Error):
            self.connection.cancel_safe(timeout=5)

    @contextmanager
    def lock(self, kind: int, number: int, what: str, mode: str = "") -> Iterator[None]:
        """Hold an advisory lock, or raise LockHeld, which says who has it. Take it before the first
        query of a transaction. In mode `_shared`, several sessions may hold it at once.
        """
        keys = {"kind": kind, "number": number}
        if not self.value(f"select pg_try_advisory_lock{mode}(%(kind)s, %(number)s)", keys):
            text = ": {application_name}, server process {pid}, since {since}"
            holders = self.named("database/session.lock_holders", **keys)
            who = text.format(**holders[0]) if holders else ""
            raise LockHeld(f"{what} is already running{who}", "wait for it to end")
        try:
            yield
        finally:
            if not self.connection.closed:
                self.rows(f"select pg_advisory_unlock{mode}(%(kind)s, %(number)s)", keys)

    def changes(self, table: str) -> Changes:
        """Return what the open transaction has done to a table; zeros if there is no such table.

        The server counts no rows of a table that stores them elsewhere, such as on workers of a
        cluster. Then the command tags count, in which upserted rows are inserted ones.
        """
        counted = Changes(**self.named("database/session.changes", table=table)[0])
        return counted if counted != Changes() else self._written.get(table, Changes())


class Database:
    """A database on a server, which opens sessions."""

    def __init__(self, conninfo: str) -> None:
        """StartError if PostgreSQL cannot read the connection string, or not as it was meant: any
        part of it may be the password, so nothing of it is repeated, and no other error may do so.
        """
        try:
            parts = conninfo_to_dict(conninfo)
        except psycopg.Error:
            parts = {"port": "unreadable"}
        # What follows an @ or / that was not encoded in a password lands in the host or the port.
        host, port = (str(parts.get(name, "")) for name in ("host", "port"))
        if "@" in host[1:] or not re.fullmatch(r"[\d,]*", port):
            raise StartError(
                "cannot connect: DATABASE_URL is not a valid connection string",
                "postgresql://user@host:port/database; in a password, write @ as %40, / as %2F, %"
                " as %25, or leave it to ~/.pgpass",
            )
        self.conninfo = conninfo

    @contextmanager
    def session(self, name: str = "milepost") -> Iterator[Session]:
        """Open a connection, and close it at the end; StartError if that is impossible."""
        try:
            connection = psycopg.connect(
                self.conninfo,
                autocommit=True,
                row_factory=dict_row,
                application_name=f"{name} ({host()})",
            )
        except psycopg.Error as error:
            if "unsupported startup parameter" in str(error):
                raise _pooler() from error
            raise StartError(
                f"cannot connect: {_first_line(error)}",
                "check DATABASE_URL or the PG* variables; without them the embedded server is used",
            ) from error
        with contextlib.closing(connection):  # an open transaction is rolled back
            session = Session(connection)
            session.run(SETTINGS)
            with contextlib.suppress(QueryFailed):  # not on every platform
                session.run("set client_connection_check_interval = '2s'")
            yield session

    def refuse_pooler(self, one: Session, other: Session) -> None:
        """Raise StartError behind a pooler in transaction mode, where no session can hold a lock.

        Two direct connections are two server processes that never change. Behind such a pooler they
        share one, or change it while the other is in a transaction.
        """
        pid = "select pg_backend_pid()"
        before = one.value(pid)
        with other.transaction():
            if other.value(pid) == before or one.value(pid) != before:
                raise _pooler()


def _pooler() -> StartError:
    return StartError(
        "this connection goes through a pooler in transaction mode, which does not keep locks",
        "set DATABASE_URL to the server itself, or to a pooler in session mode",
    )


def host() -> str:
    """Return this machine and process, as rows of orchestrator.runs name them."""
    return f"{socket.gethostname()}:{os.getpid()}"


def lock_number(name: str) -> int:
    """Return the number of the lock for a name."""
    return zlib.crc32(name.encode()) & 0x7FFF_FFFF


@contextmanager
def _translated(text: str, file: Path | str | None) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise _failure(error, text, file) from error


def _failure(error: psycopg.Error, text: str, file: Path | str | None) -> QueryFailed:
    diagnosis = error.diag
    message = diagnosis.message_primary or _first_line(error)
    if diagnosis.constraint_name and diagnosis.constraint_name not in message:
        message = f"{message} ({diagnosis.constraint_name})"
    if diagnosis.message_detail:
        message = f"{message}: {diagnosis.message_detail}"
    reason = " ".join(message.split())
    if error.sqlstate:
        message = f"{message} ({error.sqlstate})"
    if file is not None:
        position = diagnosis.statement_position
        line = f":{text.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
        message = f"{file}{line}: {message}"
    hint, context = diagnosis.message_hint, diagnosis.context or ""
    hint = hint or HINTS.get(error.sqlstate or "")
    if error.sqlstate == NO_FILE:  # what the server says is about \copy
        hint = "the file is looked for on the machine of the database server"
    # Errors of the driver itself have no code: to it, the connection is lost.
    is_gone = error.sqlstate is None and isinstance(error, psycopg.OperationalError)
    sqlstate = CONNECTION_LOST if is_gone else error.sqlstate
    return QueryFailed(" ".join(message.split()), hint, sqlstate, context, reason)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
