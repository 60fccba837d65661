"""`status`: are today's numbers good?"""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option, target_option


@click.command("status", cls=Command)
@target_option
@json_option
@click.pass_obj
def command(project: Path, target: str) -> None:
    """Say whether today's numbers are good, and if not, why. Exits 1 when something needs a person.

    \b
    Example: python -m runner status
    """
    from runner.cli import output
    from runner.database import address
    from runner.database.session import Database
    from runner.status import status

    found = status(Database(address.find(project).conninfo), project, target)
    output.data(
        {
            "is_good": found.is_good,
            "problems": found.problems,
            "freshness": found.freshness,
            "last_builds": found.last_builds,
            "check_counts": found.check_counts,
        }
    )
    if not output.style.json:
        if found.is_good:
            output.say("good: the numbers are complete, checked and fresh")
        else:
            count = len(found.problems)
            many = "1 thing needs" if count == 1 else f"{count} things need"
            output.say(f"not good: {many} a person")
            output.problems(found.problems)
        output.say()
        output.table(found.freshness, "no pipeline is enabled")
        output.say()
        output.table(found.last_builds, "nothing was built yet")
        output.say()
        output.table(found.check_counts, "no check has run yet")
    if not found.is_good:
        raise click.exceptions.Exit(1)
