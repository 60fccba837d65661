"""What follows a round of run-all: a page, commands of the user's own, alerts. None of it can fail
the round; what goes wrong is a warning.
"""

import importlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.cli import output
from runner.cli.groups import missing
from runner.cli.workspace import Workspace
from runner.errors import RunnerError
from runner.status import Status

ALERTS = "MILEPOST_ALERT_"  # how the variables begin that name receivers


@dataclass(frozen=True, slots=True)
class AfterRound:
    """What was asked for, on the command line and in the environment."""

    dashboard: Path | None = None
    on_success: str | None = None
    on_failure: str | None = None

    def follow(
        self, here: Workspace, answer: dict[str, Any], error: RunnerError | None, has_built: bool
    ) -> None:
        """Do it. `answer` is what --json prints of the round, and what the commands read."""
        try:
            if self.dashboard and (has_built or (error is None and not self.dashboard.exists())):
                room("runner.cli.rooms.dashboard").write_page(here, self.dashboard)
            if any(name.startswith(ALERTS) and value for name, value in os.environ.items()):
                alert(here)
        except RunnerError as problem:
            output.warn(problem.message, problem.hint)
        if command := self.on_failure if error else self.on_success:
            _call(command, answer)


def alert(here: Workspace, target: str = "live", found: Status | None = None) -> None:
    """Tell the receivers what status finds, and a person what could not be delivered."""
    for failure in room("runner.alerts.incidents").tell(
        here.database(), here.folder, target, found
    ):
        output.warn(f"alert not delivered, {failure}", "the next round tries again")


def room(module: str) -> Any:
    """Import from a room, which may have been taken away; StartError if it has."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing(module, error) from error


def _call(command: str, answer: dict[str, Any]) -> None:
    """Run a command line in a shell, with the round as JSON on its standard input."""
    text = json.dumps(answer, default=output.encode)
    # What it prints goes to standard error, where it cannot get into the JSON of ours.
    done = subprocess.run(command, shell=True, input=text, text=True, stdout=2, check=False)
    if done.returncode:
        output.warn(f"{command}: exit code {done.returncode}")
