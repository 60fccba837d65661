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
from runner.cli.progress import ProgressListener, show_progress
from runner.cli.show import build as show_build
from runner.cli.show import ingest as show_ingest
from runner.errors import RunnerError, room, was_interrupted

# Prefixes of the variables that ask for alerts and for spans.
AFTER_ROUND = ("MILEPOST_ALERT_", "OTEL_EXPORTER_OTLP_")


@project_command("run-all", wait_option, json_option)
@click.option(
    "--every", metavar="INTERVAL", help="Repeat at this interval (30s, 5m, 1h) until interrupted."
)
@click.option("--dashboard", type=FILE, help="Write the dashboard when a build has changed tables.")
@click.option(
    "--on-success",
    metavar="COMMAND",
    help="Shell command to run after each successful round. Its input is the --json output.",
)
@click.option("--on-failure", metavar="COMMAND", help="The same, for rounds that fail.")
def command(
    here: Workspace,
    wait: float,
    every: str | None,
    dashboard: Path | None,
    on_success: str | None,
    on_failure: str | None,
) -> None:
    """Ingest new rows, then build everything that depends on them.

    If a pipeline fails, the build goes on with the rows that are loaded, and the exit code is 1.
    Alerts are sent to the receivers named by MILEPOST_ALERT_COMMAND, MILEPOST_ALERT_WEBHOOK and
    MILEPOST_ALERT_EMAIL.

    \b
    Example: python -m runner run-all
             python -m runner run-all --every 5m
    """
    manifest = here.manifest()
    rounds = Rounds(here, wait, dashboard, _after_round(here, on_success, on_failure))
    if every is not None:
        run.repeat(run.interval(every), rounds.tick, output.report_error)
        output.say("stopped between two rounds")
    elif rounds.one().build.run_id is not None:
        *_, last = tables = list(manifest.scripts)
        report = next((key for key in tables if key.startswith("reporting.")), last)
        output.say(f"to query it: {output.program()} db psql -c 'table {report}'")


def _after_round(here: Workspace, on_success: str | None, on_failure: str | None) -> Any:
    """Return what to run after each round; None if neither options nor variables ask for it."""
    asked = any(value and name.startswith(AFTER_ROUND) for name, value in os.environ.items())
    if not (asked or on_success or on_failure):
        return None
    return room("runner.alerts.after_round").AfterRound(
        here.folder, here.database, output.warn, on_success, on_failure
    )


@dataclass(frozen=True, slots=True)
class Rounds:
    """Runs rounds with the options of the command line."""

    here: Workspace
    wait: float
    dashboard: Path | None
    after: Any

    def tick(self) -> None:
        """Run a round of a loop."""
        output.say(f"tick {datetime.now():%Y-%m-%d %H:%M:%S}")
        self.one(in_loop=True)

    def one(self, in_loop: bool = False) -> run.Round:
        """Run one round, show it, and run what follows it."""
        here, done, failed = self.here, run.Round(), None
        newest = self.after.newest_run() if self.after else 0
        with show_progress() as shown:
            try:
                done = run.run_all(
                    here.database(), here.folder, shown, wait_seconds=self.wait, skip_locked=in_loop
                )
            except RunnerError as error:
                if was_interrupted(error):  # main exits with another code
                    raise
                failed = error
        if isinstance(failed, run.RoundFailed):
            done = failed.done
        has_built = failed is None or isinstance(failed, run.RoundFailed)
        if has_built:
            _show(done, shown)
        answer: dict[str, Any] = {
            "ingest": show_ingest.as_data(shown),
            "build": show_build.as_data(done.build) if has_built else None,
        }
        if in_loop:
            answer["skipped"] = [error.message for error in done.skipped]
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
        """Write the dashboard of --dashboard if it may change; a failure is a warning."""
        if self.dashboard and (is_new or not self.dashboard.exists()):
            try:
                room("runner.cli.commands.dashboard").write_page(self.here, self.dashboard)
            except RunnerError as error:
                output.warn(error.message, error.hint)


def _show(done: run.Round, shown: ProgressListener) -> None:
    """Show what a round loaded and built."""
    if shown.windows or not (done.skipped or done.failures):
        show_ingest.summary(shown)
    if not done.skipped:
        show_build.summary(done.build, shown)
    for error in done.skipped:
        output.say(f"skipped: {error.message}")
