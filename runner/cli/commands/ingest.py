import click

from runner import run
from runner.cli import show_ingest
from runner.cli.options import json_option, wait_option
from runner.cli.workspace import Workspace, project_command


@project_command("ingest")
@click.argument("pipeline", required=False)
@wait_option
@click.option(
    "--sweep", is_flag=True, help="Search the whole source for rows that arrived late or changed."
)
@json_option
def command(here: Workspace, pipeline: str | None, wait: float, sweep: bool) -> None:
    """Bring new source rows into their replicas.

    It loads everything that was committed when the command started, from all enabled pipelines or
    from the one named.

    \b
    Example: python -m runner ingest event_stream
             python -m runner ingest --sweep
    """
    with show_ingest.shown("ingest") as progress:
        run.ingest(
            here.database(),
            here.folder,
            progress,
            pipeline=pipeline,
            wait_seconds=wait,
            sweep=sweep,
        )
