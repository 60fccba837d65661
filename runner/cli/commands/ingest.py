"""`ingest`: bring new source rows into their replicas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import Command, json_option, wait_option

if TYPE_CHECKING:
    from runner.cli.output import Live
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
    from runner import run
    from runner.cli import output
    from runner.database import address
    from runner.database.session import Database

    database = Database(address.find(project).conninfo)
    with output.live() as live:
        run.ingest(database, project, live, pipeline=pipeline, wait_seconds=wait, sweep=sweep)
    output.ingested(live)
    output.data(output.ingest_data(live))


def repair(
    project: Path, name: str, what: str, do: Callable[[IngestionPipeline, Live], object]
) -> None:
    """Have one pipeline do something to what is loaded already, and tell it."""
    from runner.cli import output
    from runner.database import address as server
    from runner.database import ledger
    from runner.database.session import Database
    from runner.ingest.pipeline import IngestionPipeline
    from runner.ingest.pipelines import pipelines

    database = Database(server.find(project).conninfo)
    with database.session() as session:
        ledger.require(session)
        [found] = pipelines(session, name)
    with output.live() as live:
        do(IngestionPipeline(found["pipeline_id"], database, project), live)
    output.ingested(live, what)
    output.data(output.ingest_data(live))
