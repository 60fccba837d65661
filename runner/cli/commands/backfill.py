import click

from runner.cli.command import Workspace, json_option, project_command
from runner.cli.show import ingest as show_ingest
from runner.repairs.pipeline import open_pipeline


@project_command("backfill", json_option)
@click.argument("pipeline")
@click.option("--from", "low", metavar="TIME", help="Start of the range, inclusive.")
@click.option("--to", "high", metavar="TIME", help="End of the range, exclusive.")
def command(here: Workspace, pipeline: str, low: str | None, high: str | None) -> None:
    """Reload a time range of a source, or fill the gaps of a pipeline.

    Without --from and --to, fills the gaps left by undone runs. Missing rows are added, rows that
    differ are corrected, and all other rows of the replica stay.

    \b
    Example: python -m runner backfill event_stream --from 2026-05-01 --to 2026-06-01
    """
    with show_ingest.reporting("backfill") as progress:
        controller = open_pipeline(here.database(), here.folder, pipeline, progress)
        if low is None and high is None:
            controller.fill_gaps()
        else:
            controller.backfill(low or "-infinity", high or "infinity")
