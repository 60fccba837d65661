"""`run-all`: ingest, then build."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("run-all")
@click.option("--wait", default=60.0, metavar="SECONDS", help="Longest wait for open transactions.")
@click.pass_obj
def command(project: Path, wait: float) -> None:
    """Bring in what is new and build what follows from it.

    \b
    Example: python -m runner run-all
    """
    from runner import output, server
    from runner.build import build
    from runner.commands.ingest import ingest_all
    from runner.database import Database
    from runner.manifest import load
    from runner.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    ingest_all(database, project, None, wait)
    done = build(database, manifest, Target(), tell=output.result)
    output.summary(done)
    if done.run_id is not None:
        output.say("look at it: python -m runner db psql -c 'table reporting.growth_accounting'")
