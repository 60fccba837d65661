"""Removes a pipeline: its definition, what is recorded of it, and its replica if asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.database import ledger
from runner.database.names import relation
from runner.database.session import Database
from runner.database.tables import exists
from runner.errors import StartError
from runner.ingest.pipelines import pipelines, read_definition, replica_locks
from runner.project.manifest import MANIFEST, Manifest
from runner.project.target import replica_name


@dataclass(frozen=True, slots=True)
class Removal:
    """What is removed with a pipeline."""

    pipeline_id: int
    name: str
    replica: str
    has_replica: bool
    runs: int
    kept_rows: int
    archived: Sequence[Mapping[str, str]]  # name, rows and hash of each file of a month


def inspect(database: Database, manifest: Manifest, name: str) -> Removal:
    """Return what `remove` would remove. StartError while a script reads the replica."""
    with database.session() as session:
        ledger.require(session)
        pipeline_id = pipelines(session, name)[0]["pipeline_id"]
        replica = read_definition(session, pipeline_id).target_relation
        readers = [
            script.key
            for script in manifest.scripts.values()
            if replica in map(replica_name, script.raw_needs)
        ]
        if readers:
            raise StartError(
                f"{replica}, which {name} fills, is read by {', '.join(readers)}",
                f"remove it from them and from {MANIFEST} first; or: pipelines disable {name}",
            )
        size = session.named("repairs/remove.size", pipeline_id=pipeline_id)[0]
        return Removal(pipeline_id, name, replica, exists(session, replica), **size)


def remove(database: Database, removal: Removal, *, drop_replica: bool) -> None:
    """Remove a pipeline in one transaction. LockHeld while it ingests."""
    with (
        database.session("milepost pipelines remove") as session,
        replica_locks(session, read_definition(session, removal.pipeline_id)),
        session.transaction(),
    ):
        session.named("repairs/remove.remove", pipeline_id=removal.pipeline_id)
        if drop_replica:
            session.run(f"drop table if exists {relation(removal.replica).as_string()}")
        said, archived = f"pipeline {removal.name} was removed", removal.archived
        ledger.log(session, said, replica_dropped=drop_replica, archived=archived)
