"""Files of months: written as a whole or not at all, and never in place of another file."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError, StartError

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What was written or read: how many bytes, and their hash."""

    bytes: int
    sha256: str


def content_of(blocks: Iterable[bytes]) -> Content:
    size, digest = 0, hashlib.sha256()
    for block in blocks:
        size += len(block)
        digest.update(block)
    return Content(size, digest.hexdigest())


def read(path: Path) -> Content:
    """Return what a file holds. RunnerError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return content_of(iter(lambda: file.read(BLOCK), b""))
    except OSError as error:
        raise _failed(path, error) from error


def write(path: Path, blocks: Iterable[bytes]) -> Content:
    """Write a file under a temporary name, and rename it once all of it is on disk. StartError if
    a file of that name has other content.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            content = content_of(_through(file.write, blocks))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():  # left by a run that died before it dropped the rows
            temporary.unlink()
            if read(path) != content:
                raise StartError(
                    f"{path} exists already, and holds other rows",
                    "move it away, or name another folder: --into DIR",
                )
        else:
            temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):  # there may be none, or a folder of that name
            temporary.unlink()
        raise _failed(path, error) from error
    return content


def _through(write: Callable[[bytes], object], blocks: Iterable[bytes]) -> Iterable[bytes]:
    for block in blocks:
        write(block)
        yield block


def _failed(path: Path, error: OSError) -> RunnerError:
    return RunnerError(
        f"{path}: {error.strerror or error}; no row was dropped",
        "make room, or name another folder: --into DIR; the same command goes on where it stopped",
    )
