"""`logs`: what the runs had to say."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("logs")
@click.option("-n", "--last", default=20, show_default=True, metavar="N", help="How many.")
@click.option("--run", "run_id", type=int, metavar="RUN", help="Of this run only.")
@click.pass_obj
def command(project: Path, last: int, run_id: int | None) -> None:
    """List the last messages, newest first.

    \b
    Example: python -m runner logs --run 12
    """
    from runner import output, server
    from runner.database import Database
    from runner.ledger import Ledger
    from runner.queries import queries

    with Database(server.find(project).conninfo).session() as session:
        Ledger(session)
        rows = session.rows(queries("look.sql")["logs"], {"last": last, "run_id": run_id})
    output.table(rows, "nothing was logged")
