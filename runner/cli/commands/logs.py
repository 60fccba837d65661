import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, last_option, project_command
from runner.database.session import QueryFailed
from runner.errors import UsageError


@project_command("logs", last_option, json_option)
@click.option("--run", "run_id", type=int, metavar="RUN", help="Only messages of this run.")
@click.option("--pipeline", metavar="NAME", help="Only messages of this pipeline.")
@click.option("--status", metavar="STATUS", help="Only runs with this status, such as failed.")
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Only messages of this level or more severe.",
)
@click.option("--since", metavar="TIME", help="Only messages since a time, or age like '2 hours'.")
def command(here: Workspace, /, **filters: object) -> None:
    """List the latest log messages, newest first.

    \b
    Example: python -m runner logs --pipeline event_stream --level warning --since '2 hours'
    """
    with here.ledger() as session:
        since = filters.pop("since")
        try:
            filters |= session.named("cli/show/runs.moment", since=since)[0]
        except QueryFailed as error:
            raise UsageError(
                f"--since {since} is neither a time nor an age",
                "for example --since 2026-01-31, or --since '2 hours'",
            ) from error
        rows = session.named("cli/show/runs.logs", **filters)
    output.listing(rows, "nothing was logged")
