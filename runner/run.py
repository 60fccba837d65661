"""Runs rounds: a round ingests new rows, then builds what depends on them; a loop repeats it.

A database, a project's folder and a listener come in; results go out. Nothing is printed: the
listener and the caller decide what users see.
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
# Pipelines that are checked for new rows in one transaction. The locks on their tables and indexes
# fit into the lock table of a server with default settings.
BATCH = 50


class Listener(IngestListener, BuildListener):
    """Receives the events of a round; override the methods that you need."""


@dataclass(frozen=True, slots=True)
class PipelineFailure:
    """The error that stopped a pipeline. Windows committed before it stay loaded."""

    pipeline_id: int
    pipeline: str
    error: RunnerError


@dataclass(frozen=True, slots=True)
class Round:
    """What a round did. `skipped` says which locks other runners held."""

    runs: tuple[RunResult, ...] = ()
    build: BuildResult = field(default_factory=BuildResult)
    skipped: tuple[RunnerError, ...] = ()
    failures: tuple[PipelineFailure, ...] = ()


class RoundFailed(RunnerError):
    """Pipelines failed; `done` is the round, which built what it could without their new rows."""

    def __init__(self, done: Round) -> None:
        first = done.failures[0].error
        super().__init__(first.message, first.hint)
        self.done = done


def ingest(
    database: Database,
    project: Path,
    listener: Listener,
    pipeline: str | None = None,
    *,
    wait_seconds: float = 60.0,
    sweep: bool = False,
) -> list[RunResult]:
    """Run the enabled pipelines, or the one named. A pipeline that fails, or that another runner
    has locked, does not stop the others; the first error is raised at the end.
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
    """Run pipelines one after the other, and return the runs and the failures."""
    runs: list[RunResult] = []
    failures = []
    with Sessions(database) as sessions:
        with sessions.use() as (work, _):
            found = pipelines(work, pipeline)
        quiet: dict[int, RunResult] = {}
        for place, row in enumerate(found):
            number = row["pipeline_id"]
            if place % BATCH == 0 and not sweep:
                quiet = _quiet(sessions, project, listener, found[place : place + BATCH])
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
    """Record runs for the pipelines that have no new rows, in one transaction, and return them.

    On an error, return none: each pipeline is then run on its own, which reports the error.
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
            listener.warn(f"{error.reason}: checking {len(rows)} pipelines one at a time")
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
    skip_locked: bool = False,
) -> Round:
    """Ingest new rows and build what depends on them. If a pipeline fails, the build goes on with
    the rows that are committed, and RoundFailed is raised at the end.

    A pipeline or target that another runner has locked raises LockHeld. With `skip_locked` it is
    skipped instead, and so is the build, which is left to that runner.
    """
    manifest = load(project)
    runs, stopped = _ingest(database, project, listener, None, wait_seconds)
    locked = [each for each in stopped if isinstance(each.error, LockHeld)]
    failures = [each for each in stopped if each not in locked]
    if locked and not skip_locked:
        _warn_of([*failures, *locked[1:]], listener)
        raise locked[0].error
    for each in locked:
        _record_skip(database, each.error, pipeline_id=each.pipeline_id)
    skipped = [each.error for each in locked]
    done = BuildResult()
    try:
        if not skipped:
            done = build(database, manifest, Target(), listener=listener)
    except LockHeld as error:
        if not skip_locked:
            raise
        _record_skip(database, error, target=Target().name)
        skipped.append(error)
    except StartError as error:
        if not failures or was_interrupted(error):
            raise
        # For example a replica that was never loaded, which the first failure caused.
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
    """Return the seconds of an interval such as `30s`, `5m`, `1h` or `30`; UsageError if none."""
    found = re.fullmatch(r"([0-9]{1,9})([smh]?)", text)
    if not found:
        raise UsageError(f"--every {text}: not an interval", "30s, 5m, 1h, or a number of seconds")
    seconds = int(found[1]) * UNITS[found[2]]
    if not 1 <= seconds <= LONGEST_HOURS * 3600:
        raise UsageError(f"--every {text}: the interval must be from 1s to {LONGEST_HOURS}h")
    return seconds


def next_tick(start: float, seconds: int, now: float) -> float:
    """Return when the next round is due: the first multiple of the interval since `start` that
    lies after `now`. Both are in seconds.
    """
    due = start + (math.floor((now - start) / seconds) + 1) * seconds
    return due if due > now else due + seconds


def repeat(seconds: int, tick: Callable[[], Any], on_error: Callable[[RunnerError], Any]) -> None:
    """Call `tick` every so many seconds until a signal arrives. An error is reported and the loop
    goes on; only a UsageError ends it.

    A signal while it sleeps ends the loop normally. During a tick, KeyboardInterrupt is raised to
    the caller, because work was cut short.
    """
    start = time.monotonic()
    while True:
        try:
            tick()
        except UsageError:
            raise
        except Exception as error:  # a lost server, or a file that is being edited
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
