"""Fills the templates in static/, where all values are escaped, and writes files for people."""

import base64
import hashlib
import os
import re
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from runner.errors import RunnerError

FOLDER = Path(__file__).with_name("static")
# Characters that XML forbids, even escaped, and those that reverse the direction of text.
UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


def fill(name: str, **values: Any) -> str:
    """Render a template of static/ with these values."""
    return _environment().get_template(name).render(values)


def static(name: str) -> str:
    """Read a file of static/."""
    return (FOLDER / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """Return the hash by which a content security policy allows a script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        # The parts of a Markup have been through here already.
        finalize=lambda value: showable(value) if type(value) is str else value,
        keep_trailing_newline=True,
        loader=FileSystemLoader(FOLDER),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )


def showable(text: str) -> str:
    """Replace the characters that no page can show."""
    return UNSHOWABLE.sub("\ufffd", text)


def put(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a file as a whole or not at all. A new file gets `mode`; an existing one keeps its own.

    Raises RunnerError for a symbolic link, and where the file cannot be written.
    """
    if file.is_symlink():
        raise RunnerError(f"{file} is a symbolic link", "name the file itself")
    try:
        number, fresh = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with open(number, "w", encoding="utf-8") as writing:
                writing.write(text)
            os.chmod(fresh, stat.S_IMODE(file.stat().st_mode) if file.exists() else mode)
            os.replace(fresh, file)
        except BaseException:
            os.unlink(fresh)
            raise
    except OSError as error:
        raise RunnerError(f"{file} cannot be written: {error.strerror}") from error
