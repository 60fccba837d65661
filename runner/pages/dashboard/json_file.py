"""Reads the JSON file of a chart; an error has the line of what is wrong."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from runner.errors import StartError
from runner.project.files import read_text

HINT = "a chart is a Vega-Lite spec in JSON: docs/dashboard.md"
ROWS = {"name": "rows"}


class _Wrong(ValueError):
    """Something that Python reads as JSON, but that a chart cannot be."""

    def __init__(self, reason: str, token: str, occurrence: int = 1) -> None:
        super().__init__(reason)
        self.token = token
        self.occurrence = occurrence


def read_spec(file: Path, path: Path) -> Mapping[str, Any]:
    """Return the spec of a chart. Raises StartError with path, line and reason."""
    text = read_text(file, path)
    cause: Exception
    try:
        spec = json.loads(
            text, parse_constant=_constant, parse_float=_float, object_pairs_hook=_object
        )
        json.dumps(spec, ensure_ascii=False).encode()
        if isinstance(spec, dict) and spec.get("data") == ROWS:
            return spec
        reason = 'the data of a chart are the rows of its query: "data": {"name": "rows"}'
        raise _Wrong(reason, '"data"')
    except UnicodeEncodeError as error:  # \ud800 alone, which UTF-8 has no bytes for
        half = f"\\u{ord(error.object[error.start]):04x}"
        line, reason, cause = line_of(text, half), f"{half} is half a character", error
    except json.JSONDecodeError as error:
        (line, reason), cause = _explained(error), error
    except _Wrong as error:
        line, reason, cause = line_of(text, error.token, error.occurrence), str(error), error
    except RecursionError as error:
        line, reason, cause = 1, "too deep", error
    except ValueError as error:  # more digits than Python converts
        line, reason, cause = 1, "a number is too long", error
    raise StartError(f"{path}:{line}: {reason}", HINT) from cause


def line_of(text: str, token: str, occurrence: int = 1) -> int:
    """Return the line in which a token stands for the n-th time; 1 if it does not."""
    found = list(re.finditer(re.escape(token), text))[occurrence - 1 : occurrence]
    return text.count("\n", 0, found[0].start()) + 1 if found else 1


def _explained(error: json.JSONDecodeError) -> tuple[int, str]:
    """Return line and reason of a syntax error; a comma too many or too few is called that."""
    before = error.doc[: error.pos].rstrip()
    if before.endswith(",") and error.doc[error.pos : error.pos + 1] in (",", "}", "]"):
        return before.count("\n") + 1, "a comma too many"
    if error.msg.startswith("Illegal trailing comma"):
        return error.lineno, "a comma too many"
    if error.msg == "Expecting ',' delimiter" and error.pos < len(error.doc.rstrip()):
        return before.count("\n") + 1, "a comma is missing at the end, or a bracket or quote"
    if error.pos >= len(error.doc.rstrip()):
        return before.count("\n") + 1, "the file ends too early: a bracket or quote is missing"
    return error.lineno, error.msg


def _constant(name: str) -> NoReturn:
    raise _Wrong(f"{name} is not a number of JSON", name)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Wrong(f"{text} is too large a number", text)
    return number


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Wrong(f"{name} appears twice in an object", json.dumps(name), 2)
        found[name] = value
    return found
