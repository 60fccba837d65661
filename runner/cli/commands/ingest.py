"""`ingest`: bring new source rows into their replicas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import Command, json_option, wait_option

if TYPE_CHECKING:
    from runner.cli.output import Live
    from runner.database.session import Database, LockHeld
    from runner.ingest.pipeline import IngestionPipeline


@click.command("ingest", cls=Command)
@click.argument("pipeline", required=False)
@wait_option
@click.option(
    "--sweep",
    is_flag=True,
    help="Look through the whole source for rows that came late or changed.",
)
@json_option
@click.pass_obj
def command(project: Path, pipeline: str | None, wait: float, sweep: bool) -> None:
    """Load everything that was committed when the command started.

    \b
    Example: python -m runner ingest event_stream
             python -m runner ingest --sweep
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database

    database = Database(server.find(project).conninfo)
    with output.live() as live:
        ingest_all(database, project, pipeline, wait, live, sweep=sweep)
    output.ingested(live)
    output.data(output.ingest_data(live))


def ingest_all(
    database: Database,
    project: Path,
    name: str | None,
    wait: float,
    live: Live,
    skip: Callable[[LockHeld, int], None] | None = None,
    sweep: bool = False,
) -> None:
    """Run the enabled pipelines, or the one named; a failing one does not stop the others.

    What another run holds is an error too, unless there is `skip` to be told of it.
    """
    from runner.cli import output
    from runner.database.ledger import Ledger
    from runner.database.session import LockHeld
    from runner.errors import RunnerError
    from runner.ingest.pipeline import IngestionPipeline, pipelines

    with database.session() as session:
        Ledger(session)
        found = [pipeline["pipeline_id"] for pipeline in pipelines(session, name)]
    failures: list[RunnerError] = []
    for pipeline_id in found:
        controller = IngestionPipeline(pipeline_id, database, project)
        try:
            controller.run(wait, live.loaded, sweep)
        except RunnerError as error:
            if skip and isinstance(error, LockHeld):
                skip(error, pipeline_id)
            else:
                failures.append(error)
        live.warnings += controller.warnings
    for failure in failures[1:]:
        output.warn(failure.message, failure.hint)
    if failures:
        raise failures[0]


def repair(
    project: Path, name: str, what: str, do: Callable[[IngestionPipeline, Live], object]
) -> None:
    """Have one pipeline do something to what is loaded already, and tell it."""
    from runner.cli import output
    from runner.database import address as server
    from runner.database.ledger import Ledger
    from runner.database.session import Database
    from runner.ingest.pipeline import IngestionPipeline, pipelines

    database = Database(server.find(project).conninfo)
    with database.session() as session:
        Ledger(session)
        [found] = pipelines(session, name)
    with output.live() as live:
        do(IngestionPipeline(found["pipeline_id"], database, project), live)
    output.ingested(live, what)
    output.data(output.ingest_data(live))
