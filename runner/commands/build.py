"""`build`: bring the derived tables up to date, as one version."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("build")
@click.option(
    "-s",
    "--select",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="Force NAME and all that follows, in full.",
)
@click.option("--target", default="live", show_default=True, help="Where to build.")
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], target: str) -> None:
    """Build what has something new to do; readers see all of it at once, after its checks.

    \b
    Example: python -m runner build -s fact_miles_earned
    """
    from runner import output, server
    from runner.build import build
    from runner.database import Database
    from runner.manifest import load
    from runner.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    output.summary(build(database, manifest, Target(target), patterns, output.result))
