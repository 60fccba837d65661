"""The shipped project with its events in months, and a database of it."""

from __future__ import annotations

import atexit
import csv
import json
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from runner.archive.archive import archive
from runner.build.build import build
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, earn, event, ingest, insert_events, query, scalar

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)


@cache
def monthly_project(*replicas: str) -> Path:
    """A copy of the project that keeps events in months, or other replicas."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    atexit.register(shutil.rmtree, folder)
    for part in ("sql", "schema"):
        shutil.copytree(PROJECT / part, folder / part)
    manifest = folder / "sql/manifest.toml"
    text = manifest.read_text()
    assert "\nmonthly_replicas = []\n" in text
    names = json.dumps(replicas or ["event_stream"])
    manifest.write_text(text.replace("monthly_replicas = []", f"monthly_replicas = {names}"))
    return folder


def in_months(database: Database) -> None:
    """Four months of events, ingested and built. Every third comes late, up to two days."""
    schema.apply(database, load(monthly_project()), Target())
    events = []
    for day in range(120):
        written = FIRST + timedelta(days=day)
        events.append(event(day, f"u_{day % 5}", "like", created_at=written))
        late = timedelta(hours=16 * (day % 4))
        events.append({**earn(day, f"u_{day % 7}", 10 * day), "created_at": written + late})
    events.append(event(5, None, "like", created_at=FIRST + timedelta(days=6)))
    insert_events(database, events)
    ingest(database, project=monthly_project())
    build(database, load(monthly_project()), Target())


def rows_by_month(database: Database) -> dict[str, int]:
    """How many rows of the events each partition has, by the end of its name."""
    rows = query(
        database,
        "select right(tableoid::regclass::text, 7) as month, count(*) as rows"
        " from warehouse.raw_event_stream group by 1",
    )
    return {row["month"]: row["rows"] for row in rows}


def put_away(database: Database, folder: Path, before: str = "2026-03") -> dict[str, int]:
    """Archive, and return the rows of each month."""
    done = archive(database, load(monthly_project()), before, folder)
    return {month.month: month.rows for month in done}


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The rows of all files in a folder."""
    found = []
    for file in sorted(folder.iterdir()):
        with file.open(newline="") as text:
            found += list(csv.DictReader(text))
    return found


def source_months(database: Database) -> dict[str, int]:
    rows = query(
        database,
        "select to_char(created_at at time zone 'UTC', 'YYYY-MM') as month, count(*) as rows"
        " from public.event_stream group by 1 order by 1",
    )
    return {row["month"]: row["rows"] for row in rows}


def images(database: Database) -> dict[str, Any]:
    """All that is built, to be compared."""
    tables = [
        f"{script.layer}.{table}"
        for script in load(monthly_project()).scripts.values()
        if not script.is_view and not script.name.startswith("changed_")
        for table in script.tables
    ]
    return {
        table: scalar(
            database, f"select md5(string_agg(t::text, '|' order by t::text)) from {table} as t"
        )
        for table in tables
    }
