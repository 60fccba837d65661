"""Replicas: the tables that hold the rows of sources, created from the sources' columns."""

from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database import tables
from runner.database.locks import lock_exclusively
from runner.database.names import MAX_BYTES, join, relation, shortened
from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.ingest.columns import (
    DELETED_AT,
    ROW_AGE,
    comment_on,
    source_columns,
    stored_columns,
    written_keys,
)
from runner.ingest.pipelines import PipelineDefinition
from runner.project.files import read_text, statement
from runner.project.manifest import MANIFEST, load
from runner.project.template import render


def ensure_replica(session: Session, definition: PipelineDefinition, project: Path) -> None:
    """Create the replica of a source if there is none, and the months that it should have."""
    stored = [column.name for column in stored_columns(session, definition)]
    if months := _months(session, definition, project):
        months.refuse_other_statements(definition, project)
    if not stored:
        _create_replica(session, definition, project, months)
    if definition.on_delete == "mark" and DELETED_AT not in stored:
        _add_mark(session, definition)
    if months:
        months.ensure_months(session, definition)


def _months(session: Session, definition: PipelineDefinition, project: Path) -> Any:
    """Return the room that partitions a replica by month, if this one is, or is to be."""
    kind = refuse_strangers(session, definition.target_relation)
    manifest = load(project) if kind is None and (project / MANIFEST).is_file() else None
    if kind != "p" and not (manifest and manifest.variables.get("monthly_replicas")):
        return None
    from runner.ingest.months import months  # a room

    if manifest and months.replica_of(definition) not in months.monthly_replicas(session, manifest):
        return None
    return months


def refuse_strangers(session: Session, target: str) -> str | None:
    """Return the relkind of a replica, None if there is none. StartError for any other relation:
    a repair would alter it, and delete its rows.
    """
    kind = tables.kind(session, target)
    if kind is None:
        return None
    values = {"relation": relation(target).as_string()}
    found = session.named("ingest/columns.is_replica", **values)[0]
    if kind not in ("r", "p") or not found["is_replica"]:
        raise StartError(
            f"{target} exists already, and is not a replica: no ingest writes it",
            "name a new table: --into SCHEMA.TABLE, or target_relation in"
            " orchestrator.pipeline_definitions",
        )
    return kind


def _create_replica(
    session: Session, definition: PipelineDefinition, project: Path, months: Any
) -> None:
    columns = [each for each in source_columns(session, definition) if each.name != ROW_AGE]
    source, target = definition.source_relation, definition.target_relation
    types = definition.column_types
    definitions = (
        sql.SQL("{} {}").format(
            sql.Identifier(column.name), sql.SQL(types.get(column.name, column.definition))
        )
        for column in columns
    )
    comments = (
        sql.SQL("{};").format(comment_on(target, column.name, column.comment_in(source)))
        for column in columns
    )
    # A longer name would be truncated, and might be that of the table or of another key.
    key_name = shortened(target.partition(".")[2], MAX_BYTES - 4) + "_key"
    key: sql.Composable = sql.SQL("")
    if definition.key_columns:
        key = sql.SQL(", constraint {} primary key ({})").format(
            sql.Identifier(key_name),
            join(map(sql.Identifier, written_keys(definition, bool(months)))),
        )
    values = {
        "target": relation(target),
        "definitions": join(definitions),
        "key_constraint": key,
        "partitioning": months.partitioning(definition, columns) if months else sql.SQL(""),
        "table_comment": f"Replica of {source}. One row per row of the source.",
        "column_comments": join(comments, " "),
        "run_index": sql.SQL("brin" if definition.write_mode == "append" else "btree"),
    }
    file = statement(project, "create_replica")
    text = render(read_text(file), values, file)
    try:
        session.run(text, file)
    except QueryFailed as error:
        raise error.within(f"pipeline {definition.pipeline_name}") from error


def _add_mark(session: Session, definition: PipelineDefinition) -> None:
    target = definition.target_relation
    text = sql.SQL("alter table {} add column {} timestamptz; {}").format(
        relation(target),
        sql.Identifier(DELETED_AT),
        comment_on(target, DELETED_AT, "Since when the source no longer has the row."),
    )
    with session.transaction():
        lock_exclusively(session, [target], f"to add {DELETED_AT}")
        session.run(text.as_string())
