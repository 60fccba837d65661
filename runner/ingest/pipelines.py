"""Which pipelines there are, and their definitions. Queries: pipelines.sql."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from runner.database.locks import pipeline_lock
from runner.database.session import REPLICA_LOCK, QueryFailed, Row, Session, lock_number
from runner.errors import StartError, UsageError


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """A row of orchestrator.pipeline_definitions, with how far its pipeline has come.

    Fields are named after the columns. Intervals and moments are text, as a moment may be infinite,
    which Python cannot express. `watermark` is the highest end of a window that ever succeeded,
    undone or not; before the first, when `is_new`, it is `start_at`. Rows written before
    `archived_before` are in files, `archived_rows` of them, and `start_at` is that or later;
    `defined_start_at` is the column's own value.
    """

    pipeline_id: int
    pipeline_name: str
    source_relation: str
    target_relation: str
    cursor_column: str
    key_columns: tuple[str, ...] = ()
    write_mode: Literal["append", "upsert"] = "append"
    window_size: str = "1 year"
    start_at: str = "-infinity"
    defined_start_at: str = "-infinity"
    archived_before: str | None = None
    archived_rows: int = 0
    lookback: str = "1 day"
    sweep_every: str | None = "1 day"
    max_hold: str = "00:10:00"
    odd_cursors: Literal["include", "quarantine", "fail"] = "include"
    on_delete: Literal["report", "mark", "apply"] = "report"
    on_column_drop: Literal["fail", "warn", "follow"] = "fail"
    max_rejected_share: Decimal = Decimal("0.01")
    cursor_timezone: str = "UTC"
    column_types: Mapping[str, str] = field(default_factory=dict)
    clock_relation: str | None = None
    event_column: str | None = None
    watermark: str = "-infinity"
    is_new: bool = True


def definition_of(row: Row) -> PipelineDefinition:
    return PipelineDefinition(**{**row, "key_columns": tuple(row["key_columns"])})


def read_definition(session: Session, pipeline_id: int) -> PipelineDefinition:
    """Return the definition of a pipeline as it is now. UsageError if there is none; StartError if
    column_types names no type, since types are written into statements as they are.
    """
    found = session.named("ingest/pipelines.definition", pipeline_id=pipeline_id)
    if not found:
        raise UsageError(f"there is no pipeline {pipeline_id}", "python -m runner pipelines list")
    [row] = found
    for column, type_name in row["column_types"].items():
        if not is_type(session, type_name):
            raise StartError(
                f"pipeline {row['pipeline_name']}: column_types gives {column} the type"
                f" {type_name}, which does not exist",
                "for example numeric(12,2), or public.citext: a type outside pg_catalog is written"
                " with its schema",
            )
    return definition_of(row)


def is_type(session: Session, name: Any) -> bool:
    """Whether a text is the name of a type, and nothing else."""
    try:
        with session.savepoint():
            text = "select to_regtype(%(name)s) is not null and %(name)s !~ '--|/[*]' as is_type"
            return bool(session.row(text, {"name": name})["is_type"])
    except QueryFailed:
        return False


def pipelines(session: Session, name: str | None = None) -> list[dict[str, Any]]:
    """Return id and name of the enabled pipelines, or of the one named, enabled or not."""
    found = session.named("ingest/pipelines.enabled_pipelines", name=name)
    if name and not found:
        raise UsageError(f"there is no pipeline {name}", "python -m runner pipelines list")
    return found


@contextmanager
def replica_locks(session: Session, definition: PipelineDefinition) -> Iterator[None]:
    """Keep everybody else from a pipeline, and from its replica, which another may write too."""
    target = definition.target_relation
    with (
        pipeline_lock(session, definition.pipeline_id, definition.pipeline_name),
        session.lock(REPLICA_LOCK, lock_number(target), f"an ingest into {target}"),
    ):
        yield
