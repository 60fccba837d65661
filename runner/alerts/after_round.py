"""Runs what follows a round of run-all: alerts, spans and the user's commands. A failure is only a
warning.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.alerts.incidents import alert
from runner.database.session import Database
from runner.errors import RunnerError, room

# Prefixes of the variables that name the receivers of alerts and of spans.
ALERTS = "MILEPOST_ALERT_"
SPANS = "OTEL_EXPORTER_OTLP_"


@dataclass(frozen=True, slots=True)
class AfterRound:
    """What the command line and the environment ask for. `connect` returns the database."""

    project: Path
    connect: Callable[[], Database]
    warn: Callable[[str, str | None], None]
    on_success: str | None = None
    on_failure: str | None = None

    def newest_run(self) -> int:
        """Return the number of the newest run before a round; 0 if no spans are sent."""
        if not _is_set(SPANS):
            return 0
        newest = "select coalesce(max(run_id), 0) from orchestrator.runs"
        try:
            with self.connect().session() as session:
                return int(session.value(newest))
        except RunnerError:  # the round reports it
            return 0

    def follow(self, answer: str, has_failed: bool, after_run: int) -> None:
        """Send alerts and spans, and call the command. `answer` is the round as JSON; its runs are
        those after `after_run`.
        """
        if _is_set(ALERTS):
            self._try(lambda: alert(self.connect(), self.project, self.warn))
        if _is_set(SPANS):
            spans = ("runner.alerts.spans", "[otel]", "sending spans")
            self._try(lambda: room(*spans).export(self.connect(), after_run))
        if command := self.on_failure if has_failed else self.on_success:
            self._call(command, answer)

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except RunnerError as error:
            self.warn(error.message, error.hint)

    def _call(self, command: str, answer: str) -> None:
        """Run a shell command, with the round on its standard input."""
        # Its output goes to standard error, so that it does not mix with --json.
        done = subprocess.run(command, shell=True, input=answer, text=True, stdout=2, check=False)
        if done.returncode:
            self.warn(f"{command}: exit code {done.returncode}", None)


def _is_set(prefix: str) -> bool:
    return any(name.startswith(prefix) and value for name, value in os.environ.items())
