"""The loop of `run-all --every`: when a tick is due, what ends the loop, and the row of a tick that
was skipped.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.errors import RunnerError, UsageError, was_interrupted

if TYPE_CHECKING:
    from runner.database.session import Database, LockHeld

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST_HOURS = 168


def interval(text: str) -> int:
    """Seconds between two ticks, from `30s`, `5m`, `1h` or a plain number of seconds."""
    found = re.fullmatch(r"([0-9]{1,9})([smh]?)", text)
    if not found:
        raise UsageError(f"--every {text}: not an interval", "30s, 5m, 1h, or a number of seconds")
    seconds = int(found[1]) * UNITS[found[2]]
    if not 1 <= seconds <= LONGEST_HOURS * 3600:
        raise UsageError(f"--every {text}: ticks are 1s to {LONGEST_HOURS}h apart")
    return seconds


def next_tick(start: float, seconds: int, now: float) -> float:
    """When the next tick is due: the first multiple of the interval, from the start, after now."""
    due = start + (math.floor((now - start) / seconds) + 1) * seconds
    return due if due > now else due + seconds


def repeat(seconds: int, tick: Callable[[], object], tell: Callable[[RunnerError], object]) -> None:
    """Run ticks until a signal. A tick that fails is told, and the next may do better; only a wrong
    command line ends the loop.

    While it sleeps it holds nothing, and a signal ends it here. During a tick the KeyboardInterrupt
    goes on to the caller, because work was cut short.
    """
    start = time.monotonic()
    while True:
        try:
            tick()
        except UsageError:
            raise
        except Exception as error:  # whatever it is: a lost server, a file that is being edited
            if was_interrupted(error):
                raise KeyboardInterrupt from error
            logging.getLogger(__name__).debug("tick", exc_info=True)
            if not isinstance(error, RunnerError):
                unexpected = f"unexpected {type(error).__name__}: {error}"
                error = RunnerError(unexpected, "--debug shows where")
            tell(error)
        try:
            now = time.monotonic()
            time.sleep(next_tick(start, seconds, now) - now)
        except KeyboardInterrupt:
            return


def skip(
    database: Database, error: LockHeld, pipeline_id: int | None = None, target: str | None = None
) -> None:
    """Leave the row of a window, or of a build, that a tick left to the run that holds its lock."""
    from runner.database.session import host

    with database.session("milepost run-all, evidence") as evidence:
        evidence.rows(
            """
            insert into orchestrator.runs (
                kind, status, pipeline_id, target, error, host, started_at, finished_at
            )
            values (
                case when %(target)s::text is null then 'window' else 'build' end,
                'skipped',
                %(pipeline_id)s,
                %(target)s,
                %(error)s,
                %(host)s,
                statement_timestamp(),
                statement_timestamp()
            )
            """,
            {
                "pipeline_id": pipeline_id,
                "target": target,
                "error": error.message,
                "host": host(),
            },
        )
