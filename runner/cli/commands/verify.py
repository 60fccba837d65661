"""`verify`: are the tables what a rebuild would give?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.options import Command, jobs_option, json_option, target_option


@click.command("verify", cls=Command)
@click.option("--repair", is_flag=True, help="Publish what differs.")
@jobs_option
@target_option
@json_option
@click.pass_obj
def command(project: Path, repair: bool, jobs: int, target: str) -> None:
    """Build what is due, rebuild everything beside it, and compare the two row by row.

    Exits 1 if they differ, unless --repair mends it. Nothing is ingested meanwhile.

    \b
    Example: python -m runner verify --repair
    """
    from runner.build.rebuild import verify
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.project.manifest import load
    from runner.project.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    with output.live() as live:
        verdict = verify(
            database, manifest, Target(target), jobs, repair, live.result, live.starting
        )
    output.differences(verdict.differences, target, "rebuilt")
    differing = f"{len(verdict.differences)} of {verdict.tables} tables"
    if verdict.repair:
        output.summary(verdict.repair, live, "repair")
    elif verdict.differences:
        output.say(f"verify {verdict.run_id}: {differing} are not what a rebuild gives")
        output.say(f"mend them: {output.program()} verify --repair")
    else:
        output.say(
            f"verify {verdict.run_id}: {verdict.tables} tables are what a rebuild gives,"
            f" {verdict.seconds:.1f}s"
        )
    output.data(
        {
            "run": verdict.run_id,
            "tables": verdict.tables,
            "is_repaired": verdict.repair is not None,
            "seconds": round(verdict.seconds, 3),
            "differences": output.differences_data(verdict.differences),
        }
    )
    if verdict.differences and not verdict.repair:
        sys.exit(1)
