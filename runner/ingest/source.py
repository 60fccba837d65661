"""Sources: tables, views and foreign tables, with their columns and their clocks."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypedDict

from psycopg import sql

from runner.database import ledger
from runner.database.names import column_of, relation
from runner.database.queries import named_query
from runner.database.session import Session
from runner.errors import StartError
from runner.ingest.columns import ROW_AGE, Column, source_columns, text_of_moment
from runner.ingest.pipelines import PipelineDefinition
from runner.project.files import read_text, statement
from runner.project.template import render

# The fields of a definition that decide which rows are read, and how they are stored. Not start_at,
# which changes when months are archived: their rows were read.
CHAIN_FIELDS = (
    *("source_relation", "cursor_column", "cursor_timezone", "key_columns"),
    *("defined_start_at", "lookback", "odd_cursors", "column_types"),
)

Kind = Literal["table", "view", "foreign"]


class Facts(TypedDict):
    """What on_postgres.sql says of a table: whether row security hides rows of it, whether it has
    child tables, and the columns of its unique indexes.
    """

    hides_rows: bool
    has_children: bool
    keys: list[list[str]] | None


@dataclass(frozen=True, slots=True)
class Clock:
    """A reading of a source's clock by sql/ingest/clock.sql; moments are text.

    No more rows can appear below `settled`; `unheld` is what it would be without the transaction
    that holds it back. Neither is ever before the watermark; `is_behind` is whether the clock is.
    `hold_is_over` is whether rows were held back for longer than max_hold. `horizon` is the oldest
    open transaction and `next_xid` the next to be assigned; both are None on other engines. `facts`
    are what another PostgreSQL says about the tables behind its views, by the name of the view.
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
    facts: Mapping[str, Facts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it was inspected. `clock_text` is the query that reads its clock, if it has one.
    `is_unique` is whether a unique index covers the key, None if that cannot be known, and
    `has_children` whether rows of child tables, which that index does not cover, are read too.
    `remote_name` is the view that a foreign table reads, and `is_monthly` whether the replica is
    partitioned by month. `dated` are the text columns that become times, each with whether it has
    a time zone.
    """

    definition: PipelineDefinition
    columns: list[Column]
    kind: Kind
    has_row_age: bool
    hides_rows: bool
    is_unique: bool | None
    clock_text: str | None
    has_children: bool = False
    remote_name: str | None = None
    is_monthly: bool = False
    identity_text: str = ""
    dated: Mapping[str, bool] = field(default_factory=dict)

    @property
    def relation(self) -> sql.Identifier:
        return relation(self.definition.source_relation)

    @property
    def cursor(self) -> Column:
        """The cursor; if the source has it as text, with the type that it gets."""
        column = self._cursor_column
        return replace(column, type=text_of_moment(self.definition, column) or column.type)

    @property
    def _cursor_column(self) -> Column:
        name = self.definition.cursor_column
        return next(column for column in self.columns if column.name == name)

    @property
    def event(self) -> Column | None:
        """The column that says when something happened, if the pipeline names one."""
        name = self.definition.event_column
        if name is None:
            return None
        found = [column for column in self.columns if column.name == name]
        if not found or not found[0].type.startswith(("timestamp", "date")):
            raise StartError(
                f"pipeline {self.definition.pipeline_name}: event_column {name} is no date or"
                f" timestamp of {self.definition.source_relation}",
                "correct event_column in orchestrator.pipeline_definitions, or set it to null",
            )
        return found[0]

    @property
    def cursor_name(self) -> sql.Composed:
        """The cursor of a row called `source` as a timestamp; null for a text that is none."""
        if not self.has_text_cursor:
            return column_of("source", self.cursor.name)
        zone = "timestamp" if self.cursor.is_naive else "timestamptz"
        return sql.SQL("orchestrator.moment({}, null::" + zone + ")").format(self.cursor_text)

    @property
    def cursor_text(self) -> sql.Composed:
        return column_of("source", self.cursor.name)

    @property
    def has_text_cursor(self) -> bool:
        return text_of_moment(self.definition, self._cursor_column) is not None

    @property
    def has_key(self) -> bool:
        return bool(self.definition.key_columns)

    @property
    def repeats_hours(self) -> bool:
        """Whether an hour of the cursor occurs twice when its clock is set back in autumn."""
        return self.cursor.is_naive and self.definition.cursor_timezone != "UTC"

    @property
    def reads_hours_twice(self) -> bool:
        """Whether such an hour is read twice, which needs a key to merge rows by."""
        return self.repeats_hours and self.has_key

    @property
    def is_postgres(self) -> bool:
        """Whether times may be infinite, and a transaction has one snapshot: of foreign tables,
        those that have the age of rows.
        """
        return self.kind != "foreign" or self.has_row_age

    @property
    def has_horizon(self) -> bool:
        """Whether rows of late transactions can be found by their age, and merged."""
        return self.has_key and self.has_row_age

    def moment(self, text: str) -> sql.Composed:
        """Return a literal of the cursor's own type, so that other servers can search by it."""
        zone = "timestamp" if self.cursor.is_naive else "timestamptz"
        return sql.SQL("{}::" + zone).format(sql.Literal(text))

    def is_recent(self, age: int) -> sql.Composed:
        """Return the condition that a row was written within the last `age` transactions."""
        row_age = "age(source.xmin)" if self.kind == "table" else f"source.{ROW_AGE}"
        return sql.SQL(row_age + " <= {}").format(sql.Literal(age))

    def chain(self, clock: Clock, session: Session) -> str:
        """Return what must be the same for two horizons to be comparable: the server and database
        that they are from, the file of the replica's rows, and a hash of all that decides which
        rows are read and what is in them: the tables and their columns, the fields of the
        definition, and whether rows are hidden.
        """
        names = {
            "source": self.relation.as_string(),
            "target": relation(self.definition.target_relation).as_string(),
        }
        [files] = session.named("ingest/source.files", **names)
        tables = sql.SQL(named_query("ingest/source.tables"))
        text = self.identity_text.replace("%", "%%")
        query = render(text, {"tables": tables}, "sql/ingest/identity.sql")
        identity = str(session.row(query, names, may_prepare=True)["identity"])
        return self.chain_of(clock, files, identity)

    def chain_of(self, clock: Clock, files: Mapping[str, Any], identity: str) -> str:
        """Return the same from the files, and the hash of the columns on both sides."""
        fields = [str(getattr(self.definition, name)) for name in CHAIN_FIELDS]
        text = "\n".join([files["source"], identity, str(self.hides_rows), *fields])
        fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"{clock.identity}/{files['target']}/{fingerprint}"


def inspect_source(session: Session, definition: PipelineDefinition, project: Path) -> Source:
    """Return what the source of a pipeline is; StartError if it cannot be read as defined."""
    columns = source_columns(session, definition)
    name, keys = relation(definition.source_relation).as_string(), list(definition.key_columns)
    target = relation(definition.target_relation).as_string()
    [nature] = session.named("ingest/source.nature", relation=name, keys=keys, target=target)
    kind: Kind = nature["kind"]
    if nature.pop("is_distributed"):
        raise StartError(
            f"{definition.source_relation} is a distributed table, or reads one: the clock of this"
            " server does not tell which of its rows are still to come",
            "read a table that is not distributed",
        )
    # Builds are only waited for if they may write the source.
    build_mark = sql.NULL if nature.pop("is_built") else sql.Literal(ledger.BUILD_MARK)
    has_age_column = any(column.name == ROW_AGE for column in columns)
    return Source(
        definition,
        [column for column in columns if column.name != ROW_AGE],
        **nature,
        has_row_age=kind == "table" or (kind == "foreign" and has_age_column),
        clock_text=_clock_text(definition, kind, project, build_mark),
        identity_text=read_text(statement(project, "identity")),
        dated=_dated(session, definition, columns),
    )


def _dated(
    session: Session, definition: PipelineDefinition, columns: Sequence[Column]
) -> dict[str, bool]:
    texts = {column.name for column in columns if column.is_text}
    wanted = {name: kind for name, kind in definition.column_types.items() if name in texts}
    rows = session.named("ingest/columns.time_types", types=[*wanted.values()]) if wanted else []
    takes_offset = {row["name"]: row["time_type"].endswith("with time zone") for row in rows}
    return {name: takes_offset[kind] for name, kind in wanted.items() if kind in takes_offset}


def _clock_text(
    definition: PipelineDefinition, kind: Kind, project: Path, build_mark: sql.Composable
) -> str | None:
    if definition.clock_relation:
        return f"select * from {relation(definition.clock_relation).as_string()}"
    return None if kind == "foreign" else clock_text(project, build_mark)


def clock_text(project: Path, build_mark: sql.Composable) -> str:
    """Return the query that reads the clock of a server; a lock on `build_mark` marks builds."""
    file = statement(project, "clock")
    return render(read_text(file), {"build_mark": sql.SQL("{}::regclass").format(build_mark)}, file)


def read_clock(session: Session, source: Source) -> Clock:
    """Read the clock of a source, or that of this server if the source has none."""
    text = source.clock_text or named_query("ingest/source.no_clock")
    definition = source.definition
    return ask_clock(session, text, definition.max_hold, definition.watermark)


def ask_clock(
    session: Session, text: str, max_hold: str = "0", watermark: str = "-infinity"
) -> Clock:
    """Read a clock by its query."""
    query = named_query("ingest/source.clock").replace("{{ clock }}", text.replace("%", "%%"))
    found = session.row(query, {"max_hold": max_hold, "watermark": watermark}, may_prepare=True)
    identity, _, facts = found.pop("identity").partition(" {")
    if not facts:
        return Clock(**found, identity=identity)
    fingerprint = hashlib.sha256(facts.encode()).hexdigest()[:8]
    return Clock(**found, identity=f"{identity}:{fingerprint}", facts=json.loads("{" + facts))
