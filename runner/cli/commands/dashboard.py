from pathlib import Path
from typing import Any

import click

from runner.cli import output
from runner.cli.command import FILE, Workspace, number_option, project_command, target_option
from runner.errors import UsageError
from runner.pages.dashboard.check import check as check_cards
from runner.pages.dashboard.data import Member
from runner.pages.dashboard.page import write
from runner.pages.dashboard.serve import serve as serve_page
from runner.project.target import Target


@project_command("dashboard", target_option)
@click.option("-o", "--output", "file", type=FILE, default="dashboard.html", help="File to write.")
@click.option(
    "--mode",
    type=click.Choice(["600", "640", "644", "0600", "0640", "0644"]),
    metavar="MODE",
    default="640",
    help="Permissions of a new file: readable by you (600), your group (640) or everybody (644)."
    " An existing file keeps its permissions.",
)
@click.option(
    "--only", metavar="SLICE=MEMBER", help="Include only one member of a slice, such as country=SG."
)
@click.option("--check", is_flag=True, help="Check every card, and write nothing.")
@click.option(
    "--serve",
    is_flag=True,
    help="Serve the page on 127.0.0.1, and update it when a build ends or a card is edited.",
)
@number_option("--port", low=0, high=65_535, default=8765, help="Port for --serve; 0 for any free.")
def command(
    here: Workspace,
    file: Path,
    mode: str,
    only: str | None,
    check: bool,
    serve: bool,
    port: int,
    target: Target,
) -> None:
    """Write the dashboard as one HTML file, or serve it.

    The page shows the cards in dashboard/, and works offline.

    \b
    Example: python -m runner dashboard -o report.html
             python -m runner dashboard --only country=SG -o singapore.html
             python -m runner dashboard --serve
    """
    if only and (check or serve):
        raise UsageError("--only cannot be used with --check or --serve", "leave one out")
    if check:
        count, problems = check_cards(here.database(), here.folder)
        output.fail_with(problems, "docs/dashboard.md describes the cards")
        output.say(f"dashboard: {output.number(count, 'card')}, no problems")
    elif serve:
        serve_page(
            here.database(),
            here.folder,
            port,
            lambda url: output.say(f"dashboard: {url} (Ctrl-C stops it)"),
            output.report_error,
        )
    else:
        member = _member(only) if only else None
        write_page(here, file, mode=int(mode, 8), target=target, only=member)


def write_page(here: Workspace, file: Path, **how: Any) -> None:
    """Write the page, and print its address."""
    write(here.database(), here.folder, file, **how)
    output.say(f"dashboard: {file.absolute().as_uri()}")


def _member(words: str) -> Member:
    name, sign, value = words.partition("=")
    if not (name and sign and value):
        raise UsageError(f"--only {words} is not a slice and a member", "--only country=SG")
    return name, value
