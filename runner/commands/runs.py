"""`runs`: what ran lately."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("runs")
@click.option("-n", "--last", default=20, show_default=True, metavar="N", help="How many.")
@click.option("--scripts", is_flag=True, help="The scripts of builds too.")
@click.pass_obj
def command(project: Path, last: int, scripts: bool) -> None:
    """List the last windows and builds, newest first.

    \b
    Example: python -m runner runs -n 5
    """
    from runner import output, server
    from runner.database import Database
    from runner.ledger import Ledger
    from runner.queries import queries

    with Database(server.find(project).conninfo).session() as session:
        Ledger(session)
        rows = session.rows(queries("look.sql")["runs"], {"last": last, "scripts": scripts})
    output.table(rows, "nothing ran yet: python -m runner run-all")
