"""`runs`: the latest runs, all about one run, and undo."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from runner.cli import output, show_ingest, show_runs
from runner.cli.connect import database, ledger_session
from runner.cli.groups import Group
from runner.cli.options import (
    complete_scripts,
    json_option,
    last_option,
    target_option,
    yes_option,
)
from runner.cli.progress import live
from runner.database.ledger import slow_scripts
from runner.database.queries import named_query
from runner.errors import UsageError
from runner.project.graph import select
from runner.project.manifest import load
from runner.project.target import Target
from runner.run import open_pipeline

TABLES = ("run_scripts", "run_inputs", "run_checks", "run_logs")
COLUMNS = ("run", "kind", "what", "status", "started_at", "seconds", "rows")


@click.group("runs", cls=Group, invoke_without_command=True)
@last_option
@click.option("--scripts", is_flag=True, help="List the scripts of builds too.")
@click.option(
    "--status", "run_status", metavar="STATUS", help="Only runs with this status, such as failed."
)
@json_option
@click.pass_context
def command(context: click.Context, last: int, scripts: bool, run_status: str | None) -> None:
    """List, show and undo runs, and show how long builds take.

    Without a command it lists the latest windows and builds, newest first.

    \b
    Example: python -m runner runs -n 5 --status failed
    """
    if context.invoked_subcommand is None:
        rows = _rows(context.obj, "runs", {"last": last, "scripts": scripts, "status": run_status})
        for row in rows:
            row["rows"] = output.row_counts(row["inserted"], row["updated"], row["deleted"])
        output.table(rows, "nothing has run yet: python -m runner run-all", COLUMNS)
        for row in rows:
            if row["error"]:
                output.say(f"run {row['run']}: {row['error']}")


@command.command("show")
@click.argument("run_id", type=int, metavar="RUN")
@json_option
@click.pass_obj
def show(project: Path, run_id: int) -> None:
    """Show everything that is known about a run.

    That is its window or its scripts, rows, checks, messages and errors, what a build observed,
    and which published days it changed.

    \b
    Example: python -m runner runs show 12
    """
    values = {"run_id": run_id}
    found = _rows(project, "run", values)
    if not found:
        raise UsageError(f"there is no run {run_id}", "python -m runner runs lists them")
    parts = {name: _rows(project, name, values) for name in TABLES}
    observed = _rows(project, "run_observations", values)
    if output.style.json:
        restated = _rows(project, "run_restatements", values)
        more = {"run_observations": observed, "run_restatements": restated}
        output.data({**found[0], **parts, **more})
        return
    output.pairs(found[0])
    for rows in parts.values():
        if rows:
            output.say()
            output.table(rows, "")
    show_runs.observations(observed)
    show_runs.restatements(_rows(project, "run_restated_days", values))


@command.command("trend")
@click.argument("name", metavar="[SCRIPT]", required=False, shell_complete=complete_scripts)
@last_option
@target_option
@json_option
@click.pass_obj
def trend(project: Path, name: str | None, last: int, target: Target) -> None:
    """Show how long the last builds took, or a script in them.

    It warns of what took more than three times its median of up to twenty builds before, in the
    same mode: in full, or of what was new. Less than half a second, or fewer than five such builds,
    are not judged.

    \b
    Example: python -m runner runs trend fact_miles_earned
    """
    script = _script(project, name) if name else None
    with ledger_session(project) as session:
        builds = session.named("cli/inspect.trend", script=script, target=target.name, last=last)
        newest = builds[0]["run"] if builds else 0
        found = [each for each in slow_scripts(session, newest) if script in (None, each.script)]
    builds.reverse()
    if output.style.json:
        output.data({"builds": builds, "slow": [asdict(each) for each in found]})
        return
    show_runs.trend(builds)
    show_runs.slow(found)


def _script(project: Path, name: str) -> str:
    keys = sorted(select(load(project), [name]))
    if len(keys) > 1:
        raise UsageError(f"{name} names {len(keys)} scripts", f"one of them, such as {keys[0]}")
    return keys[0]


@command.command("undo")
@click.argument("run_id", type=int, metavar="RUN")
@yes_option
@json_option
@click.pass_obj
def undo(project: Path, run_id: int, yes: bool) -> None:
    """Take back what a run brought into a replica.

    Added rows are removed, changed and deleted rows are restored. The window of the run becomes a
    gap, which `backfill` fills. The next build takes the change on.

    \b
    Example: python -m runner runs undo 12
    """
    found = _rows(project, "run", {"run_id": run_id})
    if not found or not found[0]["pipeline"]:
        raise UsageError(f"there is no run {run_id} of a pipeline", "python -m runner runs")
    run = found[0]
    rows = output.row_counts(run["rows_inserted"], run["rows_updated"], run["rows_deleted"])
    output.say(f"run {run_id}: {run['kind']} of {run['pipeline']}, {run['status']}, rows {rows}")
    if not yes:
        output.confirm("take it back?", "--yes takes it back without asking")
    with live() as progress:
        open_pipeline(database(project), project, run["pipeline"], progress).undo(run_id)
    show_ingest.summary(progress, "undo")
    output.data(show_ingest.as_data(progress))


def _rows(project: Path, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with ledger_session(project) as session:
        return session.rows(named_query(f"cli/inspect.{query}"), values)
