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
    from runner.database import address as server
    from runner.database.ledger import Ledger
    from runner.database.queries import named_query
    from runner.database.session import Database
    from runner.ingest import coverage
    from runner.ingest.blockers import holds

    names = ("problems", "freshness", "last_builds", "check_counts")
    with Database(server.find(project).conninfo).session() as session:
        Ledger(session)
        found = {
            name: session.rows(named_query(f"cli/inspect.{name}"), {"target": target})
            for name in names
        }
        found["problems"] += coverage.problems(session) + holds(session, project)
    problems = found["problems"]
    output.data({"is_good": not problems, **found})
    if not output.style.json:
        if problems:
            many = "1 thing needs" if len(problems) == 1 else f"{len(problems)} things need"
            output.say(f"not good: {many} a person")
            output.problems(problems)
        else:
            output.say("good: the numbers are complete, checked and fresh")
        output.say()
        output.table(found["freshness"], "no pipeline is enabled")
        output.say()
        output.table(found["last_builds"], "nothing was built yet")
        output.say()
        output.table(found["check_counts"], "no check has run yet")
    if problems:
        raise click.exceptions.Exit(1)
