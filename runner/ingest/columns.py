"""The columns of a source and of its replica, as the catalogue has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.database.names import relation
from runner.database.queries import named_query
from runner.database.session import Session
from runner.errors import StartError

RUN_ID, DELETED_AT = "_run_id", "_deleted_at"
OURS = (RUN_ID, DELETED_AT)  # columns of a replica that no source may have
ROW_AGE = "_row_age"  # a column of a source that no replica has


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    is_required: bool
    comment: str | None


def stored_columns(session: Session, definition: dict[str, Any]) -> list[Column]:
    """The columns of a replica; none if there is no replica."""
    return _columns(session, definition["target_relation"])


def source_columns(session: Session, definition: dict[str, Any]) -> list[Column]:
    """The columns of a source; StartError if it, its cursor or its key is not there."""
    source = definition["source_relation"]
    columns = _columns(session, source)
    if not columns:
        raise StartError(
            f"pipeline {definition['pipeline_name']}: source {source} does not exist or is hidden",
            "correct source_relation in orchestrator.pipeline_definitions",
        )
    names = [column.name for column in columns]
    for what in (definition["cursor_column"], *definition["key_columns"]):
        if what not in names:
            raise StartError(
                f"pipeline {definition['pipeline_name']}: {source} has no column {what}",
                "correct cursor_column or key_columns in orchestrator.pipeline_definitions",
            )
    cursor = _cursor(columns, definition)
    if not cursor.type.startswith("timestamp"):
        raise StartError(
            f"pipeline {definition['pipeline_name']}: cursor {cursor.name} is a {cursor.type}",
            "a cursor is a timestamp that says when the row was written",
        )
    return columns


def _cursor(columns: list[Column], definition: dict[str, Any]) -> Column:
    return next(column for column in columns if column.name == definition["cursor_column"])


def _columns(session: Session, name: str) -> list[Column]:
    quoted = relation(name).as_string(None)
    return [
        Column(**row)
        for row in session.rows(named_query("ingest/pipeline.columns"), {"relation": quoted})
    ]
