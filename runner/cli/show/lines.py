"""Shows one thing with all its values, and problems; tells which characters can be shown."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from runner.cli.output import cell, is_terminal, listing, number, say
from runner.errors import RunnerError


def refuse(problems: Sequence[str], hint: str) -> None:
    """List problems, if there are any, and end the command: RunnerError."""
    if problems:
        listing([{"problem": problem} for problem in problems], "")
        raise RunnerError(number(len(problems), "problem"), hint)


def pairs(values: dict[str, Any]) -> None:
    """Print one thing, a line for each of its values."""
    width = max(map(len, values))
    for name, value in values.items():
        if value in (None, ""):
            continue
        text = f"{name.ljust(width)}  {cell(value)}"
        if is_terminal():
            columns = shutil.get_terminal_size().columns
            text = textwrap.fill(
                text, columns, subsequent_indent=" " * (width + 2), drop_whitespace=False
            )
        say(text)


def can_write(text: str) -> bool:
    """Whether the encoding of standard output has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
