"""`run-all`: ingest, then build; once, or again and again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import Command, json_option, wait_option

if TYPE_CHECKING:
    from runner.build.transaction import Summary
    from runner.errors import RunnerError


@click.command("run-all", cls=Command)
@wait_option
@click.option("--every", metavar="INTERVAL", help="Do it again each 30s, 5m, 1h, until a signal.")
@json_option
@click.pass_obj
def command(project: Path, wait: float, every: str | None) -> None:
    """Bring in what is new and build what follows from it.

    \b
    Example: python -m runner run-all
             python -m runner run-all --every 5m
    """
    from runner import run as loop
    from runner.cli import output
    from runner.project.manifest import load

    manifest = load(project)
    if every is not None:
        loop.repeat(loop.interval(every), lambda: _tick_of_loop(project, wait), _complain)
        output.say("stopped between two ticks")
    elif tick(project, wait).run_id is not None:
        report = next((s.key for s in manifest.scripts.values() if s.layer == "reporting"), "...")
        output.say(f"look at it: {output.program()} db psql -c 'table {report}'")


def tick(project: Path, wait: float, in_loop: bool = False) -> Summary:
    """One round, told as it goes. In a loop, what another run holds is skipped, and left to it with
    all that would follow.
    """
    from runner import run as loop
    from runner.build.build import build
    from runner.build.transaction import Summary
    from runner.cli import output
    from runner.cli.commands.ingest import ingest_all
    from runner.database import address as server
    from runner.database.session import Database, LockHeld
    from runner.project.manifest import load
    from runner.project.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    done = Summary()
    skipped: list[LockHeld] = []

    def skip(error: LockHeld, pipeline_id: int) -> None:
        loop.skip(database, error, pipeline_id=pipeline_id)
        skipped.append(error)

    with output.live() as live:
        ingest_all(database, project, None, wait, live, skip if in_loop else None)
        try:
            if not skipped:
                done = build(database, manifest, Target(), (), live.result, live.starting)
        except LockHeld as error:
            if not in_loop:
                raise
            loop.skip(database, error, target=Target().name)
            skipped.append(error)
    if live.windows or not skipped:
        output.ingested(live)
    if not skipped:
        output.summary(done, live)
    for held in skipped:
        output.say(f"skipped: {held.message}")
    answer = {"ingest": output.ingest_data(live), "build": output.build_data(done)}
    output.data(answer | ({"skipped": [held.message for held in skipped]} if in_loop else {}))
    return done


def _tick_of_loop(project: Path, wait: float) -> None:
    from datetime import datetime

    from runner.cli import output

    output.say(f"tick {datetime.now():%Y-%m-%d %H:%M:%S}")
    tick(project, wait, in_loop=True)


def _complain(error: RunnerError) -> None:
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
