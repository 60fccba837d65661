"""What reads a table elsewhere from here: an extension, a server, a user on it, a foreign table.

All is made in a transaction of the caller's. A password goes into the user mapping, nowhere else.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from psycopg import sql

from runner.database import tables
from runner.database.names import join
from runner.database.queries import named_query
from runner.database.session import QueryFailed, Session
from runner.errors import RunnerError, StartError, UsageError
from runner.ingest.foreign.address import FILE, SourceAddress
from runner.project.template import render

NOT_AVAILABLE = ("0A000", "58P01")


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


class Attachment(ABC):
    """The steps that all wrappers share, and what they have made so far. The schema of the foreign
    tables is called like their server.
    """

    user_option: ClassVar[str]
    install: ClassVar[str]

    def __init__(
        self, session: Session, origin: SourceAddress, source: str, cursor: str, is_local_time: bool
    ) -> None:
        self.session = session
        self.origin = origin
        self.namespace, _, self.name = source.partition(".")
        self.cursor = cursor
        self.is_local_time = is_local_time
        self.made: list[str] = []
        self.notes: list[str] = []
        self.types: dict[str, str] = {}
        self.clock: str | None = None
        self.has_zone = False

    def make(self) -> Table:
        """All of it."""
        self._make_extension()
        self._make_server()
        self.relation = f"{self.server}.{self.name}"
        self._run("create schema if not exists {}", sql.Identifier(self.server))
        if self._has(self.relation):
            raise UsageError(
                f"{self.relation} is here already",
                f"read it as it is: --source {self.relation} without --from",
            )
        self._make_tables()
        return Table(
            self.relation,
            self.clock,
            self.types,
            self.has_zone,
            tuple(self.made),
            tuple(self.notes),
        )

    @abstractmethod
    def _make_tables(self) -> None:
        """The foreign tables, as this kind of server wants them."""

    def _make_extension(self) -> None:
        name = self.origin.wrapper
        if self.session.rows(named_query("ingest/foreign/foreign.has_extension"), {"name": name}):
            return
        try:
            self._run("create extension {}", sql.Identifier(name))
        except QueryFailed as error:
            if error.sqlstate not in NOT_AVAILABLE:
                raise
            raise StartError(
                f"the server of the warehouse has no {name}",
                self.install,
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
        servers = {
            row["name"]: row
            for row in self.session.rows(named_query("ingest/foreign/foreign.servers"))
        }
        for number in range(1, len(servers) + 2):
            self.server = base if number == 1 else f"{base}_{number}"
            found = servers.get(self.server)
            if not found or (
                found["wrapper"] == origin.wrapper and where.items() <= found["options"].items()
            ):
                break
        if self.server not in servers:
            self._run(
                "create server {} foreign data wrapper {} {}",
                sql.Identifier(self.server),
                sql.Identifier(origin.wrapper),
                options({} if origin.wrapper == FILE else origin.options),
            )
            place = " ".join(f"{name}={value}" for name, value in where.items())
            self.made.append(f"server {self.server} ({origin.wrapper}) {place}".rstrip())
        if origin.user:
            self._map_user(origin.user)

    def _map_user(self, user: str) -> None:
        named = {"server": self.server}
        if self.session.rows(named_query("ingest/foreign/foreign.is_mapped"), named):
            if self.origin.password is None:
                return
            self._run("drop user mapping for current_user server {}", sql.Identifier(self.server))
        self._keep_password(self.origin.password or "")
        self.session.run(self._text("map_user", user_option=self.user_option, user=user))
        self._keep_password("")
        self.made.append(
            f"user mapping on {self.server}: this role is {user} there; this database keeps the"
            " password"
        )

    def _keep_password(self, password: str) -> None:
        self.session.rows(
            named_query("ingest/foreign/foreign.keep_password"), {"password": password}
        )

    def _advise(self, kind: str) -> None:
        """What is missing there, and what would make it."""
        self.notes.append(
            f"{self.origin.database} does not tell what is still being written there; its owner can"
            " make it, before you add this, with what is printed by: python -m runner pipelines"
            f" source-sql {kind} --source {self.namespace}.{self.name} --role {self.origin.user}"
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
            f"look at its name and at the rights of {self.origin.user} there",
        )

    def _text(self, query: str, **values: Any) -> str:
        """A query by its name."""
        names = {"server": sql.Identifier(self.server), "server_name": self.server}
        return render(
            named_query(f"ingest/foreign/foreign.{query}"),
            {**names, **values},
            "ingest/foreign/foreign.sql",
        )

    def _run(self, text: str, *values: sql.Composable) -> None:
        self.session.run(sql.SQL(text).format(*values).as_string(None))

    def _has(self, name: str) -> bool:
        return tables.exists(self.session, name)


def options(values: Mapping[str, str]) -> sql.Composed:
    """The options of a server or a foreign table."""
    pairs = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in values.items()
    ]
    return sql.SQL("options ({})").format(join(pairs)) if pairs else sql.SQL("").format()
