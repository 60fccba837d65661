"""`verify`: whether the tables equal a rebuild."""

from dataclasses import asdict
from pathlib import Path

import click

from runner.build.rebuild import verify
from runner.cli import output, show_build
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import jobs_option, json_option, target_option
from runner.cli.progress import live
from runner.project.manifest import load
from runner.project.target import Target


@click.command("verify", cls=Command)
@click.option("--repair", is_flag=True, help="Publish the differences.")
@jobs_option
@target_option
@json_option
@click.pass_obj
def command(project: Path, repair: bool, jobs: int | None, target: Target) -> None:
    """Compare the tables with a rebuild, row by row.

    Pending changes are built first; the rebuild happens in a scratch schema. Exits with 1 if the
    two differ, unless --repair mends it. Meanwhile nothing is ingested.

    \b
    Example: python -m runner verify --repair
    """
    manifest = load(project)
    with live() as progress:
        verdict = verify(database(project), manifest, target, jobs, repair, progress)
    show_build.differences(verdict.differences, target.name, "rebuilt")
    if verdict.repair:
        show_build.summary(verdict.repair, progress, "repair")
    elif verdict.differences:
        count = f"{len(verdict.differences)} of {verdict.tables} tables"
        output.say(f"verify {verdict.run_id}: {count} differ from a rebuild")
        output.say(f"repair them: {output.program()} verify --repair")
    else:
        output.say(
            f"verify {verdict.run_id}: all {verdict.tables} tables equal a rebuild,"
            f" {verdict.seconds:.1f}s"
        )
    output.data(
        {
            "run": verdict.run_id,
            "tables": verdict.tables,
            "is_repaired": verdict.repair is not None,
            "seconds": round(verdict.seconds, 3),
            "differences": [asdict(each) for each in verdict.differences],
        }
    )
    if verdict.differences and not verdict.repair:
        raise click.exceptions.Exit(1)
