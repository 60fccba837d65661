"""`load`: a CSV file into the source."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli import output
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import json_option
from runner.cli.progress import live
from runner.setup.load_csv import LOOK, load


@click.command("load", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--as-history", is_flag=True, help="Load each event as if it had arrived when it happened."
)
@click.option("--again", is_flag=True, help="Load the file even if it was loaded before.")
@json_option
@click.pass_obj
def command(project: Path, file: Path, as_history: bool, again: bool) -> None:
    """Load events from a CSV file into the source.

    The file needs a header; its rows go to public.event_stream. Invalid lines go to
    public.load_rejects, with the reason.

    \b
    Example: python -m runner load events.csv --as-history
    """
    with live() as progress:
        loaded = load(
            database(project),
            file,
            as_history,
            again,
            lambda done, total: progress.show(f"load {file.name}", done, total),
        )
    output.data({"rows": loaded.rows, "rejected": loaded.rejected})
    output.say(f"load: {loaded.rows:,} {'event' if loaded.rows == 1 else 'events'} from {file}")
    if loaded.is_behind:
        output.say(
            f"some are older than the watermark; read them: {output.program()} ingest --sweep"
        )
    if loaded.rejected:
        lines = "1 line was" if loaded.rejected == 1 else f"{loaded.rejected:,} lines were"
        output.warn(f"{lines} not loaded; load_rejects has the reason", LOOK)
