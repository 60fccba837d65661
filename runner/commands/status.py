"""`status`: how fresh the data are, and whether they passed their checks."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("status")
@click.option("--target", default="live", show_default=True, help="Whose build.")
@click.pass_obj
def command(project: Path, target: str) -> None:
    """Show the freshness of each pipeline, the last build and the checks that did not pass.

    \b
    Example: python -m runner status
    """
    from runner import output, server
    from runner.database import Database
    from runner.ledger import Ledger
    from runner.queries import queries

    with Database(server.find(project).conninfo).session() as session:
        Ledger(session)
        views = {"target": target}
        for name, empty in (
            ("freshness", "no pipeline is enabled"),
            ("last_builds", "nothing was built yet: python -m runner build"),
            ("bad_checks", "every check passed"),
        ):
            output.table(session.rows(queries("look.sql")[name], views), empty)
            output.say()
