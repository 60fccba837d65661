from runner.build.build import read_plan
from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, select_option, target_option
from runner.project.target import Target


@project_command("plan", target_option, json_option)
@select_option("Plan as if these scripts were forced.")
def command(here: Workspace, patterns: tuple[str, ...], target: Target) -> None:
    """Show which scripts a build would run, and why.

    All scripts are listed, in the order of a build.

    \b
    Example: python -m runner plan
    """
    manifest = here.manifest()
    with here.ledger() as session:
        steps = read_plan(session, manifest, target, patterns)[1]
    rows = [{"script": step.script.key, "build": step.mode, "why": step.reason} for step in steps]
    output.listing(rows, "the manifest declares no scripts")
