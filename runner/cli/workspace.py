"""What a command works on: the folder of a project, its manifest and its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from runner.cli.groups import Command
from runner.database import address, ledger
from runner.database.session import Database, Session
from runner.project.manifest import Manifest, load


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project, as the command line names it. Nothing is kept: in a loop, each round reads the
    files again, and starts the embedded server again if it was stopped.
    """

    folder: Path

    def manifest(self) -> Manifest:
        return load(self.folder)

    def database(self) -> Database:
        """Return the database that the environment names, else the embedded one, started."""
        return Database(address.find(self.folder).conninfo)

    @contextmanager
    def ledger(self) -> Iterator[Session]:
        """Open a session on it; StartError if it has no orchestrator schema of this version."""
        with self.database().session() as session:
            ledger.require(session)
            yield session


def pass_workspace(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of a command begin with the workspace, of which the group knows the folder."""

    @wraps(function)
    def with_workspace(**options: Any) -> Any:
        return function(Workspace(click.get_current_context().obj), **options)

    return with_workspace


def project_command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command that works on a project: its function gets the workspace, then options."""

    def declare(function: Callable[..., Any]) -> click.Command:
        return click.command(name, cls=Command)(pass_workspace(function))

    return declare
