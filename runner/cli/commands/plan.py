from runner.build.build import read_plan
from runner.cli import output
from runner.cli.options import json_option, select_option, target_option
from runner.cli.workspace import Workspace, project_command
from runner.database import ledger
from runner.project.target import Target


@project_command("plan")
@select_option("Plan as if a build forced these scripts.")
@target_option
@json_option
def command(here: Workspace, patterns: tuple[str, ...], target: Target) -> None:
    """Show which scripts a build would run, and why.

    All scripts are listed, in the order of a build; then those that left the manifest, and other
    targets.

    \b
    Example: python -m runner plan
    """
    manifest = here.manifest()
    with here.ledger() as session:
        steps = read_plan(session, manifest, target, patterns)[1]
        left = ledger.left_tables(session, target.name, manifest.scripts)
        others = session.named("cli/inspect.other_targets", target=target.name)
    rows = [{"script": step.script.key, "build": step.mode, "why": step.reason} for step in steps]
    rows += [
        {"script": each.script, "build": "gone", "why": f"left the manifest: {each.table_name}"}
        for each in left
    ]
    output.table(rows, "the manifest declares no scripts")
    if left:
        output.say(f"drop the tables of scripts that left: {output.program()} prune")
    for row in others:
        output.say(
            f"target {row['target']}, last built on {row['built_at']}, is built too; if it is not"
            f" to be: {output.program()} prune --drop-target {row['target']}"
        )
