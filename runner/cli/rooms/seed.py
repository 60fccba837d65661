"""`seed`: demo data."""

from datetime import UTC, datetime
from pathlib import Path

import click

from runner.cli import output
from runner.cli.groups import Command
from runner.database import address
from runner.database.session import Database
from runner.errors import UsageError
from runner.setup.demo import Demo, is_empty
from runner.setup.demo import seed as write_events


@click.command("seed", cls=Command)
@click.option(
    "--events", type=click.IntRange(min=1), metavar="N", default=100_000, help="Number of events."
)
@click.option(
    "--users", type=click.IntRange(min=1), metavar="N", default=2_000, help="Number of users."
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    metavar="N",
    default=180,
    help="Number of days that the events span.",
)
@click.option("--seed", type=int, metavar="N", default=1, help="Random seed.")
@click.option(
    "--end", type=click.DateTime(), help="End of the last day, in UTC (default: today at midnight)."
)
@click.option("--append", is_flag=True, help="Continue after the newest row.")
@click.option("--demo", is_flag=True, help="Allow demo data on your own server.")
@click.option(
    "--if-empty",
    is_flag=True,
    help="Do nothing if the source has rows, or on your own server without --demo.",
)
@click.pass_obj
def command(
    project: Path,
    events: int,
    users: int,
    days: int,
    seed: int,
    end: datetime | None,
    append: bool,
    demo: bool,
    if_empty: bool,
) -> None:
    """Fill the source tables with demo data.

    The same options give the same data.

    \b
    Example: python -m runner seed --events 1000000 --users 10000 --days 180
    """
    server = address.find(project)
    if not server.is_embedded and not demo:
        if if_empty:
            output.say("seed: no demo data on your own server (make run DEMO=1 adds them)")
            return
        raise UsageError("this is your own server", "--demo allows demo data there")
    database = Database(server.conninfo)
    if if_empty and not is_empty(database):
        output.say("seed: the source has rows already")
        return
    wanted = Demo(events, users, days, seed, end.replace(tzinfo=UTC) if end else None, append)
    output.say(f"seed: {write_events(database, project, wanted):,} rows")
