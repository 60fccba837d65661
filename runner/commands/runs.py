"""`runs`: what ran lately, and the whole story of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runner.options import Group, json_option, last_option

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
        from runner import output

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
    """Tell the whole story of a run: its window or its scripts, rows, checks, messages, errors.

    \b
    Example: python -m runner runs show 12
    """
    from runner import output
    from runner.errors import UsageError

    values = {"run_id": run_id}
    found = _rows(project, "run", values)
    if not found:
        raise UsageError(f"there is no run {run_id}", "python -m runner runs lists them")
    parts = {
        name: _rows(project, name, values)
        for name in ("run_scripts", "run_inputs", "run_checks", "run_logs")
    }
    output.data({**found[0], **parts})
    if not output.style.json:
        output.pairs(found[0])
        for rows in parts.values():
            if rows:
                output.say()
                output.table(rows, "")


def _rows(project: Path, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    from runner import server
    from runner.database import Database
    from runner.ledger import Ledger
    from runner.queries import queries

    with Database(server.find(project).conninfo).session() as session:
        Ledger(session)
        return session.rows(queries("look.sql")[query], values)
