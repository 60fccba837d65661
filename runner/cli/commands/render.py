"""`render`: the SQL that a build would run."""

from pathlib import Path

import click

from runner.build.render import rendered
from runner.cli import output
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import complete_scripts, target_option
from runner.project.manifest import load
from runner.project.target import Target


@click.command("render", cls=Command)
@click.argument("scripts", nargs=-1, shell_complete=complete_scripts)
@click.option("--full", is_flag=True, help="Render for a full build.")
@target_option
@click.pass_obj
def command(project: Path, scripts: tuple[str, ...], full: bool, target: Target) -> None:
    """Print the SQL that a build would run.

    SCRIPTS are names, layers or globs; +NAME adds everything upstream, NAME+ everything downstream.
    Without SCRIPTS it prints the pending build.

    \b
    Example: python -m runner render fact_miles_earned
    """
    manifest = load(project)
    text = rendered(database(project), manifest, target, scripts, full)
    output.answer(text.rstrip())
