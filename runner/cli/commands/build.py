"""`build`: bring the derived tables up to date, as one version."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option, select_option, target_option


@click.command("build", cls=Command)
@select_option("Force, with all that follows,")
@target_option
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], target: str) -> None:
    """Build what has something new to do; readers see all of it at once, after its checks.

    \b
    Example: python -m runner build -s fact_miles_earned
    """
    from runner.build.build import build
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.project.manifest import load
    from runner.project.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    with output.live() as live:
        done = build(database, manifest, Target(target), patterns, live.result, live.starting)
    output.summary(done, live)
    output.data(output.build_data(done))
