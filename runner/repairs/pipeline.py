"""The repairs of one pipeline, each retried where that helps."""

from pathlib import Path

from runner.database import ledger
from runner.database.session import Database
from runner.ingest.attempt import Listener
from runner.ingest.pipeline import IngestionPipeline
from runner.ingest.pipelines import pipelines
from runner.ingest.run import RunResult
from runner.repairs import verbs
from runner.repairs.undo import undo


class RepairedPipeline(IngestionPipeline):
    """A pipeline that can also read again, compare and take back what it has loaded.

    Each verb returns the runs that it committed, and the listener hears of each as it commits.
    """

    __slots__ = ()

    def backfill(self, low: str, high: str) -> list[RunResult]:
        """Read [low, high) again, a window at a time, up to the watermark at most."""
        return self.retried(lambda attempt: verbs.backfill(attempt, low, high))

    def fill_gaps(self) -> list[RunResult]:
        """Read every gap that undone runs have left."""
        return self.retried(verbs.fill_gaps)

    def reconcile(self, force: bool = False) -> list[RunResult]:
        """Compare the whole replica with its source, and repair what is missing or different.

        Rows that the source no longer has are left, marked or deleted, as the definition says; if
        they are most rows, only with `force`.
        """
        return self.retried(lambda attempt: verbs.reconcile(attempt, force), is_one_run=True)

    def undo(self, run_id: int) -> list[RunResult]:
        """Take back what a run did; its window becomes a gap."""
        return self.retried(lambda attempt: undo(attempt, run_id), is_one_run=True)


def open_pipeline(
    database: Database, project: Path, name: str, listener: Listener
) -> RepairedPipeline:
    """Return the pipeline of that name; UsageError if there is none."""
    with database.session() as session:
        ledger.require(session)
        [found] = pipelines(session, name)
    return RepairedPipeline(found["pipeline_id"], database, project, listener)
