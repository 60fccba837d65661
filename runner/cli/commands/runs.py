from dataclasses import asdict

import click

from runner.cli import output, show_ingest, show_runs
from runner.cli.groups import Group
from runner.cli.options import (
    complete_scripts,
    json_option,
    last_option,
    target_option,
    yes_option,
)
from runner.cli.workspace import Workspace, pass_workspace
from runner.database.ledger import slow_scripts
from runner.errors import UsageError
from runner.project.graph import select
from runner.project.target import Target
from runner.run import open_pipeline

TABLES = ("run_scripts", "run_inputs", "run_checks", "run_logs")
COLUMNS = ("run", "kind", "what", "status", "started_at", "seconds", "rows")


@click.group("runs", cls=Group, invoke_without_command=True)
@last_option
@click.option("--scripts", is_flag=True, help="List the scripts of builds too.")
@click.option("--status", metavar="STATUS", help="Only runs with this status, such as failed.")
@json_option
@click.pass_context
def command(context: click.Context, /, **filters: object) -> None:
    """List, show and undo runs, and show how long builds take.

    Without a command it lists the latest windows and builds, newest first.

    \b
    Example: python -m runner runs -n 5 --status failed
    """
    if context.invoked_subcommand is None:
        with Workspace(context.obj).ledger() as session:
            rows = session.named("cli/inspect.runs", **filters)
        show_runs.runs(rows, "nothing has run yet: python -m runner run-all", COLUMNS)


@command.command("show")
@click.argument("run_id", type=int, metavar="RUN")
@json_option
@pass_workspace
def show(here: Workspace, run_id: int) -> None:
    """Show everything that is known about a run.

    That is its window or its scripts, rows, checks, messages and errors, what a build observed,
    and which published days it changed.

    \b
    Example: python -m runner runs show 12
    """
    with here.ledger() as session:
        found = session.named("cli/inspect.run", run_id=run_id)
        if not found:
            raise UsageError(f"there is no run {run_id}", "python -m runner runs lists them")
        parts = {name: session.named(f"cli/inspect.{name}", run_id=run_id) for name in TABLES}
        observed = session.named("cli/inspect.run_observations", run_id=run_id)
        what = "run_restatements" if output.style.json else "run_restated_days"
        restated = session.named(f"cli/inspect.{what}", run_id=run_id)
    if output.style.json:
        more = {"run_observations": observed, "run_restatements": restated}
        output.data({**found[0], **parts, **more})
        return
    output.pairs(found[0])
    for rows in filter(None, parts.values()):
        output.say()
        output.table(rows, "")
    show_runs.observations(observed)
    show_runs.restatements(restated)


@command.command("trend")
@click.argument("name", metavar="[SCRIPT]", required=False, shell_complete=complete_scripts)
@last_option
@target_option
@json_option
@pass_workspace
def trend(here: Workspace, name: str | None, last: int, target: Target) -> None:
    """Show how long the last builds took, or a script in them.

    It warns of what took more than three times its median of up to twenty builds before, in the
    same mode: in full, or of what was new. Less than half a second, or fewer than five such builds,
    are not judged.

    \b
    Example: python -m runner runs trend fact_miles_earned
    """
    script = _script(here, name) if name else None
    with here.ledger() as session:
        builds = session.named("cli/inspect.trend", script=script, target=target.name, last=last)
        newest = builds[0]["run"] if builds else 0
        found = [each for each in slow_scripts(session, newest) if script in (None, each.script)]
    builds.reverse()
    if output.style.json:
        output.data({"builds": builds, "slow": [asdict(each) for each in found]})
        return
    show_runs.trend(builds)
    show_runs.slow(found)


def _script(here: Workspace, name: str) -> str:
    keys = sorted(select(here.manifest(), [name]))
    if len(keys) > 1:
        raise UsageError(f"{name} names {len(keys)} scripts", f"one of them, such as {keys[0]}")
    return keys[0]


@command.command("undo")
@click.argument("run_id", type=int, metavar="RUN")
@yes_option
@json_option
@pass_workspace
def undo(here: Workspace, run_id: int, yes: bool) -> None:
    """Take back what a run brought into a replica.

    Added rows are removed, changed and deleted rows are restored. The window of the run becomes a
    gap, which `backfill` fills. The next build takes the change on.

    \b
    Example: python -m runner runs undo 12
    """
    with here.ledger() as session:
        found = session.named("cli/inspect.run", run_id=run_id)
    if not found or not found[0]["pipeline"]:
        raise UsageError(
            f"there is no run {run_id} of a pipeline, or it was pruned", "python -m runner runs"
        )
    run = found[0]
    rows = output.row_counts(run["rows_inserted"], run["rows_updated"], run["rows_deleted"])
    output.say(f"run {run_id}: {run['kind']} of {run['pipeline']}, {run['status']}, rows {rows}")
    if not yes:
        output.confirm("take it back?", "--yes takes it back without asking")
    with show_ingest.shown("undo") as progress:
        open_pipeline(here.database(), here.folder, run["pipeline"], progress).undo(run_id)
