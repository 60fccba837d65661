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

    Use it to see how a change to the SQL affects the data: `build --target dev` builds a target to
    compare with live. Exits with 1 if the two differ.

    \b
    Example: python -m runner diff live dev
    """
    manifest = here.manifest()
    compared = diff(here.database(), manifest, Target(left), Target(right), patterns)
    for warning in compared.warnings:
        output.warn(warning)
    found = [difference for difference in compared.tables if not difference.is_same]
    show_differences(found, left, right)
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
        output.say(f"diff: {output.number(len(compared.tables), 'table')}, no difference")
    output.fail_if(found)


def show_differences(found: Sequence[Difference], left: str, right: str) -> None:
    """Show the tables that differ between two targets, then a sample of rows of each."""
    if not found:
        return
    rows = []
    for each in found:
        columns = ", ".join(f"{name} {count:,}" for name, count in each.columns.items())
        rows.append(
            {
                "table": each.table,
                "rows": _row_counts(each.left_rows, each.right_rows),
                f"only {left}": each.only_left,
                f"only {right}": each.only_right,
                "changed": each.changed,
                "columns": "; ".join(filter(None, (columns, each.problem))),
            }
        )
    output.table(rows)
    for each in found:
        if each.sample:
            output.say(f"\n{each.table}")
        for row in each.sample:
            output.say(f"  {_difference(row, left, right)}")
    output.say()


def _row_counts(left: int, right: int) -> str:
    """Return the numbers of rows as text; empty for a view, whose rows are not counted."""
    return f"{left:,} -> {right:,}" if left != right else f"{left:,}" if left else ""


def _difference(row: dict[str, Any], left: str, right: str) -> str:
    """Return a row that differs as one line: `2026-05-01 all: dau 812 -> 815`."""
    key = " ".join(str(value) for value in row["key"].values())
    if row["left"] is None or row["right"] is None:
        return f"{key}: only in {right if row['left'] is None else left}"
    texts = [
        {name: "null" if value is None else value for name, value in row[side].items()}
        for side in ("left", "right")
    ]
    changes = [f"{name} {texts[0][name]} -> {texts[1][name]}" for name in row["changed"]]
    return f"{key}: {', '.join(changes)}"
