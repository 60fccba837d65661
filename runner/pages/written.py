"""Writes files for people: pages, drawings, reports of tests."""

import os
import stat
import tempfile
from pathlib import Path

from runner.errors import RunnerError


def put(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a file as a whole or not at all. A new one gets `mode`; an old one keeps its own."""
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
