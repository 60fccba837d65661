"""Declares commands: the workspace that they work on, and the options that several share."""

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

FILE = click.Path(dir_okay=False, path_type=Path)

SELECT = (
    "NAME is a script, a layer, a glob, tag:TAG, state:changed or result:failed. +NAME also selects"
    " everything upstream, NAME+ everything downstream. Can be repeated."
)
EXCLUDE = "Exclude these from the selection of -s. Can be repeated."

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The project that the command line names. It caches nothing: files change, servers stop."""

    folder: Path

    def manifest(self) -> Manifest:
        return load(self.folder)

    def database(self) -> Database:
        """Return the database that the environment names; without one, start the embedded one."""
        return Database(address.find(self.folder).conninfo)

    @contextmanager
    def ledger(self) -> Iterator[Session]:
        """Open a session; StartError if there is no orchestrator schema of this version."""
        with self.database().session() as session:
            ledger.require(session)
            yield session


def project_command(
    name: str, *shared: click.Option, group: click.Group | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command. Its function gets the workspace, and its own and the shared options."""

    def declare(function: Callable[..., Any]) -> click.Command:
        declared = click.command(name, cls=Command, shared=shared)(pass_workspace(function))
        if group:
            group.add_command(declared)
        return declared

    return declare


def pass_workspace(function: Callable[..., Any]) -> Callable[..., Any]:
    """Pass the workspace, whose folder the root group has set, as the first argument."""

    @wraps(function)
    def with_workspace(**options: Any) -> Any:
        return function(Workspace(click.get_current_context().obj), **options)

    return with_workspace


def script_names(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Return the names of scripts for shell completion; none outside a project."""
    folder = context.find_root().params.get("project") or Path.cwd()
    plus = "+" if typed.startswith("+") else ""
    try:
        names = [script.name for script in load(Path(folder)).scripts.values()]
    except RunnerError:
        return []
    return [plus + name for name in names if name.startswith(typed.strip("+"))]


def select_option(what: str) -> Decorator:
    """Add -s, whose help begins with `what`, and --exclude; the function gets keys of scripts."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_selection(here: Workspace, exclude: tuple[str, ...], **options: Any) -> Any:
            target = options.get("target", Target())
            options["patterns"] = _selected(here, options["patterns"], exclude, target)
            return function(here, **options)

        names = partial(click.option, multiple=True, metavar="NAME", shell_complete=script_names)
        with_selection = names("--exclude", help=EXCLUDE)(with_selection)
        return names("-s", "--select", "patterns", help=f"{what} {SELECT}")(with_selection)

    return declare


def _selected(
    here: Workspace, patterns: tuple[str, ...], exclude: tuple[str, ...], target: Target
) -> tuple[str, ...]:
    """Return the selected keys in build order, none without -s. If -s selects none, exit with 0."""
    if exclude and not patterns:
        raise UsageError("--exclude needs -s", "-s '*' selects all scripts")
    known: dict[str, set[str]] = {}
    manifest = here.manifest()
    if any(":" in each and "tag:" not in each for each in (*patterns, *exclude)):
        with here.ledger() as session:
            known = states(session, target, read_plan(session, manifest, target)[1])
    keys = select(manifest, patterns, known) - select(manifest, exclude, known)
    if patterns and not keys:
        output.say(f"{' '.join(patterns)} selects no script")
        output.data([])
        raise click.exceptions.Exit
    return tuple(key for key in manifest.scripts if key in keys)


def number_option(*names: str, low: int, high: int | None = None, **options: Any) -> Decorator:
    """Declare an option that takes an integer from `low` to `high`."""
    return click.option(*names, type=click.IntRange(low, high), metavar="N", **options)


def _read_target(context: click.Context, parameter: click.Parameter, name: str) -> Target:
    if name.endswith("_scratch"):  # schemas of unfinished builds, which every build drops
        raise click.BadParameter("names that end in _scratch are reserved")
    return Target(name)


json_option = flag("--json", "Print results as JSON.", partial(setattr, output.style, "json", True))
target_option = click.Option(
    ["--target"],
    default="live",
    metavar="NAME",
    callback=_read_target,
    help="live, or another target, in the schemas NAME_warehouse and NAME_reporting.",
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
    help="Maximum time to wait for open transactions in a source.",
)
last_option = click.Option(
    ["-n", "--last"], type=click.IntRange(1), default=20, metavar="N", help="Number of rows."
)
yes_option = click.Option(["--yes"], is_flag=True, help="Do not ask for confirmation.")
