"""Options that several commands share, and completion of script names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from runner.cli import output
from runner.errors import RunnerError
from runner.project.manifest import load
from runner.project.target import Target

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _as_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        output.style.json = True


def _read_target(context: click.Context, parameter: click.Parameter, name: str) -> Target:
    if name.endswith("_scratch"):  # tables that nobody may see yet, and that every build removes
        raise click.BadParameter("names that end in _scratch are reserved")
    return Target(name)


def complete_scripts(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Return names of scripts for the shell; none where there is no project."""
    folder = context.find_root().params.get("project") or Path.cwd()
    plus = "+" if typed.startswith("+") else ""
    try:
        names = [script.name for script in load(Path(folder)).scripts.values()]
    except RunnerError:
        return []
    return [plus + name for name in names if name.startswith(typed.strip("+"))]


def number_option(*names: str, low: int, high: int | None = None, **options: Any) -> Decorator:
    """An option that takes a whole number of a range."""
    return click.option(*names, type=click.IntRange(low, high), metavar="N", **options)


# Prints the result as JSON on standard output, and nothing else there.
json_option: Decorator = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_as_json,
    help="Print the result as JSON.",
)

target_option: Decorator = click.option(
    "--target",
    default="live",
    metavar="NAME",
    callback=_read_target,
    help="The target: live, or the schemas NAME_warehouse and NAME_reporting.",
)

jobs_option = number_option(
    "-j",
    "--jobs",
    low=1,
    high=64,
    default=None,
    help="Run N scripts at once, each over its own connection; by default one for each core of this"
    " machine, up to eight.",
)

wait_option: Decorator = click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    default=60.0,
    metavar="SECONDS",
    help="Longest time to wait for open transactions of the source.",
)

last_option = number_option("-n", "--last", low=1, default=20, help="Number of rows to list.")

yes_option: Decorator = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def select_option(what: str) -> Decorator:
    """-s: choose scripts; `what` says what for."""
    return click.option(
        "-s",
        "--select",
        "patterns",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_scripts,
        help=f"{what} NAME is a script, a layer or a glob; +NAME adds everything upstream of it,"
        " NAME+ everything downstream. May repeat.",
    )
