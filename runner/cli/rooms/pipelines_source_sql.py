"""`pipelines source-sql`: the SQL that prepares a source in another database."""

from pathlib import Path

import click

from runner.cli import output
from runner.cli.groups import Command
from runner.ingest.foreign.attach import script_for_source


@click.command("source-sql", cls=Command)
@click.argument("kind", type=click.Choice(["postgres", "mariadb"]))
@click.option(
    "--source",
    required=True,
    metavar="SCHEMA.TABLE",
    help="The table in that database; for MariaDB DATABASE.TABLE.",
)
@click.option(
    "--role", required=True, metavar="USER", help="User that reads it; for MariaDB also USER@HOST."
)
@click.pass_obj
def command(project: Path, kind: str, source: str, role: str) -> None:
    """Print the SQL that prepares a source in another database.

    The owner of that database runs it there, before `pipelines add --from`.

    \b
    Example: python -m runner pipelines source-sql postgres --source app.orders --role milepost
    """
    output.answer(script_for_source(kind, project, source, role).rstrip("\n"))
