"""Runs a command, and turns an error into one line, a hint and an exit code."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from runner.about import VERSION
from runner.cli import output, streams
from runner.cli.groups import Group
from runner.errors import RunnerError, missing, was_interrupted

COMMANDS = {
    "Run": ("run-all", "ingest", "build", "dashboard"),
    "Inspect": (
        "status",
        "doctor",
        "plan",
        "runs",
        "logs",
        "checks",
        "pipelines",
        "lineage",
        "docs",
    ),
    "Repair": ("verify", "rebuild", "backfill", "reconcile", "forget", "prune", "archive"),
    "Develop": ("ls", "lint", "render", "test", "diff"),
    "Set up": ("init", "schema", "load", "seed", "db", "torture"),
}
INTERRUPTED = 130
# Sent by Ctrl-C, by a service manager, and when a terminal closes.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Within this time, further signals count as the same request.
SAME_REQUEST_SECONDS = 2.0


class Interrupted(RunnerError):
    """A signal interrupted the work."""

    exit_code = INTERRUPTED


@click.command(
    cls=Group,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option(
    "--project",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=".",
    help="Folder of the project, which contains sql/ and schema/.",
)
@click.version_option(VERSION, prog_name="milepost")
@click.pass_context
def cli(context: click.Context, project: Path) -> None:
    """Milepost: ingest events, build the warehouse, and inspect both.

    Commands connect to the server named by DATABASE_URL, PGHOST, PGHOSTADDR, PGSERVICE or
    PGDATABASE. If none is set, commands start and use the embedded server.
    """
    context.obj = project.absolute()


def main(arguments: list[str] | None = None) -> None:
    """Run a command line. Exit with 0 done, 1 failed, 2 usage, 3 not started, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    written = streams.install()
    _handle_signals()
    try:
        code = cli.main(
            args=arguments,
            standalone_mode=False,
            # Shell completion depends on the name of the installed command.
            prog_name="milepost" if Path(sys.argv[0]).name == "milepost" else "python -m runner",
            complete_var="_MILEPOST_COMPLETE",
        )
    except click.ClickException as error:
        error.show()
        output.data({"error": {"message": error.format_message(), "exit_code": error.exit_code}})
        code = error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments and not isinstance(error, click.Abort | KeyboardInterrupt):
            raise
        shown = _as_runner_error(error)
        output.report_error(shown)
        if not output.style.has_answered:
            output.data({"error": output.error_data(shown)})
        code = shown.exit_code
    sys.stdout.flush()
    sys.exit(code or int(any(stream.has_failed for stream in written)))


def _as_runner_error(error: BaseException) -> RunnerError:
    if was_interrupted(error):
        return Interrupted("interrupted; what was not committed is rolled back")
    if isinstance(error, RunnerError):
        return error
    if isinstance(error, click.Abort):
        return RunnerError("nothing was done")
    if isinstance(error, ModuleNotFoundError):
        return missing("this", error)
    return RunnerError(
        f"unexpected {type(error).__name__}: {error}",
        "this is a bug: please report it, with what --debug shows",
    )


def _handle_signals() -> None:
    """Let the first signal interrupt the work. Signals that follow at once are the same request (a
    terminal and `make` both pass Ctrl-C on). A later one kills the process, and the next run marks
    its runs as abandoned.
    """
    # Signals that the parent process ignores (nohup) stay ignored.
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def interrupt(number: int, frame: Any) -> None:
        interrupted_at = time.monotonic()

        def kill(number: int, frame: Any) -> None:
            if time.monotonic() - interrupted_at > SAME_REQUEST_SECONDS:
                os._exit(INTERRUPTED)

        for each in handled:
            signal.signal(each, kill)
        raise KeyboardInterrupt

    for each in handled:
        signal.signal(each, interrupt)
