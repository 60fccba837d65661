"""Fills a target anew beside itself, several scripts at once; publishes or compares the result."""

from __future__ import annotations

import contextlib
import heapq
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from runner.build.build import alone, bring_up_to_date, clear, look
from runner.build.changes import Rows, differing
from runner.build.compose import PRELUDE, Composer
from runner.build.diff import Difference, compare
from runner.build.plan import Step
from runner.build.publish import Publisher
from runner.build.shape import columns, differences
from runner.build.transaction import BuildResult, BuildTransaction, ScriptResult
from runner.database import ledger
from runner.database.queries import named_query
from runner.database.session import BUILD_LOCK, PIPELINE_LOCK, Database, Session, lock_number
from runner.errors import RunnerError
from runner.project.graph import neighbours, order
from runner.project.manifest import Manifest, Script
from runner.project.target import Target

Tell = Callable[[ScriptResult], None]
Starting = Callable[[Step, int, int], None]
Then = Callable[[Session, Script], None]
Filled = list[tuple[Step, float]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison with a rebuild has found; `repair` is what was published to mend it."""

    run_id: int
    tables: int
    differences: list[Difference]
    repair: BuildResult | None
    seconds: float


def rebuild(
    database: Database,
    manifest: Manifest,
    target: Target,
    jobs: int = 1,
    tell: Tell = lambda result: None,
    starting: Starting = lambda step, index, count: None,
) -> BuildResult:
    """Fill all tables anew beside the target, `jobs` at a time, check them, and publish what
    differs in one transaction. Nothing is ingested meanwhile.
    """
    started = time.monotonic()
    with _held(database, manifest, target, "rebuild") as (work, evidence):
        attempt = _attempt("rebuild", manifest, target, work, evidence, tell, starting)
        staged: dict[str, Rows] = {}

        def stage(session: Session, script: Script) -> None:
            for name in script.tables if not script.is_view else ():
                table, fresh = (each.table(script.layer, name) for each in (target, target.beside))
                if columns(session, table) and not differences(session, table, fresh):
                    staged[table] = _stage(session, table, fresh)

        with attempt.recorded(), _filled(database, attempt, jobs, stage) as (beside, filled):
            _publish(attempt, beside, filled, staged)
    return attempt.summary(time.monotonic() - started)


def verify(
    database: Database,
    manifest: Manifest,
    target: Target,
    jobs: int = 1,
    repair: bool = False,
    tell: Tell = lambda result: None,
    starting: Starting = lambda step, index, count: None,
) -> Verdict:
    """Build what is due, fill all tables anew beside the target, and compare them row by row.
    `repair` publishes what differs.
    """
    with _held(database, manifest, target, "verify") as (work, evidence):
        bring_up_to_date(work, evidence, manifest, target, [], tell, starting)
        started = time.monotonic()
        attempt = _attempt("verify", manifest, target, work, evidence, tell, starting)
        compared: dict[str, list[Difference]] = {}

        def hold_against(session: Session, script: Script) -> None:
            compared[script.key] = compare(session, manifest, target, target.beside, [script.key])

        with attempt.recorded(), _filled(database, attempt, jobs, hold_against) as (beside, filled):
            tables = [each for step, _ in filled for each in compared[step.script.key]]
            found = [difference for difference in tables if not difference.is_same]
            if not found:
                ledger.succeed(work, attempt.run_id)
            elif repair:
                names = [difference.table for difference in found]
                _publish(attempt, beside, filled, unlike=names)
            else:
                listed = ", ".join(difference.table for difference in found)
                ledger.fail(
                    evidence, attempt.run_id, RunnerError(f"not what a rebuild gives: {listed}")
                )
    seconds = time.monotonic() - started
    mended = attempt.summary(seconds) if found and repair else None
    return Verdict(attempt.run_id, len(tables), found, mended, seconds)


@contextlib.contextmanager
def _held(
    database: Database, manifest: Manifest, target: Target, name: str
) -> Iterator[tuple[Session, Session]]:
    """Hold the locks of the target and of all pipelines: the replicas stay as they are."""
    with (
        ledger.sessions(database, f"milepost {name}") as (work, evidence),
        ExitStack() as locks,
    ):
        locks.enter_context(alone(work, evidence, target))
        for pipeline in work.rows(named_query("ingest/pipelines.all_pipelines")):
            what = f"an ingest of {pipeline['pipeline_name']}"
            locks.enter_context(work.lock(PIPELINE_LOCK, pipeline["pipeline_id"], what))
        yield work, evidence


def _attempt(
    kind: str,
    manifest: Manifest,
    target: Target,
    work: Session,
    evidence: Session,
    tell: Tell,
    starting: Starting,
) -> BuildTransaction:
    steps = look(work, manifest, target)[1]  # what cannot be built is told before anything runs
    attempt = BuildTransaction(manifest, target, work, evidence, 0, tell, starting)
    with work.transaction():
        attempt.reshaped(Composer(manifest, target, {}), [replace(s, mode="full") for s in steps])
    attempt.run_id = ledger.begin(evidence, kind, work, target=target.name)
    return attempt


@contextlib.contextmanager
def _filled(
    database: Database, attempt: BuildTransaction, jobs: int, then: Then
) -> Iterator[tuple[Composer, Filled]]:
    """All tables of the target beside, filled and checked, and what was to be done with each; they
    are gone in the end.
    """
    manifest, beside = attempt.manifest, attempt.target.beside
    composer = Composer(manifest, beside, ledger.positions(attempt.work, beside.name))
    try:
        clear(attempt.work, beside)
        attempt.define_schemas(composer)
        with ExitStack() as stack:
            sessions = [stack.enter_context(_worker(database, beside)) for _ in range(jobs)]
            filled = _fill(attempt, composer, sessions, then)
        yield composer, filled
    finally:
        with contextlib.suppress(RunnerError):
            clear(attempt.work, beside)


@contextlib.contextmanager
def _worker(database: Database, beside: Target) -> Iterator[Session]:
    """A session that fills tables; while one lives, nobody else clears them away."""
    with (
        database.session("milepost rebuild, worker") as session,
        session.lock(
            BUILD_LOCK, lock_number(beside.name), f"a rebuild into {beside.name}", "_shared"
        ),
    ):
        yield session


def _fill(
    attempt: BuildTransaction, composer: Composer, sessions: list[Session], then: Then
) -> Filled:
    """Run all scripts, each when what it needs is there, the longest way to the end first; what is
    then to be done with a table has time until nothing else is ready.
    """
    scripts = order(attempt.manifest)
    steps = {script.key: Step(script, "full", "rebuilt") for script in scripts}
    needs, _ = neighbours(attempt.manifest)
    left = _seconds_left(needs, ledger.script_seconds(attempt.work, attempt.target.name))
    seconds = dict.fromkeys(steps, 0.0)

    def work(key: str, is_filled: bool, session: Session) -> float:
        started = time.monotonic()
        with session.transaction():
            session.run(PRELUDE)
            if is_filled:
                then(session, steps[key].script)
            else:
                replace(attempt, work=session).fill(composer, steps[key])
        return time.monotonic() - started

    sorter: TopologicalSorter[str] = TopologicalSorter(needs)
    sorter.prepare()
    ready: list[tuple[bool, float, str]] = []
    idle = list(sessions)
    running: dict[Future[float], tuple[str, bool, Session]] = {}
    started = 0
    with ThreadPoolExecutor(len(sessions)) as pool:
        try:
            while sorter.is_active() or ready or running:
                for key in sorter.get_ready() if sorter.is_active() else ():
                    heapq.heappush(ready, (False, -left[key], key))
                while ready and idle:
                    (is_filled, _, key), session = heapq.heappop(ready), idle.pop()
                    if not is_filled:
                        attempt.starting(steps[key], started, len(steps))
                        started += 1
                    future = pool.submit(work, key, is_filled, session)
                    running[future] = key, is_filled, session
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key, is_filled, session = running.pop(future)
                    seconds[key] += future.result()
                    idle.append(session)
                    if not is_filled:
                        sorter.done(key)
                        heapq.heappush(ready, (True, -left[key], key))
        except BaseException:
            for session in sessions:
                session.cancel()
            raise
    return [(steps[script.key], seconds[script.key]) for script in scripts]


def _seconds_left(needs: Mapping[str, set[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """For each script, how long it and the slowest way from it to the end will take."""
    left: dict[str, float] = {}
    for key in reversed(list(TopologicalSorter(needs).static_order())):
        following = [left[other] for other, its_needs in needs.items() if key in its_needs]
        left[key] = seconds.get(key, 0.0) + max(following, default=0.0)
    return left


def _stage(session: Session, table: str, fresh: str) -> Rows:
    """What publishing will make of a table, worked out while others are still being filled."""
    rows = differing(session, table, fresh)
    schema, _, name = fresh.partition(".")
    staged = Rows(f"{schema}._gone_{name}", f"{schema}._come_{name}")
    for query, kept in ((rows.gone, staged.gone), (rows.come, staged.come)):
        session.run(f"create table {kept} as select * from {query} as rows; analyze {kept}")
    return staged


def _publish(
    attempt: BuildTransaction,
    beside: Composer,
    filled: Filled,
    staged: Mapping[str, Rows] | None = None,
    unlike: Collection[str] = (),
) -> None:
    """In one transaction, with what the target has consumed then. Views are defined anew where
    their script has changed, or where they are among the `unlike`.
    """
    with attempt.work.transaction():
        attempt.work.run(PRELUDE)
        positions, steps = look(attempt.work, attempt.manifest, attempt.target)
        composer = Composer(attempt.manifest, attempt.target, positions, attempt.run_id)
        attempt.define_schemas(composer, steps)
        publication = Publisher(attempt.work, composer, beside, staged or {})
        changed = {step.script.key for step in steps if step.changed}
        attempt.publish(publication, filled, changed | set(unlike))
        attempt.finish(positions, publication)
