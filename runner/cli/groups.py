"""Click classes: commands with common options, and groups that import their commands lazily."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from runner.cli import output
from runner.errors import room

FOLDER = Path(__file__).parent
# Extras in setup.cfg that commands need.
EXTRAS = {"dashboard": "[dashboard]", "docs": "[docs]", "lint": "[lint]", "db": "[embedded]"}
SUMMARY = re.compile(r'^def command\(.*?"""(.+?)(?:"""|$)', re.DOTALL | re.MULTILINE)


def flag(name: str, what: str, set_it: Callable[[], object]) -> click.Option:
    """Return a flag that calls `set_it` and is not passed to the function of the command."""

    def act(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
        if is_given:
            set_it()

    shape = {"is_flag": True, "expose_value": False, "is_eager": True}
    return click.Option([name], callback=act, help=what, **shape)


class Command(click.Command):
    """A command with the shared options given, then --quiet and --debug."""

    def __init__(self, *args: Any, shared: Sequence[click.Option] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        be_quiet = partial(setattr, output.style, "quiet", True)
        log = partial(logging.basicConfig, level=logging.DEBUG)
        quiet = flag("--quiet", "Print only warnings and errors.", be_quiet)
        debug = flag("--debug", "Show tracebacks and log messages.", log)
        self.params += [*shared, quiet, debug]


class Group(click.Group):
    """A group that lists its commands in the order of their definition.

    `lazy` names further commands, under headings. Their modules, such as `pipelines_add` for
    `pipelines add`, are imported when they are called: --help stays fast, and a command whose
    libraries are missing does not affect the others.
    """

    command_class = Command

    def __init__(
        self,
        *arguments: Any,
        lazy: Mapping[str, Sequence[str]] | None = None,
        prefix: str = "",
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.lazy = lazy or {}
        self.prefix = prefix

    def list_commands(self, context: click.Context) -> list[str]:
        return [name for names in self._short_helps().values() for name in names]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if not any(name in names for names in self.lazy.values()):
            return super().get_command(context, name)
        file = self._file(name)
        module = f"runner.cli.commands.{file.stem}"
        command: click.Command = room(module, EXTRAS.get(name, ""), name).command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(context)))
        for heading, names in self._short_helps().items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), names[name]) for name in names])

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [
            CompletionItem(name, help=text)
            for names in self._short_helps().values()
            for name, text in names.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, context, incomplete)

    def _short_helps(self) -> dict[str, dict[str, str]]:
        """Return the short help of every command, by heading and name, without importing it."""
        own = {name: command.get_short_help_str(100) for name, command in self.commands.items()}
        found = {"Commands": own} if own else {}
        for heading, names in self.lazy.items():
            found.setdefault(heading, {}).update((name, self._summary(name)) for name in names)
        return found

    def _file(self, name: str) -> Path:
        return FOLDER / "commands" / f"{self.prefix}{name.replace('-', '_')}.py"

    def _summary(self, name: str) -> str:
        """Return the first line of a command's help, read from the source of its module."""
        file = self._file(name)
        found = SUMMARY.search(file.read_text(encoding="utf-8")) if file.exists() else None
        return found[1] if found else "Not installed."
