"""`docs`: a page that explains the tables."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command


@click.command("docs", cls=Command)
@click.option(
    "-o",
    "--output",
    "files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    default=["docs.html"],
    show_default=True,
    metavar="FILE",
    help="File to write: .html for the page, .dbml for the tables in the language of dbdiagram.io."
    " May be repeated.",
)
@click.pass_obj
def command(project: Path, files: tuple[Path, ...]) -> None:
    """Write one offline page: tables with their columns, comments, SQL and checks, their lineage,
    pipelines and metrics.

    \b
    Example: python -m runner docs -o docs.html
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.pages.docs.documents import documents
    from runner.project.files import put
    from runner.project.manifest import load

    manifest = load(project)
    for file, text in documents(Database(server.find(project).conninfo), manifest, files).items():
        put(file, text)
        output.say(f"docs: {file}")
