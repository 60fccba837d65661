"""The front door: one round brings in what is new and builds what follows; a loop repeats it.

What comes in are a database, a project's folder and a listener; what goes out are results. It
prints nothing: whoever calls decides what people see.
"""

import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.build.build import build
from runner.build.transaction import BuildResult
from runner.build.transaction import Listener as BuildListener
from runner.database import ledger
from runner.database.session import LOCK_NOT_AVAILABLE, Database, LockHeld, QueryFailed
from runner.errors import RunnerError, StartError, UsageError, was_interrupted
from runner.ingest.attempt import Listener as IngestListener
from runner.ingest.pipeline import IngestionPipeline, RunResult, Sessions
from runner.ingest.pipelines import pipelines
from runner.project.manifest import load
from runner.project.target import Target

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST_HOURS = 168
# Pipelines that are looked at together: their locks, those on their tables and indexes too, find
# room in the memory of any server.
AT_ONCE = 50


class Listener(IngestListener, BuildListener):
    """Hears of a round while it goes on; override what you want to know."""


@dataclass(frozen=True, slots=True)
class PipelineFailure:
    """Why a pipeline brought in nothing, or not all."""

    pipeline_id: int
    pipeline: str
    error: RunnerError


@dataclass(frozen=True, slots=True)
class Round:
    """What a round did: its runs, its build, what was left to other runners, and what failed."""

    runs: tuple[RunResult, ...] = ()
    build: BuildResult = field(default_factory=BuildResult)
    skipped: tuple[RunnerError, ...] = ()
    failures: tuple[PipelineFailure, ...] = ()


class RoundFailed(RunnerError):
    """Pipelines failed. What could be built without their new rows is built: see `done`."""

    def __init__(self, done: Round) -> None:
        first = done.failures[0].error
        super().__init__(first.message, first.hint)
        self.done = done


def ingest(
    database: Database,
    project: Path,
    listener: Listener,
    *,
    pipeline: str | None = None,
    wait_seconds: float = 60.0,
    sweep: bool = False,
) -> list[RunResult]:
    """Run the enabled pipelines, or the one named. A pipeline that fails does not stop the others;
    its error is raised at the end. What another runner holds is an error too.
    """
    runs, failures = _ingest(database, project, listener, pipeline, wait_seconds, sweep)
    _warn_of(failures[1:], listener)
    if failures:
        raise failures[0].error
    return runs


def _ingest(
    database: Database,
    project: Path,
    listener: Listener,
    pipeline: str | None,
    wait_seconds: float,
    sweep: bool = False,
) -> tuple[list[RunResult], list[PipelineFailure]]:
    """Run pipelines, whatever becomes of the others."""
    runs: list[RunResult] = []
    failures = []
    with Sessions(database) as sessions:
        with sessions.use() as (work, _):
            found = pipelines(work, pipeline)
        quiet: dict[int, RunResult] = {}
        for place, row in enumerate(found):
            number = row["pipeline_id"]
            if place % AT_ONCE == 0 and not sweep:
                quiet = _quiet(sessions, project, listener, found[place : place + AT_ONCE])
            if number in quiet:
                runs.append(quiet[number])
                listener.loaded(quiet[number])
                continue
            try:
                controller = IngestionPipeline(number, database, project, listener, sessions)
                runs += controller.run(wait_seconds, sweep)
            except RunnerError as error:
                if was_interrupted(error):
                    raise
                failures.append(PipelineFailure(number, row["pipeline_name"], error))
    return runs, failures


def _quiet(
    sessions: Sessions, project: Path, listener: Listener, rows: Sequence[dict[str, Any]]
) -> dict[int, RunResult]:
    """Record the runs of pipelines that have nothing new; none where this room was taken away. What
    fails, fails again in a run of their own; a lock may be gone by then.
    """
    try:
        from runner.ingest.quiet import record_quiet
    except ImportError:
        return {}
    try:
        with sessions.use() as (work, _):
            return record_quiet(work, project, [row["pipeline_id"] for row in rows])
    except RunnerError as error:
        if was_interrupted(error):
            raise
        if isinstance(error, QueryFailed) and error.sqlstate == LOCK_NOT_AVAILABLE:
            listener.warn(
                f"{error.reason}: checking {len(rows)} pipelines one at a time, which is slower"
            )
        return {}


def _warn_of(failures: Sequence[PipelineFailure], listener: Listener) -> None:
    for failure in failures:
        listener.warn(failure.error.message, failure.error.hint)


def run_all(
    database: Database,
    project: Path,
    listener: Listener,
    *,
    wait_seconds: float = 60.0,
    leave_to_others: bool = False,
) -> Round:
    """Bring in what is new and build what follows. Where a pipeline fails, the build goes on with
    what is committed, and RoundFailed is raised at the end.

    With `leave_to_others`, what another runner holds is skipped, and all that would follow is left
    to it; otherwise it is LockHeld, and nothing is built.
    """
    manifest = load(project)
    runs, stopped = _ingest(database, project, listener, None, wait_seconds)
    held = [each for each in stopped if isinstance(each.error, LockHeld)]
    failures = [each for each in stopped if each not in held]
    if held and not leave_to_others:
        _warn_of([*failures, *held[1:]], listener)
        raise held[0].error
    for each in held:
        _record_skip(database, each.error, pipeline_id=each.pipeline_id)
    skipped = [each.error for each in held]
    done = BuildResult()
    try:
        if not skipped:
            done = build(database, manifest, Target(), listener=listener)
    except LockHeld as error:
        if not leave_to_others:
            raise
        _record_skip(database, error, target=Target().name)
        skipped.append(error)
    except StartError as error:
        if not failures or was_interrupted(error):
            raise
        # Such as a replica that was never loaded: this follows from the first failure.
        _warn_of(failures[1:], listener)
        raise failures[0].error from error
    except RunnerError:
        _warn_of(failures, listener)
        raise
    round_ = Round(tuple(runs), done, tuple(skipped), tuple(failures))
    if failures:
        _warn_of(failures[1:], listener)
        raise RoundFailed(round_)
    return round_


def _record_skip(database: Database, error: RunnerError, **what: Any) -> None:
    with database.session("milepost run-all, evidence") as evidence:
        ledger.skip(evidence, error, **what)


def interval(text: str) -> int:
    """Seconds between two rounds, from `30s`, `5m`, `1h` or a plain number of seconds."""
    found = re.fullmatch(r"([0-9]{1,9})([smh]?)", text)
    if not found:
        raise UsageError(f"--every {text}: not an interval", "30s, 5m, 1h, or a number of seconds")
    seconds = int(found[1]) * UNITS[found[2]]
    if not 1 <= seconds <= LONGEST_HOURS * 3600:
        raise UsageError(f"--every {text}: the interval is from 1s to {LONGEST_HOURS}h")
    return seconds


def next_tick(start: float, seconds: int, now: float) -> float:
    """When the next round is due: the first multiple of the interval, from the start, after now."""
    due = start + (math.floor((now - start) / seconds) + 1) * seconds
    return due if due > now else due + seconds


def repeat(
    seconds: int, tick: Callable[[], object], on_error: Callable[[RunnerError], object]
) -> None:
    """Run a tick every so many seconds until a signal. One that fails is reported, and the next may
    succeed; only a wrong command line ends the loop.

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
            on_error(error)
        try:
            now = time.monotonic()
            time.sleep(next_tick(start, seconds, now) - now)
        except KeyboardInterrupt:
            return
