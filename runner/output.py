"""How results look: plain lines and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from runner.build import Result, Summary
from runner.database import Changes
from runner.pipeline import Loaded


def say(text: str = "") -> None:
    click.echo(text)


def warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)


def loaded(window: Loaded) -> None:
    """One line per window that had rows."""
    if window.read:
        changes = Changes(window.inserted, window.updated)
        say(
            f"ok  {window.pipeline:<34} {describe(changes):>24} {window.seconds:7.2f}s"
            f"  up to {window.window.high[:19]}"
        )


def result(done: Result) -> None:
    """One line per script."""
    rows = "" if done.step.script.is_view else describe(done.changes)
    say(f"ok  {done.step.script.key:<34} {rows:>24} {done.seconds:7.2f}s  {done.step.reason}")


def summary(done: Summary) -> None:
    """The last line of a build."""
    for warning in done.warnings:
        warn(warning)
    if done.run_id is None:
        say("build: nothing new, nothing to do")
        return
    changes = Changes()
    for each in done.results:
        changes += each.changes
    say(
        f"build {done.run_id}: {len(done.results)} scripts, {describe(changes)} rows,"
        f" all checks passed, {done.seconds:.1f}s"
        if not done.warnings
        else f"build {done.run_id}: {len(done.results)} scripts, {done.seconds:.1f}s, with warnings"
    )


def describe(changes: Changes) -> str:
    """`+10 ~2 -1`: inserted, updated, deleted."""
    parts = [
        f"{sign}{count:,}"
        for sign, count in (
            ("+", changes.inserted),
            ("~", changes.updated),
            ("-", changes.deleted),
        )
        if count
    ]
    return " ".join(parts) or "unchanged"


def table(rows: Sequence[dict[str, Any]], empty: str) -> None:
    """Rows as columns under their names, or a sentence if there are none."""
    if not rows:
        say(empty)
        return
    names = list(rows[0])
    cells = [["" if row[name] is None else str(row[name]) for name in names] for row in rows]
    widths = [max(len(line[index]) for line in [names, *cells]) for index in range(len(names))]
    for line in (names, ["-" * width for width in widths], *cells):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say(text.rstrip())
