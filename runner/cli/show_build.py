"""Shows a build, and the differences between two targets."""

from collections.abc import Sequence
from dataclasses import asdict, astuple
from decimal import Decimal
from typing import Any

from runner.build.diff import Difference
from runner.build.transaction import BuildResult
from runner.cli import show_runs
from runner.cli.output import data, number, program, say, table, warn
from runner.cli.progress import Live, script_rows


def show(done: BuildResult, live: Live, what: str = "build") -> None:
    """Show what a build did, for people and as JSON."""
    summary(done, live, what)
    data(as_data(done))


def summary(done: BuildResult, live: Live, what: str = "build") -> None:
    """Show what a build did: on a terminal the table of its scripts."""
    for warning in done.warnings:
        warn(warning)
    if done.run_id is None:
        say("build: nothing new, nothing to do")
        return
    if live.progress is not None:
        table(
            [
                {
                    "script": result.step.script.key,
                    "rows": script_rows(result),
                    "seconds": Decimal(f"{result.seconds:.2f}"),
                    "why": result.step.reason,
                }
                for result in live.results
            ]
        )
    changed = sum(sum(astuple(result.changes)) for result in done.results)
    checks = "with warnings" if done.warnings else "all checks passed"
    say(
        f"{what} {done.run_id}: {len(done.results)} scripts, {changed:,} rows changed, {checks},"
        f" {done.seconds:.1f}s"
    )
    show_runs.slow(done.slow)
    for note in done.notes:
        say(note)
    if done.restated:
        days = ", ".join(
            f"{number(count, 'published day')} of {name}" for name, count in done.restated.items()
        )
        say(f"restated: {days}; details: {program()} runs show {done.run_id}")


def as_data(done: BuildResult) -> dict[str, Any]:
    """Return a build as data, for JSON."""
    return {
        "run": done.run_id,
        "seconds": round(done.seconds, 3),
        "warnings": done.warnings,
        "restated": done.restated,
        "slow": [asdict(each) for each in done.slow],
        "scripts": [
            {
                "script": result.step.script.key,
                "build": result.step.mode,
                "why": result.step.reason,
                **asdict(result.changes),
                "seconds": round(result.seconds, 3),
            }
            for result in done.results
        ],
    }


def differences(found: Sequence[Difference], left: str, right: str) -> None:
    """Show the tables that differ between two targets, then a few rows of each."""
    if not found:
        return
    rows = [
        {
            "table": each.table,
            "rows": _both(each.left_rows, each.right_rows),
            f"only {left}": each.only_left,
            f"only {right}": each.only_right,
            "changed": each.changed,
            "columns": "; ".join(filter(None, (_changed(each.columns), each.problem))),
        }
        for each in found
    ]
    table(rows)
    for each in found:
        if each.sample:
            say()
            say(each.table)
        for row in each.sample:
            say(f"  {_difference(row, left, right)}")
    say()


def _both(one: int, other: int) -> str:
    """Show how many rows each has; nothing where rows are not counted."""
    return f"{one:,} -> {other:,}" if one != other else f"{one:,}" if one else ""


def _changed(columns: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in columns.items())


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
