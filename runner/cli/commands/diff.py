"""`diff`: two targets, table by table."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.options import Command, json_option, select_option


@click.command("diff", cls=Command)
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@select_option("Only")
@json_option
@click.pass_obj
def command(project: Path, left: str, right: str, patterns: tuple[str, ...]) -> None:
    """Compare the tables of two targets row by row: what a change of the SQL does to the figures.

    Exits 1 if they differ. `build --target dev` makes the one to compare with.

    \b
    Example: python -m runner diff live dev
    """
    from runner.build.diff import diff
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.project.manifest import load
    from runner.project.target import Target

    manifest = load(project)
    database = Database(server.find(project).conninfo)
    compared = diff(database, manifest, Target(left), Target(right), patterns)
    for warning in compared.warnings:
        output.warn(warning)
    found = [difference for difference in compared.tables if not difference.is_same]
    output.differences(found, left, right)
    output.data(
        {
            "left": left,
            "right": right,
            "tables": len(compared.tables),
            "warnings": compared.warnings,
            "differences": output.differences_data(found),
        }
    )
    if found:
        output.say(f"diff: {len(found)} of {len(compared.tables)} tables differ")
        sys.exit(1)
    output.say(f"diff: {len(compared.tables)} tables, no difference")
