"""Finds the command, and turns what goes wrong into one line, a hint and an exit code."""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path
from typing import Any

import click

from runner.errors import RunnerError

COMMANDS = (
    "run-all",
    "ingest",
    "build",
    "plan",
    "status",
    "runs",
    "logs",
    "checks",
    "pipelines",
    "render",
    "lint",
    "schema",
    "seed",
    "load",
    "db",
)
INTERRUPTED = 130


class Commands(click.Group):
    """Commands by name; a module is imported when its command is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"runner.commands.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=".",
    help="Folder of the project: sql/, schema/ (default: this one).",
)
@click.version_option(package_name="milepost", prog_name="milepost")
@click.pass_context
def cli(context: click.Context, project: Path) -> None:
    """Milepost: bring events in, build the warehouse, look at it.

    The server is the one that DATABASE_URL or the PG* variables name, else the embedded one.
    """
    context.obj = project.absolute()


def main(arguments: list[str] | None = None) -> None:
    """Run a command line; exits 0 done, 1 failed, 2 usage, 3 could not start, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = cli.main(
            args=arguments,
            standalone_mode=False,
            prog_name=_program(),
            complete_var="_MILEPOST_COMPLETE",
        )
    except RunnerError as error:
        if "--debug" in arguments:
            raise
        _complain(error.message, error.hint)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; what was not committed is rolled back", None)
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone
        code = 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        _complain(
            f"unexpected {type(error).__name__}: {error}", "--debug shows where: please tell us"
        )
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _program() -> str:
    """The name under which people called us: completion works for the installed command."""
    return "milepost" if Path(sys.argv[0]).name == "milepost" else "python -m runner"


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _complain(message: str, hint: str | None) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
