from pathlib import Path

import click

from runner.cli import output
from runner.cli.command import FILE, Workspace, project_command
from runner.pages.docs.page import documents
from runner.pages.html import put


@project_command("docs")
@click.option(
    "-o",
    "--output",
    "files",
    multiple=True,
    type=FILE,
    default=["docs.html"],
    help="File to write: .html for the page, .dbml for dbdiagram.io. Can be repeated.",
)
def command(here: Workspace, files: tuple[Path, ...]) -> None:
    """Write a page that documents the tables.

    The page works offline. It shows the columns, comments, SQL, checks and lineage of each table,
    the pipelines and the metrics.

    \b
    Example: python -m runner docs -o docs.html
    """
    manifest = here.manifest()
    for file, text in documents(here.database(), manifest, files).items():
        put(file, text)
        output.say(f"docs: {file}")
