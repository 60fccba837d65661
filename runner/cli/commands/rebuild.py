"""`rebuild`: everything from scratch, published as what differs."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, jobs_option, json_option, target_option


@click.command("rebuild", cls=Command)
@jobs_option
@target_option
@json_option
@click.pass_obj
def command(project: Path, jobs: int, target: str) -> None:
    """Build everything from scratch beside the tables, check it, and publish what differs.

    Readers see the old version until then. Nothing is ingested meanwhile: `ingest` exits 3.

    \b
    Example: python -m runner rebuild -j 2
    """
    from runner.build.rebuild import rebuild
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.project.manifest import load
    from runner.project.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    with output.live() as live:
        done = rebuild(database, manifest, Target(target), jobs, live.result, live.starting)
    output.summary(done, live, "rebuild")
    output.data(output.build_data(done))
