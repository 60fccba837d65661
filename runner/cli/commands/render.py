import click

from runner.cli import output
from runner.cli.command import Workspace, project_command, script_names, target_option
from runner.preview.render import rendered
from runner.project.target import Target


@project_command("render", target_option)
@click.argument("scripts", nargs=-1, shell_complete=script_names)
@click.option("--full", is_flag=True, help="Render for a full build.")
def command(here: Workspace, scripts: tuple[str, ...], full: bool, target: Target) -> None:
    """Print the SQL that a build would run.

    SCRIPTS are names, layers or globs. +NAME also selects everything upstream, NAME+ everything
    downstream. Without SCRIPTS, prints the pending build.

    \b
    Example: python -m runner render fact_miles_earned
    """
    manifest = here.manifest()
    output.answer(rendered(here.database(), manifest, target, scripts, full).rstrip())
