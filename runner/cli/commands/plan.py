"""`plan`: what a build would do, and why."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option, select_option, target_option


@click.command("plan", cls=Command)
@select_option("As if a build forced")
@target_option
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], target: str) -> None:
    """Say for each script, in order, whether a build would run it and why.

    \b
    Example: python -m runner plan
    """
    from runner.build.build import read_plan
    from runner.cli import output
    from runner.database import address as server
    from runner.database import ledger
    from runner.database.session import Database
    from runner.project.manifest import load
    from runner.project.target import Target

    manifest = load(project)
    with Database(server.find(project).conninfo).session() as session:
        ledger.require(session)
        steps = read_plan(session, manifest, Target(target), patterns)[1]
    rows = [{"script": step.script.key, "build": step.mode, "why": step.reason} for step in steps]
    output.table(rows, "the manifest declares no scripts")
