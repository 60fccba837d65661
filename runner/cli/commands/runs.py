"""`runs`: what ran lately, and the whole story of one run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from runner.cli.options import Group, json_option, last_option

TABLES = ("run_scripts", "run_inputs", "run_checks", "run_logs")
COLUMNS = ("run", "kind", "what", "status", "started_at", "seconds", "rows")


class _Runs(Group):
    """`runs` alone lists; `runs show N` tells of one."""


@click.group("runs", cls=_Runs, invoke_without_command=True)
@last_option
@click.option("--scripts", is_flag=True, help="The scripts of builds too.")
@click.option("--status", "run_status", metavar="STATUS", help="Only failed, succeeded and so on.")
@json_option
@click.pass_context
def command(context: click.Context, last: int, scripts: bool, run_status: str | None) -> None:
    """List the last windows and builds, newest first; `runs show N` tells the story of one.

    \b
    Example: python -m runner runs -n 5 --status failed
    """
    if context.invoked_subcommand is None:
        from runner.cli import output

        rows = _rows(context.obj, "runs", {"last": last, "scripts": scripts, "status": run_status})
        for row in rows:
            row["rows"] = output.describe_rows(row["inserted"], row["updated"], row["deleted"])
        output.table(rows, "nothing ran yet: python -m runner run-all", COLUMNS)
        for row in rows:
            if row["error"]:
                output.say(f"run {row['run']}: {row['error']}")


@command.command("show")
@click.argument("run_id", type=int, metavar="RUN")
@json_option
@click.pass_obj
def show(project: Path, run_id: int) -> None:
    """Tell the whole story of a run: its window or its scripts, rows, checks, messages, errors,
    what was observed, and which published days have changed.

    \b
    Example: python -m runner runs show 12
    """
    from runner.cli import output
    from runner.errors import UsageError

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
    output.observations(observed)
    output.restated(_rows(project, "run_restated_days", values))


@command.command("undo")
@click.argument("run_id", type=int, metavar="RUN")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def undo(project: Path, run_id: int, yes: bool) -> None:
    """Take back what a run brought into a replica.

    Rows that it added go, rows that it changed or deleted are what they were. Its window is a gap
    then, which `backfill` fills. The next build follows.

    \b
    Example: python -m runner runs undo 12
    """
    from runner.cli import output
    from runner.cli.commands.ingest import repair
    from runner.errors import UsageError

    found = _rows(project, "run", {"run_id": run_id})
    if not found or not found[0]["pipeline"]:
        raise UsageError(f"there is no run {run_id} of a pipeline", "python -m runner runs")
    run = found[0]
    rows = output.describe_rows(run["rows_inserted"], run["rows_updated"], run["rows_deleted"])
    output.say(f"run {run_id}: {run['kind']} of {run['pipeline']}, {run['status']}, rows {rows}")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to ask", "--yes takes it back without asking")
        click.confirm("take it back?", abort=True)
    repair(
        project,
        run["pipeline"],
        "undo",
        lambda controller, live: controller.undo(run_id, live.loaded),
    )


def _rows(project: Path, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    from runner.database import address as server
    from runner.database import ledger
    from runner.database.queries import named_query
    from runner.database.session import Database

    with Database(server.find(project).conninfo).session() as session:
        ledger.require(session)
        return session.rows(named_query(f"cli/inspect.{query}"), values)
