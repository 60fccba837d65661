from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, select_option
from runner.compare.diff import Difference, diff
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
    differences(found, left, right)
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


def differences(found: Sequence[Difference], left: str, right: str) -> None:
    """Show the tables that differ between two targets, then a few rows of each."""
    if not found:
        return

    def changed(each: Difference) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in each.columns.items())

    rows = [
        {
            "table": each.table,
            "rows": _both(each.left_rows, each.right_rows),
            f"only {left}": each.only_left,
            f"only {right}": each.only_right,
            "changed": each.changed,
            "columns": "; ".join(filter(None, (changed(each), each.problem))),
        }
        for each in found
    ]
    output.table(rows)
    for each in found:
        if each.sample:
            output.say()
            output.say(each.table)
        for row in each.sample:
            output.say(f"  {_difference(row, left, right)}")
    output.say()


def _both(one: int, other: int) -> str:
    """Show how many rows each has; nothing where rows are not counted."""
    return f"{one:,} -> {other:,}" if one != other else f"{one:,}" if one else ""


def _difference(row: dict[str, Any], left: str, right: str) -> str:
    """Describe a row that differs, in a line: `2026-05-01 all: dau 812 -> 815`."""
    key = " ".join(str(value) for value in row["key"].values())
    one, other = row["left"], row["right"]
    if one is None or other is None:
        return f"{key}: only in {right if one is None else left}"
    changes = [f"{name} {_value(one[name])} -> {_value(other[name])}" for name in row["changed"]]
    return f"{key}: {', '.join(changes)}"


def _value(text: str | None) -> str:
    return "null" if text is None else text
