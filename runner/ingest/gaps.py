"""Gaps: ranges of its cursor that a pipeline has read, and that undone runs have left."""

import shlex

from runner.database import ledger
from runner.database.session import Session
from runner.ingest.pipelines import pipelines


def problems(session: Session) -> list[dict[str, str]]:
    """Return a problem for each enabled pipeline with gaps that undone runs have left."""
    found = []
    for pipeline in pipelines(session):
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
