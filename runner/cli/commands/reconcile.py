"""`reconcile`: compare a replica with its source, row by row."""

from pathlib import Path

import click

from runner.cli import output, show_ingest
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import json_option
from runner.cli.progress import live
from runner.run import open_pipeline


@click.command("reconcile", cls=Command)
@click.argument("pipeline")
@click.option("--force", is_flag=True, help="Proceed even if most rows would be marked or deleted.")
@json_option
@click.pass_obj
def command(project: Path, pipeline: str, force: bool) -> None:
    """Compare a whole replica with its source, and repair it.

    Rows that the source no longer has are reported, marked or deleted, as the column on_delete of
    the pipeline says.

    \b
    Example: python -m runner reconcile utm_campaigns
    """
    with live() as progress:
        open_pipeline(database(project), project, pipeline, progress).reconcile(force)
    show_ingest.summary(progress, "reconcile")
    output.data(show_ingest.as_data(progress))
