"""`init`: a new project."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command


@click.command("init", cls=Command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--source", metavar="SCHEMA.TABLE", help="The table to read (default: an example).")
@click.option("--key", metavar="COLUMN", help="The column that identifies its rows.")
@click.option("--cursor", metavar="COLUMN", help="The timestamp that says when a row was written.")
def command(folder: Path, source: str | None, key: str | None, cursor: str | None) -> None:
    """Write a small project of your own: one pipeline, a fact with its check, and a report.

    Connects to nothing. Without --source it comes with a small table of its own.

    \b
    Example: python -m runner init shop
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.setup import new_project as init

    table = init.parse(source, key, cursor)
    files = init.write(folder, table, is_example=source is None)
    needs_server = source is not None and not server.is_given()
    steps = init.next_steps(folder, table, output.program(), needs_server=needs_server)
    for title, lines in ((f"{folder}: {len(files)} files", files), ("next:", steps)):
        output.say("\n".join([title, *(f"  {line}" for line in lines)]))
