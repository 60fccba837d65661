"""Builds a target: one lock, one snapshot, one commit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

from runner.build.plan import Step, decide
from runner.build.transaction import BuildResult, BuildTransaction, ScriptResult
from runner.database import ledger
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
from runner.errors import StartError
from runner.project.graph import select
from runner.project.manifest import LAYERS, Manifest
from runner.project.target import RAW_SCHEMA, Target


def look(
    session: Session, manifest: Manifest, target: Target, patterns: Iterable[str] = ()
) -> tuple[dict[str, Position], list[Step]]:
    """What is new and what each script would do about it, in the snapshot of the session."""
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
    tell: Callable[[ScriptResult], None] = lambda result: None,
    starting: Callable[[Step, int, int], None] = lambda step, index, count: None,
) -> BuildResult:
    """Bring a target up to date, or leave it as it was and raise.

    `patterns` are forced, with all that follows. `starting` hears of each script before it runs,
    with its number from 0 and their count, `tell` of each that has run.
    """
    with (
        ledger.sessions(database, "milepost build") as (work, evidence),
        alone(work, evidence, target),
    ):
        return bring_up_to_date(work, evidence, manifest, target, list(patterns), tell, starting)


@contextlib.contextmanager
def alone(work: Session, evidence: Session, target: Target) -> Iterator[None]:
    """Hold a target's lock; what a build or rebuild that died has left is cleared away."""
    with work.lock(BUILD_LOCK, lock_number(target.name), f"a build of {target.name}"):
        ledger.abandon_builds(evidence, target.name)
        with contextlib.suppress(LockHeld):
            clear(work, target.beside)
        yield


def clear(work: Session, beside: Target) -> None:
    """Drop the tables beside a target; LockHeld if sessions that fill them are only just ending, or
    if somebody reads them, as a dump of the whole database does.
    """
    schemas = [f"{beside.prefix}{layer}" for layer in reversed(LAYERS)]
    found = work.row(
        "select exists (select from pg_namespace where nspname = any(%(names)s)) as found",
        {"names": schemas},
    )
    if not found["found"]:
        return
    with work.lock(BUILD_LOCK, lock_number(beside.name), f"a rebuild into {beside.name}"):
        work.run("set lock_timeout = '1s'")
        try:
            for schema in schemas:
                work.run(f"drop schema if exists {schema} cascade")
        except QueryFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            raise LockHeld(
                f"the tables of {schema}, which a rebuild has left, are being read",
                "pg_dump does without them: --exclude-schema='*_scratch_*'",
            ) from error
        finally:
            work.run("reset lock_timeout")


def bring_up_to_date(
    work: Session,
    evidence: Session,
    manifest: Manifest,
    target: Target,
    patterns: list[str],
    tell: Callable[[ScriptResult], None],
    starting: Callable[[Step, int, int], None],
) -> BuildResult:
    """Build what is due, if anything is; the target's lock is held."""
    started = time.monotonic()
    steps = look(work, manifest, target, patterns)[1]
    # After a failure that was mended a build says so, even if it has nothing else to do.
    if not _has_work(steps) and not ledger.last_build_failed(work, target.name):
        return BuildResult()
    run_id = ledger.begin(evidence, "build", work, target=target.name)
    attempt = BuildTransaction(manifest, target, work, evidence, run_id, tell, starting)
    with attempt.recorded():
        replicas = ledger.replicas(work)
        with work.transaction():
            attempt.hold(replicas)
            attempt.run(*look(work, manifest, target, patterns))
    with contextlib.suppress(LockHeld):
        clear(work, target.beside)
    return attempt.summary(time.monotonic() - started)


def _has_work(steps: list[Step]) -> bool:
    return any(step.mode != "skip" for step in steps)


def _check_time_zone(session: Session, manifest: Manifest) -> None:
    zone = manifest.variables.get("reporting_timezone", "UTC")
    try:
        session.row("select now() at time zone %(zone)s::text as here", {"zone": zone})
    except QueryFailed as error:
        raise StartError(
            f"sql/manifest.toml: reporting_timezone: {error.message}",
            "a name such as Asia/Singapore; table pg_timezone_names lists them",
        ) from error


def _check_replicas(session: Session, manifest: Manifest) -> None:
    names = {
        need.removeprefix("raw.")
        for script in manifest.scripts.values()
        for need in script.needs
        if need.startswith("raw.")
    }
    for name in sorted(names):
        table = f"{RAW_SCHEMA}.raw_{name}"
        if session.row("select to_regclass(%(table)s) is null as missing", {"table": table})[
            "missing"
        ]:
            raise StartError(
                f"{table} does not exist", "python -m runner ingest creates and fills it"
            )
