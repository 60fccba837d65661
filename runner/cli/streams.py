"""Standard output and error that outlive their reader."""

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

STDERR = 2


class Outliving(io.FileIO):
    """A stream whose reader may leave (a closed terminal, the end of a pipe) or whose disk may be
    full: the work and its evidence go on, and further output is discarded.

    A reader that leaves does so on purpose. Anything else is a failure, reported on standard error
    when it happens; `has_failed` then tells the exit code.
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


def install() -> list[Outliving]:
    """Put such streams in the place of standard output and error; returns them."""
    installed = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before we began
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.flush()
            installed.append(Outliving(stream.fileno()))
            lasting = io.TextIOWrapper(
                io.BufferedWriter(installed[-1]),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, lasting)
    return installed
