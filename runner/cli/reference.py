"""The reference of commands in README.md, made from the commands themselves.

`python -m runner.cli.reference` writes it; a test holds the two together.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from runner.cli.main import cli

START = "<!-- Commands: made from the commands by `make reference`. -->\n"
END = "<!-- End of commands. -->\n"
COMMON = ("quiet", "debug")


def reference() -> str:
    """All commands with their options and an example, as Markdown."""
    return "\n".join(_section(name, command) for name, command in _commands("", cli))


def with_reference(readme: str) -> str:
    """The README with its reference as it has to be."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{reference()}\n{END}{after}"


def _commands(prefix: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _commands(f"{prefix}{name} ", command)


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    purpose, _, example = inspect.cleandoc(command.help or "").partition("\b\n")
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    usage = usage.removesuffix(" [COMMAND] [ARGS]...")
    lines = [f"**`{usage}`**  ", *textwrap.wrap(purpose, 100), "", "```"]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in COMMON:
            record = parameter.get_help_record(context)
            if record:
                lines += _option(*record)
    lines += ["", *(line for line in inspect.cleandoc(example).splitlines() if line)]
    return "\n".join([*lines, "```", ""])


def _option(name: str, text: str) -> list[str]:
    """What an option does, beside it or, behind a long name, below it."""
    lines = textwrap.wrap(text, 66) or [""]
    if len(name) <= 26:
        return [f"{name:<28}{lines[0]}", *(" " * 28 + line for line in lines[1:])]
    return [name, *(" " * 28 + line for line in lines)]


def main() -> None:
    """Bring the README of this folder up to date."""
    readme = Path("README.md")
    text = readme.read_text(encoding="utf-8")
    if START not in text or END not in text:
        sys.exit(f"error: {readme} has no place for the commands: {START.strip()}")
    readme.write_text(with_reference(text), encoding="utf-8")


if __name__ == "__main__":
    main()
