"""What commands share: the options of all of them, and how script names complete."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def _be_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from runner.cli import output

        output.style.quiet = True


def _debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta["debug"] = True
        logging.basicConfig(level=logging.DEBUG)


def _as_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from runner.cli import output

        output.style.json = True


class Command(click.Command):
    """A command that also takes --quiet and --debug."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        flags: dict[str, Any] = {"is_flag": True, "expose_value": False, "is_eager": True}
        self.params += [
            click.Option(
                ["--quiet"], help="Only warnings and errors.", callback=_be_quiet, **flags
            ),
            click.Option(
                ["--debug"], help="Tracebacks and log messages.", callback=_debug, **flags
            ),
        ]


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json: the answer as JSON on standard output, and nothing else there."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_as_json,
        help="Answer in JSON.",
    )(function)


def _refuse_scratch(context: click.Context, parameter: click.Parameter, name: str) -> str:
    """These names are for tables that nobody may see yet, and every build clears them away."""
    if name.endswith("_scratch"):
        raise click.BadParameter("names that end in _scratch are taken")
    return name


def target_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--target: the live tables, or those of a target beside them."""
    return click.option(
        "--target",
        default="live",
        show_default=True,
        metavar="NAME",
        callback=_refuse_scratch,
        help="live, or a target whose schemas are NAME_warehouse and NAME_reporting.",
    )(function)


def jobs_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """-j: how many scripts run at once."""
    return click.option(
        "-j",
        "--jobs",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        metavar="N",
        help="Scripts at once, each over a connection of its own.",
    )(function)


def wait_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--wait: how long an ingest waits for transactions that were open when it began."""
    return click.option(
        "--wait",
        type=click.FloatRange(0, 86_400),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Longest wait for open transactions.",
    )(function)


def last_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """-n: how many rows to list."""
    return click.option(
        "-n",
        "--last",
        type=click.IntRange(min=1),
        default=20,
        show_default=True,
        metavar="N",
        help="How many.",
    )(function)


def select_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """-s: scripts by name, glob or layer; +x with what x needs, x+ with what needs x."""
    return click.option(
        "-s",
        "--select",
        "patterns",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_scripts,
        help=f"{what} NAME: script, layer or glob; +NAME, NAME+: with needs, with what follows.",
    )


def complete_scripts(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Names of scripts for the shell; nothing where there is no project."""
    from runner.errors import RunnerError
    from runner.project.manifest import load

    project = context.obj or context.find_root().params.get("project") or Path.cwd()
    plus = "+" if typed.startswith("+") else ""
    try:
        names = [script.name for script in load(Path(project)).scripts.values()]
    except RunnerError:
        return []
    return [plus + name for name in names if name.startswith(typed.strip("+"))]
