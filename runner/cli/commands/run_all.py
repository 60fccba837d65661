"""`run-all`: ingest, then build; once or repeatedly."""

from datetime import datetime
from pathlib import Path

import click

from runner import run
from runner.cli import output, show_build, show_ingest
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import json_option, wait_option
from runner.cli.progress import live
from runner.errors import RunnerError, was_interrupted
from runner.project.manifest import load


@click.command("run-all", cls=Command)
@wait_option
@click.option(
    "--every", metavar="INTERVAL", help="Repeat at this interval (30s, 5m, 1h) until a signal."
)
@json_option
@click.pass_obj
def command(project: Path, wait: float, every: str | None) -> None:
    """Ingest new rows, then build everything that depends on them.

    \b
    Example: python -m runner run-all
             python -m runner run-all --every 5m
    """
    manifest = load(project)
    if every is not None:
        run.repeat(run.interval(every), lambda: _tick(project, wait), output.complain)
        output.say("stopped between two rounds")
    elif _round(project, wait).build.run_id is not None:
        report = next((s.key for s in manifest.scripts.values() if s.layer == "reporting"), "...")
        output.say(f"look at it: {output.program()} db psql -c 'table {report}'")


def _tick(project: Path, wait: float) -> None:
    output.say(f"tick {datetime.now():%Y-%m-%d %H:%M:%S}")
    _round(project, wait, in_loop=True)


def _round(project: Path, wait: float, in_loop: bool = False) -> run.Round:
    """Run one round and show it."""
    with live() as progress:
        try:
            done = run.run_all(
                database(project), project, progress, wait_seconds=wait, leave_to_others=in_loop
            )
        except RunnerError as error:
            if not was_interrupted(error):  # which is another error, with another exit code
                reason = output.error_data(error)
                output.data(
                    {"ingest": show_ingest.as_data(progress), "build": None, "error": reason}
                )
            raise
    if progress.windows or not done.skipped:
        show_ingest.summary(progress)
    if not done.skipped:
        show_build.summary(done.build, progress)
    for held in done.skipped:
        output.say(f"skipped: {held.message}")
    answer = {"ingest": show_ingest.as_data(progress), "build": show_build.as_data(done.build)}
    output.data(answer | ({"skipped": [held.message for held in done.skipped]} if in_loop else {}))
    return done
