"""Shows an ingest, and what a pipeline covers."""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from runner.cli.output import can_write, data, program, row_counts, say, table
from runner.cli.progress import Live, live
from runner.ingest.coverage import Stretch, edge, fill
from runner.ingest.run import RunResult
from runner.ingest.writer import Counts


@contextmanager
def shown(what: str) -> Iterator[Live]:
    """Show the ingest that goes on inside, and at its end what it brought in."""
    with live() as progress:
        yield progress
    summary(progress, what)
    data(as_data(progress))


def summary(done: Live, what: str = "ingest") -> None:
    """Show what an ingest brought in: on a terminal a line for each pipeline."""
    if not done.windows:
        say(f"{what}: nothing new")
    elif done.progress is not None:
        names = dict.fromkeys(window.pipeline for window in done.windows)
        table([_line(name, done.windows) for name in names])
        for window in done.windows:
            for note in window.notes:
                say(f"run {window.run_id}: {note}")


def _line(pipeline: str, runs: Sequence[RunResult]) -> dict[str, Any]:
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


def as_data(done: Live) -> list[dict[str, Any]]:
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


def coverage(pipeline: str, stretches: Sequence[Stretch]) -> None:
    """Show what a pipeline covers, on one line, and its gaps with the commands that fill them."""
    if not stretches:
        return
    width = shutil.get_terminal_size().columns
    say()
    say(line(stretches, width, "█░" if can_write("█░") else "#."))
    gaps = [stretch for stretch in stretches if not stretch.is_covered]
    if gaps:
        say()
        table([{"gap from": gap.low, "to": gap.high, "why": gap.why} for gap in gaps])
        for gap in gaps:
            say(f"fill it: {program()} {fill(pipeline, gap.low, gap.high)}")


def coverage_data(pipeline: str, stretches: Sequence[Stretch]) -> dict[str, Any]:
    """Return the same as data, for JSON."""
    covered = [{"low": each.low, "high": each.high} for each in stretches if each.is_covered]
    gaps = [
        {
            "low": gap.low,
            "high": gap.high,
            "why": gap.why,
            "fill": f"python -m runner {fill(pipeline, gap.low, gap.high)}",
        }
        for gap in stretches
        if not gap.is_covered
    ]
    return {"coverage": covered, "gaps": gaps}


def line(stretches: Sequence[Stretch], width: int, blocks: str) -> str:
    """Draw the bar between its edges, `width` characters in all; `blocks` are covered and gap."""
    first, last = edge(stretches[0].low), edge(stretches[-1].high)
    room = max(width - len(first) - len(last) - 2, 10)
    return f"{first} {bar(stretches, room, *blocks)} {last}"


def bar(stretches: Sequence[Stretch], width: int, solid: str, empty: str) -> str:
    """Draw a character for each part of the way; even the smallest gap shows."""
    cells = [solid] * width
    for stretch in stretches:
        if not stretch.is_covered:
            first = min(math.floor(stretch.begins * width), width - 1)
            last = max(math.ceil(stretch.ends * width), first + 1)
            cells[first:last] = [empty] * (min(last, width) - first)
    return "".join(cells)
