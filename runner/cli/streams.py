"""Standard output and error that survive a closed pipe and a full disk."""

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

STDERR = 2


class TolerantStream(io.FileIO):
    """A stream that discards its output after a write has failed, so that the work can go on.

    A closed pipe or terminal is intended, and not an error. Any other failure, such as a full disk,
    is reported once on standard error and sets `has_failed`, for the exit code.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self.was_terminal = self.isatty()
        self.has_failed = False

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if error.errno != errno.EPIPE and not self.was_terminal:
                self.has_failed = True
                if self.fileno() != STDERR:
                    print(f"error: cannot write the output: {error.strerror}", file=sys.stderr)
            return memoryview(content).nbytes


def install() -> list[TolerantStream]:
    """Replace standard output and error by such streams, and return these."""
    installed = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.flush()
            installed.append(TolerantStream(stream.fileno()))
            tolerant = io.TextIOWrapper(
                io.BufferedWriter(installed[-1]),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, tolerant)
    return installed
