"""What the runner says when it cannot go on: one line with the reason, one hint, one exit code.

Raise these for everything that a person can do something about. Any other exception is a bug.
"""

from __future__ import annotations


class RunnerError(Exception):
    """A script, a check or a command failed."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RunnerError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = 2


class StartError(RunnerError):
    """The work could not start: a wrong manifest, no connection, a lock that another holds."""

    exit_code = 3


def was_interrupted(error: BaseException | None) -> bool:
    """Whether a signal came first, and what cleaned up behind it failed in its turn."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
