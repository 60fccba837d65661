"""`reconcile`: compare a replica with its source, row by row."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option


@click.command("reconcile", cls=Command)
@click.argument("pipeline")
@click.option("--force", is_flag=True, help="Even if most rows would be marked or deleted.")
@json_option
@click.pass_obj
def command(project: Path, pipeline: str, force: bool) -> None:
    """Compare a whole replica with its source, and make good what differs.

    Rows that the source no longer has are reported, marked or deleted: on_delete of the pipeline
    says which.

    \b
    Example: python -m runner reconcile utm_campaigns
    """
    from runner.cli.commands.ingest import repair

    repair(
        project,
        pipeline,
        "reconcile",
        lambda controller, live: controller.reconcile(live.loaded, force),
    )
