"""Finds the command, and turns what goes wrong into one line, a hint and an exit code."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from runner.errors import RunnerError, was_interrupted

COMMANDS = (
    "run-all",
    "ingest",
    "build",
    "rebuild",
    "verify",
    "diff",
    "test",
    "backfill",
    "reconcile",
    "plan",
    "status",
    "runs",
    "logs",
    "checks",
    "pipelines",
    "render",
    "lint",
    "lineage",
    "docs",
    "dashboard",
    "init",
    "schema",
    "seed",
    "load",
    "db",
    "torture",
)
INTERRUPTED = 130
INTERRUPTION = "interrupted; what was not committed is rolled back"
# What asks us to stop: Ctrl-C, a service manager, a terminal that closes.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 2.0


class Commands(click.Group):
    """Commands by name; a module is imported when its command is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"runner.cli.commands.{name.replace('-', '_')}")
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
    _outlive_listeners()
    _listen()
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
        if was_interrupted(error):  # and what cleaned up behind it failed in its turn
            _complain(INTERRUPTION, None)
            code = INTERRUPTED
        else:
            _complain(error.message, error.hint)
            code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort as error:
        interrupted = was_interrupted(error)
        _complain(INTERRUPTION if interrupted else "nothing was done", None)
        code = INTERRUPTED if interrupted else 1
    except KeyboardInterrupt:
        _complain(INTERRUPTION, None)
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


def _listen() -> None:
    """Let the first signal interrupt the work. Those that follow at once are the same wish (a
    terminal and `make` both pass Ctrl-C on); a later one ends the process without a word, and its
    rows are marked abandoned by the next run.
    """
    # What we were started to ignore (nohup) stays ignored.
    heard = [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]

    def interrupt(number: int, frame: Any) -> None:
        asked = time.monotonic()

        def insist(number: int, frame: Any) -> None:
            if time.monotonic() - asked > PATIENCE_SECONDS:
                os._exit(INTERRUPTED)

        for each in heard:
            signal.signal(each, insist)
        raise KeyboardInterrupt

    for each in heard:
        signal.signal(each, interrupt)


class _Outliving(io.FileIO):
    """A stream whose reader may go away (a closed terminal, the end of a pipe, a full disk): the
    work and its evidence go on, and what is still said goes nowhere.
    """

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(content).nbytes


def _outlive_listeners() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before we began
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.flush()
            lasting = io.TextIOWrapper(
                io.BufferedWriter(_Outliving(stream.fileno(), "w", closefd=False)),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, lasting)


def _complain(message: str, hint: str | None) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
