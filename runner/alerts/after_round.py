"""What follows a round of run-all: alerts, spans, the user's commands. What fails is a warning."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.alerts.incidents import alert
from runner.database.session import Database
from runner.errors import RunnerError, room

# How the variables begin that name receivers of alerts, and of spans.
ALERTS = "MILEPOST_ALERT_"
SPANS = "OTEL_EXPORTER_OTLP_"


@dataclass(frozen=True, slots=True)
class AfterRound:
    """What was asked for on the command line and in the environment; `connect` finds the server."""

    project: Path
    connect: Callable[[], Database]
    warn: Callable[[str, str | None], None]
    on_success: str | None = None
    on_failure: str | None = None

    def newest_run(self) -> int:
        """Return the number of the newest run before a round; 0 if nobody needs to know."""
        if not _is_set(SPANS):
            return 0
        newest = "select coalesce(max(run_id), 0) from orchestrator.runs"
        try:
            with self.connect().session() as session:
                return int(session.value(newest))
        except RunnerError:  # the round itself will say so
            return 0

    def follow(self, answer: str, has_failed: bool, after_run: int) -> None:
        """Do it. `answer` is the round as JSON; its runs come after `after_run`."""
        if _is_set(ALERTS):
            self._try(lambda: alert(self.connect(), self.project, self.warn))
        if _is_set(SPANS):
            spans = ("runner.alerts.spans", "[otel]", "sending spans")  # by libraries of its own
            self._try(lambda: room(*spans).export(self.connect(), after_run))
        if command := self.on_failure if has_failed else self.on_success:
            self._call(command, answer)

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except RunnerError as error:
            self.warn(error.message, error.hint)

    def _call(self, command: str, answer: str) -> None:
        """Run a command line in a shell, with the round on its standard input."""
        # What it prints goes to standard error, where it cannot get into the JSON of ours.
        done = subprocess.run(command, shell=True, input=answer, text=True, stdout=2, check=False)
        if done.returncode:
            self.warn(f"{command}: exit code {done.returncode}", None)


def _is_set(beginning: str) -> bool:
    return any(name.startswith(beginning) and value for name, value in os.environ.items())
