"""`render`: the SQL that a build would run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("render")
@click.argument("script", required=False)
@click.option("--full", is_flag=True, help="As a full build would run it.")
@click.option("--target", default="live", show_default=True, help="Where it would build.")
@click.pass_obj
def command(project: Path, script: str | None, full: bool, target: str) -> None:
    """Print the SQL of a script, or of the whole pending build as one psql script.

    \b
    Example: python -m runner render fact_miles_earned
    """
    from runner import output, server
    from runner.build import rendered
    from runner.database import Database
    from runner.manifest import load
    from runner.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    output.say(rendered(database, manifest, Target(target), script, full).rstrip())
