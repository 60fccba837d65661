"""`ingest`: bring new source rows into their replicas."""

from pathlib import Path

import click

from runner import run
from runner.cli import output, show_ingest
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import json_option, wait_option
from runner.cli.progress import live


@click.command("ingest", cls=Command)
@click.argument("pipeline", required=False)
@wait_option
@click.option(
    "--sweep", is_flag=True, help="Search the whole source for rows that arrived late or changed."
)
@json_option
@click.pass_obj
def command(project: Path, pipeline: str | None, wait: float, sweep: bool) -> None:
    """Bring new source rows into their replicas.

    It loads everything that was committed when the command started, from all enabled pipelines or
    from the one named.

    \b
    Example: python -m runner ingest event_stream
             python -m runner ingest --sweep
    """
    with live() as progress:
        run.ingest(
            database(project), project, progress, pipeline=pipeline, wait_seconds=wait, sweep=sweep
        )
    show_ingest.summary(progress)
    output.data(show_ingest.as_data(progress))
