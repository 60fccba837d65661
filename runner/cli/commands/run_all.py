import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from runner import run
from runner.cli import output
from runner.cli.command import FILE, Workspace, json_option, project_command, wait_option
from runner.cli.progress import Live, live
from runner.cli.show import build as show_build
from runner.cli.show import ingest as show_ingest
from runner.errors import RunnerError, room, was_interrupted

# How the variables begin that ask for something after each round.
AFTER_ROUND = ("MILEPOST_ALERT_", "OTEL_EXPORTER_OTLP_")


@project_command("run-all", wait_option, json_option)
@click.option(
    "--every", metavar="INTERVAL", help="Repeat at this interval (30s, 5m, 1h) until interrupted."
)
@click.option(
    "--dashboard", type=FILE, help="Write the dashboard after each build that changed something."
)
@click.option(
    "--on-success",
    metavar="COMMAND",
    help="Run this in a shell after each round that succeeds, with the --json output as its input.",
)
@click.option("--on-failure", metavar="COMMAND", help="The same after each round that fails.")
def command(
    here: Workspace,
    wait: float,
    every: str | None,
    dashboard: Path | None,
    on_success: str | None,
    on_failure: str | None,
) -> None:
    """Ingest new rows, then build everything that depends on them.

    If a pipeline fails, the build goes on with what is there, and the exit code is 1. Alerts go to
    the receivers that MILEPOST_ALERT_COMMAND, MILEPOST_ALERT_WEBHOOK and MILEPOST_ALERT_EMAIL name.

    \b
    Example: python -m runner run-all
             python -m runner run-all --every 5m
    """
    manifest = here.manifest()
    rounds = Rounds(here, wait, dashboard, _after_round(here, on_success, on_failure))
    if every is not None:
        run.repeat(run.interval(every), rounds.tick, output.complain)
        output.say("stopped between two rounds")
    elif rounds.one().build.run_id is not None:
        *_, last = tables = list(manifest.scripts)
        report = next((key for key in tables if key.startswith("reporting.")), last)
        output.say(f"to query it: {output.program()} db psql -c 'table {report}'")


def _after_round(here: Workspace, on_success: str | None, on_failure: str | None) -> Any:
    """Return what follows each round; None if nothing was asked for."""
    asked = any(value and name.startswith(AFTER_ROUND) for name, value in os.environ.items())
    if not (asked or on_success or on_failure):
        return None
    return room("runner.alerts.after_round").AfterRound(
        here.folder, here.database, output.warn, on_success, on_failure
    )


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds, as one command line asks for them."""

    here: Workspace
    wait: float
    dashboard: Path | None
    after: Any

    def tick(self) -> None:
        """Run a round of a loop."""
        output.say(f"tick {datetime.now():%Y-%m-%d %H:%M:%S}")
        self.one(in_loop=True)

    def one(self, in_loop: bool = False) -> run.Round:
        """Run one round, show it, and do what follows it."""
        here, done, failed = self.here, run.Round(), None
        newest = self.after.newest_run() if self.after else 0
        with live() as progress:
            try:
                done = run.run_all(
                    here.database(),
                    here.folder,
                    progress,
                    wait_seconds=self.wait,
                    leave_to_others=in_loop,
                )
            except RunnerError as error:
                if was_interrupted(error):  # which is another error, with another exit code
                    raise
                failed = error
        if isinstance(failed, run.RoundFailed):
            done = failed.done
        has_built = failed is None or isinstance(failed, run.RoundFailed)
        if has_built:
            _show(done, progress)
        answer: dict[str, Any] = {
            "ingest": show_ingest.as_data(progress),
            "build": show_build.as_data(done.build) if has_built else None,
        }
        if in_loop:
            answer["skipped"] = [held.message for held in done.skipped]
        if failed:
            answer["error"] = output.error_data(failed)
        output.data(answer)
        if done.build.run_id is not None or failed is None:
            self._write_page(is_new=done.build.run_id is not None)
        if self.after:
            self.after.follow(json.dumps(answer, default=output.encode), bool(failed), newest)
        if failed:
            raise failed
        return done

    def _write_page(self, is_new: bool) -> None:
        """Write the dashboard that was asked for, if it would change; a failure is a warning."""
        if self.dashboard and (is_new or not self.dashboard.exists()):
            try:
                room("runner.cli.commands.dashboard").write_page(self.here, self.dashboard)
            except RunnerError as error:
                output.warn(error.message, error.hint)


def _show(done: run.Round, progress: Live) -> None:
    """Show what a round brought in and built."""
    if progress.windows or not (done.skipped or done.failures):
        show_ingest.summary(progress)
    if not done.skipped:
        show_build.summary(done.build, progress)
    for held in done.skipped:
        output.say(f"skipped: {held.message}")
