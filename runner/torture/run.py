"""Runs the torture test in a database of its own, then compares source and replicas row by row."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from runner.database import version
from runner.database.queries import named_query
from runner.database.session import Database, QueryFailed, Row, Session
from runner.errors import StartError
from runner.project import files as shared
from runner.torture.faults import COPIES, Plan, Progress, Workload, query_replica

# Long enough for rows dated a moment ahead to be in the past.
SETTLING_SECONDS = 1.6
IN_TIME = ("in time", "clock of the statement")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A replica compared with its source, as counts of rows."""

    rows: int
    missing: int
    stale: int  # with other values than in the source
    doubled: int  # duplicates
    surplus: int  # not in the source

    @property
    def is_exact(self) -> bool:
        return not (self.missing or self.stale or self.doubled or self.surplus)


@dataclass(frozen=True, slots=True)
class PipelineOutcome:
    """The replica of a pipeline, compared three times, and its runs."""

    final: Outcome  # after the sweep at the end
    unswept: Outcome  # before it, without the rows that only a sweep finds
    deleted: Outcome  # after rows of the source were deleted and reconciled
    ledger: Row  # counts of its windows, overlaps, gaps and failed runs

    @property
    def is_kept(self) -> bool:
        return (
            all(each.is_exact for each in (self.final, self.unswept, self.deleted))
            and not self.ledger["overlaps"]
            and not self.ledger["gaps"]
        )


@dataclass(frozen=True, slots=True)
class TortureResult:
    """The result of a torture test."""

    plan: Plan
    ours: dict[str, PipelineOutcome]
    naive: dict[str, Outcome]
    stories: list[Row]  # for each way of writing: rows written, and those that each protocol lost
    sample: list[Row]
    broken: list[Row]  # rows that a run had promised and an audit did not find
    errors: dict[str, int]
    kills: int
    audits: int
    hidden_runs: int | None = None  # runs while row security hid rows; None: not tested
    untrue: int = 0  # those of them that promised the hidden rows

    @property
    def is_kept(self) -> bool:
        """Whether no pipeline lost a row at any time, or promised rows that it could not see."""
        return (
            not self.broken and not self.untrue and all(each.is_kept for each in self.ours.values())
        )

    @property
    def written(self) -> int:
        return sum(story["written"] for story in self.stories)

    def lost_in_time(self, name: str) -> int:
        """Count the rows that a protocol lost although their cursor was correct."""
        return sum(int(story[name]) for story in self.stories if story["story"] in IN_TIME)

    @property
    def is_telling(self) -> bool:
        """Whether the test was hard enough: each naive protocol lost rows."""
        return all(map(self.lost_in_time, self.naive))


def database_name() -> str:
    return f"milepost_torture_{os.getpid()}"


@contextmanager
def scratch(server: Database) -> Iterator[Database]:
    """Create a database and, if this role may, a role of the same name; drop both at the end."""
    name = database_name()
    with server.session("milepost torture") as session:
        for left in session.named("torture/run.left_over", name=name):
            problem = f"{left['kind']} {name} is left over from a torture test that was killed"
            raise StartError(problem, f"drop {left['kind']} {name}")
    try:
        with server.session("milepost torture") as session:
            _create(session, name)
        yield Database(make_conninfo(server.conninfo, dbname=name))
    finally:
        with server.session("milepost torture") as session:
            session.run(f"drop database if exists {name} with (force)")
            for left in session.named("torture/run.left_over", name=name):
                session.run(f"drop {left['kind']} {name}")


def _create(session: Session, name: str) -> None:
    try:
        session.run(f"create database {name} template template0")
    except QueryFailed as error:
        if error.sqlstate != "42501":
            raise
        raise StartError(
            "torture needs a database of its own, and this role may not create one",
            "alter role ... createdb; or unset DATABASE_URL to use the embedded server",
        ) from error
    for text in (f"create role {name}", f"grant pg_read_all_stats to {name}"):
        try:
            session.run(text)
        except QueryFailed as error:
            if error.sqlstate not in ("42501", "42704"):
                raise


def torture(
    database: Database, project: Path, plan: Plan, on_progress: Callable[[Progress], None]
) -> TortureResult:
    """Run the workload on an empty database, then compare source and replicas."""
    with database.session("milepost torture") as session:
        ledger = shared.find(project, Path("schema", "orchestrator.sql"))
        session.run(ledger.read_text(encoding="utf-8"), ledger)
        version.record(session)
        session.run(named_query("torture/run.create"))
        role = next((row["name"] for row in session.named("torture/run.role")), None)
        if role:
            session.run(named_query("torture/run.hide").replace("{{ role }}", role))
    workload = Workload(database, project, plan, role)
    workload.run(on_progress)
    time.sleep(SETTLING_SECONDS)
    with database.session("milepost torture") as session:
        unswept, final, sample = {}, {}, []
        for name in workload.pipelines:
            workload.pipeline(name).run()
            unswept[name] = _compare(session, name, whole=False)
            sample += query_replica(session, "sample", name, whole=False)
            workload.pipeline(name).run(sweep=True)
            final[name] = _compare(session, name)
            sample += query_replica(session, "sample", name, whole=True)
        for name in COPIES:
            session.named(f"torture/run.{name}")
        naive = {name: _compare(session, name) for name in COPIES}
        stories = _stories(session, workload.pipelines)
        session.named("torture/run.delete", digit=plan.seed % 10)
        ours = {}
        for name in workload.pipelines:
            workload.pipeline(name).reconcile()
            deleted, counts = _compare(session, name), query_replica(session, "ledger", name)[0]
            ours[name] = PipelineOutcome(final[name], unswept[name], deleted, counts)
        hidden = session.named("torture/run.untrue")[0] if role else {}
    seen = sample, list(workload.broken.values()), dict(workload.errors)
    tally = workload.kills, workload.audits
    return TortureResult(plan, ours, naive, stories, *seen, *tally, **hidden)


def _compare(session: Session, name: str, whole: bool = True) -> Outcome:
    return Outcome(**query_replica(session, "compare", name, whole=whole)[0])


def _stories(session: Session, names: Sequence[str]) -> list[Row]:
    found: dict[str, Row] = {}
    for name in (*names, *COPIES):
        for row in query_replica(session, "stories", name):
            lost = row.pop("lost")
            found.setdefault(row["story"], row)[name] = lost
    return list(found.values())
