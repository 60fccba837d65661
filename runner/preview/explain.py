"""Runs a build and rolls it back, to show what it would do. Queries: explain.sql."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.build.build import read_plan
from runner.build.compose import Composer, lock_replicas, parts, run_part, run_pieces
from runner.build.inspect.plans import Plan, gathered
from runner.build.plan import Step
from runner.build.publish import find_reshaped
from runner.build.transaction import ScriptResult
from runner.database import ledger
from runner.database.locks import build_lock
from runner.database.session import Database, Session
from runner.project.manifest import Manifest
from runner.project.target import Target


@dataclass(frozen=True, slots=True)
class Explained:
    """What a build would do with a script: the result, the strongest lock on its table, and the
    plans of its statements, slowest first; None if the role may not see plans.
    """

    tried: ScriptResult
    lock: str | None
    plans: tuple[Plan, ...] | None


def explain(
    database: Database, manifest: Manifest, target: Target, patterns: Iterable[str] = ()
) -> list[Explained]:
    """Run the scripts that are due, without their checks, and roll back. Readers notice nothing. It
    holds the lock of the target: LockHeld if a build is running.
    """
    with database.session("milepost plan") as work:
        ledger.require(work)
        with build_lock(work, target.name), gathered(work) as plans, work.rehearsal():
            run_pieces(work, lock_replicas(ledger.replicas(work)))
            positions, steps = read_plan(work, manifest, target, patterns)
            composer = Composer(manifest, target, positions)
            return list(_tried(work, composer, steps, plans))


def _tried(
    work: Session, composer: Composer, steps: list[Step], plans: list[Plan] | None
) -> Iterator[Explained]:
    due = [step for step in steps if step.mode != "skip"]
    for part in parts(work, composer, due, find_reshaped):
        if part.step is None:
            run_pieces(work, part.pieces)
            continue
        script = part.step.script
        table = part.composer.target.table(script.layer, script.name)
        if plans is not None:
            plans.clear()
        started = time.monotonic()
        changes = run_part(work, part.step, part)
        seconds = time.monotonic() - started
        seen = None if plans is None else tuple(sorted(plans, key=lambda plan: -plan.seconds))
        locks = work.named("preview/explain.strongest_lock", table=table)
        lock = locks[0]["mode"] if locks else None
        yield Explained(ScriptResult(part.step, changes, seconds), lock, seen)
