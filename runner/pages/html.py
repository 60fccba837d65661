"""Fills the templates in static/, where all values are escaped, and writes pages."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).with_name("static")
# Characters that no XML may hold, even escaped, and those that reverse the text after them.
UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


def fill(name: str, **values: Any) -> str:
    """Render a template of the folder with these values."""
    return _environment().get_template(name).render(values)


def static(name: str) -> str:
    """Read a file of the folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """Return the hash by which a content security policy allows a script or style."""
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
    """Replace the characters that no page can show."""
    return UNSHOWABLE.sub("\ufffd", text)


def _finalize(value: Any) -> Any:
    """Replace such characters in plain text; markup has been here before."""
    return showable(value) if type(value) is str else value
