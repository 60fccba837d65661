"""`seed`: demo data."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from runner.cli.options import Command


@click.command("seed", cls=Command)
@click.option(
    "--events",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="How many events.",
)
@click.option(
    "--users", type=click.IntRange(min=1), default=2_000, show_default=True, help="How many users."
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=180,
    show_default=True,
    help="Over how many days.",
)
@click.option("--seed", "number", type=int, default=1, show_default=True, help="Random seed.")
@click.option(
    "--end", type=click.DateTime(), help="End of the last day, in UTC (default: today at midnight)."
)
@click.option("--append", is_flag=True, help="Go on after the newest row.")
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
    number: int,
    end: datetime | None,
    append: bool,
    demo: bool,
    if_empty: bool,
) -> None:
    """Fill the sources with the demo data of sql/demo: the same options give the same data.

    \b
    Example: python -m runner seed --events 1000000 --users 10000 --days 180
    """
    from datetime import UTC

    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.errors import UsageError
    from runner.setup.demo import Demo, is_empty, seed

    address = server.find(project)
    if not address.is_embedded and not demo:
        if if_empty:
            output.say(
                "seed: this is your own server, so no demo data (make run DEMO=1 asks for them)"
            )
            return
        raise UsageError("this is your own server", "--demo says that you want demo data there")
    database = Database(address.conninfo)
    if if_empty and not is_empty(database):
        output.say("seed: the source has rows already")
        return
    wanted = Demo(events, users, days, number, end.replace(tzinfo=UTC) if end else None, append)
    output.say(f"seed: {seed(database, project, wanted):,} rows")
