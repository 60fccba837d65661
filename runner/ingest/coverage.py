"""Coverage: which stretches of a source a pipeline has read, and which are gaps."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.pipelines import pipelines


@dataclass(frozen=True, slots=True)
class Stretch:
    """A half-open stretch of the cursor, as text; `why` it is a gap. `begins` and `ends` say where
    it lies, from 0 to 1.
    """

    low: str
    high: str
    is_covered: bool
    why: str | None
    begins: float
    ends: float


def coverage(session: Session, pipeline_id: int) -> list[Stretch]:
    """From the start of a pipeline to its watermark; nothing before its first window."""
    text = named_query("ingest/coverage.coverage").replace(
        "{{ gaps }}", named_query("database/ledger.gaps")
    )
    return [Stretch(**row) for row in session.rows(text, {"pipeline_id": pipeline_id})]


def problems(session: Session) -> list[dict[str, str]]:
    """A problem for each enabled pipeline that was undone and not filled again."""
    found = []
    for pipeline in pipelines(session):
        # Not by the coverage: that looks at every window there ever was.
        gaps = session.rows(named_query("database/ledger.gaps"), pipeline)
        if gaps:
            low, high = gaps[0]["low"], gaps[-1]["high"]
            name = pipeline["pipeline_name"]
            count = "a gap" if len(gaps) == 1 else f"{len(gaps)} gaps"
            found.append(
                {
                    "what": f"pipeline {name}",
                    "problem": f"was undone and has {count}: {edge(low)} to {edge(high)}",
                    "remedy": f"run {fill(name, low, high)}",
                }
            )
    return found


def fill(pipeline: str, low: str, high: str) -> str:
    """The command that fills a gap, as a shell takes it."""
    edges = [moment.replace(" ", "T") for moment in (low, high)]
    return f"backfill {shlex.quote(pipeline)} --from {edges[0]} --to {edges[1]}"


def edge(moment: str) -> str:
    """An end of a stretch as people read it, to the minute."""
    return "the beginning" if moment == "-infinity" else moment[:16]
