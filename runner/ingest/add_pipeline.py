"""A new pipeline: its row, and for a source in another database what reads it from here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.database.queries import named_query
from runner.database.session import QueryFailed, Session
from runner.errors import UsageError
from runner.ingest import preflight
from runner.ingest.foreign import attach as foreign
from runner.ingest.foreign.address import PASSWORD, SourceAddress, origin
from runner.ingest.source import look, read_clock


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    row: Mapping[str, Any]
    origin: SourceAddress | None
    timezone: str | None
    types: Mapping[str, str]

    @property
    def lacks_password(self) -> bool:
        """Whether there is a user elsewhere, and nothing was said of a password."""
        return bool(self.origin and self.origin.user and self.origin.password is None)

    def with_password(self, password: str) -> Wanted:
        assert self.origin is not None
        return replace(self, origin=replace(self.origin, password=password))


@dataclass(frozen=True, slots=True)
class Added:
    """What there is now: things in words, the row, and what is doubtful."""

    made: list[str]
    row: dict[str, Any]
    warnings: list[str]


def read(
    address: str | None,
    source_relation: str | None,
    timezone: str | None,
    types: tuple[str, ...],
    key_columns: tuple[str, ...],
    **row: Any,
) -> Wanted:
    """Read the options of `pipelines add`."""
    if address is None and source_relation is None:
        raise UsageError("--source says which table to read: SCHEMA.TABLE")
    if source_relation is not None and not all(source_relation.partition(".")):
        raise UsageError("--source names a table and its schema: SCHEMA.TABLE")
    pairs = [pair.partition("=") for pair in types]
    if not all(name and type_name for name, _, type_name in pairs):
        raise UsageError("--type is COLUMN=TYPE")
    return Wanted(
        {**row, "source_relation": source_relation, "key_columns": list(key_columns)},
        origin(address, os.environ.get(PASSWORD) or None) if address else None,
        timezone,
        {name: type_name for name, _, type_name in pairs},
    )


def add(session: Session, wanted: Wanted, project: Path) -> Added:
    """Make what is wanted, inside a transaction of the caller's."""
    row, cursor = dict(wanted.row), wanted.row["cursor_column"]
    # How many rows another server has in a year is not known here.
    row["window_size"] = row["window_size"] or ("30 days" if wanted.origin else "1 year")
    made: list[str] = []
    warnings: list[str] = []
    clock, types, has_zone = None, dict(wanted.types), False
    if wanted.origin:
        is_local_time = wanted.timezone is not None
        table = foreign.attach(
            session, wanted.origin, row["source_relation"], cursor, is_local_time
        )
        row["source_relation"], clock, has_zone = table.relation, table.clock, table.has_zone
        types = {**table.types, **types}
        made, warnings = [*table.made], [*table.notes]
    else:
        clock = foreign.clock_beside(session, row["source_relation"])
    _check(session, types, wanted.timezone)
    pipeline_id = _insert(session, row)
    foreign.complete(session, pipeline_id, clock, types, wanted.timezone or "UTC")
    definition = session.row(
        named_query("ingest/pipeline.definition"), {"pipeline_id": pipeline_id}
    )
    source = look(session, definition, project)
    warnings += preflight.findings(session, source)
    if source.is_naive:
        warnings += _doubts_of_zone(cursor, wanted.timezone, has_zone)
    shown = session.rows(named_query("ingest/pipelines.pipeline"), {"name": row["name"]})[0]
    if source.kind != "table":
        shown["asked there"] = foreign.prove_search(
            session, row["source_relation"], cursor, source.cursor.type
        )
    promise = source.promise(read_clock(session, source, definition["watermark"]))
    shown["guarantee"] = f"{promise.word}: {promise.sentence}"
    return Added(made, shown, warnings)


def _check(session: Session, types: Mapping[str, str], timezone: str | None) -> None:
    """That the server knows what was named."""
    for column, type_name in types.items():
        found = session.row(
            "select to_regtype(%(type_name)s) is not null as found", {"type_name": type_name}
        )
        if not found["found"]:
            raise UsageError(
                f"--type {column}={type_name}: there is no such type", "for example date"
            )
    try:
        with session.savepoint():
            session.row("select now() at time zone %(zone)s::text as here", {"zone": timezone})
    except QueryFailed as error:
        raise UsageError(f"--timezone: {error.reason}", "a name such as Europe/Paris") from error


def _insert(session: Session, row: dict[str, Any]) -> int:
    try:
        return int(session.row(named_query("ingest/pipelines.add_pipeline"), row)["pipeline_id"])
    except QueryFailed as error:
        if error.sqlstate != "23505":
            raise
        raise UsageError(
            f"there is a pipeline {row['name']} already, or one into the same replica",
            "choose another name, and another replica with --into SCHEMA.TABLE",
        ) from error


def _doubts_of_zone(cursor: str, timezone: str | None, has_zone: bool) -> list[str]:
    if has_zone and timezone not in (None, "UTC"):
        raise UsageError(
            f"{cursor} means the same moment everywhere, and arrives in UTC", "leave out --timezone"
        )
    if has_zone or timezone:
        return []
    return [f"{cursor} has no time zone: it is read as UTC; --timezone names another"]
