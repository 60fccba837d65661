"""`dashboard`: the reports as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import Command

if TYPE_CHECKING:
    from runner.database.session import Database


@click.command("dashboard", cls=Command)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default="dashboard.html",
    show_default=True,
    metavar="FILE",
    help="Where to write it.",
)
@click.option("--check", is_flag=True, help="Try every card instead, and write nothing.")
@click.option("--serve", is_flag=True, help="Show it on 127.0.0.1 instead, as new as the builds.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8765,
    show_default=True,
    metavar="N",
    help="Where to serve; 0 takes a free one.",
)
@click.pass_obj
def command(project: Path, file: Path, check: bool, serve: bool, port: int) -> None:
    """Write the cards of dashboard/ as one page that needs no server and no network.

    \b
    Example: python -m runner dashboard -o report.html
             python -m runner dashboard --serve
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database

    database = Database(server.find(project).conninfo)
    if check:
        _check(database, project)
    elif serve:
        from runner.pages.dashboard.serve import serve as serve_pages

        serve_pages(
            database,
            project,
            port,
            lambda url: output.say(f"dashboard: {url} (Ctrl-C stops it)"),
        )
    else:
        from runner.pages.dashboard.page import write

        write(database, project, file)
        output.say(f"dashboard: {file.absolute().as_uri()}")


def _check(database: Database, project: Path) -> None:
    from runner.cli import output
    from runner.errors import RunnerError
    from runner.pages.dashboard.check import check

    count, problems = check(database, project)
    if problems:
        output.table([{"problem": problem} for problem in problems], "")
        raise RunnerError(f"{len(problems)} problems", "docs/dashboard.md says what cards may hold")
    output.say(f"dashboard: {count} cards show what they say")
