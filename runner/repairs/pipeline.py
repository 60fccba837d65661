"""The repairs of one pipeline: reading again, comparing, undoing; retried where that helps.
Queries: pipeline.sql.
"""

from functools import partial
from pathlib import Path

from runner.database import ledger
from runner.database.session import Database, QueryFailed
from runner.errors import UsageError
from runner.ingest.attempt import Attempt, Listener
from runner.ingest.catch_up import search_source
from runner.ingest.pipeline import IngestionPipeline
from runner.ingest.pipelines import pipelines
from runner.ingest.run import RunResult, RunTransaction
from runner.ingest.windows import Window
from runner.ingest.writer import Counts
from runner.repairs.deletes import handle_deletes
from runner.repairs.undo import undo


class RepairedPipeline(IngestionPipeline):
    """A pipeline that can also read again, compare and undo what it has loaded.

    Each method returns the runs that it committed; the listener hears of each as it commits.
    """

    __slots__ = ()

    def backfill(self, low: str, high: str) -> list[RunResult]:
        """Read [low, high) again, window by window, up to the watermark at most."""
        return self.retried(lambda attempt: _backfill(attempt, low, high))

    def fill_gaps(self) -> list[RunResult]:
        """Fill every gap that undone runs have left."""

        def fill(attempt: Attempt) -> None:
            for low, high in ledger.gaps(attempt.work, self.pipeline_id):
                _backfill(attempt, low, high)

        return self.retried(fill)

    def reconcile(self, force: bool = False) -> list[RunResult]:
        """Compare the whole replica with its source, and repair what is missing or different.

        Rows that the source no longer has are left, marked or deleted, as the definition says; most
        of the rows only with `force`.
        """
        return self.retried(lambda attempt: _reconcile(attempt, force), is_one_run=True)

    def undo(self, run_id: int) -> list[RunResult]:
        """Undo what a run did; its window becomes a gap."""
        return self.retried(lambda attempt: undo(attempt, run_id), is_one_run=True)


def open_pipeline(
    database: Database, project: Path, name: str, listener: Listener
) -> RepairedPipeline:
    """Return the pipeline of that name; UsageError if there is none."""
    with database.session() as session:
        ledger.require(session)
        [found] = pipelines(session, name)
    return RepairedPipeline(found["pipeline_id"], database, project, listener)


def _backfill(attempt: Attempt, low: str, high: str) -> None:
    for start, end in _ranges(attempt, low, high):
        # No need to wait for open transactions: rows that they write late are found later.
        for window in attempt.windows("backfill", start, end):
            attempt.run("backfill", window, partial(_reload, window=window))


def _reload(run: RunTransaction, window: Window) -> tuple[Counts, None]:
    """Load the rows of a window that was read before, or of a gap."""
    condition = run.conditions.window(window.low, window.high)
    write = run.writer.merge if run.source.has_key else run.writer.append
    return write(condition), None


def _reconcile(attempt: Attempt, is_forced: bool) -> None:
    definition = attempt.definition
    if not attempt.source.has_key:
        raise UsageError(
            f"pipeline {definition.pipeline_name} has no key to compare rows by",
            "set key_columns in orchestrator.pipeline_definitions",
        )
    finish = partial(handle_deletes, is_forced=is_forced)
    search_source(attempt, "reconcile", definition.watermark, finish)


def _ranges(attempt: Attempt, low: str, high: str) -> list[tuple[str, str]]:
    """Return the parts of [low, high) that can be read again: without a key, gaps only."""
    definition, has_key = attempt.definition, attempt.source.has_key
    before = definition.archived_before
    only = "{(,)}"
    if not has_key:
        gaps = ledger.gaps(attempt.work, definition.pipeline_id)
        only = "{" + ",".join(f"[{start},{end})" for start, end in gaps) + "}"
    loaded = {"start": definition.start_at, "watermark": definition.watermark}
    try:
        given = {"low": low, "high": high, "only": only}
        found = attempt.work.named("repairs/pipeline.ranges", **loaded, **given)
    except QueryFailed as error:
        if not error.is_one_of("22"):
            raise
        raise UsageError(
            f"{low} to {high} is not a time range",
            "name the earlier end first, such as 2026-05-01 or '2026-05-01 12:00+00'",
        ) from error
    if not found and not attempt.call.results:
        raise UsageError(
            f"there is nothing to fill between {low} and {high}",
            f"pipeline {definition.pipeline_name} is loaded up to {definition.watermark}"
            + ("" if has_key else ", and without a key only gaps can be filled")
            + (f"; what was written before {before[:10]} is archived" if before else ""),
        )
    return [(row["low"], row["high"]) for row in found]
