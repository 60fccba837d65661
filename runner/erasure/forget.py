"""Forgets a person, or a row: in a replica, in the ledger, and in the tables built from it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from runner.build.build import Builder, open_builder, read_plan
from runner.build.transaction import BuildResult
from runner.database import ledger
from runner.database.locks import all_build_locks
from runner.database.session import Database, Session
from runner.erasure.erase import Erased, Eraser, InSource
from runner.errors import RunnerError, StartError, was_interrupted
from runner.ingest.pipelines import PipelineDefinition, pipelines, read_definition, replica_locks
from runner.project.manifest import Manifest
from runner.project.target import Target
from runner.run import Listener

# The schemas whose statistics may show values of rows: the ledger's and those of the live tables.
SCHEMAS = ["orchestrator", *Target().schemas]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased; the run that records it; the build of the live tables that followed; and the
    other targets, whose tables keep the values until their next build.
    """

    run_id: int
    erased: Erased
    build: BuildResult = field(default_factory=BuildResult)
    others: tuple[str, ...] = ()


def inspect(
    database: Database, manifest: Manifest, pipeline: str, keys: Sequence[str]
) -> tuple[Erased, InSource]:
    """Return what `forget` would erase, and what the source still has. LockHeld as there."""
    with database.session("milepost forget") as session:
        ledger.require(session)
        definition = _definition(session, pipeline)
        with replica_locks(session, definition), session.rehearsal():
            eraser = Eraser(session, definition, keys, manifest.project)
            in_source = eraser.in_source()
            return eraser.erase(), in_source


def forget(
    database: Database, manifest: Manifest, pipeline: str, keys: Sequence[str], listener: Listener
) -> Forgotten:
    """Erase rows of a replica that have these values, with their earlier versions and rejects, and
    texts that show the values; then build the live tables in full.

    RunnerError if the source still has such rows, since the next sweep would bring them back; also
    if the build fails, when the rows are gone from the replica alone. LockHeld if an ingest or a
    build is running.
    """
    with open_builder(database, manifest, Target(), "forget", listener) as builder:
        work = builder.work
        definition = _definition(work, pipeline)
        is_built = ledger.is_built(work, builder.target.name)
        if is_built:
            read_plan(work, manifest, builder.target)  # if a build would fail, fail first
        with replica_locks(work, definition), all_build_locks(work):
            with work.transaction():
                eraser = Eraser(work, definition, keys, manifest.project)
                _refuse(definition, eraser.in_source())
                erased = eraser.erase()
                eraser.analyze()
                # Recorded in the same transaction: a failure leaves no record of the values.
                about = {"pipeline_id": definition.pipeline_id}
                run_id = ledger.begin(work, "forget", work, **about)
                ledger.succeed(work, run_id, deleted=erased.rows)
                ledger.log(work, "forgot rows", "info", run_id, **about, **asdict(erased))
            build = _build(builder, definition) if is_built else BuildResult()
            with work.transaction():  # restatements and samples of checks that the build recorded
                erased += eraser.erase_texts()
                for row in work.named("erasure/forget.stale_statistics", schemas=SCHEMAS):
                    work.run(row["statement"])
            others = work.named("erasure/forget.not_filled", **about)
    return Forgotten(run_id, erased, build, tuple(row["target"] for row in others))


def _definition(session: Session, name: str) -> PipelineDefinition:
    [found] = pipelines(session, name)
    definition = read_definition(session, found["pipeline_id"])
    if before := definition.archived_before:
        raise StartError(
            f"rows of {definition.target_relation} from before {before[:10]} are archived: nothing"
            " can be erased from their files, or from the facts that are kept of them",
            "bring them back first, as docs/retention.md says; then forget, and archive again",
        )
    return definition


def _refuse(definition: PipelineDefinition, found: InSource) -> None:
    if found.rows:
        raise RunnerError(
            f"{definition.source_relation} still has {found.rows:,} such rows, and the next sweep"
            " would bring them back; nothing was forgotten",
            f"delete them there first, as the owner of {definition.source_relation}",
        )


def _build(builder: Builder, definition: PipelineDefinition) -> BuildResult:
    try:
        return builder.bring_up_to_date()
    except RunnerError as error:
        if was_interrupted(error):
            raise
        raise RunnerError(
            f"the rows are gone from {definition.target_relation}, but not from the tables built"
            f" from it: {error.message}",
            "run python -m runner build until it succeeds, then the same forget again",
        ) from error
