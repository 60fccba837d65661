"""Prints results as text for a terminal or a pipe, or as JSON."""

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from runner.errors import RunnerError, UsageError

# Words that are coloured in the tables of a terminal.
WORDS = {
    "green": "succeeded passed fresh good",
    "bold red": "failed stale never error",
    "yellow": "abandoned warned late skipped warning",
    "cyan": "full",
    "dim": "rolled_back disabled",
}
COLOURS = {word: colour for colour, words in WORDS.items() for word in words.split()}

# Control characters, except tabs and newlines, and those that change the direction of writing.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# The last column of a table is wrapped if it is wider than the terminal, but not below this width.
LAST_COLUMN = 20

Rows = Sequence[dict[str, Any]]


@dataclass(slots=True)
class Style:
    """How this process prints. The options --json and --quiet set it."""

    json: bool = False
    quiet: bool = False
    has_answered: bool = False


style = Style()


def is_terminal() -> bool:
    """Whether to show progress bars and coloured tables."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not style.json


def say(text: str = "") -> None:
    """Print a line, unless --json or --quiet is given."""
    if not style.json and not style.quiet:
        _echo(text)


def answer(text: str) -> None:
    """Print what the command was called for, even with --quiet; a pipe gets it unescaped."""
    click.echo(visible(text) if sys.stdout.isatty() else text)


def warn(message: str, hint: str | None = None) -> None:
    """Print a warning and its hint on standard error."""
    _report("warning", message, hint)


def report_error(error: RunnerError) -> None:
    """Print an error and its hint on standard error."""
    _report("error", error.message, error.hint)


def confirm(question: str, hint: str, is_agreed: bool) -> None:
    """Ask unless `is_agreed`, and abort if the answer is no; UsageError if nobody can answer."""
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise UsageError("this needs confirmation, and standard input is not a terminal", hint)
    click.confirm(question, abort=True)


def data(value: Any) -> None:
    """Print the result as JSON if --json is given."""
    if style.json:
        style.has_answered = True
        click.echo(json.dumps(value, default=encode, indent=2))


def fail_if(found: object) -> None:
    """Exit with 1 if `found` is true. The command has already printed why."""
    if found:
        raise click.exceptions.Exit(1)


def error_data(error: RunnerError) -> dict[str, Any]:
    """Return an error as data, for JSON."""
    return {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}


def listing(rows: Rows, empty: str, columns: Sequence[str] = ()) -> None:
    """Print the rows that a command was called for, as a table or as JSON."""
    table(rows, empty, columns)
    data(rows)


def table(rows: Rows, empty: str = "", columns: Sequence[str] = ()) -> None:
    """Print rows as a table under the names of their columns; `empty` if there are none."""
    if not rows:
        say(empty)
    if not rows or style.json or style.quiet:
        return
    names = list(columns or rows[0])
    # A value stays on one line, or its second line could be mistaken for another row.
    cells = [[visible(cell(row[name])).replace("\n", r"\n") for name in names] for row in rows]
    numeric = [all(isinstance(row[name], int | Decimal | None) for row in rows) for name in names]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    if not is_terminal():
        for line in aligned([names, ["-" * width for width in widths], *cells]):
            _echo(line)
    elif sum(widths[:-1], len(names) + min(widths[-1], LAST_COLUMN)) <= terminal_width():
        _rich_table(names, cells, numeric)
    else:  # as psql's expanded display
        for row_cells in cells:
            record(dict(zip(names, row_cells, strict=True)))
            _echo("")


def record(values: dict[str, Any]) -> None:
    """Print the values of one thing, a line for each that it has."""
    width = max(map(len, values))
    for name, value in values.items():
        if value in (None, ""):
            continue
        text = f"{name.ljust(width)}  {cell(value)}"
        if is_terminal():
            text = textwrap.fill(
                text, terminal_width(), subsequent_indent=" " * (width + 2), drop_whitespace=False
            )
        say(text)


def fail_with(problems: Sequence[str], hint: str) -> None:
    """List problems and raise RunnerError, if there are any."""
    if problems:
        listing([{"problem": problem} for problem in problems], "")
        raise RunnerError(number(len(problems), "problem"), hint)


def drawable(text: str, fallback: str) -> str:
    """Return the text if standard output can encode it, and the fallback if not."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return fallback
    return text


def terminal_width() -> int:
    """Return the width of the terminal in columns; 100 for a pipe, unless COLUMNS is set."""
    return shutil.get_terminal_size((100, 24)).columns


def program() -> str:
    """Return how to call this runner from the current folder, for suggested commands."""
    name = Path(sys.argv[0]).name
    if name == "milepost":
        return "milepost"
    folder = Path(sys.prefix)
    if folder.parent == Path.cwd() and os.environ.get("VIRTUAL_ENV") != str(folder):
        return f"{folder.name}/bin/python -m runner"
    return "python -m runner"


def number(count: int, thing: str) -> str:
    """Return a count with its noun: `1 row`, `2,000 rows`."""
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"


def row_counts(inserted: int, updated: int, deleted: int = 0, rejected: int = 0) -> str:
    """Return `+10 ~2 -1 !3`: rows inserted, updated, deleted and rejected."""
    signs = (("+", inserted), ("~", updated), ("-", deleted))
    rows = " ".join(f"{sign}{count:,}" for sign, count in signs if count) or "unchanged"
    return f"{rows} !{rejected:,}" if rejected else rows


def _report(kind: str, message: str, hint: str | None) -> None:
    for word, text in ((kind, message), ("hint", hint)):
        if text:  # on one line, or part of a name could be mistaken for another message
            _echo(f"{word}: {text}".replace("\n", r"\n"), err=True)


def _echo(text: str, err: bool = False) -> None:
    click.echo(visible(text), err=err)


def visible(text: str) -> str:
    """Return a text with its control characters escaped. Names and messages come from others, and
    must not control the terminal.
    """
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells, with each column padded to its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _rich_table(names: list[str], cells: list[list[str]], numeric: list[bool]) -> None:
    # Rich is slow to import, and needed only on a terminal.
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
    """Return a value as tables and lines show it; an empty text for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return json.dumps(value, default=encode)
    # All times are in UTC, so the offset is shown only in JSON.
    return re.sub(r"(?<=:\d\d)(\.\d+)?\+00:00$", r"\1", str(value))


def encode(value: Any) -> Any:
    """Convert a value that JSON has no type for."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
