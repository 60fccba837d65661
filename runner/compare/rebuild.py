"""Rebuilds a target in its scratch schemas, to publish or compare it. Queries: proof.sql."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from runner.build.build import Builder, check_changes, open_builder, publish, read_plan
from runner.build.changes import RowDiff, difference_queries
from runner.build.plan import Step
from runner.build.shape import columns, shape_differences
from runner.build.transaction import SILENT, BuildResult, BuildTransaction, Listener, ScriptResult
from runner.build.workers import Then, cores, filled
from runner.compare.diff import Difference, compare
from runner.database import ledger
from runner.database.locks import all_pipeline_locks
from runner.database.session import Database, Session
from runner.errors import RunnerError
from runner.project.graph import order
from runner.project.manifest import Manifest, Script
from runner.project.target import Target


@dataclass(frozen=True, slots=True)
class Proof:
    """The months of a pipeline that a rebuild recomputes, because its replica has their rows; and
    the archived ones, whose facts are taken over. Months are texts such as 2026-01.
    """

    pipeline: str
    archived_from: str
    archived_to: str
    archived_rows: int
    proven_from: str
    proven_to: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison with a rebuild found. `repair` is the build that published the rebuilt
    tables, if any; `proofs` has the pipelines with archived months.
    """

    run_id: int
    tables: int
    differences: tuple[Difference, ...]
    repair: BuildResult | None
    seconds: float
    proofs: tuple[Proof, ...] = ()


def rebuild(
    database: Database,
    manifest: Manifest,
    target: Target,
    jobs: int | None = None,
    listener: Listener = SILENT,
) -> BuildResult:
    """Fill and check all tables in the scratch target, and publish the difference in one
    transaction. `jobs` scripts run at once, by default one for each core. LockHeld if a build or an
    ingest is running.
    """
    started = time.monotonic()
    with (
        open_builder(database, manifest, target, "rebuild", listener) as builder,
        all_pipeline_locks(builder.work),
    ):
        staged: dict[str, RowDiff | None] = {}

        def stage(session: Session, script: Script) -> None:
            """Store the difference of a script's tables, while others are still being filled."""
            for name in script.tables if not script.is_view else ():
                table = target.table(script.layer, name)
                fresh = target.scratch.table(script.layer, name)
                if not columns(session, table) or shape_differences(session, table, fresh):
                    continue
                rows = difference_queries(session, table, fresh)
                staged[table] = _store(session, rows, target.scratch, script, name)

        with _rebuilt(builder, "rebuild", jobs, stage) as (transaction, done):
            publish(transaction, done, staged=staged)
    return replace(transaction.outcome, seconds=time.monotonic() - started)


def verify(
    database: Database,
    manifest: Manifest,
    target: Target,
    jobs: int | None = None,
    repair: bool = False,
    listener: Listener = SILENT,
) -> Verdict:
    """Build what is due, fill all tables in the scratch target, and compare them row by row.

    With `repair`, publish the difference. `jobs` scripts run at once, by default one for each core.
    LockHeld if a build or an ingest is running.
    """
    with (
        open_builder(database, manifest, target, "verify", listener) as builder,
        all_pipeline_locks(builder.work),
    ):
        builder.bring_up_to_date(jobs=jobs)
        started = time.monotonic()
        compared: dict[str, list[Difference]] = {}

        def compare_script(session: Session, script: Script) -> None:
            compared[script.key] = compare(session, manifest, target, target.scratch, [script.key])

        with _rebuilt(builder, "verify", jobs, compare_script) as (transaction, done):
            tables = [table for each in done for table in compared[each.step.script.key]]
            found = tuple(table for table in tables if not table.is_same)
            names = [difference.table for difference in found]
            if not found:
                ledger.succeed(builder.work, transaction.run_id)
            elif repair:
                publish(transaction, done, differing=names)
            else:
                # `status` recognizes it by these words
                error = RunnerError(f"not what a rebuild gives: {', '.join(names)}")
                ledger.fail(builder.evidence, transaction.run_id, error)
        rows = builder.work.named("compare/proof.archived")
        proofs = tuple(Proof(**row) for row in rows)
    seconds = time.monotonic() - started
    repaired = replace(transaction.outcome, seconds=seconds) if found and repair else None
    return Verdict(transaction.run_id, len(tables), found, repaired, seconds, proofs)


def _store(
    session: Session, rows: RowDiff, scratch: Target, script: Script, name: str
) -> RowDiff | None:
    """Store a difference in tables, and return their names; None if, as is usual, there is none."""
    counts = (f"(select count(*) from {query} as rows)" for query in (rows.removed, rows.added))
    if not session.value(f"select {' + '.join(counts)}"):
        return None
    # No table of a script begins with an underscore.
    removed = scratch.table(script.layer, f"_removed_{name}")
    added = scratch.table(script.layer, f"_added_{name}")
    for query, table in ((rows.removed, removed), (rows.added, added)):
        session.run(f"create table {table} as select * from {query} as rows")
        session.run(f"analyze {table}")
    return RowDiff(removed, added)


@contextlib.contextmanager
def _rebuilt(
    builder: Builder, kind: str, jobs: int | None, then: Then
) -> Iterator[tuple[BuildTransaction, list[ScriptResult]]]:
    """Refuse what cannot be built; then begin a run, in which failures are recorded, fill all
    tables in the scratch target, and do `then` with each script.
    """
    planned = read_plan(builder.work, builder.manifest, builder.target)[1]
    warnings = check_changes(builder.manifest, builder.target, planned)
    steps = [Step(script, "full", "rebuilt") for script in order(builder.manifest)]
    builder.refuse_losses(steps)
    transaction = builder.begin(kind, warnings)
    with (
        transaction.evidence.of_failure(),
        filled(builder.database, transaction, steps, jobs or cores(), then) as done,
    ):
        yield transaction, done
