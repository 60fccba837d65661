"""Shows problems, and finds out which characters the terminal can show."""

import sys
from collections.abc import Sequence

from runner.cli.output import listing, number
from runner.errors import RunnerError


def fail_with(problems: Sequence[str], hint: str) -> None:
    """List problems and raise RunnerError, if there are any."""
    if problems:
        listing([{"problem": problem} for problem in problems], "")
        raise RunnerError(number(len(problems), "problem"), hint)


def can_write(text: str) -> bool:
    """Whether standard output can encode these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
