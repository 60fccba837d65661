"""Builds a target: one lock, one snapshot, one commit."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from runner.build.evidence import Evidence
from runner.build.plan import Step, decide
from runner.build.transaction import BuildResult, BuildTransaction, OnResult, Starting
from runner.database import ledger, retry, zones
from runner.database.ledger import Position
from runner.database.session import (
    BUILD_LOCK,
    LOCK_NOT_AVAILABLE,
    Database,
    LockHeld,
    QueryFailed,
    Session,
    lock_number,
)
from runner.database.tables import exists
from runner.errors import RunnerError, StartError, was_interrupted
from runner.project.graph import select
from runner.project.manifest import LAYERS, LEAVES, MANIFEST, Manifest
from runner.project.target import RAW_SCHEMA, Target


def read_plan(
    session: Session, manifest: Manifest, target: Target, patterns: Iterable[str] = ()
) -> tuple[dict[str, Position], list[Step]]:
    """Return what is new in each replica, and what a build does with each script.

    Scripts that match `patterns` are forced. StartError if the time zone or a replica does not
    exist.
    """
    _check_time_zone(session, manifest)
    _check_replicas(session, manifest)
    positions = ledger.positions(session, target.name)
    tables = {script.key: target.tables(script) for script in manifest.scripts.values()}
    built = ledger.built_scripts(session, target.name, tables)
    forced = frozenset(select(manifest, patterns))
    return positions, decide(manifest, built, positions, forced)


def build(
    database: Database,
    manifest: Manifest,
    target: Target,
    patterns: Iterable[str] = (),
    on_result: OnResult = lambda result: None,
    starting: Starting = lambda step, index, count: None,
) -> BuildResult:
    """Bring a target up to date, or leave it as it was and raise.

    Scripts that match `patterns` are built in full, with everything that depends on them. LockHeld
    if another build of the target is running. A build whose connection is lost is begun again.
    """
    patterns = list(patterns)
    for failures in count(1):
        try:
            with open_builder(database, manifest, target, "build", on_result, starting) as builder:
                return builder.bring_up_to_date(patterns)
        except RunnerError as error:
            is_worth_it = retry.is_worth_a_build(error, failures - 1)
            if was_interrupted(error) or failures == retry.ATTEMPTS or not is_worth_it:
                raise
        time.sleep(retry.delay(failures))
    raise AssertionError("count() never ends")


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds a target whose lock is held. `evidence` is the session that records what it does."""

    manifest: Manifest
    target: Target
    work: Session
    evidence: Session
    on_result: OnResult
    starting: Starting

    def bring_up_to_date(self, patterns: Sequence[str] = ()) -> BuildResult:
        """Build what is due, if anything is."""
        started = time.monotonic()
        work, manifest, target = self.work, self.manifest, self.target
        steps = read_plan(work, manifest, target, patterns)[1]
        has_work = any(step.mode != "skip" for step in steps)
        # After a failure that was repaired, record a success even if there is nothing else to do.
        if not has_work and not ledger.last_build_failed(work, target.name):
            return BuildResult()
        transaction = self.begin("build")
        with transaction.evidence.of_failure():
            replicas = ledger.replicas(work)
            with work.transaction():
                transaction.lock_replicas(replicas)
                transaction.run(*read_plan(work, manifest, target, patterns))
        with contextlib.suppress(LockHeld):
            drop_scratch(work, target.scratch)
        return transaction.result(time.monotonic() - started)

    def begin(self, kind: str) -> BuildTransaction:
        """Record that a run begins, and return its transaction, which is not open yet."""
        run_id = ledger.begin(self.evidence, kind, self.work, target=self.target.name)
        evidence = Evidence(self.evidence, run_id, self.target.name)
        return BuildTransaction(
            self.manifest, self.target, self.work, evidence, self.on_result, self.starting
        )


@contextlib.contextmanager
def open_builder(
    database: Database,
    manifest: Manifest,
    target: Target,
    name: str,
    on_result: OnResult,
    starting: Starting,
) -> Iterator[Builder]:
    """Hold a target's lock. What a build or rebuild that died has left is cleaned up first."""
    with (
        ledger.sessions(database, f"milepost {name}") as (work, evidence),
        work.lock(BUILD_LOCK, lock_number(target.name), f"a build of {target.name}"),
    ):
        ledger.abandon_builds(evidence, target.name)
        with contextlib.suppress(LockHeld):
            drop_scratch(work, target.scratch)
        yield Builder(manifest, target, work, evidence, on_result, starting)


def drop_scratch(work: Session, scratch: Target) -> None:
    """Drop the tables of a scratch target.

    LockHeld if sessions that fill them are still ending, or if somebody reads them, as a dump of
    the whole database does.
    """
    schemas = [f"{scratch.prefix}{layer}" for layer in reversed(LAYERS)]
    found = work.row(
        "select exists (select from pg_namespace where nspname = any(%(names)s)) as found",
        {"names": schemas},
    )
    if not found["found"]:
        return
    with work.lock(BUILD_LOCK, lock_number(scratch.name), f"a rebuild into {scratch.name}"):
        work.run("set lock_timeout = '1s'")
        try:
            for schema in schemas:
                work.run(f"drop schema if exists {schema} cascade")
        except QueryFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            raise LockHeld(
                f"the tables of {schema}, left by a rebuild, are being read",
                "keep pg_dump from reading them: --exclude-schema='*_scratch_*'",
            ) from error
        finally:
            work.run("reset lock_timeout")


def _check_time_zone(session: Session, manifest: Manifest) -> None:
    zone = str(manifest.variables.get("reporting_timezone", zones.UTC))
    if problem := zones.problem(session, zone):
        raise StartError(f"{MANIFEST}: reporting_timezone: {problem}", zones.HINT)


def _check_replicas(session: Session, manifest: Manifest) -> None:
    needs = {need for script in manifest.scripts.values() for need in script.needs}
    for need in sorted(need for need in needs if need.startswith(f"{LEAVES[0]}.")):
        table = f"{RAW_SCHEMA}.raw_{need.partition('.')[2]}"
        if not exists(session, table):
            raise StartError(
                f"{table} does not exist", "python -m runner ingest creates and fills it"
            )
