"""Whether today's numbers can be trusted, and if not, what needs a person. Queries: status.sql."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.database import ledger
from runner.database.queries import named_query
from runner.database.session import Database, Row
from runner.ingest import coverage
from runner.ingest.blockers import blockers


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a target: each problem with its remedy, how fresh the pipelines are, the
    last builds, and how many checks passed, warned and failed.
    """

    problems: tuple[Row, ...]
    freshness: tuple[Row, ...]
    last_builds: tuple[Row, ...]
    check_counts: tuple[Row, ...]

    @property
    def is_good(self) -> bool:
        return not self.problems


def status(database: Database, project: Path, target: str = "live") -> Status:
    """Look at the runs, builds and checks of a target, and at the sources of its pipelines."""
    with database.session() as session:
        ledger.require(session)
        problems, freshness, last_builds, check_counts = (
            session.rows(named_query(f"status.{name}"), {"target": target})
            for name in ("problems", "freshness", "last_builds", "check_counts")
        )
        problems += [*coverage.problems(session), *blockers(session, project)]
    return Status(tuple(problems), tuple(freshness), tuple(last_builds), tuple(check_counts))
