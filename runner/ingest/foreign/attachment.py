"""Creates the foreign table of a source in another database, with its extension, server and user
mapping.

All are created in the caller's transaction. A password goes into the user mapping, and nowhere
else. Queries: foreign.sql.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, ClassVar, Self

from psycopg import sql

from runner.database.names import MAX_BYTES, join, relation, shortened
from runner.database.queries import named_query
from runner.database.session import QueryFailed, Session
from runner.errors import RunnerError, StartError, UsageError
from runner.ingest.foreign.address import FILE, SourceAddress
from runner.project.template import render

NOT_AVAILABLE = ("0A000", "58P01")
# Leaves room for a number at the end of the name.
MAX_SERVER_BYTES = 55
# Foreign tables that do not read a source.
RESERVED_TABLES = frozenset({"clock", "_indexes", "_columns", "_lines"})
CONTRIB = "install it there; it comes with the contrib modules of PostgreSQL"


@dataclass
class Attachment(ABC):
    """Creates the foreign table of a source; subclasses are the kinds of servers."""

    user_option: ClassVar[str]
    install: ClassVar[str]  # the hint when the extension is missing

    session: Session
    address: SourceAddress
    source: str
    cursor: str
    is_local_time: bool
    made: list[str] = field(default_factory=list)  # what was created, in words
    notes: list[str] = field(default_factory=list)  # what is doubtful
    types: dict[str, str] = field(default_factory=dict)  # those of column_types
    clock: str | None = None  # the foreign table of the clock there
    has_zone: bool = False  # the cursor has a time zone there, and arrives in UTC without one

    def __post_init__(self) -> None:
        self.namespace, _, self.name = self.source.partition(".")
        self.server, self.is_new_server = self._choose_server()
        self.local_name = self._choose_name()
        self.relation = f"{self.server}.{self.local_name}"

    def make(self) -> Self:
        """Create the foreign table and everything that it needs."""
        self._make_extension()
        self._make_server()
        self._run("create schema if not exists {server}")
        self._make_tables()
        return self

    @abstractmethod
    def _make_tables(self) -> None:
        """Create the foreign tables as this kind of server needs them."""

    def _make_extension(self) -> None:
        name = self.address.wrapper
        if self.session.named("ingest/foreign/foreign.has_extension", name=name):
            return
        try:
            self._run("create extension {name} with schema public", name=sql.Identifier(name))
        except QueryFailed as error:
            if error.sqlstate not in NOT_AVAILABLE:
                raise
            raise StartError(f"the server of the warehouse has no {name}", self.install) from error
        self.made.append(f"extension {name}")

    def _choose_server(self) -> tuple[str, bool]:
        """Return the server for this address, or a free name for a new one; whether it is new."""
        servers = {row["name"]: row for row in self.session.named("ingest/foreign/foreign.servers")}
        base = re.sub(r"\W", "_", f"from_{self.address.database}")
        base = base.encode()[:MAX_SERVER_BYTES].decode(errors="ignore")
        for name in chain([base], (f"{base}_{number}" for number in count(2))):
            found = servers.get(name)
            if not found:
                break
            is_same = found["wrapper"] == self.address.wrapper
            if is_same and self.address.place.items() <= found["options"].items():
                break
        return name, not found

    @property
    @abstractmethod
    def _remote_options(self) -> Sequence[Mapping[str, str]]:
        """The options of foreign tables that read this table, in each way that there is."""

    def _choose_name(self) -> str:
        """Return a free name for the foreign table; UsageError if it can be read here already."""
        found = self.session.named("ingest/foreign/foreign.tables", server=self.server)
        for row in found:
            for wanted in self._remote_options:
                if wanted.items() <= row["options"].items():
                    name = f"{self.server}.{row['name']}"
                    raise UsageError(
                        f"{name} exists already, and reads that table",
                        f"read it as it is: --source {name} without --from",
                    )
        taken = {row["name"] for row in found} | RESERVED_TABLES
        both = f"{self.namespace}_{self.name}"
        names = chain([self.name, both], (f"{both}_{number}" for number in count(2)))
        fit = (re.sub(r"\.+", "_", shortened(name, MAX_BYTES - len("raw_"))) for name in names)
        return next(name for name in fit if name not in taken)

    def _make_server(self) -> None:
        """Create the server if there is none, and map this role to a user on it."""
        address = self.address
        if self.is_new_server:
            self._run(
                "create server {server} foreign data wrapper {wrapper} {options}",
                wrapper=sql.Identifier(address.wrapper),
                options=options({} if address.wrapper == FILE else address.options),
            )
            place = " ".join(f"{name}={value}" for name, value in address.place.items())
            self.made.append(f"server {self.server} ({address.wrapper}) {place}".rstrip())
        if address.user:
            self._map_user(address.user)

    def _map_user(self, user: str) -> None:
        if self.session.named("ingest/foreign/foreign.is_mapped", server=self.server):
            if self.address.password is None:
                return
            self._run("drop user mapping for current_user server {server}")
        keep = "ingest/foreign/foreign.keep_password"
        self.session.named(keep, password=self.address.password or "")
        self.session.run(self._text("map_user", user_option=self.user_option, user=user))
        self.session.named(keep, password="")
        stored = "; the password is stored in this database" if self.address.password else ""
        self.made.append(f"user mapping on {self.server}: this role is {user} there{stored}")

    def _advise(self, kind: str) -> None:
        """Note that the clock there is missing, and how its owner can create it."""
        self.notes.append(
            f"{self.address.database} does not show what is still being written there; before you"
            " add this, its owner can run what this prints: python -m runner pipelines"
            f" source-sql {kind} --source {self.namespace}.{self.name} --role {self.address.user}"
        )

    def _note_index(self, query: str, **values: str) -> None:
        text = self._text(query, table=self.name, column=self.cursor, **values)
        if not self.session.rows(text):
            self.notes.append(
                f"no index of {self.namespace}.{self.name} begins with {self.cursor}: every window"
                " reads the whole table there"
            )

    def _missing(self) -> RunnerError:
        return StartError(
            f"{self.address.database} has no table {self.namespace}.{self.name}, or hides it",
            f"check its name, and the privileges of {self.address.user} there",
        )

    def _text(self, query: str, **values: Any) -> str:
        """Return a query of foreign.sql by its name, for this server."""
        names = {"server": sql.Identifier(self.server), "server_name": self.server}
        return render(
            named_query(f"ingest/foreign/foreign.{query}"),
            {**names, **values},
            "ingest/foreign/foreign.sql",
        )

    def _run(self, text: str, **values: sql.Composable) -> None:
        """Run a statement with the names of the server and of the foreign table."""
        names = {"server": sql.Identifier(self.server), "table": relation(self.relation)}
        self.session.run(sql.SQL(text).format(**names, **values).as_string(None))


def options(values: Mapping[str, str]) -> sql.Composed:
    """Return the options clause of a server or a foreign table; nothing without options."""
    pairs = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in values.items()
    ]
    return sql.SQL("options ({})").format(join(pairs)) if pairs else sql.SQL("").format()
