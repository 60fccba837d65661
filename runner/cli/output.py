"""Prints results: for a person at a terminal, for a pipe, or for a program that asked for JSON."""

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from runner.errors import RunnerError, UsageError

# The words that a terminal shows in a colour, wherever they stand in a table.
WORDS = {
    "green": "succeeded passed fresh good",
    "bold red": "failed stale never error",
    "yellow": "abandoned warned late skipped warning",
    "cyan": "full",
    "dim": "rolled_back disabled",
}
COLOURS = {word: colour for colour, words in WORDS.items() for word in words.split()}

# Without tabs and the ends of lines.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

Rows = Sequence[dict[str, Any]]


@dataclass(slots=True)
class Style:
    """How this process prints; the options of the command line set it once."""

    json: bool = False
    quiet: bool = False
    has_answered: bool = False


style = Style()


def is_terminal() -> bool:
    """Whether a person watches, who gets progress and coloured tables."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not style.json


def say(text: str = "") -> None:
    """Print something for people; a program and --quiet do without."""
    if not style.json and not style.quiet:
        _echo(text)


def answer(text: str) -> None:
    """Print what the command was called for, also with --quiet; a pipe gets it exactly."""
    click.echo(visible(text) if sys.stdout.isatty() else text)


def warn(message: str, hint: str | None = None) -> None:
    """Report something that needs attention, although the work goes on."""
    _report("warning", message, hint)


def complain(error: RunnerError) -> None:
    """Report what went wrong and what to do about it."""
    _report("error", error.message, error.hint)


def confirm(question: str, hint: str, is_agreed: bool) -> None:
    """Ask whoever has not agreed yet, and end the command unless they do; UsageError for a pipe."""
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise UsageError("this needs confirmation, and standard input is not a terminal", hint)
    click.confirm(question, abort=True)


def data(value: Any) -> None:
    """Print the result for a program that asked for JSON."""
    if style.json:
        style.has_answered = True
        click.echo(json.dumps(value, default=encode, indent=2))


def fail_if(found: object) -> None:
    """Exit with 1 if something is not as it should be; the command has said what."""
    if found:
        raise click.exceptions.Exit(1)


def error_data(error: RunnerError) -> dict[str, Any]:
    """Return an error as data, for JSON."""
    return {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}


def listing(rows: Rows, empty: str) -> None:
    """Print the rows that a command was called for: as a table or, for a program, as JSON."""
    table(rows, empty)
    data(rows)


def table(rows: Rows, empty: str = "", columns: Sequence[str] = ()) -> None:
    """Print rows for people under their names, or a sentence if there are none."""
    if not rows:
        say(empty)
    if not rows or style.json or style.quiet:
        return
    names = list(columns or rows[0])
    # A value that has several lines stays one, or it could pass for others.
    cells = [[visible(cell(row[name])).replace("\n", r"\n") for name in names] for row in rows]
    numeric = [all(isinstance(row[name], int | Decimal | None) for row in rows) for name in names]
    if is_terminal():
        _rich_table(names, cells, numeric)
    else:
        rule = ["-" * max(map(len, column)) for column in zip(names, *cells, strict=True)]
        for line in aligned([names, rule, *cells]):
            _echo(line)


def program() -> str:
    """How a person calls this runner from the current folder: for commands to type next."""
    name = Path(sys.argv[0]).name
    if name == "milepost":
        return "milepost"
    folder = Path(sys.prefix)
    if folder.parent == Path.cwd() and os.environ.get("VIRTUAL_ENV") != str(folder):
        return f"{folder.name}/bin/python -m runner"
    return "python -m runner"


def number(count: int, thing: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"


def row_counts(inserted: int, updated: int, deleted: int = 0, rejected: int = 0) -> str:
    """`+10 ~2 -1 !3`: inserted, updated, deleted, and set aside as they cannot be stored."""
    signs = (("+", inserted), ("~", updated), ("-", deleted))
    rows = " ".join(f"{sign}{count:,}" for sign, count in signs if count) or "unchanged"
    return f"{rows} !{rejected:,}" if rejected else rows


def _report(kind: str, message: str, hint: str | None) -> None:
    for word, text in ((kind, message), ("hint", hint)):
        if text:  # one line, or what follows in a name could pass for another message
            _echo(f"{word}: {text}".replace("\n", r"\n"), err=True)


def _echo(text: str, err: bool = False) -> None:
    click.echo(visible(text), err=err)


def visible(text: str) -> str:
    """Return a text as a terminal may have it: what would move its cursor, or turn the direction of
    writing, is shown as an escape. Names and messages come from others.
    """
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells with each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _rich_table(names: list[str], cells: list[list[str]], numeric: list[bool]) -> None:
    # Only terminals need rich, and it is slow to import.
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
        drawn.add_row(*(Text(each, style=COLOURS.get(each, "")) for each in line))
    Console().print(drawn)


def cell(value: Any) -> str:
    """A value as tables and lines show it; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return json.dumps(value, default=encode)
    # Every time is in UTC, which a program is told and a person need not read each time.
    return re.sub(r"(?<=:\d\d)(\.\d+)?\+00:00$", r"\1", str(value))


def encode(value: Any) -> Any:
    """Return a value that JSON does not have as one that it has."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
