import click

from runner.build.build import read_plan
from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, select_option, target_option
from runner.database import ledger
from runner.errors import room
from runner.project.target import Target


@project_command("plan", target_option, json_option)
@select_option("Plan for a full build of these scripts.")
@click.option(
    "--explain",
    "is_explained",
    is_flag=True,
    help="Run the build, roll it back, and show its rows, times, locks and query plans.",
)
def command(here: Workspace, patterns: tuple[str, ...], target: Target, is_explained: bool) -> None:
    """Show which scripts a build would run, and why.

    Lists all scripts in build order, then those that are no longer in the manifest, and other
    targets. --explain takes as long as the build, and lists only the scripts that would run. For a
    table of changed keys, such as changed_users, the row count is the number of changed keys.

    \b
    Example: python -m runner plan --explain
    """
    manifest = here.manifest()
    if is_explained:
        room("runner.cli.show.plans").show(here.database(), manifest, target, patterns)
        return
    with here.ledger() as session:
        steps = read_plan(session, manifest, target, patterns)[1]
        left = ledger.left_tables(session, target.name, manifest.scripts)
        others = session.named("database/ledger.other_targets", target=target.name)
    rows = [{"script": step.script.key, "build": step.mode, "why": step.reason} for step in steps]
    for each in left:
        why = f"no longer in the manifest: {each.table_name}"
        rows.append({"script": each.script, "build": "gone", "why": why})
    output.listing(rows, "the manifest declares no scripts")
    if left:
        output.say(f"to drop tables that are no longer in the manifest: {output.program()} prune")
    for row in others:
        drop = f"{output.program()} prune --drop-target {row['target']}"
        output.say(
            f"target {row['target']} was last built on {row['built_at']}; to drop it: {drop}"
        )
