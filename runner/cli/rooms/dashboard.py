from pathlib import Path

import click

from runner.cli import output
from runner.cli.options import number_option
from runner.cli.workspace import Workspace, project_command
from runner.pages.dashboard.check import check as check_cards
from runner.pages.dashboard.page import write
from runner.pages.dashboard.serve import serve as serve_page


@project_command("dashboard")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default="dashboard.html",
    metavar="FILE",
    help="File to write.",
)
@click.option(
    "--mode",
    type=click.Choice(["600", "640", "644"]),
    default="640",
    help="Who may read a new file: you, your group or everybody. One that is there keeps its mode.",
)
@click.option("--check", is_flag=True, help="Check every card instead, and write nothing.")
@click.option("--serve", is_flag=True, help="Serve the page on 127.0.0.1, updated by every build.")
@number_option(
    "--port", low=0, high=65_535, default=8765, help="Port to serve on; 0 takes a free one."
)
def command(here: Workspace, file: Path, mode: str, check: bool, serve: bool, port: int) -> None:
    """Write the reports as one HTML page, or serve it.

    The page shows the cards in dashboard/ and needs neither a server nor a network.

    \b
    Example: python -m runner dashboard -o report.html
             python -m runner dashboard --serve
    """
    if check:
        count, problems = check_cards(here.database(), here.folder)
        output.refuse(problems, "docs/dashboard.md describes the cards")
        output.say(f"dashboard: {output.number(count, 'card')}, no problem")
    elif serve:
        serve_page(
            here.database(),
            here.folder,
            port,
            lambda url: output.say(f"dashboard: {url} (Ctrl-C stops it)"),
        )
    else:
        write_page(here, file, int(mode, 8))


def write_page(here: Workspace, file: Path, mode: int = 0o640) -> None:
    """Write the page, and say where it is."""
    write(here.database(), here.folder, file, mode)
    output.say(f"dashboard: {file.absolute().as_uri()}")
