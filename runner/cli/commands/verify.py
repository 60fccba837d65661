from dataclasses import asdict

import click

from runner.cli import output
from runner.cli.command import Workspace, jobs_option, json_option, project_command, target_option
from runner.cli.commands.diff import show_differences
from runner.cli.progress import show_progress
from runner.cli.show import build as show_build
from runner.compare.rebuild import verify
from runner.project.target import Target


@project_command("verify", jobs_option, target_option, json_option)
@click.option("--repair", is_flag=True, help="Publish the differences.")
def command(here: Workspace, repair: bool, jobs: int | None, target: Target) -> None:
    """Compare the tables with a rebuild, row by row.

    Builds pending changes first, then rebuilds all tables in a scratch schema; `ingest` is blocked
    meanwhile. Exits with 1 if the two differ, unless --repair publishes the rebuilt rows.

    \b
    Example: python -m runner verify --repair
    """
    manifest = here.manifest()
    with show_progress() as progress:
        found = verify(here.database(), manifest, target, jobs, repair, progress)
    show_differences(found.differences, target.name, "rebuilt")
    if found.repair:
        show_build.summary(found.repair, progress, "repair")
    elif found.differences:
        count = f"{len(found.differences)} of {found.tables} tables"
        output.say(f"verify {found.run_id}: {count} differ from a rebuild")
        output.say(f"to repair them: {output.program()} verify --repair")
    else:
        equal = f"all {found.tables} tables equal a rebuild, {found.seconds:.1f}s"
        output.say(f"verify {found.run_id}: {equal}")
    for proof in found.proofs:
        output.say(
            f"{proof.pipeline}: compared {proof.proven_from} to {proof.proven_to};"
            f" {proof.archived_from} to {proof.archived_to} is archived, so the facts of"
            f" {output.number(proof.archived_rows, 'row')} were not compared"
        )
    output.data(
        {
            "run": found.run_id,
            "tables": found.tables,
            "is_repaired": found.repair is not None,
            "seconds": round(found.seconds, 3),
            "differences": [asdict(each) for each in found.differences],
            "proofs": [asdict(each) for each in found.proofs],
        }
    )
    output.fail_if(found.differences and not found.repair)
