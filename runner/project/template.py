"""Renders SQL templates. Every value that goes in is quoted by construction."""

import re
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment
from psycopg import sql

from runner.errors import RunnerError

# A line that starts with {{ incremental }} limits a script to what has changed. In a full build the
# line is a comment, so that one readable text serves both.
INCREMENTAL = sql.SQL("")
FULL = sql.SQL("--")
HINT = "a template fills in values and names, and switches lines on and off"


def plain(*names: str) -> sql.SQL:
    """Join the parts of a name without quotes, as the manifest allows only plain names."""
    return sql.SQL(".".join(names))


def render(text: str, values: Mapping[str, Any], file: Path | str) -> str:
    """Fill in the values; RunnerError names the file and line that cannot be rendered."""
    try:
        return _compiled(text).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise RunnerError(f"{file}:{error.lineno}: {error.message}", HINT) from error
    except jinja2.UndefinedError as error:
        name = _undefined_name(str(error))
        raise RunnerError(
            f"{file}:{_line_of(error)}: {name} is not defined",
            "variables are declared under [variables] in sql/manifest.toml",
        ) from error
    except Exception as error:  # whatever an expression of the template may raise
        raise RunnerError(
            f"{file}:{_line_of(error)}: {type(error).__name__}: {error}", HINT
        ) from error


@cache
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)


@cache
def _environment() -> jinja2.Environment:
    return SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, finalize=_quote, keep_trailing_newline=True
    )


def _quote(value: Any) -> str:
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, and names the variable
    if isinstance(value, sql.Composable):
        return value.as_string(None)
    return sql.Literal(value).as_string(None)


def _undefined_name(message: str) -> str:
    names = re.findall(r"'([^']+)'", message)
    return names[-1] if names else message


def _line_of(error: BaseException) -> int:
    """Return the line of the template that raised, which is a frame of the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == "<template>"]
    return lines[-1] or 1 if lines else 1
