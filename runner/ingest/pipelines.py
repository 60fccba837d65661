"""Which pipelines there are, and their definitions. Queries: pipelines.sql."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from runner.database.session import QueryFailed, Session
from runner.errors import StartError, UsageError


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """A row of orchestrator.pipeline_definitions, with how far its pipeline has come.

    The fields are called what the columns are called. Intervals and moments are text: a moment may
    be infinite, which Python cannot say. `watermark` is the highest end of a window that ever
    succeeded, undone or not, and `start_at` before the first; `is_new` tells the two apart. Rows
    written before `archived_before` are in files, `archived_rows` of them; `start_at` is not before
    that either.
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


def read_definition(session: Session, pipeline_id: int) -> PipelineDefinition:
    """Return the definition of a pipeline as it is now; UsageError if there is none, and StartError
    if a type in it is none: types are written into statements as they are.
    """
    values = {"pipeline_id": pipeline_id}
    found = session.named("ingest/pipelines.definition", **values)
    if not found:
        raise UsageError(f"there is no pipeline {pipeline_id}", "python -m runner pipelines list")
    [row] = found
    for column, type_name in row["column_types"].items():
        if not is_type(session, type_name):
            raise StartError(
                f"pipeline {row['pipeline_name']}: column_types has no type for {column}:"
                f" {type_name}",
                "for example numeric(12,2), or public.citext: a type outside pg_catalog is written"
                " with its schema",
            )
    return PipelineDefinition(**{**row, "key_columns": tuple(row["key_columns"])})


def is_type(session: Session, name: Any) -> bool:
    """Return whether a text is the name of a type, and nothing else."""
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
