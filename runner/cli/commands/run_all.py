from datetime import datetime

import click

from runner import run
from runner.cli import output, show_build, show_ingest
from runner.cli.command import Workspace, json_option, project_command, wait_option
from runner.cli.progress import live
from runner.errors import RunnerError, was_interrupted


@project_command("run-all", wait_option, json_option)
@click.option(
    "--every", metavar="INTERVAL", help="Repeat at this interval (30s, 5m, 1h) until interrupted."
)
def command(here: Workspace, wait: float, every: str | None) -> None:
    """Ingest new rows, then build everything that depends on them.

    \b
    Example: python -m runner run-all
             python -m runner run-all --every 5m
    """
    manifest = here.manifest()
    if every is not None:
        run.repeat(run.interval(every), lambda: _tick(here, wait), output.complain)
        output.say("stopped between two rounds")
    elif _round(here, wait).build.run_id is not None:
        report = next((s.key for s in manifest.scripts.values() if s.layer == "reporting"), "...")
        output.say(f"look at it: {output.program()} db psql -c 'table {report}'")


def _tick(here: Workspace, wait: float) -> None:
    output.say(f"tick {datetime.now():%Y-%m-%d %H:%M:%S}")
    _round(here, wait, in_loop=True)


def _round(here: Workspace, wait: float, in_loop: bool = False) -> run.Round:
    """Run one round and show it."""
    with live() as progress:
        try:
            done = run.run_all(
                here.database(), here.folder, progress, wait_seconds=wait, leave_to_others=in_loop
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
