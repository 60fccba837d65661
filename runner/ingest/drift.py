"""Drift: when the columns of a source change, its replica follows, unless that loses something."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from runner.database import retry
from runner.database.locks import lock_exclusively
from runner.database.names import join, relation
from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.ingest.columns import REPLICA_COLUMNS, ROW_AGE, RUN_ID, Column, comment_on, refuse_names
from runner.ingest.pipelines import PipelineDefinition
from runner.project.manifest import load
from runner.project.scripts import names_column, without_comments
from runner.project.target import replica_name


@dataclass(slots=True)
class Drift:
    """What makes a replica fit its source: statements, and sentences about them for the log.

    `widened` are the columns that change their type, and `removed` those that the source has
    dropped since the last run.
    """

    pipeline: str
    target: str
    statements: list[sql.Composed] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    widened: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def alter(self, change: str, column: str, *parts: sql.Composable) -> None:
        text = sql.SQL("alter table {} " + change)
        self.statements.append(text.format(relation(self.target), sql.Identifier(column), *parts))

    def comment(self, column: str, text: str) -> None:
        self.statements.append(comment_on(self.target, column, text))


def plan(
    session: Session,
    definition: PipelineDefinition,
    source: Sequence[Column],
    stored: Sequence[Column],
) -> Drift:
    """Return what a replica needs to fit its source; StartError if it cannot follow."""
    retyped = [column.name for column, _ in _retyped(definition, source, stored)]
    values = {
        "source": relation(definition.source_relation).as_string(),
        "target": relation(definition.target_relation).as_string(),
        "columns": retyped,
    }
    rows = session.named("ingest/drift.followed", **values) if retyped else []
    return compare(definition, source, stored, {row["name"] for row in rows})


def compare(
    definition: PipelineDefinition,
    source: Sequence[Column],
    stored: Sequence[Column],
    followed: Collection[str],
) -> Drift:
    """Return the plan where it is known which columns have a new type that the replica can take."""
    source = [column for column in source if column.name != ROW_AGE]
    source_name, target = definition.source_relation, definition.target_relation
    retyped = _retyped(definition, source, stored)
    refuse_names(definition, [column.name for column in source])
    _refuse_types(definition, [pair for pair in retyped if pair[0].name not in followed])
    drift = Drift(definition.pipeline_name, target)
    known = {column.name for column in stored}
    wanted = (definition.cursor_column, *definition.key_columns, RUN_ID)
    if missing := [name for name in dict.fromkeys(wanted) if name not in known]:
        raise StartError(
            f"pipeline {definition.pipeline_name}: {target} has no column {', '.join(missing)},"
            " which the pipeline needs",
            # Not to be dropped: the source may no longer have all of its rows.
            f"move the replica out of the way: alter table {target} rename to a free name; the"
            " next ingest creates and loads a new one",
        )
    for column in (column for column in source if column.name not in known):
        type_name = definition.column_types.get(column.name, column.definition)
        drift.alter("add column {} {}", column.name, sql.SQL(type_name))
        drift.comment(column.name, column.comment_in(source_name))
        drift.sentences.append(f"column {column.name} {type_name} was added to {target}")
    for column, before in retyped:
        drift.alter("alter column {} type {}", column.name, sql.SQL(column.definition))
        drift.widened.append(column.name)
        drift.sentences.append(
            f"column {column.name} of {target} was {before.type} and is {column.type}"
        )
    _remember_removed(drift, source_name, source, stored)
    return drift


def apply(session: Session, drift: Drift) -> None:
    """Change a replica in the open transaction; the views that read it stay.

    StartError, which has to end the transaction, if something else depends on a column.
    """
    if not drift.statements:
        return
    views = []
    if drift.widened:
        values = {"target": relation(drift.target).as_string(), "columns": drift.widened}
        views = session.named("ingest/drift.views", **values)
    texts = [statement.as_string() for statement in drift.statements]
    if any(text.startswith("alter") for text in texts):  # comments take no strong lock
        why = f"to follow its source ({', '.join(drift.sentences)})"
        lock_exclusively(session, [drift.target, *(view["plain_name"] for view in views)], why)
    try:
        for view in views:
            session.run(view["without_table"])
        for text in texts:
            session.run(text)
        for view in views:
            session.run(view["as_it_was"])
    except QueryFailed as error:
        if retry.is_transient(error, 0):
            raise
        names = ", ".join(view["name"] for view in views)
        raise StartError(
            f"pipeline {drift.pipeline}: {drift.target} cannot follow its source:"
            f" {'; '.join(drift.sentences)}: {error.message}",
            f"views depend on it: {names}; save what pg_get_viewdef says of those that are yours,"
            f" drop them, run python -m runner ingest {drift.pipeline}, and create them again"
            " (python -m runner schema apply creates the shipped ones)"
            if names
            else "save the definition of what is named there, drop it, ingest, and create it again",
        ) from error


def readers(project: Path, target: str, columns: Sequence[str]) -> dict[str, list[Path]]:
    """Return which files of a project read which of these columns of a replica.

    Columns are found as words: a file that uses the word for something else is returned too, and
    none is missed.
    """
    manifest = load(project)
    found: dict[str, list[Path]] = {}
    for script in manifest.scripts.values():
        if target not in map(replica_name, script.raw_needs):
            continue
        for path in (script.path, *script.checks, *script.observations):
            text = without_comments(manifest.read(path))
            for column in columns:
                if names_column(text, column):
                    found.setdefault(column, []).append(path)
    return found


def _retyped(
    definition: PipelineDefinition, source: Iterable[Column], stored: Iterable[Column]
) -> list[tuple[Column, Column]]:
    """Return the columns whose type differs from that in the replica, with what they are there."""
    before = {column.name: column for column in stored}
    return [
        (column, before[column.name])
        for column in source
        if column.name in before
        and column.name not in definition.column_types
        and column.type != before[column.name].type
    ]


def _refuse_types(definition: PipelineDefinition, stuck: Sequence[tuple[Column, Column]]) -> None:
    """StartError if stored values, or new ones, might not keep their value in the other type."""
    if not stuck:
        return
    source, target = definition.source_relation, definition.target_relation
    types = (
        f"{source}.{column.name} is now {column.type}, {target}.{column.name} is {before.type}"
        for column, before in stuck
    )
    changes = join(
        sql.SQL("alter column {} type {} using {}").format(
            sql.Identifier(column.name), sql.SQL(column.type), _converted(column, before)
        )
        for column, before in stuck
    )
    follow = "to follow: alter table {} {}; or name the type to keep in column_types"
    raise StartError(
        f"pipeline {definition.pipeline_name}: {'; '.join(types)}",
        sql.SQL(follow).format(relation(target), changes).as_string(),
    )


def _remember_removed(
    drift: Drift, source_name: str, source: Iterable[Column], stored: Iterable[Column]
) -> None:
    """Report columns that the source dropped, or has again: once, as the comment records it."""
    note = f"No longer in {source_name}: null in rows that are added."
    there = {column.name: column for column in source}
    for column in stored:
        name, was_removed = column.name, (column.comment or "").endswith(note)
        if name in there and was_removed:
            drift.comment(name, there[name].comment_in(source_name))
            drift.sentences.append(f"column {name} is back in {source_name}")
        elif name not in there and name not in REPLICA_COLUMNS and not was_removed:
            drift.comment(name, f"{column.comment_in(source_name)} {note}")
            if column.is_required:
                drift.alter("alter column {} drop not null", name)
            drift.removed.append(name)
            drift.sentences.append(
                f"column {name} is no longer in {source_name}: it stays in {drift.target}, null in"
                " rows that are added"
            )


def _converted(column: Column, before: Column) -> sql.Composed:
    """Return the stored value, cast to the type that the source has now."""
    kinds = {"timestamp without time zone", "timestamp with time zone"}
    # Whatever their precision: `timestamp(3) with time zone`.
    if {re.sub(r"\(\d+\)", "", each.type) for each in (column, before)} == kinds:
        return sql.SQL("{} at time zone 'UTC'").format(sql.Identifier(column.name))
    return sql.SQL("{}::{}").format(sql.Identifier(column.name), sql.SQL(column.type))
