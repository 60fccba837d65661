"""Checks a server, a database and a project for problems. Queries: doctor.sql."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from runner.build.owner import check_owner
from runner.database import disk, ledger
from runner.database.session import Database, Session
from runner.errors import RunnerError
from runner.ingest import preflight
from runner.ingest.pipelines import pipelines
from runner.project.manifest import Manifest
from runner.project.target import Target

Level = Literal["ok", "warning", "problem"]
LONG = "1 hour"  # transactions that are older are reported


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, what was found, and what to do about it if it is not `ok`."""

    level: Level
    what: str
    finding: str
    cure: str | None = None


def examine(database: Database, manifest: Manifest) -> list[Finding]:
    """Check everything, and change nothing. StartError if the server cannot be reached."""
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
        found.append(Finding("ok", "schema", "up to date"))
        found += _sources(session, manifest)
    return found


def _pooler(database: Database, session: Session) -> Iterator[Finding]:
    """Check that two sessions are separate: a pooler in transaction mode mixes them."""
    try:
        with database.session("milepost doctor, evidence") as other:
            database.refuse_pooler(session, other)
    except RunnerError as error:
        yield Finding("problem", "connection", error.message, error.hint)
    else:
        yield Finding("ok", "connection", "direct connection, no transaction pooler")


def _disk(session: Session) -> Iterator[Finding]:
    found = disk.disk(session)
    if found is None:
        return
    said = disk.sentence(*found)
    if disk.is_full(*found):
        yield Finding("problem", "disk", said, disk.MAKE_ROOM)
    elif found[0] < found[1] / 10:
        yield Finding(
            "warning", "disk", said, "a rebuild needs as much space again as the tables use"
        )
    else:
        yield Finding("ok", "disk", said)


def _sources(session: Session, manifest: Manifest) -> Iterator[Finding]:
    """Check the source of each pipeline, as `pipelines show` does."""
    for pipeline in pipelines(session):
        name = pipeline["pipeline_name"]
        doubts = preflight.of_pipeline(session, pipeline["pipeline_id"], manifest.project)
        for doubt in doubts:
            yield Finding("warning", f"pipeline {name}", doubt, f"see: pipelines show {name}")
        if not doubts:
            yield Finding("ok", f"pipeline {name}", "no problems found in its source")
