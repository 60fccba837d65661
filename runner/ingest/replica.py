"""Replicas: the tables that hold the rows of sources, created from the columns of the sources."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from runner.database.names import join, relation
from runner.database.session import QueryFailed, Session
from runner.ingest.columns import DELETED_AT, ROW_AGE, Column, source_columns, stored_columns
from runner.ingest.pipelines import PipelineDefinition
from runner.project.files import read_text, statement
from runner.project.template import render


def ensure_replica(session: Session, definition: PipelineDefinition, project: Path) -> bool:
    """Create the replica of a source if there is none; return whether it did."""
    stored = [column.name for column in stored_columns(session, definition)]
    if stored:
        if definition.on_delete == "mark" and DELETED_AT not in stored:
            _add_mark(session, definition)
        return False
    columns = [column for column in source_columns(session, definition) if column.name != ROW_AGE]
    _create_replica(session, definition, columns, statement(project, "create_replica"))
    if definition.on_delete == "mark":
        _add_mark(session, definition)
    return True


def _create_replica(
    session: Session, definition: PipelineDefinition, columns: list[Column], file: Path
) -> None:
    source, target = definition.source_relation, definition.target_relation
    types = definition.column_types
    keys = [sql.Identifier(key) for key in definition.key_columns]
    # A longer name would be cut to that of the table.
    table = target.partition(".")[2].encode()[:59].decode(errors="ignore")
    key_name = sql.Identifier(f"{table}_key")
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
                        sql.Identifier(column.name), sql.SQL(types.get(column.name, column.type))
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
    session.run(text.as_string())
