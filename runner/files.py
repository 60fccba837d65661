"""Puts a file in its place when all of it is written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from runner.errors import RunnerError


def put(file: Path, text: str, mode: int = 0o644) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as fresh:
            fresh.write(text)
        os.chmod(fresh.name, mode)
        os.replace(fresh.name, file)
    except OSError as error:
        raise RunnerError(f"{file} cannot be written: {error.strerror}") from error
