import click

from runner.cli import show_ingest
from runner.cli.options import json_option
from runner.cli.workspace import Workspace, project_command
from runner.run import open_pipeline


@project_command("reconcile")
@click.argument("pipeline")
@click.option("--force", is_flag=True, help="Proceed even if most rows would be marked or deleted.")
@json_option
def command(here: Workspace, pipeline: str, force: bool) -> None:
    """Compare a whole replica with its source, and repair it.

    Rows that the source no longer has are reported, marked or deleted, as the column on_delete of
    the pipeline says.

    \b
    Example: python -m runner reconcile utm_campaigns
    """
    with show_ingest.shown("reconcile") as progress:
        open_pipeline(here.database(), here.folder, pipeline, progress).reconcile(force)
