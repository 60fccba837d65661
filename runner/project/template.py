"""Renders SQL templates, and quotes every value that it fills in.

Templates are in Jinja's syntax. Nearly all of them only fill in names, and are rendered here:
importing and running Jinja would take longer than all else that the runner does in a build.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import sql

# A line that starts with {{ incremental }} limits a script to what has changed. In a full build it
# becomes a comment, so one text serves both kinds of build.
INCREMENTAL = sql.SQL("")
FULL = sql.SQL("--")
NAME = re.compile(r"(?<!\{)\{\{ ([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*) \}\}")
# Other syntax of Jinja, and line ends that it would change.
MORE = re.compile(r"\{[{%#]|\r")


def plain(*names: str) -> sql.SQL:
    """Join the parts of a name without quotes: the manifest allows only names that need none."""
    return sql.SQL(".".join(names))


def render(text: str, values: Mapping[str, Any], file: Path | str) -> str:
    """Fill in the values; RunnerError names the file and line that cannot be rendered."""
    if pieces := _pieces(text):
        names = set(pieces[1::2])
        try:
            texts = {name: quote(_value(values, name)) for name in names}
        except Exception:  # Jinja says what is wrong, and where
            pass
        else:
            return "".join(
                texts[piece] if number % 2 else piece for number, piece in enumerate(pieces)
            )
    from runner.project import jinja

    return jinja.render(text, values, quote, file)


def quote(value: Any) -> str:
    """Return a value as it is written in SQL."""
    return (value if isinstance(value, sql.Composable) else sql.Literal(value)).as_string(None)


@cache
def _pieces(text: str) -> list[str] | None:
    """Return texts and names in turn; None if the template has more than names."""
    pieces = NAME.split(text)
    return None if any(map(MORE.search, pieces[::2])) else pieces


def _value(values: Mapping[str, Any], name: str) -> Any:
    """Look up a name and its members, as Jinja does: attributes first, then items."""
    first, *members = name.split(".")
    value = values[first]
    for member in members:
        value = getattr(value, member) if hasattr(value, member) else value[member]
    return value
