"""Builds a target under its lock, from one snapshot, in one commit. Queries: build.sql."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from runner.build.compose import PRELUDE, Composer, lock_replicas, run_pieces
from runner.build.fingerprint import says_what_is_read
from runner.build.owner import check_owner, check_texts
from runner.build.plan import NEVER_BUILT, Step, decide
from runner.build.publish import find_reshaped
from runner.build.transaction import (
    SILENT,
    BuildResult,
    BuildTransaction,
    Listener,
    ScriptResult,
)
from runner.database import ledger, retry, zones
from runner.database.ledger import Evidence, Position
from runner.database.locks import all_pipeline_locks, build_lock
from runner.database.session import Database, LockHeld, QueryFailed, Session
from runner.database.tables import count, exists
from runner.errors import RunnerError, StartError, UsageError, was_interrupted
from runner.project.graph import select
from runner.project.manifest import CITUS, MANIFEST, MANIFEST_CHECK, Manifest
from runner.project.target import Target, replica_name
from runner.project.template import render

DATA_EXCEPTIONS = "22"
# A first build of fewer rows runs in one transaction. Workers cost up to 0.5 s of CPU for their
# sessions, DDL and publication: 1.4 s instead of 0.95 s for 5,000 events. For 50,000 events it is
# 4.2 s instead of 3.9 s, divided between two workers.
WORKERS_FROM = 50_000


def read_plan(
    session: Session, manifest: Manifest, target: Target, patterns: Iterable[str] = ()
) -> tuple[dict[str, Position], list[Step]]:
    """Return what is new in each replica, and what a build does with each script.

    Scripts that match `patterns` are forced. StartError if the time zone or a replica does not
    exist, or if the target belongs to another project; UsageError if the project's own check
    rejects a variable.
    """
    _check_time_zone(session, manifest)
    _check_variables(session, manifest)
    check_owner(session, manifest, target)
    _check_replicas(session, manifest)
    positions = ledger.positions(session, target.name)
    if any(position.archived_before for position in positions.values()):
        from runner.build.inspect import archived  # optional (ADR 22)

        archived.check(manifest, positions)
    tables = {script.key: target.tables(script) for script in manifest.scripts.values()}
    built = ledger.built_scripts(session, target.name, tables)
    forced = frozenset(select(manifest, patterns))
    steps = decide(manifest, built, positions, forced)
    check_texts(manifest, target, steps)
    return positions, steps


def build(
    database: Database,
    manifest: Manifest,
    target: Target,
    patterns: Iterable[str] = (),
    jobs: int | None = None,
    listener: Listener = SILENT,
) -> BuildResult:
    """Bring a target up to date, or leave it as it was and raise.

    Scripts that match `patterns` are built in full, with everything that depends on them. A large
    first build runs `jobs` scripts at once, by default one for each core. LockHeld if another build
    of the target is running. A build that loses its connection is retried.
    """
    patterns = list(patterns)
    failures = 0
    while True:
        try:
            with open_builder(database, manifest, target, "build", listener) as builder:
                return builder.bring_up_to_date(patterns, jobs)
        except RunnerError as error:
            is_worth_it = retry.is_worth_a_build(error, failures)
            failures += 1
            if was_interrupted(error) or failures == retry.ATTEMPTS or not is_worth_it:
                raise
        time.sleep(retry.delay(failures))


def states(session: Session, target: Target, steps: Sequence[Step]) -> dict[str, set[str]]:
    """Return the keys of the scripts that changed since they were built, or were never built; and
    of those that failed in the last build, themselves or in a check.
    """
    failed = session.named("build/build.failed", target=target.name)
    return {
        "state:changed": {s.script.key for s in steps if s.changed or s.reason == NEVER_BUILT},
        "result:failed": {row["script"] for row in failed},
    }


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds a target whose lock is held. The session `work` fills tables; `evidence` records what
    happens, and is not rolled back with it.
    """

    database: Database
    manifest: Manifest
    target: Target
    work: Session
    evidence: Session
    listener: Listener

    def bring_up_to_date(self, patterns: Sequence[str] = (), jobs: int | None = 1) -> BuildResult:
        """Build what is due, if anything; `jobs` is as in build()."""
        started = time.monotonic()
        work, manifest, target = self.work, self.manifest, self.target
        steps = read_plan(work, manifest, target, patterns)[1]
        has_work = any(step.mode != "skip" for step in steps)
        warnings = check_changes(manifest, target, steps)
        # If the last build failed, record a success even if there is nothing left to do.
        if not has_work and not ledger.last_build_failed(work, target.name):
            return BuildResult()
        workers = None if patterns else _workers()
        jobs = jobs or (workers.cores() if workers else 1)
        if jobs == 1 or not (workers and self._is_large_first(steps)):
            workers = None
        with ExitStack() as locks:
            try:
                if workers:
                    locks.enter_context(all_pipeline_locks(work))
            except LockHeld:  # while rows arrive, several sessions would see different ones
                workers = None
            transaction = self.begin("build", warnings)
            with transaction.evidence.of_failure(), ExitStack() as stack:
                if os.environ.get("MILEPOST_KEEP_PLANS"):
                    from runner.build.inspect import plans  # optional (ADR 22)

                    stack.enter_context(plans.kept(work, self.evidence, transaction.run_id))
                if workers:
                    self._fill_first(workers.filled, transaction, steps, jobs)
                else:
                    replicas = ledger.replicas(work)
                    with work.transaction():
                        run_pieces(work, lock_replicas(replicas))  # before there is a snapshot
                        transaction.run(*read_plan(work, manifest, target, patterns))
        _drop_scratch(work, target)
        return replace(transaction.outcome, seconds=time.monotonic() - started)

    def _is_large_first(self, steps: Sequence[Step]) -> bool:
        """Whether this is a first build, of enough rows for several workers to pay off."""
        if all(step.mode == "skip" for step in steps):
            return False
        filled = (step.script for step in steps if not step.script.is_view)
        tables = [table for script in filled for table in self.target.tables(script)]
        if any(exists(self.work, table) and count(self.work, table, 1) for table in tables):
            return False
        may = "select has_database_privilege(current_database(), 'create')"
        rows = (count(self.work, name, WORKERS_FROM) for name in ledger.replicas(self.work))
        return self.work.value(may) and sum(rows) >= WORKERS_FROM

    def _fill_first(
        self, filled: Any, transaction: BuildTransaction, steps: list[Step], jobs: int
    ) -> None:
        """Fill all tables in the scratch target, `jobs` at a time, then publish them."""
        steps = [replace(step, mode="full") for step in steps]
        self.refuse_losses(steps)
        done = transaction.done
        with filled(self.database, transaction, steps, jobs, on_filled=done) as results:
            publish(transaction, results, is_first=True)

    def refuse_losses(self, steps: Sequence[Step]) -> None:
        """RunnerError if replacing the tables of these scripts would drop what depends on them."""
        with self.work.rehearsal():
            find_reshaped(self.work, Composer(self.manifest, self.target, {}), steps)

    def begin(self, kind: str, warnings: Sequence[str]) -> BuildTransaction:
        """Record that a run begins; return its BuildTransaction, which has not begun yet."""
        run_id = ledger.begin(self.evidence, kind, self.work, target=self.target.name)
        evidence = Evidence(self.evidence, run_id, self.target.name)
        return BuildTransaction(
            self.manifest, self.target, self.work, evidence, self.listener, warnings=list(warnings)
        )


def publish(transaction: BuildTransaction, done: list[ScriptResult], **known: Any) -> None:
    """Publish the filled tables in one transaction; `known` is as in BuildTransaction.publish()."""
    work = transaction.work
    with work.transaction():
        work.run(PRELUDE)
        manifest, target = transaction.manifest, transaction.target
        positions, steps = read_plan(work, manifest, target)
        composer = Composer(manifest, target, positions, transaction.run_id)
        run_pieces(work, composer.schemas(steps))
        transaction.publish(composer, steps, done, **known)


@contextlib.contextmanager
def open_builder(
    database: Database, manifest: Manifest, target: Target, name: str, listener: Listener
) -> Iterator[Builder]:
    """Hold a target's lock, and first clean up what a crashed build or rebuild has left."""
    with (
        ledger.sessions(database, f"milepost {name}") as (work, evidence),
        build_lock(work, target.name),
    ):
        ledger.abandon_builds(evidence, target.name)
        if manifest.engine == CITUS:
            from runner.build import placement  # optional (ADR 22)

            placement.prepare(work)
            placement.check(work, manifest, target)
        _drop_scratch(work, target)
        work.on_wait = listener.waiting
        yield Builder(database, manifest, target, work, evidence, listener)


def _workers() -> Any:
    """Return the module that fills scratch tables in parallel; None where it is not installed."""
    try:
        from runner.build import workers
    except ImportError:
        return None
    return workers


def _drop_scratch(work: Session, target: Target) -> None:
    """Drop the scratch tables of a crashed build or rebuild, unless a session uses them."""
    if workers := _workers():
        with contextlib.suppress(LockHeld):
            workers.drop_scratch(work, target.scratch)


def check_changes(manifest: Manifest, target: Target, steps: Sequence[Step]) -> list[str]:
    """Return warnings about changed scripts. Only those are parsed: most builds have none."""
    changed = [
        step.script
        for step in steps
        if step.reason == NEVER_BUILT or any(map(says_what_is_read, step.changed))
    ]
    warnings = check_texts(manifest, target, steps)
    if not changed:
        return warnings
    try:
        from runner.build.inspect import reads  # optional (ADR 22); its parser is an extra
    except ImportError:
        what = "cannot check what changed scripts read"
        return [*warnings, f"{what}: they cannot be parsed without the extra [lint]"]
    return [*warnings, *reads.check(manifest, changed)]


def _check_time_zone(session: Session, manifest: Manifest) -> None:
    zone = str(manifest.variables.get("reporting_timezone", zones.UTC))
    if problem := zones.problem(session, zone):
        raise StartError(f"{MANIFEST}: reporting_timezone: {problem}", zones.HINT)


def _check_variables(session: Session, manifest: Manifest) -> None:
    """Run the project's own check of its variables, if it has one: each row is a mistake."""
    if not (manifest.project / MANIFEST_CHECK).is_file():
        return
    text = render(manifest.read(MANIFEST_CHECK), manifest.variables, MANIFEST_CHECK)
    try:
        with session.savepoint():
            found = session.query(text.rstrip().rstrip(";"), MANIFEST_CHECK)
    except QueryFailed as error:
        if not (error.sqlstate or "").startswith(DATA_EXCEPTIONS):
            raise
        hint = f"correct the variable that {MANIFEST_CHECK} could not read"
        raise UsageError(f"{MANIFEST}: {error.message}", hint) from error
    if found:
        raise UsageError(f"{MANIFEST}: {found[0]['problem']}", found[0].get("hint"))


def _check_replicas(session: Session, manifest: Manifest) -> None:
    for name in manifest.raw_needs():
        table = replica_name(name)
        if not exists(session, table):
            hint = "python -m runner ingest creates and fills it"
            if name not in ledger.positions(session, Target().name):
                hint = "no pipeline fills it; add one: python -m runner pipelines add"
            raise StartError(f"{table} does not exist", hint)
