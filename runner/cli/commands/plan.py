"""`plan`: what a build would do, and why."""

from pathlib import Path

import click

from runner.build.build import read_plan
from runner.cli import output
from runner.cli.connect import ledger_session
from runner.cli.groups import Command
from runner.cli.options import json_option, select_option, target_option
from runner.project.manifest import load
from runner.project.target import Target


@click.command("plan", cls=Command)
@select_option("Plan as if a build forced these scripts.")
@target_option
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], target: Target) -> None:
    """Show which scripts a build would run, and why.

    All scripts are listed, in the order of a build.

    \b
    Example: python -m runner plan
    """
    manifest = load(project)
    with ledger_session(project) as session:
        steps = read_plan(session, manifest, target, patterns)[1]
    rows = [{"script": step.script.key, "build": step.mode, "why": step.reason} for step in steps]
    output.table(rows, "the manifest declares no scripts")
