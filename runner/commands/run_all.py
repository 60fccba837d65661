"""`run-all`: ingest, then build."""

from __future__ import annotations

from pathlib import Path

import click

from runner.commands.common import Command, json_option


@click.command("run-all", cls=Command)
@click.option("--wait", default=60.0, metavar="SECONDS", help="Longest wait for open transactions.")
@json_option
@click.pass_obj
def command(project: Path, wait: float) -> None:
    """Bring in what is new and build what follows from it.

    \b
    Example: python -m runner run-all
    """
    tick(project, wait)


def tick(project: Path, wait: float) -> None:
    """One round, told as it goes."""
    from runner import output, server
    from runner.build import build
    from runner.commands.ingest import ingest_all
    from runner.database import Database
    from runner.manifest import load
    from runner.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    with output.live() as live:
        ingest_all(database, project, None, wait, live)
        done = build(database, manifest, Target(), (), live.result, live.starting)
    output.ingested(live)
    output.summary(done, live)
    if done.run_id is not None:
        report = next((s.key for s in manifest.scripts.values() if s.layer == "reporting"), "...")
        output.say(f"look at it: {output.program()} db psql -c 'table {report}'")
    output.data({"ingest": output.ingest_data(live), "build": output.build_data(done)})
