"""`ingest`: bring new source rows into their replicas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.database import Database


@click.command("ingest")
@click.argument("pipeline", required=False)
@click.option("--wait", default=60.0, metavar="SECONDS", help="Longest wait for open transactions.")
@click.pass_obj
def command(project: Path, pipeline: str | None, wait: float) -> None:
    """Load everything that was committed when the command started.

    \b
    Example: python -m runner ingest event_stream
    """
    from runner import server
    from runner.database import Database

    ingest_all(Database(server.find(project).conninfo), project, pipeline, wait)


def ingest_all(database: Database, project: Path, name: str | None, wait: float) -> None:
    """Run the enabled pipelines, or the one named; a failing one does not stop the others."""
    from runner import output
    from runner.errors import RunnerError
    from runner.ledger import Ledger
    from runner.pipeline import IngestionPipeline, pipelines

    with database.session() as session:
        Ledger(session)
        found = pipelines(session, name)
    failures: list[RunnerError] = []
    rows = 0
    for pipeline in found:
        try:
            controller = IngestionPipeline(pipeline["pipeline_id"], database, project)
            rows += sum(loaded.read for loaded in controller.run(wait, output.loaded))
        except RunnerError as error:
            failures.append(error)
    for failure in failures[:-1]:
        output.warn(failure.message)
    if failures:
        raise failures[-1]
    if not rows:
        output.say("ingest: nothing new")
