"""docs/commands.md, made from the help of the commands: `make reference` writes it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from runner.cli.main import COMMANDS, cli

FILE = Path(__file__).parents[2] / "docs/commands.md"
START = """\
# Commands

Every command is called as `python -m runner COMMAND`, or as `milepost COMMAND` where the package is
installed. `make reference` writes this page from their help.

All commands take `--help`, and most take `--quiet` (print only warnings and errors) and `--debug`
(show tracebacks and log messages). They exit with 0 when done, 1 when something failed or a problem was found,
2 when the command line is wrong, 3 when the work could not start, and 130 when interrupted.

Before the command, `--project DIRECTORY` names the folder of the project.
"""
COMMON = ("quiet", "debug")


def reference() -> str:
    """All commands with their options and an example, as Markdown."""
    root = cli.make_context("", [], resilient_parsing=True)
    parts = [START]
    for heading, names in COMMANDS.items():
        parts.append(f"## {heading}\n")
        for name in names:
            parts += [_section(context) for context in _with_subcommands(name, root)]
    return "\n".join(parts)


def _with_subcommands(name: str, parent: click.Context) -> Iterator[click.Context]:
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None
    context = click.Context(command, parent, name, terminal_width=90)
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from _with_subcommands(each, context)


def _section(context: click.Context) -> str:
    command = copy.copy(context.command)
    command.add_help_option = False
    text, _, example = inspect.cleandoc(command.help or "").partition("\b\n")
    command.params = [each for each in command.params if each.name not in COMMON]
    formatter = context.make_formatter()
    command.format_usage(context, formatter)
    click.Command.format_options(command, context, formatter)
    name = context.command_path.strip()
    return f"### {name}\n\n{text}```text\n{formatter.getvalue()}\n{example}\n```\n"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
