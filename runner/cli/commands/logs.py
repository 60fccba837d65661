"""`logs`: what the runs had to say."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option, last_option


@click.command("logs", cls=Command)
@last_option
@click.option("--run", "run_id", type=int, metavar="RUN", help="Of this run.")
@click.option("--pipeline", metavar="NAME", help="Of this pipeline.")
@click.option("--status", metavar="STATUS", help="Of runs that failed, succeeded and so on.")
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Of this level or a graver one.",
)
@click.option("--since", metavar="TIME", help="Not older: a time, or an age such as '2 hours'.")
@json_option
@click.pass_obj
def command(project: Path, /, **filters: object) -> None:
    """List the last messages, newest first.

    \b
    Example: python -m runner logs --pipeline event_stream --level warning --since '2 hours'
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.database import ledger
    from runner.database.queries import named_query
    from runner.database.session import Database, QueryFailed
    from runner.errors import UsageError

    with Database(server.find(project).conninfo).session() as session:
        ledger.require(session)
        since = filters.pop("since")
        try:
            filters["since"] = session.row(named_query("cli/inspect.moment"), {"since": since})[
                "moment"
            ]
        except QueryFailed as error:
            raise UsageError(
                f"--since {since} is neither a time nor an age",
                "--since 2026-01-31, --since '2 hours'",
            ) from error
        rows = session.rows(named_query("cli/inspect.logs"), filters)
    output.table(rows, "nothing was logged")
