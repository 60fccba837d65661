import click

from runner.cli.command import Workspace, json_option, project_command
from runner.cli.show import ingest as show_ingest
from runner.repairs.pipeline import open_pipeline


@project_command("reconcile", json_option)
@click.argument("pipeline")
@click.option("--force", is_flag=True, help="Proceed even if most rows would be marked or deleted.")
def command(here: Workspace, pipeline: str, force: bool) -> None:
    """Compare a whole replica with its source, and repair it.

    Rows that are no longer in the source are reported, marked or deleted, depending on the
    on_delete of the pipeline.

    \b
    Example: python -m runner reconcile utm_campaigns
    """
    with show_ingest.reporting("reconcile") as progress:
        open_pipeline(here.database(), here.folder, pipeline, progress).reconcile(force)
