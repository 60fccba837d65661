"""Replicas: the tables that hold the rows of sources, created from the columns of the sources."""

from pathlib import Path

from psycopg import sql

from runner.database import tables
from runner.database.locks import lock_exclusively
from runner.database.names import MAX_BYTES, join, relation, shortened
from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.ingest.columns import DELETED_AT, ROW_AGE, Column, source_columns, stored_columns
from runner.ingest.pipelines import PipelineDefinition
from runner.project.files import read_text, statement
from runner.project.template import render


def ensure_replica(session: Session, definition: PipelineDefinition, project: Path) -> bool:
    """Create the replica of a source if there is none; return whether it did."""
    stored = [column.name for column in stored_columns(session, definition)]
    if stored:
        refuse_strangers(session, definition.target_relation)
        if definition.on_delete == "mark" and DELETED_AT not in stored:
            _add_mark(session, definition)
        return False
    columns = [column for column in source_columns(session, definition) if column.name != ROW_AGE]
    _create_replica(session, definition, columns, statement(project, "create_replica"))
    if definition.on_delete == "mark":
        _add_mark(session, definition)
    return True


def refuse_strangers(session: Session, target: str) -> None:
    """Refuse a table that is there and is no replica of ours: it would be altered, and emptied."""
    kind = tables.kind(session, target)
    if kind is None:
        return
    values = {"relation": relation(target).as_string()}
    found = session.named("ingest/columns.is_replica", **values)[0]
    if kind not in ("r", "p") or not found["is_replica"]:
        raise StartError(
            f"{target} is there already, and is no replica: no ingest writes it",
            "name a table that is new: --into SCHEMA.TABLE, or target_relation in"
            " orchestrator.pipeline_definitions",
        )


def _create_replica(
    session: Session, definition: PipelineDefinition, columns: list[Column], file: Path
) -> None:
    source, target = definition.source_relation, definition.target_relation
    types = definition.column_types
    keys = [sql.Identifier(key) for key in definition.key_columns]
    # A longer name would be cut, to that of the table or of another key.
    key_name = sql.Identifier(shortened(target.partition(".")[2], MAX_BYTES - 4) + "_key")
    comments = [
        sql.SQL("comment on column {}.{} is {};").format(
            relation(target),
            sql.Identifier(column.name),
            sql.Literal(column.comment or f"{column.name} of {source}."),
        )
        for column in columns
    ]
    text = render(
        read_text(file),
        {
            "target": relation(target),
            "definitions": join(
                [
                    sql.SQL("{} {}").format(
                        sql.Identifier(column.name),
                        sql.SQL(types.get(column.name, column.definition)),
                    )
                    for column in columns
                ]
            ),
            "key_constraint": sql.SQL(", constraint {} primary key ({})").format(
                key_name, join(keys)
            )
            if keys
            else sql.SQL(""),
            "table_comment": f"Replica of {source}. One row per row of the source.",
            "column_comments": sql.SQL(" ").join(comments),
            "run_index": sql.SQL("brin" if definition.write_mode == "append" else "btree"),
        },
        file,
    )
    try:
        session.run(text, file)
    except QueryFailed as error:
        message = f"pipeline {definition.pipeline_name}: {error.message}"
        raise QueryFailed(message, error.hint, error.sqlstate) from error


def _add_mark(session: Session, definition: PipelineDefinition) -> None:
    text = sql.SQL(
        "alter table {0} add column {1} timestamptz;"
        " comment on column {0}.{1} is 'Since when the source no longer has the row.'"
    ).format(relation(definition.target_relation), sql.Identifier(DELETED_AT))
    with session.transaction():
        lock_exclusively(session, [definition.target_relation], f"to add {DELETED_AT}")
        session.run(text.as_string())
