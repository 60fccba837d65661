"""What follows a round of run-all: a page, alerts, spans, commands of the user's own. None of it
can fail the round; what goes wrong is a warning.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.cli import output
from runner.cli.command import Workspace
from runner.cli.groups import room
from runner.errors import RunnerError
from runner.status import Status

# How the variables begin that name receivers of alerts, and of spans.
ALERTS = "MILEPOST_ALERT_"
SPANS = "OTEL_EXPORTER_OTLP_"


@dataclass(frozen=True, slots=True)
class AfterRound:
    """What was asked for, on the command line and in the environment."""

    dashboard: Path | None = None
    on_success: str | None = None
    on_failure: str | None = None

    def newest_run(self, here: Workspace) -> int:
        """Return the number of the newest run before a round; 0 if nobody needs to know."""
        if not _is_set(SPANS):
            return 0
        try:
            with here.ledger() as session:
                newest = "select coalesce(max(run_id), 0) from orchestrator.runs"
                return int(session.value(newest))
        except RunnerError:  # the round itself will say so
            return 0

    def follow(
        self,
        here: Workspace,
        answer: dict[str, Any],
        error: RunnerError | None,
        has_built: bool,
        after_run: int,
    ) -> None:
        """Do it. `answer` is what --json prints of the round, and what the commands read; its runs
        come after `after_run`.
        """
        if self.dashboard and (has_built or (error is None and not self.dashboard.exists())):
            _try(lambda: room("runner.cli.rooms.dashboard").write_page(here, self.dashboard))
        if _is_set(ALERTS):
            _try(lambda: alert(here))
        if _is_set(SPANS):
            _try(lambda: room("runner.alerts.spans", "[otel]").export(here.database(), after_run))
        if command := self.on_failure if error else self.on_success:
            _call(command, answer)


def _is_set(beginning: str) -> bool:
    return any(name.startswith(beginning) and value for name, value in os.environ.items())


def _try(step: Callable[[], object]) -> None:
    try:
        step()
    except RunnerError as error:
        output.warn(error.message, error.hint)


def alert(here: Workspace, target: str = "live", found: Status | None = None) -> None:
    """Tell the receivers what status finds, and a person what could not be delivered."""
    for failure in room("runner.alerts.incidents").tell(
        here.database(), here.folder, target, found
    ):
        output.warn(f"alert not delivered, {failure}", "the next round tries again")


def _call(command: str, answer: dict[str, Any]) -> None:
    """Run a command line in a shell, with the round as JSON on its standard input."""
    text = json.dumps(answer, default=output.encode)
    # What it prints goes to standard error, where it cannot get into the JSON of ours.
    done = subprocess.run(command, shell=True, input=text, text=True, stdout=2, check=False)
    if done.returncode:
        output.warn(f"{command}: exit code {done.returncode}")
