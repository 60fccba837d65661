"""Coverage: which ranges of its cursor a pipeline has read, and which are gaps.

Queries: coverage.sql.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from runner.database import ledger
from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.pipelines import pipelines


@dataclass(frozen=True, slots=True)
class Stretch:
    """A half-open range of the cursor, [low, high), as text; if it is a gap, `why`.

    `begins` and `ends` are where it is drawn, from 0 to 1.
    """

    low: str
    high: str
    is_covered: bool
    why: str | None
    begins: float
    ends: float


def coverage(session: Session, pipeline_id: int) -> list[Stretch]:
    """Return the coverage of a pipeline up to its watermark; empty before its first window."""
    text = named_query("ingest/coverage.coverage").replace(
        "{{ gaps }}", named_query("database/ledger.gaps")
    )
    return [Stretch(**row) for row in session.rows(text, {"pipeline_id": pipeline_id})]


def problems(session: Session) -> list[dict[str, str]]:
    """Return a problem for each enabled pipeline with gaps that undone runs have left."""
    found = []
    for pipeline in pipelines(session):
        # Cheaper than coverage(), which reads every window there ever was.
        gaps = ledger.gaps(session, pipeline["pipeline_id"])
        if gaps:
            low, high = gaps[0][0], gaps[-1][1]
            name = pipeline["pipeline_name"]
            count = "a gap" if len(gaps) == 1 else f"{len(gaps)} gaps"
            found.append(
                {
                    "what": f"pipeline {name}",
                    "problem": f"was undone and has {count}: {_edge(low)} to {_edge(high)}",
                    "remedy": f"run {fill(name, low, high)}",
                }
            )
    return found


def fill(pipeline: str, low: str, high: str) -> str:
    """Return the command that fills a gap, quoted for a shell."""
    edges = [moment.replace(" ", "T") for moment in (low, high)]
    return f"backfill {shlex.quote(pipeline)} --from {edges[0]} --to {edges[1]}"


def bar(stretches: Sequence[Stretch], width: int, solid: str, empty: str) -> str:
    """Return a bar of `width` characters, in which even the smallest gap shows."""
    cells = [solid] * width
    for stretch in stretches:
        if not stretch.is_covered:
            first = min(math.floor(stretch.begins * width), width - 1)
            last = max(math.ceil(stretch.ends * width), first + 1)
            cells[first:last] = [empty] * (min(last, width) - first)
    return "".join(cells)


def line(stretches: Sequence[Stretch], width: int, blocks: str) -> str:
    """Return the bar between its ends, `width` wide; `blocks` are its solid and empty character."""
    first, last = (_edge(moment) for moment in (stretches[0].low, stretches[-1].high))
    room = max(width - len(first) - len(last) - 2, 10)
    return f"{first} {bar(stretches, room, *blocks)} {last}"


def _edge(moment: str) -> str:
    return "the beginning" if moment == "-infinity" else moment[:16]
