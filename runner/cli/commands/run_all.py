"""`run-all`: ingest, then build; once, or again and again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import Command, json_option, wait_option

if TYPE_CHECKING:
    from runner.errors import RunnerError
    from runner.run import Round


@click.command("run-all", cls=Command)
@wait_option
@click.option("--every", metavar="INTERVAL", help="Repeat every 30s, 5m, 1h, until a signal.")
@json_option
@click.pass_obj
def command(project: Path, wait: float, every: str | None) -> None:
    """Bring in what is new and build what follows from it.

    \b
    Example: python -m runner run-all
             python -m runner run-all --every 5m
    """
    from runner import run
    from runner.cli import output
    from runner.project.manifest import load

    manifest = load(project)
    if every is not None:
        run.repeat(run.interval(every), lambda: _tick(project, wait), _complain)
        output.say("stopped between two rounds")
    elif _round(project, wait).build.run_id is not None:
        report = next((s.key for s in manifest.scripts.values() if s.layer == "reporting"), "...")
        output.say(f"look at it: {output.program()} db psql -c 'table {report}'")


def _tick(project: Path, wait: float) -> None:
    from runner.cli import output

    output.say(f"tick {datetime.now():%Y-%m-%d %H:%M:%S}")
    _round(project, wait, in_loop=True)


def _round(project: Path, wait: float, in_loop: bool = False) -> Round:
    """One round, shown as it goes."""
    from runner.cli import output
    from runner.database import address
    from runner.database.session import Database
    from runner.run import run_all

    database = Database(address.find(project).conninfo)
    with output.live() as live:
        done = run_all(database, project, live, wait_seconds=wait, leave_to_others=in_loop)
    if live.windows or not done.skipped:
        output.ingested(live)
    if not done.skipped:
        output.summary(done.build, live)
    for held in done.skipped:
        output.say(f"skipped: {held.message}")
    answer = {"ingest": output.ingest_data(live), "build": output.build_data(done.build)}
    output.data(answer | ({"skipped": [held.message for held in done.skipped]} if in_loop else {}))
    return done


def _complain(error: RunnerError) -> None:
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
