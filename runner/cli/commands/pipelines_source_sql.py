import click

from runner.cli import output
from runner.cli.command import Workspace, project_command
from runner.ingest.foreign.attach import SOURCE_SQL


@project_command("source-sql")
@click.argument("kind", type=click.Choice(list(SOURCE_SQL)))
@click.option(
    "--source", required=True, metavar="SCHEMA.TABLE", help="Table; in MariaDB, DATABASE.TABLE."
)
@click.option(
    "--role", required=True, metavar="USER", help="User that reads; in MariaDB, USER or USER@HOST."
)
def command(here: Workspace, kind: str, source: str, role: str) -> None:
    """Print the SQL that prepares a source in another database.

    The owner of that database runs it there, before `pipelines add --from`.

    \b
    Example: python -m runner pipelines source-sql postgres --source app.orders --role milepost
    """
    output.answer(SOURCE_SQL[kind](here.folder, source, role).rstrip("\n"))
