"""What a source is: a table, a view or a foreign table; its clock; what can be promised of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from psycopg import sql

from runner.database.names import relation
from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.columns import ROW_AGE, Column, source_columns
from runner.project.files import statement

# Ages of transactions are compared modulo 2^32: beyond half of that they say nothing.
OLDEST_HORIZON = 2**31 - 1_000_000

# What in a definition says which rows are looked at, and as what they are stored.
TERMS = (
    "source_relation",
    "cursor_column",
    "cursor_timezone",
    "key_columns",
    "start_at",
    "lookback",
    "odd_cursors",
    "column_types",
)
# What of a source a run has looked through: its window, the lookback too, or the whole table.
Reach = Literal["window", "lookback", "table"]
EXACT = {
    "window": "the window is in the replica as the source had it",
    "lookback": "the window is in the replica as the source had it, and so is what came late or"
    " changed up to {lookback} before it; older rows are as of the last sweep, deletes as of the"
    " last reconcile",
    "table": "every row up to the watermark is in the replica as the source had it; deletes are as"
    " of the last reconcile",
}

Kind = Literal["table", "view", "foreign"]


@dataclass(frozen=True, slots=True)
class Clock:
    """A source's clock, as sql/ingest/clock.sql reads it; moments as text.

    `settled`, and `unheld` as it would be if nobody held it, are never before the watermark;
    `is_behind` says that the clock itself is. `horizon` is the oldest transaction that is open,
    `next_xid` the next that will be given; None where the engine has no such thing.
    """

    clock: str
    settled: str
    unheld: str
    is_behind: bool
    held_since: str | None
    held_by: str | None
    hold_is_over: bool
    sees_all: bool
    horizon: int | None
    next_xid: int | None
    identity: str


@dataclass(frozen=True, slots=True)
class Promise:
    """What a run guarantees, as one word and as a sentence."""

    word: str | None
    sentence: str | None

    def but(self, reservation: str) -> Promise:
        """The same with a reservation."""
        parts = [part for part in (self.sentence, reservation) if part]
        return Promise(self.word, "; ".join(parts))


NOTHING = Promise(None, None)


@dataclass(frozen=True, slots=True)
class Source:
    definition: dict[str, Any]
    columns: list[Column]
    kind: Kind
    has_row_age: bool
    hides_rows: bool
    is_unique: bool | None
    clock_text: str | None

    @property
    def relation(self) -> sql.Identifier:
        return relation(self.definition["source_relation"])

    @property
    def cursor(self) -> Column:
        name = self.definition["cursor_column"]
        return next(column for column in self.columns if column.name == name)

    @property
    def cursor_name(self) -> sql.Composed:
        return sql.SQL("source.{}").format(sql.Identifier(self.cursor.name))

    @property
    def is_naive(self) -> bool:
        """Whether the cursor has no time zone of its own."""
        return self.cursor.type.startswith("timestamp") and "with time zone" not in self.cursor.type

    @property
    def has_key(self) -> bool:
        return bool(self.definition["key_columns"])

    @property
    def repeats_hours(self) -> bool:
        """Whether the clock of the cursor is set back in autumn: an hour comes twice."""
        return self.is_naive and self.definition["cursor_timezone"] != "UTC"

    @property
    def reads_hours_twice(self) -> bool:
        """Whether that hour is read twice, and merged."""
        return self.repeats_hours and self.has_key

    @property
    def is_postgres(self) -> bool:
        """Whether it knows infinite moments, and shows one snapshot to all statements of a
        transaction. Of a foreign table only what it shows is known.
        """
        return self.kind != "foreign" or self.has_row_age

    @property
    def has_horizon(self) -> bool:
        """Whether the rows of late transactions can be told from the others, and merged."""
        return self.has_key and self.has_row_age

    def moment(self, text: str) -> sql.Composed:
        """A moment as a literal of the cursor's own type: other databases can then search by it."""
        zone = "timestamp" if self.is_naive else "timestamptz"
        return sql.SQL("{}::" + zone).format(sql.Literal(text))

    def is_recent(self, age: int) -> sql.Composed:
        """That a row was written within the last `age` transactions."""
        row_age = "age(source.xmin)" if self.kind == "table" else f"source.{ROW_AGE}"
        return sql.SQL(row_age + " <= {}").format(sql.Literal(age))

    def chain(self, clock: Clock, session: Session) -> str:
        """What horizons have to have in common to be compared: the server and database that gave
        them, the tables of the source, the file of the replica's rows, the columns, and the terms
        of the definition that say which rows are looked at.
        """
        files = session.row(
            named_query("ingest/pipeline.files"),
            {
                "source": self.relation.as_string(),
                "target": relation(self.definition["target_relation"]).as_string(),
            },
        )
        columns = sorted(f"{column.name} {column.type}" for column in self.columns)
        terms = [str(self.definition[term]) for term in TERMS]
        text = "\n".join([files["source"], *columns, *terms])
        fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"{clock.identity}/{files['target']}/{fingerprint}"

    def promise(self, clock: Clock, scope: Reach = "lookback") -> Promise:
        """What a run may say that has looked through a scope."""
        lookback, has_key = self.definition["lookback"], self.has_key
        if reason := self._flaw():
            return Promise("best_effort", f"rows may be missing: {reason}")
        if self.has_horizon and clock.horizon is not None:
            return Promise("exact", EXACT[scope].format(lookback=lookback))
        if clock.sees_all and (has_key or (self.cursor.is_required and not self.repeats_hours)):
            late = (
                f"dated or changed more than {lookback} behind it are not seen before a sweep"
                if has_key
                else "dated behind it, or changed, are missed"
            )
            return Promise(
                "settled",
                "no transaction was open that could still write into the window; rows that are"
                f" {late}",
            )
        if has_key and lookback != "00:00:00":
            return Promise(
                "lookback",
                f"rows that come or change up to {lookback} late are found, later ones are not:"
                f" {self._why(clock)}",
            )
        return Promise("best_effort", f"rows that come late are missed: {self._why(clock)}")

    def _flaw(self) -> str | None:
        """What no protocol can make good."""
        if self.hides_rows:
            return "row security hides rows of the source from this role"
        if self.has_key and self.is_unique is False:
            return "no unique index is on the key, and rows of one key would become one"
        return None

    def _why(self, clock: Clock) -> str:
        if self.kind == "foreign" and self.clock_text:
            return "its server does not show all that is still being written"
        if self.kind == "foreign":
            return "who writes to the source is known to its own server alone"
        if self.repeats_hours:
            return (
                "an hour of the cursor comes twice in autumn, and there is no key to tell rows by"
            )
        if not clock.sees_all:
            return "this role cannot see the transactions of others (pg_read_all_stats)"
        return "the cursor may be null, and there is no key to find such rows again"


def look(session: Session, definition: dict[str, Any], project: Path) -> Source:
    """What the source of a pipeline is; StartError if it, its cursor or its key is not there."""
    columns = source_columns(session, definition)
    found = session.row(
        named_query("ingest/pipeline.nature"),
        {
            "relation": relation(definition["source_relation"]).as_string(),
            "keys": definition["key_columns"],
        },
    )
    kind: Kind = found["kind"]
    names = [column.name for column in columns]
    return Source(
        definition,
        [column for column in columns if column.name != ROW_AGE],
        kind,
        kind == "table" or (kind == "foreign" and ROW_AGE in names),
        found["hides_rows"],
        found["is_unique"],
        _clock_text(definition, kind, project),
    )


def _clock_text(definition: dict[str, Any], kind: Kind, project: Path) -> str | None:
    if definition["clock_relation"]:
        return (
            sql.SQL("select * from {}").format(relation(definition["clock_relation"])).as_string()
        )
    return None if kind == "foreign" else statement(project, "clock").read_text(encoding="utf-8")


def read_clock(session: Session, source: Source, watermark: str) -> Clock:
    """The clock of a source now; where nobody tells it, that of this server, which sees nothing."""
    text = source.clock_text or named_query("ingest/pipeline.no_clock")
    query = named_query("ingest/pipeline.clock").replace("{{ clock }}", text.replace("%", "%%"))
    values = {"max_hold": source.definition["max_hold"], "watermark": watermark}
    found = session.row(query, values)
    for name in ("horizon", "next_xid"):
        found[name] = None if found[name] is None else int(found[name])
    return Clock(**found)
