"""Fills all tables of a target in its scratch schemas, several scripts in parallel."""

import contextlib
import heapq
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from itertools import count

from runner.build.compose import PRELUDE, Composer, Part, run_pieces
from runner.build.plan import Step
from runner.build.transaction import BuildTransaction, ScriptResult
from runner.database import ledger
from runner.database.session import (
    BUILD_LOCK,
    LOCK_NOT_AVAILABLE,
    Database,
    LockHeld,
    QueryFailed,
    Session,
    lock_number,
)
from runner.errors import RunnerError, StartError
from runner.project.graph import neighbours
from runner.project.manifest import Script
from runner.project.target import Target

# What a session does with a script whose tables are filled and checked.
Then = Callable[[Session, Script], None]
# More would be idle: rarely are more scripts ready at once.
MOST_WORKERS = 8
# The duration of a script that never ran. It decides only the order.
UNKNOWN_SECONDS = 0.1


def cores() -> int:
    """Return how many scripts run at once by default: one for each core of this machine."""
    # A container may use fewer cores than the machine has.
    may_use = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(may_use or 1, MOST_WORKERS)


def drop_scratch(work: Session, scratch: Target) -> None:
    """Drop the tables of a scratch target; LockHeld while sessions fill or read them."""
    is_there = "select exists (select from pg_namespace where nspname = any(%(names)s))"
    if not work.value(is_there, {"names": scratch.schemas}):
        return
    with work.lock(BUILD_LOCK, lock_number(scratch.name), f"a rebuild into {scratch.name}"):
        work.run("set lock_timeout = '1s'")
        try:
            for schema in reversed(scratch.schemas):
                work.run(f"drop schema if exists {schema} cascade")
        except QueryFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            raise LockHeld(
                f"the tables of {schema}, left by an earlier rebuild, are in use",
                "wait, or keep pg_dump from reading them: --exclude-schema='*_scratch_*'",
            ) from error
        finally:
            work.run("reset lock_timeout")


@contextlib.contextmanager
def filled(
    database: Database,
    transaction: BuildTransaction,
    steps: list[Step],
    jobs: int,
    then: Then | None = None,
    on_filled: Callable[[ScriptResult], None] = lambda done: None,
) -> Iterator[list[ScriptResult]]:
    """Fill and check all tables in the scratch target, and do `then` with each script; yield the
    results in the order of `steps`, and drop the tables at the end.
    """
    work, scratch = transaction.work, transaction.target.scratch
    composer = Composer(transaction.manifest, scratch, ledger.positions(work, scratch.name))
    try:
        drop_scratch(work, scratch)
        run_pieces(work, composer.schemas())
        with ExitStack() as stack:
            sessions = _open_sessions(stack, database, scratch, jobs)
            by_key = {step.script.key: step for step in steps}
            results = _Schedule(transaction, composer, by_key, then).run(sessions, on_filled)
        yield results
    finally:
        with contextlib.suppress(RunnerError):
            drop_scratch(work, scratch)


def _open_sessions(
    stack: ExitStack, database: Database, scratch: Target, jobs: int
) -> list[Session]:
    """Open sessions that fill tables: at least one, and fewer than `jobs` if the server accepts no
    more. As long as one is open, nobody else drops the tables.
    """
    what = f"a rebuild into {scratch.name}"
    sessions: list[Session] = []
    for _ in range(jobs):
        try:
            session = stack.enter_context(database.session("milepost build, worker"))
            stack.enter_context(
                session.lock(BUILD_LOCK, lock_number(scratch.name), what, "_shared")
            )
        except StartError:
            if not sessions:
                raise
        else:
            sessions.append(session)
    return sessions


# The tasks of a script. Of those that are ready, the first kind goes first.
FILL, CHECK, THEN = range(3)


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Fills the tables of each script once those that it needs are filled, the longest path to the
    end first. Its checks run beside later scripts: nobody sees any rows before all have passed.
    """

    transaction: BuildTransaction
    composer: Composer
    steps: Mapping[str, Step]
    then: Then | None
    results: dict[str, ScriptResult] = field(default_factory=dict)

    def run(
        self, sessions: list[Session], on_filled: Callable[[ScriptResult], None]
    ) -> list[ScriptResult]:
        """Run all tasks; return the results in the order of the steps."""
        transaction, steps = self.transaction, self.steps
        needs, _ = neighbours(transaction.manifest)
        seconds = ledger.script_seconds(transaction.work, transaction.target.name, steps)
        left = seconds_left(needs, seconds)
        tasks = {(FILL, key): {(FILL, need) for need in needs[key]} for key in steps}
        tasks |= {(CHECK, key): {(FILL, key)} for key in steps}
        if self.then:
            tasks |= {(THEN, key): {(CHECK, key)} for key in steps}
        sorter = TopologicalSorter(tasks)
        sorter.prepare()
        ready: list[tuple[int, float, str]] = []
        idle = list(sessions)
        numbers = count()
        running: dict[Future[ScriptResult], tuple[int, str, Session]] = {}
        with ThreadPoolExecutor(len(sessions)) as pool:
            try:
                while sorter.is_active():
                    for kind, key in sorter.get_ready():
                        heapq.heappush(ready, (kind, -left[key], key))
                    while ready and idle:
                        kind, _, key = heapq.heappop(ready)
                        session = idle.pop()
                        if kind == FILL:
                            transaction.listener.starting(steps[key], next(numbers), len(steps))
                        running[pool.submit(self._do, kind, key, session)] = kind, key, session
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        kind, key, session = running.pop(future)
                        self.results[key] = future.result()
                        idle.append(session)
                        sorter.done((kind, key))
                        if kind == CHECK:
                            on_filled(self.results[key])
            except BaseException:
                for session in sessions:
                    session.cancel()
                raise
        return [self.results[key] for key in steps]

    def _do(self, kind: int, key: str, session: Session) -> ScriptResult:
        """Do one task of a script, and return the result of all its tasks so far."""
        step, started = self.steps[key], time.monotonic()
        with session.transaction():
            session.run(PRELUDE)
            if kind == FILL:
                part = Part(step, self.composer, self.composer.create(step.script, session))
                return self.transaction.fill(session, step, part)
            done = self.results[key]
            if kind == CHECK:
                return self.transaction.check(session, done, self.composer)
            if self.then:
                self.then(session, step.script)
        return replace(done, seconds=done.seconds + time.monotonic() - started)


def seconds_left(needs: Mapping[str, set[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return, for each script, the seconds that the slowest path from it to the end will take."""
    left: dict[str, float] = {}
    for key in reversed(list(TopologicalSorter(needs).static_order())):
        following = [left[other] for other, its_needs in needs.items() if key in its_needs]
        left[key] = seconds.get(key, UNKNOWN_SECONDS) + max(following, default=0.0)
    return left
