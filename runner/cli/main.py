"""Runs a command, and turns errors into one line, a hint and an exit code."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from runner.about import VERSION
from runner.cli import output, streams
from runner.cli.groups import Group, missing
from runner.errors import RunnerError, was_interrupted

# The first line of each command's own help, so that --help imports none of them.
COMMANDS = {
    "Run": {
        "run-all": "Ingest new rows, then build everything that depends on them.",
        "ingest": "Load new rows from the sources into the replicas.",
        "build": "Bring the tables up to date, in one commit.",
        "dashboard": "Write the reports as one HTML page, or serve it.",
    },
    "Inspect": {
        "status": "Say whether the numbers can be trusted, and if not, why.",
        "doctor": "Look for what would hurt: settings, rights, sources, disk, clocks.",
        "plan": "Show which scripts a build would run, and why.",
        "runs": "List, show and undo runs, and show how long builds take.",
        "logs": "List the latest log messages, newest first.",
        "checks": "Show the latest result of each check.",
        "pipelines": "List, show, add, enable, disable and remove pipelines.",
        "lineage": "Show what a table depends on, and what depends on it.",
        "docs": "Write a page that documents the tables.",
    },
    "Repair": {
        "verify": "Compare the tables with a rebuild, row by row.",
        "rebuild": "Rebuild all tables from scratch and publish the differences.",
        "backfill": "Read part of a source again, or fill its gaps.",
        "reconcile": "Compare a whole replica with its source, and repair it.",
        "forget": "Erase a person, or a row, from everything that was loaded and built.",
        "prune": "Delete what nobody asks for any more, after showing it.",
    },
    "Develop": {
        "ls": "List the scripts of the project, in the order of the manifest.",
        "lint": "Check that each script reads exactly the tables it declares.",
        "render": "Print the SQL that a build would run.",
        "test": "Run the test cases in tests/sql.",
        "diff": "Compare the tables of two targets, row by row.",
    },
    "Set up": {
        "init": "Create a new project.",
        "schema": "Create the schemas and tables.",
        "load": "Load a CSV file with a header into a source.",
        "seed": "Fill the source tables with demo data.",
        "db": "Start, stop and connect to the server.",
        "torture": "Prove on your server that ingestion loses no row.",
    },
}
INTERRUPTED = 130
# They ask us to stop: Ctrl-C, a service manager, a terminal that closes.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 2.0


class Interrupted(RunnerError):
    """A signal ended the work."""

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
    help="Folder of the project, which holds sql/ and schema/.",
)
@click.version_option(VERSION, prog_name="milepost")
@click.pass_context
def cli(context: click.Context, project: Path) -> None:
    """Milepost: ingest events, build the warehouse, and inspect both.

    Commands connect to the server that DATABASE_URL or the PG* variables name. Without them they
    start and use the embedded server.
    """
    context.obj = project.absolute()


def main(arguments: list[str] | None = None) -> None:
    """Run a command line; exits 0 done, 1 failed, 2 usage, 3 could not start, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    written = streams.install()
    _listen()
    try:
        code = cli.main(
            args=arguments,
            standalone_mode=False,
            prog_name=_program(),
            complete_var="_MILEPOST_COMPLETE",
        )
    except click.ClickException as error:
        error.show()
        output.data({"error": {"message": error.format_message(), "exit_code": error.exit_code}})
        code = error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments and not isinstance(error, click.Abort | KeyboardInterrupt):
            raise
        reason = _reason(error)
        output.complain(reason)
        if not output.style.has_answered:
            output.data({"error": output.error_data(reason)})
        code = reason.exit_code
    sys.stdout.flush()
    sys.exit(code or int(any(stream.has_failed for stream in written)))


def _reason(error: BaseException) -> RunnerError:
    if was_interrupted(error):  # also when the clean-up after it has failed
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


def _program() -> str:
    """The name under which we were called: completion works for the installed command."""
    return "milepost" if Path(sys.argv[0]).name == "milepost" else "python -m runner"


def _listen() -> None:
    """Let the first signal interrupt the work. Signals that follow at once repeat the same request
    (a terminal and `make` both pass Ctrl-C on); a later one ends the process without a word, and
    the next run marks its rows as abandoned.
    """
    # Signals that we were started to ignore (nohup) stay ignored.
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
