"""Fills the templates in static/, escaping all values: names and comments are other people's."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).with_name("static")
# No XML may hold these, not even escaped, and the last ones turn the order of what follows.
UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


def fill(name: str, **values: Any) -> str:
    """A template of the folder with these values."""
    return _environment().get_template(name).render(values)


def static(name: str) -> str:
    """A file of the folder as it is."""
    return (FOLDER / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """How a policy names the one text that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        finalize=_finalize,
        keep_trailing_newline=True,
        loader=FileSystemLoader(FOLDER),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )


def showable(text: str) -> str:
    """Without the characters that no page can hold."""
    return UNSHOWABLE.sub("\ufffd", text)


def _finalize(value: Any) -> Any:
    """What is already markup is left alone; it has been through here."""
    return showable(value) if type(value) is str else value
