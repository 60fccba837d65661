"""`render`: the SQL that a build would run."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, complete_scripts, target_option


@click.command("render", cls=Command)
@click.argument("scripts", nargs=-1, shell_complete=complete_scripts)
@click.option("--full", is_flag=True, help="As a full build would run it.")
@target_option
@click.pass_obj
def command(project: Path, scripts: tuple[str, ...], full: bool, target: str) -> None:
    """Print the SQL of SCRIPTS (names, layers, globs, +name, name+); of none: the pending build.

    \b
    Example: python -m runner render fact_miles_earned
    """
    from runner.build.render import rendered
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.project.manifest import load
    from runner.project.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    output.answer(rendered(database, manifest, Target(target), scripts, full).rstrip())
