from pathlib import Path

import click

from runner.cli import output
from runner.cli.groups import Command
from runner.database import address
from runner.setup import new_project


@click.command("init", cls=Command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--source", metavar="SCHEMA.TABLE", help="Table to read (default: an example).")
@click.option("--key", metavar="COLUMN", help="Column that identifies its rows.")
@click.option("--cursor", metavar="COLUMN", help="Timestamp that is set whenever a row is written.")
def command(folder: Path, source: str | None, key: str | None, cursor: str | None) -> None:
    """Create a new project.

    It has one pipeline, a fact table with its check, and a report. Without --source it brings a
    small example table. Needs no server.

    \b
    Example: python -m runner init shop
    """
    table = new_project.parse(source, key, cursor)
    files = new_project.write(folder, table, is_example=source is None)
    needs_server = source is not None and not address.is_given()
    steps = new_project.next_steps(folder, table, output.program(), needs_server=needs_server)
    for title, lines in ((f"{folder}: {len(files)} files", files), ("next:", steps)):
        output.say("\n".join([title, *(f"  {line}" for line in lines)]))
