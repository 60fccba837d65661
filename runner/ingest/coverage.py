"""Coverage: which ranges of its cursor a pipeline has read, and which are gaps.

Queries: coverage.sql.
"""

import shlex
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
                    "kind": "gap",
                    "problem": f"was undone and has {count}: {edge(low)} to {edge(high)}",
                    "remedy": f"run {fill(name, low, high)}",
                }
            )
    return found


def fill(pipeline: str, low: str, high: str) -> str:
    """Return the command that fills a gap, quoted for a shell."""
    edges = [moment.replace(" ", "T") for moment in (low, high)]
    return f"backfill {shlex.quote(pipeline)} --from {edges[0]} --to {edges[1]}"


def edge(moment: str) -> str:
    """An end of a stretch as people read it, to the minute."""
    return "the beginning" if moment == "-infinity" else moment[:16]
