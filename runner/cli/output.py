"""How results look: to a person at a terminal, in a pipe, or to a program that asked for JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from runner.build.diff import Difference
    from runner.build.plan import Step
    from runner.build.transaction import BuildResult, ScriptResult
    from runner.database.session import Changes
    from runner.ingest.coverage import Stretch
    from runner.ingest.pipeline import RunResult
    from runner.ingest.writer import Counts
    from runner.testing.run import CaseResult
    from runner.testing.tables import Mismatch

GOOD, BAD, DOUBTFUL = "green", "bold red", "yellow"
COLOURS = {
    "succeeded": GOOD,
    "passed": GOOD,
    "fresh": GOOD,
    "good": GOOD,
    "failed": BAD,
    "stale": BAD,
    "never": BAD,
    "abandoned": DOUBTFUL,
    "warned": DOUBTFUL,
    "late": DOUBTFUL,
    "skipped": DOUBTFUL,
    "warning": DOUBTFUL,
    "error": BAD,
    "full": "cyan",
    "rolled_back": "dim",
    "disabled": "dim",
}

Rows = Sequence[dict[str, Any]]

# Restated days that are shown to a person.
SHOWN_DAYS = 20

# Rows of a difference that are shown to a person.
SHOWN_ROWS = 10


@dataclass(slots=True)
class Style:
    """How this process speaks; the options of the command line set it once."""

    json: bool = False
    quiet: bool = False


style = Style()


def is_terminal() -> bool:
    """Whether a person watches: then there is progress, and tables have colours."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not style.json


def say(text: str = "") -> None:
    """Something for people; a program and --quiet do without."""
    if not style.json and not style.quiet:
        click.echo(text)


def answer(text: str) -> None:
    """What the command was called for: printed whatever the style."""
    click.echo(text)


def warn(text: str, hint: str | None = None) -> None:
    click.echo(f"warning: {text}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def data(value: Any) -> None:
    """The answer to a program that asked for JSON; people do not see it."""
    if style.json:
        click.echo(json.dumps(value, default=_encode, indent=2))


def table(rows: Rows, empty: str, columns: Sequence[str] = ()) -> None:
    """Rows under their names, or a sentence if there are none; as JSON with all columns."""
    if style.json:
        data(rows)
        return
    if not rows:
        say(empty)
        return
    names = list(columns or rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    numeric = [all(isinstance(row[name], int | Decimal | None) for row in rows) for name in names]
    if style.quiet:
        return
    if is_terminal():
        _rich_table(names, cells, numeric)
    else:
        _plain_table(names, cells)


def pairs(values: dict[str, Any]) -> None:
    """One thing, a line each for what is known of it."""
    width = max(map(len, values))
    for name, value in values.items():
        if value in (None, ""):
            continue
        text = f"{name.ljust(width)}  {_cell(value)}"
        if is_terminal():
            columns = shutil.get_terminal_size().columns
            text = textwrap.fill(
                text, columns, subsequent_indent=" " * (width + 2), drop_whitespace=False
            )
        say(text)


def problems(found: Rows) -> None:
    """Each with its remedy below it: both can be long, and a table would cut them."""
    for problem in found:
        say(f"{problem['what']}: {problem['problem']}")
        say(f"    {problem['remedy']}")


def program() -> str:
    """How this runner is called from where the person is: for what is to be typed next."""
    name = Path(sys.argv[0]).name
    if name == "milepost":
        return "milepost"
    folder = Path(sys.prefix)
    if folder.parent == Path.cwd() and os.environ.get("VIRTUAL_ENV") != str(folder):
        return f"{folder.name}/bin/python -m runner"
    return "python -m runner"


@dataclass(slots=True)
class Live:
    """What is going on. A pipe gets a line for each thing done, a terminal one that moves."""

    progress: Progress | None = None
    task: TaskID | None = None
    results: list[ScriptResult] = field(default_factory=list)
    windows: list[RunResult] = field(default_factory=list)
    warnings: list[tuple[str, str | None]] = field(default_factory=list)

    def warn(self, message: str, hint: str | None = None) -> None:
        """Something to be said at the end."""
        self.warnings.append((message, hint))

    def show(self, text: str, done: float, total: float) -> None:
        """A step of known size, for instance bytes of a file."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=text, completed=done, total=total)

    def starting(self, step: Step, index: int, count: int) -> None:
        """A script begins."""
        self.show(f"{step.script.key} ({index + 1} of {count})", index, count)

    def result(self, done: ScriptResult) -> None:
        """A script has ended."""
        self.results.append(done)
        if self.progress is None:
            rows = "" if done.step.script.is_view else describe(done.changes)
            line = f"ok  {done.step.script.key:<34} {rows:>24} {done.seconds:7.2f}s"
            say(f"{line}  {done.step.reason}")

    def loaded(self, window: RunResult) -> None:
        """A run is in. One that found nothing to change is not worth a word."""
        counts, up_to = window.counts, window.window.high[:19]
        is_worth_a_word = bool(counts.changed or counts.rejected or window.notes)
        if is_worth_a_word:
            self.windows.append(window)
        if self.progress is not None:
            self.show(f"{window.pipeline} up to {up_to}", window.window.share, 1.0)
        elif is_worth_a_word:
            rows = describe_counts(counts)
            say(f"ok  {window.pipeline:<34} {rows:>24} {window.seconds:7.2f}s  up to {up_to}")
            for note in window.notes:
                say(f"    {note}")


@contextmanager
def live() -> Iterator[Live]:
    """Show what goes on while it does; on a terminal the moving line is gone at the end. What needs
    attention is said then, also when the work fails.
    """
    with _progress() as shown:
        try:
            yield shown
        finally:
            if shown.progress is not None:
                shown.progress.stop()
            for message, hint in shown.warnings:
                warn(message, hint)


@contextmanager
def _progress() -> Iterator[Live]:
    if not is_terminal() or style.quiet:
        yield Live()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("about"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Live(progress, progress.add_task("", total=None))


def ingested(live: Live, what: str = "ingest") -> None:
    """What an ingest brought in: a terminal gets a line for each pipeline."""
    if not live.windows:
        say(f"{what}: nothing new")
        return
    names = dict.fromkeys(window.pipeline for window in live.windows)
    rows = []
    for name in names:
        windows = [window for window in live.windows if window.pipeline == name]
        rows.append(
            {
                "pipeline": name,
                "rows": describe_counts(reduce(add, [window.counts for window in windows])),
                "runs": len(windows),
                "seconds": Decimal(f"{sum(window.seconds for window in windows):.2f}"),
                "up to": windows[-1].window.high[:19],
                "guarantee": windows[-1].guarantee,
            }
        )
    if live.progress is not None:
        table(rows, "")
        for window in live.windows:
            for note in window.notes:
                say(f"run {window.run_id}: {note}")


def summary(done: BuildResult, live: Live, what: str = "build") -> None:
    """What a build did: a terminal gets the table of its scripts."""
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
                    "rows": "" if result.step.script.is_view else describe(result.changes),
                    "seconds": Decimal(f"{result.seconds:.2f}"),
                    "why": result.step.reason,
                }
                for result in live.results
            ],
            "",
        )
    changed = sum(
        result.changes.inserted + result.changes.updated + result.changes.deleted
        for result in done.results
    )
    checks = "with warnings" if done.warnings else "all checks passed"
    say(
        f"{what} {done.run_id}: {len(done.results)} scripts, {changed:,} rows changed, {checks},"
        f" {done.seconds:.1f}s"
    )
    for note in done.notes:
        say(note)
    if done.restated:
        days = ", ".join(
            f"{count:,} published {'day' if count == 1 else 'days'} of {name}"
            for name, count in done.restated.items()
        )
        say(f"restated: {days}; look: {program()} runs show {done.run_id}")


def differences(found: Sequence[Difference], left: str, right: str) -> None:
    """Tables that differ between two targets, then a few rows of each."""
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
    if not style.json:
        table(rows, "")
    for each in found:
        if each.sample:
            say()
            say(each.table)
        for row in each.sample:
            say(f"  {_difference(row, left, right)}")
    say()


def _both(one: int, other: int) -> str:
    """How many rows each has; nothing where rows are not counted."""
    return f"{one:,} -> {other:,}" if one != other else f"{one:,}" if one else ""


def _changed(columns: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in columns.items())


def _difference(row: dict[str, Any], left: str, right: str) -> str:
    """A row that differs, in a line: `2026-05-01 all: dau 812 -> 815`."""
    key = " ".join(str(value) for value in row["key"].values())
    one, other = row["left"], row["right"]
    if one is None or other is None:
        return f"{key}: only in {right if one is None else left}"
    changes = [f"{name} {one[name]} -> {other[name]}" for name in one if one[name] != other[name]]
    return f"{key}: {', '.join(changes)}"


def differences_data(found: Sequence[Difference]) -> list[dict[str, Any]]:
    """The same for a program."""
    return [asdict(each) for each in found]


def coverage(pipeline: str, stretches: Sequence[Stretch]) -> None:
    """What a pipeline covers, on one line, and the gaps with what fills them."""
    from runner.ingest.coverage import fill, line

    if not stretches:
        return
    width = shutil.get_terminal_size().columns
    say()
    say(line(stretches, width, "█░" if _can_write("█░") else "#."))
    gaps = [stretch for stretch in stretches if not stretch.is_covered]
    if gaps:
        say()
        table([{"gap from": gap.low, "to": gap.high, "why": gap.why} for gap in gaps], "")
        for gap in gaps:
            say(f"fill it: {program()} {fill(pipeline, gap.low, gap.high)}")


def observations(rows: Rows) -> None:
    """What a build observed: each with a bar for each of its values."""
    from itertools import groupby

    from runner.cli.observations import histogram

    width = shutil.get_terminal_size().columns
    for name, group in groupby(rows, key=lambda row: row["observation"]):
        say()
        say(f"observed: {name}")
        for line in histogram(list(group), width, "█" if _can_write("█") else "#"):
            say(line)


def restated(days: Rows) -> None:
    """What readers had seen and a build has changed, a line for a day; the last day apart."""
    from itertools import groupby

    from runner.cli.observations import restated as line

    width = shutil.get_terminal_size((100, 24)).columns
    for (name, is_last), group in groupby(days, key=lambda row: (row["table"], row["is_last_day"])):
        rows = list(group)
        say()
        if is_last:
            say(f"the last day published before, which was still filling: {name}")
        else:
            what = "days" if rows[0]["day"] else "rows"
            say(f"published {what} that changed, the biggest change first: {name}")
        for row in rows[:SHOWN_DAYS]:
            say(line(row, width))
        if len(rows) > SHOWN_DAYS:
            rest = f"{len(rows) - SHOWN_DAYS:,} more"
            say(f"and {rest}: --json has them, and orchestrator.restatements")


def coverage_data(pipeline: str, stretches: Sequence[Stretch]) -> dict[str, Any]:
    """The same for a program."""
    from runner.ingest.coverage import fill

    return {
        "coverage": [
            {"low": stretch.low, "high": stretch.high}
            for stretch in stretches
            if stretch.is_covered
        ],
        "gaps": [
            {
                "low": gap.low,
                "high": gap.high,
                "why": gap.why,
                "fill": f"python -m runner {fill(pipeline, gap.low, gap.high)}",
            }
            for gap in stretches
            if not gap.is_covered
        ],
    }


def ingest_data(live: Live) -> list[dict[str, Any]]:
    """An ingest for a program."""
    return [
        {
            "pipeline": window.pipeline,
            "run": window.run_id,
            "low": window.window.low,
            "high": window.window.high,
            "kind": window.kind,
            **asdict(window.counts),
            "notes": window.notes,
            "guarantee": window.guarantee,
            "seconds": round(window.seconds, 3),
        }
        for window in live.windows
    ]


def build_data(done: BuildResult) -> dict[str, Any]:
    """A build for a program."""
    return {
        "run": done.run_id,
        "seconds": round(done.seconds, 3),
        "warnings": done.warnings,
        "restated": done.restated,
        "scripts": [
            {
                "script": result.step.script.key,
                "build": result.step.mode,
                "why": result.step.reason,
                "inserted": result.changes.inserted,
                "updated": result.changes.updated,
                "deleted": result.changes.deleted,
                "seconds": round(result.seconds, 3),
            }
            for result in done.results
        ],
    }


def tried(done: CaseResult) -> None:
    """What became of a fixture case: a line, and below it what differs if it failed."""
    if done.has_passed:
        say(f"ok      {done.case.name:<76} {done.seconds:6.2f}s")
        return
    if style.json:
        return
    answer(f"failed  {done.case.name:<76} {done.seconds:6.2f}s")
    answer(f"    after {done.after}{': ' if done.error else ''}{done.error}")
    for mismatch in done.mismatches:
        answer(f"    {mismatch.table}")
        for line in _mismatch_lines(mismatch):
            answer(f"    {line}")


def tried_data(done: CaseResult) -> dict[str, Any]:
    """The same for a program."""
    return {
        "case": done.case.name,
        "status": "passed" if done.has_passed else "failed",
        "after": done.after or None,
        "error": done.error or None,
        "differences": [asdict(mismatch) for mismatch in done.mismatches],
        "seconds": round(done.seconds, 3),
    }


def _mismatch_lines(mismatch: Mismatch) -> list[str]:
    lines = [["", *mismatch.columns]]
    left = []
    for sign, rows in (("-", mismatch.missing), ("+", mismatch.unexpected)):
        lines += [
            [sign, *('""' if value == "" else _cell(value) for value in row.values())]
            for row in rows[:SHOWN_ROWS]
        ]
        if len(rows) > SHOWN_ROWS:
            left.append(f"{sign} {len(rows) - SHOWN_ROWS:,} more")
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return [*texts, *left]


def describe(changes: Changes) -> str:
    """`+10 ~2 -1`: inserted, updated, deleted."""
    return describe_rows(changes.inserted, changes.updated, changes.deleted)


def describe_counts(counts: Counts) -> str:
    """`+10 ~2 -1`, and how many were set aside."""
    rows = describe_rows(counts.inserted, counts.updated, counts.deleted)
    return f"{rows} !{counts.rejected:,}" if counts.rejected else rows


def describe_rows(inserted: int, updated: int, deleted: int = 0) -> str:
    counts = (("+", inserted), ("~", updated), ("-", deleted))
    return " ".join(f"{sign}{count:,}" for sign, count in counts if count) or "unchanged"


def _can_write(text: str) -> bool:
    """Whether the encoding of standard output has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _plain_table(names: list[str], cells: list[list[str]]) -> None:
    widths = [max(len(line[index]) for line in [names, *cells]) for index in range(len(names))]
    for line in (names, ["-" * width for width in widths], *cells):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(text.rstrip())


def _rich_table(names: list[str], cells: list[list[str]], numeric: list[bool]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0), header_style="bold"
    )
    for index, (name, is_number) in enumerate(zip(names, numeric, strict=True)):
        drawn.add_column(
            name,
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=index < len(names) - 1,  # a long reason stands last, and wraps
        )
    for line in cells:
        drawn.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in line))
    Console().print(drawn)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return json.dumps(value, default=_encode)
    return str(value)


def _encode(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
