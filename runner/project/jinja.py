"""Renders templates with Jinja, if they have more than names, such as conditions."""

import re
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from runner.errors import RunnerError

HINT = "a template fills in values and names, and switches lines on and off"
Quote = Callable[[Any], str]


def render(text: str, values: Mapping[str, Any], quote: Quote, file: Path | str) -> str:
    """Fill in the values; RunnerError names the file and line that cannot be rendered."""
    try:
        return _compiled(text, quote).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise RunnerError(f"{file}:{error.lineno}: {error.message}", HINT) from error
    except jinja2.UndefinedError as error:
        names = re.findall(r"'([^']+)'", str(error)) or [str(error)]
        hint = "variables are declared under [variables] in sql/manifest.toml"
        raise RunnerError(f"{file}:{_line_of(error)}: {names[-1]} is not defined", hint) from error
    except Exception as error:  # an expression of the template may raise anything
        problem = f"{file}:{_line_of(error)}: {type(error).__name__}: {error}"
        raise RunnerError(problem, HINT) from error


@cache
def _compiled(text: str, quote: Quote) -> jinja2.Template:
    def finalize(value: Any) -> str:  # str() of an undefined variable raises, and names it
        return str(value) if isinstance(value, jinja2.Undefined) else quote(value)

    environment = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, finalize=finalize, keep_trailing_newline=True
    )
    return environment.from_string(text)


def _line_of(error: BaseException) -> int:
    """Return the line of the template, which is a frame of the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == "<template>"]
    return lines[-1] or 1 if lines else 1
