"""One round: the source changes, a runner works on it, something happens, and it is mended."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from runner.build.build import build
from runner.database.session import Database
from runner.errors import RunnerError
from runner.ingest import source
from runner.ingest.pipelines import pipelines
from runner.project.manifest import load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline
from tests.faults.arena import FACTS, Arena
from tests.ingest_faults.death import Boundary, watched
from tests.support import PROJECT, earn, event, insert_events, query, scalar

LONGEST_SECONDS = 180
CLEAN, FAILED = 0, 1
LOCKED = ("warehouse.raw_event_stream", "orchestrator.runs", *(f"warehouse.{f}" for f in FACTS))


@dataclass(slots=True)
class AnyBoundary(Boundary):
    """Counts the statements of all sessions of a runner, be it an ingest or a build."""

    last: int = 0  # the server process of the statement

    def note(self, connection: psycopg.Connection[Any]) -> None:
        name = connection.info.parameter_status("application_name") or ""
        if not name.startswith("milepost"):
            return
        self.last = connection.info.backend_pid
        self.count += 1
        if self.count == self.at:
            self.has_struck = True
            self.strike(self)


@dataclass(frozen=True)
class Fault:
    """What happens, either just before a statement of the runner or around all of them."""

    name: str
    strike: Callable[[Arena, Boundary], None] | None = None
    around: Callable[[Arena, random.Random], contextlib.AbstractContextManager[None]] | None = None
    is_possible: Callable[[Arena], bool] = lambda arena: True
    needs: str = ""
    options: str = ""

    def __str__(self) -> str:
        return self.name


def _kill_runner(arena: Arena, boundary: Boundary) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_server(arena: Arena, boundary: Boundary) -> None:
    arena.kill()


def _stop_server(arena: Arena, boundary: Boundary) -> None:
    arena.stop_at_once()


def _kill_backend(arena: Arena, boundary: Boundary) -> None:
    """All other server processes go with it, and the server recovers by itself."""
    assert isinstance(boundary, AnyBoundary)
    with contextlib.suppress(ProcessLookupError):
        os.kill(boundary.last, signal.SIGKILL)


def _lose_connection(arena: Arena, boundary: Boundary) -> None:
    assert isinstance(boundary, AnyBoundary)
    query(arena.database, "select pg_terminate_backend(%(pid)s)", pid=boundary.last)


@contextlib.contextmanager
def _lock(arena: Arena, chance: random.Random) -> Iterator[None]:
    """Somebody holds a table, whatever the runner has to wait for."""
    table = chance.choice(LOCKED)
    with psycopg.connect(arena.database.conninfo) as connection:
        connection.execute("set search_path = pg_catalog")
        connection.execute(f"lock table {table} in access exclusive mode")  # type: ignore[arg-type]
        yield


@contextlib.contextmanager
def _fill_disk(arena: Arena, chance: random.Random) -> Iterator[None]:
    arena.fill_up(left=chance.choice((0, 0, 64, 256, 1024, 4096)) * 2**10)
    try:
        yield
    finally:
        arena.filler.unlink()


FAULTS = (
    Fault("runner killed", _kill_runner),
    Fault("server killed", _kill_server),
    Fault("server stopped at once", _stop_server),
    Fault("server process killed", _kill_backend),
    Fault("connection lost", _lose_connection),
    Fault("lock time-out", around=_lock, options="-c lock_timeout=300ms"),
    Fault(
        "disk full",
        around=_fill_disk,
        is_possible=lambda arena: arena.is_small,
        needs="it needs root, to mount a small file system",
    ),
)


@dataclass
class Round:
    """The round of a number; the same seed makes the same choices."""

    arena: Arena
    number: int
    seed: int
    faults: list[Fault]

    def run(self, verifies: bool) -> str:
        """Go through it; returns what happened, or AssertionError with seed and number."""
        chance = random.Random(f"{self.seed} {self.number}")
        fault = self.faults[(self.number - 1) % len(self.faults)]
        at = chance.randint(1, self.arena.statements)
        try:
            _change_source(self.arena.database, chance)
            before = last_run(self.arena.database)
            code = self._suffer(fault, at, chance)
            self.arena.revive()
            counter = AnyBoundary(0, lambda boundary: None)
            with no_margin(), watched(counter):
                _work(self.arena.database, "reconcile")
            self.arena.statements = counter.count
            self.arena.assert_sound()
            if verifies:
                self.arena.assert_equals_rebuild()
        except (AssertionError, RunnerError, psycopg.Error) as error:
            raise AssertionError(
                f"round {self.number} of seed {self.seed}, {fault} at {at}: {error}"
            ) from error
        assert last_run(self.arena.database) > before
        ended = {CLEAN: "the runner went on", FAILED: "the runner failed"}
        return f"{fault}: {ended.get(code, 'the runner was gone')}"

    def _suffer(self, fault: Fault, at: int, chance: random.Random) -> int:
        """Let a runner work in a process of its own; return how it ended."""
        kind = chance.choice(("run", "run", "sweep", "reconcile"))
        around = fault.around(self.arena, chance) if fault.around else contextlib.nullcontext()
        with around:
            child = os.fork()
            if child == 0:
                os._exit(self._as_runner(fault, at, kind))
            deadline = time.monotonic() + LONGEST_SECONDS
            while True:
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    return os.waitstatus_to_exitcode(status)
                if time.monotonic() > deadline:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    raise AssertionError(f"the runner did not end within {LONGEST_SECONDS} s")
                if not fault.around and not self.arena.server.is_running():
                    with contextlib.suppress(RunnerError):
                        self.arena.server.start()  # as a supervisor does
                time.sleep(0.05)

    def _as_runner(self, fault: Fault, at: int, kind: str) -> int:
        os.environ["PGOPTIONS"] = fault.options
        sys.stdin.close()

        def strike(boundary: Boundary) -> None:
            if fault.strike:
                fault.strike(self.arena, boundary)

        with watched(AnyBoundary(at, strike)), no_margin():
            try:
                _work(self.arena.database, kind)
            except RunnerError:
                return FAILED
        return CLEAN


def last_run(database: Database) -> int:
    return int(scalar(database, "select max(run_id) from orchestrator.runs"))


@contextlib.contextmanager
def no_margin() -> Iterator[None]:
    """Nobody writes beside an ingest: a row is read as soon as it is committed."""
    real = source._clock_text

    def without_margin(*arguments: Any) -> str | None:
        text = real(*arguments)
        return text and text.replace("interval '1 second'", "interval '0'")

    source._clock_text = without_margin
    try:
        yield
    finally:
        source._clock_text = real


def _work(database: Database, kind: str) -> None:
    """What a round of `run-all` does, in one of several ways."""
    with database.session("milepost") as session:
        found = pipelines(session)
    for pipeline in found:
        each = RepairedPipeline(pipeline["pipeline_id"], database, PROJECT)
        each.run(sweep=kind == "sweep")
        if kind == "reconcile":
            each.reconcile(force=True)
    build(database, load(PROJECT), Target())


def _change_source(database: Database, chance: random.Random) -> None:
    """New rows, late ones, changed ones, changed ones that nobody dated, and rows that go."""
    days = [chance.randint(0, 60) for _ in range(chance.randint(1, 20))]
    insert_events(database, [earn(day, f"u_{day % 11}", miles=day + 1) for day in days])
    insert_events(database, [event(day, f"u_{day % 4}") for day in days[:5]])
    some = {"part": chance.randint(0, 9), "miles": chance.randint(1, 500)}
    for dated in ("", ", updated_at = now()"):
        query(
            database,
            f"update public.event_stream set miles_amount = %(miles)s{dated}"
            " where event_type = 'miles_earned' and event_id %% 10 = %(part)s",
            **some,
        )
    query(
        database,
        "update public.utm_campaigns set monthly_cost = %(miles)s, updated_at = now()",
        miles=some["miles"],
    )
    query(
        database,
        "delete from public.event_stream where event_id in"
        " (select event_id from public.event_stream"
        " order by hashint8(event_id + %(miles)s), event_id limit %(count)s)",
        count=chance.randint(0, 3),
        miles=some["miles"],
    )
