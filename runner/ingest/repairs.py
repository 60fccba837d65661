"""Repairs of what is loaded already: backfill, reconcile and undo. None moves the watermark.

Queries: repairs.sql.
"""

from functools import partial

from runner.database import ledger
from runner.database.session import QueryFailed
from runner.errors import UsageError
from runner.ingest.attempt import Attempt
from runner.ingest.promise import Reach
from runner.ingest.run import RunTransaction
from runner.ingest.windows import Window, Windows
from runner.ingest.writer import Counts


def backfill(attempt: Attempt, low: str, high: str) -> None:
    """Read [low, high) again, up to the watermark."""
    for start, end in _ranges(attempt, low, high):
        # It does not wait for what is still being written there: late rows are found later.
        for window in attempt.windows("backfill", start, end):
            attempt.run("backfill", window, partial(_reload, window=window))


def _reload(run: RunTransaction, window: Window) -> tuple[Counts, None]:
    return run.reload(window), None


def fill_gaps(attempt: Attempt) -> None:
    """Read every gap that undone runs have left."""
    for low, high in ledger.gaps(attempt.work, attempt.definition.pipeline_id):
        backfill(attempt, low, high)


def reconcile(attempt: Attempt, is_forced: bool) -> None:
    """Compare every row of the replica with the source, and handle deletes."""
    definition = attempt.definition
    if not attempt.source.has_key:
        raise UsageError(
            f"pipeline {definition.pipeline_name} has no key to compare rows by",
            "name key_columns in orchestrator.pipeline_definitions",
        )

    def work(run: RunTransaction) -> tuple[Counts, Reach]:
        windows = Windows(attempt.work, attempt.source, attempt.call.sweep_pace)
        every = windows.between(definition.start_at, definition.watermark)
        counts = run.search_table(every, is_full=True)
        run.note_gaps()
        return counts + run.handle_deletes(is_forced), "table"

    attempt.run("reconcile", Window("-infinity", definition.watermark), work)


def undo(attempt: Attempt, run_id: int) -> None:
    """Take back what a run did."""
    values = {"run_id": run_id, "pipeline_id": attempt.definition.pipeline_id}
    found = attempt.work.named("ingest/repairs.undoable", **values)
    if not found:
        if attempt.call.failures and attempt.work.named("ingest/repairs.undone", **values):
            return  # by the try before this one, which lost its connection
        raise UsageError(
            f"run {run_id} did not succeed, was undone before, or moved no rows of a source",
            "python -m runner runs lists them",
        )

    if found[0]["pruned_at"]:
        raise UsageError(
            f"run {run_id} cannot be undone: what it replaced was pruned on"
            f" {found[0]['pruned_at']}",
            f"python -m runner reconcile {attempt.definition.pipeline_name} makes the replica what"
            " its source is",
        )
    if found[0]["lost"]:
        raise UsageError(
            f"run {run_id} cannot be undone: what {found[0]['lost']:,} of the rows were that it"
            " replaced is no longer known",
            f"python -m runner reconcile {attempt.definition.pipeline_name} makes the replica what"
            " its source is",
        )

    def work(run: RunTransaction) -> tuple[Counts, None]:
        counts, left_alone = run.writer.undo(run_id)
        if left_alone:
            run.notes.append(f"rows that later runs changed again, left to them: {left_alone:,}")
        ledger.undo(attempt.work, run_id)
        return counts, None

    window = Window(found[0]["low"], found[0]["high"])
    attempt.run("undo", window, work, parent_run_id=run_id)


def _ranges(attempt: Attempt, low: str, high: str) -> list[tuple[str, str]]:
    """Return which parts of [low, high) can be read again: without a key, gaps only."""
    definition, has_key = attempt.definition, attempt.source.has_key
    only = "{(,)}"
    if not has_key:
        gaps = ledger.gaps(attempt.work, definition.pipeline_id)
        only = "{" + ",".join(f"[{start},{end})" for start, end in gaps) + "}"
    values = {
        "low": low,
        "high": high,
        "start": definition.start_at,
        "watermark": definition.watermark,
        "only": only,
    }
    try:
        found = attempt.work.named("ingest/repairs.ranges", **values)
    except QueryFailed as error:
        if not error.is_one_of("22"):
            raise
        raise UsageError(
            f"{low} to {high} is not a range of time",
            "the earlier end first, as 2026-05-01 or '2026-05-01 12:00+00'",
        ) from error
    if not found and not attempt.call.results:
        raise UsageError(
            f"there is nothing to fill between {low} and {high}",
            f"pipeline {definition.pipeline_name} is loaded up to {definition.watermark}"
            + ("" if has_key else ", and without a key only gaps can be filled"),
        )
    return [(row["low"], row["high"]) for row in found]
