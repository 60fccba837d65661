"""`backfill`: read a stretch of a source again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import Command, json_option

if TYPE_CHECKING:
    from runner.cli.output import Live
    from runner.ingest.pipeline import IngestionPipeline


@click.command("backfill", cls=Command)
@click.argument("pipeline")
@click.option("--from", "low", metavar="TIME", help="From here on, included.")
@click.option("--to", "high", metavar="TIME", help="Up to here, excluded.")
@json_option
@click.pass_obj
def command(project: Path, pipeline: str, low: str | None, high: str | None) -> None:
    """Read a stretch of a source again; without --from and --to, the gaps that undone runs left.

    Rows that are there already stay; those that are missing or different are put right.

    \b
    Example: python -m runner backfill event_stream --from 2026-05-01 --to 2026-06-01
    """
    from runner.cli.commands.ingest import repair

    def fill(controller: IngestionPipeline, live: Live) -> None:
        if low is None and high is None:
            controller.fill_gaps(live.loaded)
        else:
            controller.backfill(low or "-infinity", high or "infinity", live.loaded)

    repair(project, pipeline, "backfill", fill)
