"""Loads a CSV file into public.event_stream: all of it, or nothing and the line that was wrong."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator
from pathlib import Path

from psycopg import sql

from runner.database import PIPELINE_LOCK, Database, QueryFailed, Row, Session
from runner.errors import RunnerError

COLUMNS = (
    "event_time",
    "user_id",
    "event_type",
    "transaction_category",
    "miles_amount",
    "platform",
    "utm_source",
    "country",
)
BLOCK = 1 << 20


def load(database: Database, file: Path, as_history: bool) -> int:
    """Copy a file with a header into the source; returns its rows. Memory does not grow with the
    file.

    created_at becomes the load's own time or, as history, the time of the event. Times without an
    offset are UTC.
    """
    columns = _header(file)
    with database.session("milepost load") as session, contextlib.ExitStack() as held:
        if as_history:
            # A watermark must not move between the look at it and the commit of older rows.
            for pipeline in _pipelines(session):
                what = f"an ingest of {pipeline['pipeline_name']}"
                held.enter_context(session.lock(PIPELINE_LOCK, pipeline["pipeline_id"], what))
        with session.transaction():
            session.run(
                "create temporary table staged"
                " (like public.event_stream including constraints) on commit drop;"
                " alter table staged alter event_id drop not null, alter created_at drop not null;"
            )
            _copy(session, file, columns)
            if as_history:
                _refuse_behind_watermark(session, file)
            return _insert(session, columns, as_history)


def _header(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            header = next(csv.reader(lines), [])
    except OSError as error:
        raise RunnerError(f"{file}: {error.strerror}") from error
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or "event_time" not in header or len(set(header)) < len(header):
        problem = (
            f"unknown column {unknown[0]!r}" if unknown else "event_time is missing or doubled"
        )
        raise RunnerError(
            f"{file}:1: {problem}", f"the first line names columns: {','.join(COLUMNS)}"
        )
    return header


def _copy(session: Session, file: Path, columns: list[str]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy staged ({}) from stdin (format csv, header true)").format(names)
    try:
        session.copy(statement.as_string(None), _blocks(file))
    except QueryFailed as error:
        line = re.search(r"line (\d+)", error.context)
        where = f"{file}:{line[1]}" if line else str(file)
        raise RunnerError(
            f"{where}: {error.message}", "nothing was loaded; correct the line and load again"
        ) from error


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        if content.read(3) != b"\xef\xbb\xbf":  # a byte order mark is not part of the first name
            content.seek(0)
        while block := content.read(BLOCK):
            yield block


def _pipelines(session: Session) -> list[Row]:
    return session.rows(
        """
        select
            pipelines.pipeline_id,
            pipelines.pipeline_name
        from orchestrator.pipeline_definitions as pipelines
        where pipelines.source_relation = 'public.event_stream'
        """
    )


def _refuse_behind_watermark(session: Session, file: Path) -> None:
    found = session.row(
        """
        select
            (select min(staged.event_time)::text from staged) as oldest,
            max(runs.high)::text as watermark,
            (select min(staged.event_time) from staged) <= max(runs.high) as is_behind
        from orchestrator.runs as runs
        inner join orchestrator.pipeline_definitions as pipelines
            on pipelines.pipeline_id = runs.pipeline_id
        where
            pipelines.source_relation = 'public.event_stream'
            and runs.kind = 'window'
            and runs.status = 'succeeded'
        """
    )
    if found["is_behind"]:
        raise RunnerError(
            f"{file}: its oldest event, {found['oldest']}, is behind the watermark,"
            f" {found['watermark']}: no ingest would ever read it",
            "load it without --as-history, so that it arrives now",
        )


def _insert(session: Session, columns: list[str], as_history: bool) -> int:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    # Nothing arrives after now, whatever the clock of the device said.
    created_at = sql.SQL("least(event_time, now())" if as_history else "now()")
    text = sql.SQL(
        "insert into public.event_stream ({names}, created_at)"
        " select {names}, {created_at} from staged order by event_time"
    ).format(names=names, created_at=created_at)
    before = session.changes("public.event_stream")
    session.run(text.as_string(None))
    inserted = (session.changes("public.event_stream") - before).inserted
    if not inserted:
        raise RunnerError("the file has no rows")
    return inserted
