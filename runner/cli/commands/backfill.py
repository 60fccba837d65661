"""`backfill`: read part of a source again."""

from pathlib import Path

import click

from runner.cli import output, show_ingest
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import json_option
from runner.cli.progress import live
from runner.run import open_pipeline


@click.command("backfill", cls=Command)
@click.argument("pipeline")
@click.option("--from", "low", metavar="TIME", help="Start of the stretch, included.")
@click.option("--to", "high", metavar="TIME", help="End of the stretch, excluded.")
@json_option
@click.pass_obj
def command(project: Path, pipeline: str, low: str | None, high: str | None) -> None:
    """Read part of a source again, or fill its gaps.

    Without --from and --to it fills the gaps that undone runs left. Rows that are already in the
    replica stay; missing rows are added and different ones corrected.

    \b
    Example: python -m runner backfill event_stream --from 2026-05-01 --to 2026-06-01
    """
    with live() as progress:
        controller = open_pipeline(database(project), project, pipeline, progress)
        if low is None and high is None:
            controller.fill_gaps()
        else:
            controller.backfill(low or "-infinity", high or "infinity")
    show_ingest.summary(progress, "backfill")
    output.data(show_ingest.as_data(progress))
