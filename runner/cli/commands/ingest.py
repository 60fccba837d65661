import click

from runner import run
from runner.cli.command import Workspace, json_option, project_command, wait_option
from runner.cli.show import ingest as show_ingest


@project_command("ingest", wait_option, json_option)
@click.argument("pipeline", required=False)
@click.option(
    "--sweep", is_flag=True, help="Search the whole source for rows that arrived late or changed."
)
def command(here: Workspace, pipeline: str | None, wait: float, sweep: bool) -> None:
    """Load new rows from the sources into the replicas.

    Runs PIPELINE, or all enabled pipelines. Loads the rows that were committed before the command
    started, except those behind a transaction that stays open for longer than --wait: the next run
    loads them.

    \b
    Example: python -m runner ingest event_stream
             python -m runner ingest --sweep
    """
    with show_ingest.reporting("ingest") as progress:
        run.ingest(here.database(), here.folder, progress, pipeline, wait_seconds=wait, sweep=sweep)
