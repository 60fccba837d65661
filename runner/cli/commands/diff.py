from dataclasses import asdict

import click

from runner.build.diff import diff
from runner.cli import output, show_build
from runner.cli.command import Workspace, json_option, project_command, select_option
from runner.project.target import Target


@project_command("diff", json_option)
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@select_option("Compare only these tables.")
def command(here: Workspace, left: str, right: str, patterns: tuple[str, ...]) -> None:
    """Compare the tables of two targets, row by row.

    Use it to see what a change to the SQL does to the figures: `build --target dev` makes a target
    to compare with. Exits with 1 if the two differ.

    \b
    Example: python -m runner diff live dev
    """
    manifest = here.manifest()
    compared = diff(here.database(), manifest, Target(left), Target(right), patterns)
    for warning in compared.warnings:
        output.warn(warning)
    found = [difference for difference in compared.tables if not difference.is_same]
    show_build.differences(found, left, right)
    output.data(
        {
            "left": left,
            "right": right,
            "tables": len(compared.tables),
            "warnings": compared.warnings,
            "differences": [asdict(each) for each in found],
        }
    )
    if found:
        output.say(f"diff: {len(found)} of {len(compared.tables)} tables differ")
    else:
        output.say(f"diff: {len(compared.tables)} tables, no difference")
    output.fail_if(found)
