"""Adds a pipeline and, for a source in another database, the foreign table that reads it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from runner.database import tables, zones
from runner.database.names import MAX_BYTES, fits, shortened
from runner.database.session import QueryFailed, Session
from runner.errors import UsageError, did_you_mean
from runner.ingest import preflight
from runner.ingest.foreign.address import PASSWORD_VARIABLE, SourceAddress, parse_address
from runner.ingest.foreign.attach import attach, remote_query
from runner.ingest.pipelines import is_type, read_definition
from runner.ingest.promise import promise_of
from runner.ingest.replica import refuse_strangers
from runner.ingest.source import inspect_source, read_clock
from runner.project.target import RAW_SCHEMA

UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True, slots=True)
class PipelineRequest:
    """What to add: the new row by column, and the address of a source in another database."""

    row: Mapping[str, Any]
    address: SourceAddress | None
    timezone: str | None
    types: Mapping[str, str]

    @property
    def lacks_password(self) -> bool:
        """Whether the address has a user, but no password was given, not even an empty one."""
        return bool(self.address and self.address.user and self.address.password is None)

    def with_password(self, password: str) -> Self:
        """Return the same request with the password of the user."""
        assert self.address is not None
        return replace(self, address=replace(self.address, password=password))


@dataclass(frozen=True, slots=True)
class Added:
    """What was added: descriptions of the created objects, the row as it is shown, and warnings."""

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
) -> PipelineRequest:
    """Read the options of `pipelines add`; UsageError if they are incomplete or contradictory."""
    if address is None and source_relation is None:
        raise UsageError("--source is missing", "name the table to read: --source SCHEMA.TABLE")
    for option, name in (("--source", source_relation), ("--into", row.get("target_relation"))):
        if name is not None:
            _refuse_name(option, name)
    if not row["name"].strip():
        raise UsageError("the name of the pipeline is empty", "python -m runner pipelines add NAME")
    if row["write_mode"] == "upsert" and not key_columns:
        hint = "name the columns that identify a row: --key COLUMN"
        raise UsageError("--mode upsert needs a key, and none is named", hint)
    pairs = [pair.partition("=") for pair in types]
    if not all(name and type_name for name, _, type_name in pairs):
        raise UsageError("--type is COLUMN=TYPE")
    password = os.environ.get(PASSWORD_VARIABLE) or None
    return PipelineRequest(
        {**row, "source_relation": source_relation, "key_columns": list(key_columns)},
        parse_address(address, password) if address else None,
        timezone,
        {name: type_name for name, _, type_name in pairs},
    )


def _refuse_name(option: str, name: str) -> None:
    """Refuse what is not SCHEMA.TABLE, and names that PostgreSQL would truncate."""
    parts = name.split(".")
    if len(parts) < 2 or not all(parts):
        raise UsageError(f"{option} names a table with its schema: SCHEMA.TABLE")
    if len(parts) > 2:
        hint = "write SCHEMA.TABLE; a view can give a source a name without a dot"
        raise UsageError(f"{option} {name}: a name with a dot in it cannot be used", hint)
    for part in parts:
        if not fits(part):
            raise UsageError(
                f"{option}: {part} has more than {MAX_BYTES} bytes, which PostgreSQL truncates",
                f"its name there is {part.encode()[:MAX_BYTES].decode(errors='ignore')}",
            )


def add(session: Session, wanted: PipelineRequest, project: Path) -> Added:
    """Add a pipeline in the caller's transaction; UsageError if an option does not fit."""
    row, cursor = dict(wanted.row), wanted.row["cursor_column"]
    # A year of a remote source may be too many rows.
    row["window_size"] = row["window_size"] or ("30 days" if wanted.address else "1 year")
    made: list[str] = []
    warnings: list[str] = []
    types, has_zone = dict(wanted.types), False
    if wanted.address:
        is_local_time = wanted.timezone is not None
        table = attach(session, wanted.address, row["source_relation"], cursor, is_local_time)
        row["source_relation"], clock, has_zone = table.relation, table.clock, table.has_zone
        types = {**table.types, **types}
        made, warnings = table.made, table.notes
    else:
        clock = _clock_beside(session, row["source_relation"])
    _check(session, types, wanted.timezone, row["window_size"])
    _check_target(session, row)
    zone = wanted.timezone or "UTC"
    more = {"clock": clock, "types": json.dumps(types), "timezone": zone}
    pipeline_id = _insert(session, row | more)
    definition = read_definition(session, pipeline_id)
    source = inspect_source(session, definition, project)
    known = [column.name for column in source.columns]
    for name in wanted.types:
        if name not in known:
            raise UsageError(
                f"--type {name}={types[name]}: {definition.source_relation} has no such column",
                did_you_mean(name, known, f"its columns are {', '.join(known)}"),
            )
    warnings += preflight.findings(session, source)
    if source.cursor.is_naive and has_zone and wanted.timezone not in (None, "UTC"):
        hint = "omit --timezone"
        raise UsageError(f"{cursor} has a time zone in the source, and is read in UTC", hint)
    if source.cursor.is_naive and not has_zone and not wanted.timezone:
        warnings.append(f"{cursor} has no time zone and is read as UTC; --timezone names another")
    shown = session.named("ingest/pipelines.pipeline", name=row["name"])[0]
    if source.kind != "table":
        shown["remote query"] = remote_query(session, source)
    promise = promise_of(source, read_clock(session, source))
    shown["guarantee"] = f"{promise.word}: {promise.sentence}"
    return Added(made, shown, warnings)


def _clock_beside(session: Session, source: str) -> str | None:
    """Return the clock beside a foreign table that was created earlier."""
    clock = f"{source.partition('.')[0]}.clock"
    kinds = [tables.kind(session, source), tables.kind(session, clock)]
    return clock if kinds == ["f", "f"] and source != clock else None


def _check(
    session: Session, types: Mapping[str, str], timezone: str | None, window_size: str
) -> None:
    """Refuse types, time zones and intervals that the server does not know."""
    try:
        with session.savepoint():
            positive = "select %(size)s::interval > interval '0'"
            is_positive = session.value(positive, {"size": window_size})
    except QueryFailed:
        is_positive = False
    if not is_positive:
        hint = "for example 30 days, or 1 hour"
        raise UsageError(f"--window {window_size} is not a positive interval", hint)
    for column, type_name in types.items():
        if not is_type(session, type_name):
            what = f"--type {column}={type_name}: there is no such type"
            raise UsageError(what, "for example date")
    if timezone is not None and (problem := zones.problem(session, timezone)):
        raise UsageError(f"--timezone: {problem}", zones.HINT)


def _check_target(session: Session, row: Mapping[str, Any]) -> None:
    """Refuse a replica that belongs to something else, or whose name scripts cannot use."""
    target = row["target_relation"] or f"warehouse.raw_{row['source_relation'].partition('.')[2]}"
    schema, _, table = target.partition(".")
    if not fits(table):
        hint = f"choose another: --into {RAW_SCHEMA}.{shortened(table).replace('.', '_')}"
        raise UsageError(f"{table}, the name of the replica, has more than {MAX_BYTES} bytes", hint)
    if schema != RAW_SCHEMA or not table.removeprefix("raw_") or not table.startswith("raw_"):
        raise UsageError(
            f"{target} cannot be a replica: replicas are called {RAW_SCHEMA}.raw_*",
            f"--into {RAW_SCHEMA}.raw_{table.removeprefix('raw_') or 'TABLE'}",
        )
    found = session.named("ingest/pipelines.replica", target=target)
    if found and found[0]["pipeline_name"] not in (None, row["name"]):
        free = f"{RAW_SCHEMA}.raw_{row['source_relation'].replace('.', '_')}"
        hint = f"choose another: --into {free if fits(free.partition('.')[2]) else 'SCHEMA.TABLE'}"
        raise UsageError(f"{target} is the replica of pipeline {found[0]['pipeline_name']}", hint)
    refuse_strangers(session, target)


def _insert(session: Session, row: dict[str, Any]) -> int:
    try:
        return int(session.named("ingest/pipelines.add_pipeline", **row)[0]["pipeline_id"])
    except QueryFailed as error:
        if error.sqlstate != UNIQUE_VIOLATION:
            raise
        raise UsageError(
            f"there is already a pipeline {row['name']}, or one with the same replica",
            "choose another name, and another replica with --into SCHEMA.TABLE",
        ) from error
