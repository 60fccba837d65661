"""How a command is declared: what it works on, and the options that several share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from runner.build.build import read_plan, states
from runner.cli import output
from runner.cli.groups import Command, flag
from runner.database import address, ledger
from runner.database.session import Database, Session
from runner.errors import RunnerError, UsageError
from runner.project.graph import select
from runner.project.manifest import Manifest, load
from runner.project.target import Target

# An option that names a file.
FILE = click.Path(dir_okay=False, path_type=Path)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project, as the command line names it. Nothing is kept: files change, and servers stop."""

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


def project_command(
    name: str, *shared: click.Option, group: click.Group | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command whose function gets the workspace, then its own options and shared ones."""

    def declare(function: Callable[..., Any]) -> click.Command:
        declared = click.command(name, cls=Command, shared=shared)(pass_workspace(function))
        if group:
            group.add_command(declared)
        return declared

    return declare


def pass_workspace(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of a command begin with the workspace, of which the group knows the folder."""

    @wraps(function)
    def with_workspace(**options: Any) -> Any:
        return function(Workspace(click.get_current_context().obj), **options)

    return with_workspace


def complete_scripts(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Return names of scripts for the shell; none where there is no project."""
    folder = context.find_root().params.get("project") or Path.cwd()
    plus = "+" if typed.startswith("+") else ""
    try:
        names = [script.name for script in load(Path(folder)).scripts.values()]
    except RunnerError:
        return []
    return [plus + name for name in names if name.startswith(typed.strip("+"))]


def select_option(what: str) -> Decorator:
    """-s and --exclude: choose scripts; `what` says what for. The function gets their names."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_selection(here: Workspace, exclude: tuple[str, ...], **options: Any) -> Any:
            target = options.get("target", Target())
            options["patterns"] = _chosen(here, options["patterns"], exclude, target)
            return function(here, **options)

        names = partial(
            click.option, multiple=True, metavar="NAME", shell_complete=complete_scripts
        )
        left_out = "Leave these out of what -s chooses. May repeat."
        chosen = (
            f"{what} NAME is a script, a layer, a glob, tag:NAME, state:changed or result:failed;"
            " +NAME adds everything upstream of it, NAME+ everything downstream. May repeat."
        )
        with_selection = names("--exclude", help=left_out)(with_selection)
        return names("-s", "--select", "patterns", help=chosen)(with_selection)

    return declare


def _chosen(
    here: Workspace, patterns: tuple[str, ...], exclude: tuple[str, ...], target: Target
) -> tuple[str, ...]:
    """Return the keys that are chosen, none if nobody chose; a choice of nothing is the end."""
    if exclude and not patterns:
        raise UsageError("--exclude takes scripts out of what -s chooses", "-s '*' chooses all")
    known: dict[str, set[str]] = {}
    manifest = here.manifest()
    if any(":" in each and "tag:" not in each for each in (*patterns, *exclude)):
        with here.ledger() as session:
            known = states(session, target, read_plan(session, manifest, target)[1])
    keys = select(manifest, patterns, known) - select(manifest, exclude, known)
    if patterns and not keys:
        output.say(f"no script is chosen by {' '.join(patterns)}")
        output.data([])
        raise click.exceptions.Exit
    return tuple(key for key in manifest.scripts if key in keys)


def number_option(*names: str, low: int, high: int | None = None, **options: Any) -> Decorator:
    """An option that takes a whole number of a range."""
    return click.option(*names, type=click.IntRange(low, high), metavar="N", **options)


def _read_target(context: click.Context, parameter: click.Parameter, name: str) -> Target:
    if name.endswith("_scratch"):  # tables that nobody may see yet, and that every build removes
        raise click.BadParameter("names that end in _scratch are reserved")
    return Target(name)


# Prints the result as JSON on standard output, and nothing else there.
json_option = flag(
    "--json", "Print the result as JSON.", partial(setattr, output.style, "json", True)
)
target_option = click.Option(
    ["--target"],
    default="live",
    metavar="NAME",
    callback=_read_target,
    help="The target: live, or the schemas NAME_warehouse and NAME_reporting.",
)
jobs_option = click.Option(
    ["-j", "--jobs"],
    type=click.IntRange(1, 64),
    metavar="N",
    help="Run N scripts at once, each on its own connection (default: one per core, up to eight).",
)
wait_option = click.Option(
    ["--wait"],
    type=click.FloatRange(0, 86_400),
    default=60.0,
    metavar="SECONDS",
    help="Longest time to wait for transactions that are open in a source.",
)
last_option = click.Option(
    ["-n", "--last"],
    type=click.IntRange(1),
    default=20,
    metavar="N",
    help="Number of rows to list.",
)
yes_option = click.Option(["--yes"], is_flag=True, help="Do not ask for confirmation.")
