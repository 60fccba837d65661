from dataclasses import asdict

import click

from runner.cli import output
from runner.cli.command import (
    Workspace,
    json_option,
    last_option,
    project_command,
    script_names,
    target_option,
    yes_option,
)
from runner.cli.groups import Group
from runner.cli.show import build as show_build
from runner.cli.show import ingest as show_ingest
from runner.cli.show import runs as show_runs
from runner.database.ledger import slow_scripts
from runner.errors import UsageError
from runner.project.graph import select
from runner.project.target import Target
from runner.repairs.pipeline import open_pipeline

TABLES = ("run_scripts", "run_inputs", "run_checks", "run_logs")
LIST_RUNS = "to list them: python -m runner runs"
COLUMNS = ("run", "kind", "what", "status", "started_at", "seconds", "rows")


@click.group("runs", cls=Group, invoke_without_command=True, params=[last_option, json_option])
@click.option("--scripts", is_flag=True, help="Also list the scripts of builds.")
@click.option("--status", metavar="STATUS", help="Only runs with this status, such as failed.")
@click.pass_context
def command(context: click.Context, /, **filters: object) -> None:
    """List, show and undo runs, and show how long builds take.

    Without a subcommand, lists the latest runs, newest first.

    \b
    Example: python -m runner runs -n 5 --status failed
    """
    if context.invoked_subcommand is None:
        with Workspace(context.obj).ledger() as session:
            rows = session.named("cli/show/runs.runs", **filters)
        show_runs.runs(rows, "nothing has run yet: python -m runner run-all", COLUMNS)
        output.data(rows)


@project_command("show", json_option, group=command)
@click.argument("run_id", type=int, metavar="RUN")
@click.option("--plans", is_flag=True, help="Print only the query plans of slow statements.")
def show(here: Workspace, run_id: int, plans: bool) -> None:
    """Show everything that is known about a run.

    Shows its window or scripts, row counts, checks, messages, errors, observations, and the
    published days that it changed. With MILEPOST_KEEP_PLANS=5, builds keep the query plans of
    statements that run for five seconds or more.

    \b
    Example: python -m runner runs show 12
    """
    with here.ledger() as session:
        found = session.named("cli/show/runs.run", run_id=run_id)
        if not found:
            raise UsageError(f"there is no run {run_id}", LIST_RUNS)
        if plans:
            _show_plans(session.named("cli/show/runs.run_plans", run_id=run_id))
            return
        parts = {name: session.named(f"cli/show/runs.{name}", run_id=run_id) for name in TABLES}
        observed = session.named("cli/show/runs.run_observations", run_id=run_id)
        what = "run_restatements" if output.style.json else "run_restated_days"
        restated = session.named(f"cli/show/runs.{what}", run_id=run_id)
    if output.style.json:
        more = {"run_observations": observed, "run_restatements": restated}
        output.data({**found[0], **parts, **more})
        return
    output.record(found[0])
    for rows in filter(None, parts.values()):
        output.say()
        output.table(rows)
    show_runs.observations(observed)
    show_runs.restatements(restated)


def _show_plans(rows: list[dict[str, str]]) -> None:
    output.data(rows)
    for row in rows:
        output.say(f"{row['message']}\n{row['plan']}\n")
    if not rows:
        output.say("no plans were kept; MILEPOST_KEEP_PLANS=5 keeps those of five seconds or more")


@project_command("trend", last_option, target_option, json_option, group=command)
@click.argument("name", metavar="[SCRIPT]", required=False, shell_complete=script_names)
def trend(here: Workspace, name: str | None, last: int, target: Target) -> None:
    """Show how long the latest builds took, or one script in them.

    Draws bars on a terminal, and otherwise prints a table. Warns if a script took more than three
    times its median in up to 20 earlier builds of the same mode, full or incremental. Times under
    0.5 s, and scripts with fewer than five earlier builds, are ignored.

    \b
    Example: python -m runner runs trend fact_miles_earned
    """
    script = _script(here, name) if name else None
    with here.ledger() as session:
        builds = session.named("cli/show/runs.trend", script=script, target=target.name, last=last)
        newest = builds[0]["run"] if builds else 0
        found = [each for each in slow_scripts(session, newest) if script in (None, each.script)]
    builds.reverse()
    show_runs.trend(builds)
    show_build.slow(found)
    output.data({"builds": builds, "slow": [asdict(each) for each in found]})


def _script(here: Workspace, name: str) -> str:
    keys = sorted(select(here.manifest(), [name]))
    if len(keys) > 1:
        raise UsageError(f"{name} selects {len(keys)} scripts", f"name one, such as {keys[0]}")
    return keys[0]


@project_command("undo", yes_option, json_option, group=command)
@click.argument("run_id", type=int, metavar="RUN")
def undo(here: Workspace, run_id: int, yes: bool) -> None:
    """Undo what a run did to a replica.

    Removes the rows that it added, and restores those that it changed or deleted. Its window
    becomes a gap, which `backfill` can fill. The next build picks up the change.

    \b
    Example: python -m runner runs undo 12
    """
    with here.ledger() as session:
        found = session.named("cli/show/runs.run", run_id=run_id)
    if not found or not found[0]["pipeline"]:
        raise UsageError(f"there is no run {run_id} of a pipeline, or it was pruned", LIST_RUNS)
    run = found[0]
    rows = output.row_counts(run["rows_inserted"], run["rows_updated"], run["rows_deleted"])
    output.say(f"run {run_id}: {run['kind']} of {run['pipeline']}, {run['status']}, rows {rows}")
    output.confirm("undo it?", "--yes undoes it without asking", yes)
    with show_ingest.reporting("undo") as progress:
        open_pipeline(here.database(), here.folder, run["pipeline"], progress).undo(run_id)
