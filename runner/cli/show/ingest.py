"""Shows the result of an ingest or a repair."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from runner.cli.output import data, row_counts, say, table
from runner.cli.progress import ProgressListener, show_progress
from runner.ingest.run import RunResult
from runner.ingest.writer import Counts


@contextmanager
def reporting(what: str) -> Iterator[ProgressListener]:
    """Show the progress of the runs inside the block, and at its end what they loaded."""
    with show_progress() as progress:
        yield progress
    summary(progress, what)
    data(as_data(progress))


def summary(done: ProgressListener, what: str = "ingest") -> None:
    """Show what an ingest loaded; on a terminal, with a row for each pipeline."""
    if not done.windows:
        say(f"{what}: nothing new")
    elif done.progress is not None:
        names = dict.fromkeys(window.pipeline for window in done.windows)
        table([_row(name, done.windows) for name in names])
        for window in done.windows:
            for note in window.notes:
                say(f"run {window.run_id}: {note}")


def _row(pipeline: str, runs: Sequence[RunResult]) -> dict[str, Any]:
    windows = [run for run in runs if run.pipeline == pipeline]
    counts = sum((window.counts for window in windows), Counts())
    return {
        "pipeline": pipeline,
        "rows": row_counts(counts.inserted, counts.updated, counts.deleted, counts.rejected),
        "runs": len(windows),
        "seconds": Decimal(f"{sum(window.seconds for window in windows):.2f}"),
        "up to": windows[-1].window.high[:19],
        "guarantee": windows[-1].guarantee,
    }


def as_data(done: ProgressListener) -> list[dict[str, Any]]:
    """Return an ingest as data, for JSON."""
    return [
        {
            "pipeline": window.pipeline,
            "run": window.run_id,
            "low": window.window.low,
            "high": window.window.high,
            "kind": window.kind,
            **asdict(window.counts),
            "notes": window.notes,
            "guarantee": window.guarantee,
            "seconds": round(window.seconds, 3),
        }
        for window in done.windows
    ]
