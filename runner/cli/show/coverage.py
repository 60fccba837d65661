"""Which ranges of its cursor a pipeline has read, and which are gaps. Queries: coverage.sql."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.cli.output import program, say, table, terminal_width
from runner.cli.show.lines import can_write
from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.blockers import edge, fill


@dataclass(frozen=True, slots=True)
class Segment:
    """A half-open range of the cursor, [low, high), as text; if it is a gap, `why`."""

    low: str
    high: str
    is_covered: bool
    why: str | None
    begins: float  # where it is drawn, from 0 to 1
    ends: float


def coverage(session: Session, pipeline_id: int) -> list[Segment]:
    """Return the coverage of a pipeline up to its watermark; empty before its first window."""
    text = named_query("cli/show/coverage.coverage").replace(
        "{{ gaps }}", named_query("database/ledger.gaps")
    )
    return [Segment(**row) for row in session.rows(text, {"pipeline_id": pipeline_id})]


def show(pipeline: str, segments: Sequence[Segment]) -> None:
    """Show what a pipeline covers, on one line, and its gaps with the commands that fill them."""
    if not segments:
        return
    say()
    say(line(segments, terminal_width(), "█░" if can_write("█░") else "#."))
    gaps = [segment for segment in segments if not segment.is_covered]
    if gaps:
        say()
        table([{"gap from": gap.low, "to": gap.high, "why": gap.why} for gap in gaps])
        for gap in gaps:
            say(f"fill it: {program()} {fill(pipeline, gap.low, gap.high)}")


def as_data(pipeline: str, segments: Sequence[Segment]) -> dict[str, Any]:
    """Return the same as data, for JSON."""
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


def line(segments: Sequence[Segment], width: int, blocks: str) -> str:
    """Draw the bar between its edges, `width` characters in all; `blocks` are covered and gap."""
    first, last = edge(segments[0].low), edge(segments[-1].high)
    room = max(width - len(first) - len(last) - 2, 10)
    return f"{first} {bar(segments, room, *blocks)} {last}"


def bar(segments: Sequence[Segment], width: int, solid: str, empty: str) -> str:
    """Draw a character for each part of the way; even the smallest gap shows."""
    cells = [solid] * width
    for segment in segments:
        if not segment.is_covered:
            first = min(math.floor(segment.begins * width), width - 1)
            last = max(math.ceil(segment.ends * width), first + 1)
            cells[first:last] = [empty] * (min(last, width) - first)
    return "".join(cells)
