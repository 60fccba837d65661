from datetime import UTC
from typing import Any

import click

from runner.cli import output
from runner.cli.command import Workspace, number_option, project_command
from runner.database import address
from runner.database.session import Database
from runner.errors import UsageError
from runner.setup.demo import Demo, is_empty, seed


@project_command("seed")
@number_option("--events", low=1, default=100_000, help="Number of events.")
@number_option("--users", low=1, default=2_000, help="Number of users.")
@number_option("--days", low=1, high=3650, default=180, help="Number of days that the events span.")
@click.option("--seed", type=int, metavar="N", default=1, help="Random seed.")
@click.option(
    "--end",
    type=click.DateTime(),
    metavar="TIME",
    help="End of the last day, in UTC (default: today at midnight).",
)
@click.option("--append", is_flag=True, help="Continue after the newest row.")
@click.option("--demo", is_flag=True, help="Allow demo data on your own server.")
@click.option(
    "--if-empty",
    is_flag=True,
    help="Do nothing if the source has rows, or on your own server without --demo.",
)
def command(here: Workspace, /, demo: bool, if_empty: bool, **wanted: Any) -> None:
    """Fill the source tables with demo data.

    Runs the scripts in sql/demo. The same options give the same rows, if --end is
    among them.

    \b
    Example: python -m runner seed --events 1000000 --users 10000 --days 180
    """
    server = address.find(here.folder)
    if not server.is_embedded and not demo:
        if if_empty:
            output.say("seed: no demo data on your own server; make run DEMO=1 adds them")
            return
        raise UsageError("this is your own server", "--demo allows demo data there")
    database = Database(server.conninfo)
    if if_empty and not is_empty(database):
        output.say("seed: the source has rows already")
        return
    if wanted["end"]:
        wanted["end"] = wanted["end"].replace(tzinfo=UTC)
    output.say(f"seed: {seed(database, here.folder, Demo(**wanted)):,} rows")
