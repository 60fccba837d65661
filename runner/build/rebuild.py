"""Rebuilds a target in its scratch schemas, several scripts at once, and publishes or compares the
result.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from itertools import count

from runner.build.build import Builder, check_needs, drop_scratch, open_builder, read_plan
from runner.build.changes import Rows, difference_queries
from runner.build.compose import PRELUDE, Composer, Part
from runner.build.diff import Difference, compare
from runner.build.plan import Step
from runner.build.publish import Publisher, find_reshaped
from runner.build.shape import columns, shape_differences
from runner.build.transaction import (
    BuildResult,
    BuildTransaction,
    OnResult,
    ScriptResult,
    Starting,
)
from runner.database import ledger
from runner.database.queries import named_query
from runner.database.session import (
    BUILD_LOCK,
    PIPELINE_LOCK,
    Changes,
    Database,
    Session,
    lock_number,
)
from runner.errors import RunnerError
from runner.project.graph import neighbours, order
from runner.project.manifest import Manifest, Script
from runner.project.target import Target

Then = Callable[[Session, Script], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison with a rebuild found. `repair` is the build that published the rebuilt
    rows, if that was asked for.
    """

    run_id: int
    tables: int
    differences: tuple[Difference, ...]
    repair: BuildResult | None
    seconds: float


def rebuild(
    database: Database,
    manifest: Manifest,
    target: Target,
    jobs: int = 1,
    on_result: OnResult = lambda result: None,
    starting: Starting = lambda step, index, count: None,
) -> BuildResult:
    """Fill all tables in the scratch target, `jobs` at a time, check them, and publish the
    difference in one transaction. LockHeld if a build or an ingest is running.
    """
    started = time.monotonic()
    with (
        open_builder(database, manifest, target, "rebuild", on_result, starting) as builder,
        _pipelines_locked(builder.work),
    ):
        transaction = _begin(builder, "rebuild")
        staged: dict[str, Rows] = {}

        def stage(session: Session, script: Script) -> None:
            """Store what publishing will change, while other tables are still being filled."""
            for name in script.tables if not script.is_view else ():
                table = target.table(script.layer, name)
                fresh = target.scratch.table(script.layer, name)
                if not columns(session, table) or shape_differences(session, table, fresh):
                    continue
                rows = difference_queries(session, table, fresh)
                kept = Rows(
                    # No script has a table of such a name.
                    removed=target.scratch.table(script.layer, f"_removed_{name}"),
                    added=target.scratch.table(script.layer, f"_added_{name}"),
                )
                for query, copy in ((rows.removed, kept.removed), (rows.added, kept.added)):
                    session.run(f"create table {copy} as select * from {query} as rows")
                    session.run(f"analyze {copy}")
                staged[table] = kept

        with (
            transaction.evidence.of_failure(),
            _filled(database, transaction, jobs, stage) as filled,
        ):
            _publish(transaction, filled, staged)
    return transaction.result(time.monotonic() - started)


def verify(
    database: Database,
    manifest: Manifest,
    target: Target,
    jobs: int = 1,
    repair: bool = False,
    on_result: OnResult = lambda result: None,
    starting: Starting = lambda step, index, count: None,
) -> Verdict:
    """Build what is due, fill all tables in the scratch target, and compare them row by row.

    With `repair`, publish the difference. LockHeld if a build or an ingest is running.
    """
    with (
        open_builder(database, manifest, target, "verify", on_result, starting) as builder,
        _pipelines_locked(builder.work),
    ):
        builder.bring_up_to_date()
        started = time.monotonic()
        transaction = _begin(builder, "verify")
        compared: dict[str, list[Difference]] = {}

        def compare_script(session: Session, script: Script) -> None:
            compared[script.key] = compare(session, manifest, target, target.scratch, [script.key])

        with (
            transaction.evidence.of_failure(),
            _filled(database, transaction, jobs, compare_script) as filled,
        ):
            tables = [table for done in filled for table in compared[done.step.script.key]]
            found = tuple(table for table in tables if not table.is_same)
            names = [difference.table for difference in found]
            if not found:
                ledger.succeed(builder.work, transaction.run_id)
            elif repair:
                _publish(transaction, filled, unlike=names)
            else:
                error = RunnerError(f"not what a rebuild gives: {', '.join(names)}")
                ledger.fail(builder.evidence, transaction.run_id, error)
    seconds = time.monotonic() - started
    repaired = transaction.result(seconds) if found and repair else None
    return Verdict(transaction.run_id, len(tables), found, repaired, seconds)


@contextlib.contextmanager
def _pipelines_locked(work: Session) -> Iterator[None]:
    """Hold the locks of all pipelines, so that the replicas stay as they are."""
    with ExitStack() as locks:
        for pipeline in work.rows(named_query("ingest/pipelines.all_pipelines")):
            what = f"an ingest of {pipeline['pipeline_name']}"
            locks.enter_context(work.lock(PIPELINE_LOCK, pipeline["pipeline_id"], what))
        yield


def _begin(builder: Builder, kind: str) -> BuildTransaction:
    """Refuse what cannot be built before anything runs, then begin a run."""
    work, manifest, target = builder.work, builder.manifest, builder.target
    steps = read_plan(work, manifest, target)[1]
    warnings = check_needs(manifest, steps)
    full = [replace(step, mode="full") for step in steps]
    with work.rehearsal():
        find_reshaped(work, Composer(manifest, target, {}), full)
    return builder.begin(kind, warnings)


@contextlib.contextmanager
def _filled(
    database: Database, transaction: BuildTransaction, jobs: int, then: Then
) -> Iterator[list[ScriptResult]]:
    """Fill and check all tables in the scratch target, do `then` with each, and drop them at the
    end.
    """
    work, scratch = transaction.work, transaction.target.scratch
    composer = Composer(transaction.manifest, scratch, ledger.positions(work, scratch.name))
    try:
        drop_scratch(work, scratch)
        for piece in composer.schemas():
            work.run(piece.text, piece.file)
        with ExitStack() as stack:
            sessions = [stack.enter_context(_worker(database, scratch)) for _ in range(jobs)]
            filled = _fill(transaction, composer, sessions, then)
        yield filled
    finally:
        with contextlib.suppress(RunnerError):
            drop_scratch(work, scratch)


@contextlib.contextmanager
def _worker(database: Database, scratch: Target) -> Iterator[Session]:
    """Open a session that fills tables; as long as one is open, nobody else drops them."""
    what = f"a rebuild into {scratch.name}"
    with (
        database.session("milepost rebuild, worker") as session,
        session.lock(BUILD_LOCK, lock_number(scratch.name), what, "_shared"),
    ):
        yield session


def _fill(
    transaction: BuildTransaction, composer: Composer, sessions: list[Session], then: Then
) -> list[ScriptResult]:
    """Run each script as soon as what it needs is filled, the longest path to the end first.

    What `then` does with a table waits until no script is ready.
    """
    scripts = order(transaction.manifest)
    steps = {script.key: Step(script, "full", "rebuilt") for script in scripts}
    needs, _ = neighbours(transaction.manifest)
    left = _seconds_left(needs, ledger.script_seconds(transaction.work, transaction.target.name))
    seconds = dict.fromkeys(steps, 0.0)

    def work(key: str, is_filled: bool, session: Session) -> float:
        started = time.monotonic()
        script = steps[key].script
        with session.transaction():
            session.run(PRELUDE)
            if is_filled:
                then(session, script)
            else:
                part = Part(steps[key], composer, composer.create(script, session))
                transaction.run_script(session, steps[key], part)
        return time.monotonic() - started

    fill = {(False, key): {(False, need) for need in needs[key]} for key in steps}
    sorter = TopologicalSorter(fill | {(True, key): {(False, key)} for key in steps})
    sorter.prepare()
    ready: list[tuple[bool, float, str]] = []
    idle = list(sessions)
    running: dict[Future[float], tuple[bool, str, Session]] = {}
    numbers = count()
    with ThreadPoolExecutor(len(sessions)) as pool:
        try:
            while sorter.is_active():
                for is_filled, key in sorter.get_ready():
                    heapq.heappush(ready, (is_filled, -left[key], key))
                while ready and idle:
                    is_filled, _, key = heapq.heappop(ready)
                    if not is_filled:
                        transaction.starting(steps[key], next(numbers), len(steps))
                    session = idle.pop()
                    future = pool.submit(work, key, is_filled, session)
                    running[future] = is_filled, key, session
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    is_filled, key, session = running.pop(future)
                    seconds[key] += future.result()
                    idle.append(session)
                    sorter.done((is_filled, key))
        except BaseException:
            for session in sessions:
                session.cancel()
            raise
    return [ScriptResult(steps[s.key], Changes(), seconds[s.key]) for s in scripts]


def _seconds_left(needs: Mapping[str, set[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return, for each script, the seconds that the slowest path from it to the end will take."""
    left: dict[str, float] = {}
    for key in reversed(list(TopologicalSorter(needs).static_order())):
        following = [left[other] for other, its_needs in needs.items() if key in its_needs]
        left[key] = seconds.get(key, 0.0) + max(following, default=0.0)
    return left


def _publish(
    transaction: BuildTransaction,
    filled: list[ScriptResult],
    staged: Mapping[str, Rows] | None = None,
    unlike: Collection[str] = (),
) -> None:
    """Publish in one transaction, and record what the target has consumed by then.

    A view is defined anew if its script has changed or if it is among the `unlike`.
    """
    work, manifest, target = transaction.work, transaction.manifest, transaction.target
    with work.transaction():
        work.run(PRELUDE)
        positions, steps = read_plan(work, manifest, target)
        composer = Composer(manifest, target, positions, transaction.run_id)
        for piece in composer.schemas(steps):
            work.run(piece.text, piece.file)
        changed = {step.script.key for step in steps if step.changed}
        publisher = Publisher(work, composer, staged or {})
        transaction.publish(publisher, filled, changed | set(unlike))
        transaction.finish(positions, publisher)
