"""`load`: a CSV file into the source."""

from __future__ import annotations

from pathlib import Path

import click

from runner.options import Command


@click.command("load", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as-history", is_flag=True, help="As if each event had arrived when it happened.")
@click.pass_obj
def command(project: Path, file: Path, as_history: bool) -> None:
    """Load a CSV file with a header into public.event_stream: all of it, or nothing.

    \b
    Example: python -m runner load events.csv --as-history
    """
    from runner import output, server
    from runner.database import Database
    from runner.load import load

    database = Database(server.find(project).conninfo)
    output.say(f"load: {load(database, file, as_history):,} events from {file}")
