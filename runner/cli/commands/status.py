"""`status`: whether today's numbers can be trusted."""

from pathlib import Path

import click

from runner.cli import output
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import json_option, target_option
from runner.project.target import Target
from runner.status import status


@click.command("status", cls=Command)
@target_option
@json_option
@click.pass_obj
def command(project: Path, target: Target) -> None:
    """Say whether the numbers can be trusted, and if not, why.

    Each problem comes with its remedy. Exits with 1 if something needs attention.

    \b
    Example: python -m runner status
    """
    found = status(database(project), project, target.name)
    output.data(
        {
            "is_good": found.is_good,
            "problems": found.problems,
            "notes": found.notes,
            "rests_on": found.rests_on,
            "freshness": found.freshness,
            "last_builds": found.last_builds,
            "check_counts": found.check_counts,
        }
    )
    if not output.style.json:
        if found.is_good:
            output.say("good: nothing is known to be missing")
            output.say(f"    this rests on {found.rests_on}")
        else:
            count = len(found.problems)
            output.say(f"not good: {'1 problem' if count == 1 else f'{count} problems'}")
        for problem in found.problems:  # not a table, which would cut them
            output.say(f"{problem['what']}: {problem['problem']}")
            output.say(f"    {problem['remedy']}")
        for note in found.notes:
            output.say(f"no script needs it: {note['what']}: {note['problem']}")
        output.say()
        output.table(found.freshness, "no pipeline is enabled")
        output.say()
        output.table(found.last_builds, "nothing has been built yet")
        output.say()
        output.table(found.check_counts, "no check has run yet")
    if not found.is_good:
        raise click.exceptions.Exit(1)
