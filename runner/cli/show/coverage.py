"""Shows which ranges of its cursor a pipeline has read, and its gaps. Queries: coverage.sql."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.cli.output import drawable, program, say, table, terminal_width
from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.blockers import edge, fill


@dataclass(frozen=True, slots=True)
class Segment:
    """A half-open range of the cursor, [low, high), as text. `why` is the reason of a gap."""

    low: str
    high: str
    is_covered: bool
    why: str | None
    begins: float  # where it begins and ends in the bar, from 0 to 1
    ends: float


def coverage(session: Session, pipeline_id: int) -> list[Segment]:
    """Return the coverage of a pipeline up to its watermark; empty before its first window."""
    text = named_query("cli/show/coverage.coverage").replace(
        "{{ gaps }}", named_query("database/ledger.gaps")
    )
    return [Segment(**row) for row in session.rows(text, {"pipeline_id": pipeline_id})]


def show(pipeline: str, segments: Sequence[Segment]) -> None:
    """Show what a pipeline covers as a bar, and its gaps with the commands that fill them."""
    if not segments:
        return
    first, last = edge(segments[0].low), edge(segments[-1].high)
    width = max(terminal_width() - len(first) - len(last) - 2, 10)
    say(f"\n{first} {bar(segments, width, *drawable('█░', '#.'))} {last}")
    gaps = [segment for segment in segments if not segment.is_covered]
    if gaps:
        say()
        table([{"gap from": gap.low, "to": gap.high, "why": gap.why} for gap in gaps])
        for gap in gaps:
            say(f"to fill it: {program()} {fill(pipeline, gap.low, gap.high)}")


def as_data(pipeline: str, segments: Sequence[Segment]) -> dict[str, Any]:
    """Return covered ranges and gaps as data, for JSON."""
    covered = [{"low": each.low, "high": each.high} for each in segments if each.is_covered]
    gaps = [
        {
            "low": gap.low,
            "high": gap.high,
            "why": gap.why,
            "fill": f"python -m runner {fill(pipeline, gap.low, gap.high)}",
        }
        for gap in segments
        if not gap.is_covered
    ]
    return {"coverage": covered, "gaps": gaps}


def bar(segments: Sequence[Segment], width: int, solid: str, empty: str) -> str:
    """Return a bar, `width` characters long. Even the smallest gap is shown, with one character."""
    cells = [solid] * width
    for segment in segments:
        if not segment.is_covered:
            first = min(math.floor(segment.begins * width), width - 1)
            last = max(math.ceil(segment.ends * width), first + 1)
            cells[first:last] = [empty] * (min(last, width) - first)
    return "".join(cells)
