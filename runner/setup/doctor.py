"""Looks at a server, a database and a project for what would hurt. Queries: doctor.sql."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from runner.build.owner import check_owner
from runner.database import ledger
from runner.database.session import Database, QueryFailed, Session
from runner.errors import RunnerError
from runner.ingest import preflight
from runner.ingest.pipelines import pipelines
from runner.project.manifest import Manifest
from runner.project.target import Target

Level = Literal["ok", "warning", "problem"]
GIGABYTE = 1024**3
LONG = "1 hour"  # for a transaction


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do about it if it is not `ok`."""

    level: Level
    what: str
    finding: str
    cure: str | None = None


def examine(database: Database, manifest: Manifest) -> list[Finding]:
    """Look at everything that can be looked at without changing it. StartError without a
    connection.
    """
    with database.session("milepost doctor") as session:
        found = list(_pooler(database, session))
        values = {"now": datetime.now(UTC).isoformat(), "long": LONG}
        found += [Finding(**row) for row in session.named("setup/doctor.server", **values)]
        found += _disk(session)
        try:
            ledger.require(session)
            check_owner(session, manifest, Target())
        except RunnerError as error:
            return [*found, Finding("problem", "schema", error.message, error.hint)]
        found.append(Finding("ok", "schema", "it is the one of this version and of this project"))
        found += _sources(session, manifest)
    return found


def _pooler(database: Database, session: Session) -> Iterator[Finding]:
    """Tell whether two sessions are two: a pooler in transaction mode mixes them."""
    try:
        with database.session("milepost doctor, evidence") as other:
            database.refuse_pooler(session, other)
    except RunnerError as error:
        yield Finding("problem", "connection", error.message, error.hint)
    else:
        yield Finding("ok", "connection", "each session has a server process of its own")


def _disk(session: Session) -> Iterator[Finding]:
    """Look at the disk of a server on this machine; of another one only its operator knows."""
    try:
        with session.savepoint():
            place = session.named("setup/doctor.data_directory")[0]
    except QueryFailed:  # for superusers and pg_read_all_settings
        return
    folder = Path(place["folder"] or "")
    if not (place["is_local"] and place["folder"] and folder.is_dir()):
        return
    disk = shutil.disk_usage(folder)
    said = f"{disk.free / GIGABYTE:.1f} GB of {disk.total / GIGABYTE:.1f} GB are free"
    if disk.free < GIGABYTE or disk.free < disk.total / 50:
        yield Finding("problem", "disk", said, "make room: prune, or a larger disk")
    elif disk.free < disk.total / 10:
        yield Finding("warning", "disk", said, "a rebuild needs as much again as the tables have")
    else:
        yield Finding("ok", "disk", said)


def _sources(session: Session, manifest: Manifest) -> Iterator[Finding]:
    """Look at the source of each pipeline, as `pipelines show` does."""
    for pipeline in pipelines(session):
        what, name = f"pipeline {pipeline['pipeline_name']}", pipeline["pipeline_name"]
        doubts = preflight.of_pipeline(session, pipeline["pipeline_id"], manifest.project)
        for doubt in doubts:
            yield Finding("warning", what, doubt, f"look: pipelines show {name}")
        if not doubts:
            yield Finding("ok", what, "nothing is known to be wrong with its source")
