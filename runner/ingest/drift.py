"""Drift: when the columns of a source change, its replica follows where nothing is lost by it.

Queries: drift.sql.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from runner.database import retry
from runner.database.locks import lock_exclusively
from runner.database.names import relation
from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.ingest.columns import REPLICA_COLUMNS, ROW_AGE, RUN_ID, Column
from runner.ingest.pipelines import PipelineDefinition
from runner.project.manifest import load
from runner.project.scripts import names_column, without_comments
from runner.project.target import replica_name


@dataclass(frozen=True, slots=True)
class Drift:
    """How a replica comes to fit its source: statements, and a sentence for each in the log.

    `widened` are the columns that change their type, and `removed` those that the source has
    dropped since the last run.
    """

    pipeline: str
    target: str
    statements: tuple[sql.Composed, ...] = ()
    sentences: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def plan(
    session: Session,
    definition: PipelineDefinition,
    source: Sequence[Column],
    stored: Sequence[Column],
) -> Drift:
    """Return what a replica needs to fit its source; StartError if it cannot follow."""
    comparison = _Comparison(definition, source, stored)
    values = {
        "source": relation(comparison.source_name).as_string(None),
        "target": comparison.target.as_string(None),
        "columns": [column.name for column, _ in comparison.retyped],
    }
    rows = session.named("ingest/drift.followed", **values) if comparison.retyped else []
    return comparison.drift({row["name"] for row in rows})


def compare(
    definition: PipelineDefinition,
    source: Sequence[Column],
    stored: Sequence[Column],
    followed: Collection[str],
) -> Drift:
    """Return the plan where it is known which columns have a new type that the replica can take."""
    return _Comparison(definition, source, stored).drift(followed)


def apply(session: Session, drift: Drift) -> None:
    """Change a replica in the open transaction; the views that read it stay.

    StartError, which has to end the transaction, if something else depends on a column.
    """
    if not drift.statements:
        return
    views = []
    if drift.widened:
        values = {"target": relation(drift.target).as_string(None), "columns": list(drift.widened)}
        views = session.named("ingest/drift.views", **values)
    texts = [statement.as_string(None) for statement in drift.statements]
    if any(text.startswith("alter") for text in texts):  # a comment bothers nobody
        why = f"to follow {', '.join(drift.sentences)}"
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
            f"it hangs on views: {names}; keep what pg_get_viewdef says of those that are yours,"
            f" take them away, run python -m runner ingest {drift.pipeline}, and create them again"
            " (python -m runner schema apply creates the shipped ones)"
            if names
            else "keep the definition of what is named there, take it away, ingest, and create it"
            " again",
        ) from error


def readers(project: Path, target: str, columns: Sequence[str]) -> dict[str, list[Path]]:
    """Return which files of a project read which of these columns of a replica.

    They are found as words: a file that has the word for something else is one too many, and none
    is missing.
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


class _Comparison:
    """A source compared with its replica."""

    def __init__(
        self, definition: PipelineDefinition, source: Sequence[Column], stored: Sequence[Column]
    ) -> None:
        self.definition = definition
        self.pipeline: str = definition.pipeline_name
        self.source_name: str = definition.source_relation
        self.target_name: str = definition.target_relation
        self.target = relation(self.target_name)
        self.source = {column.name: column for column in source if column.name != ROW_AGE}
        self.stored = {column.name: column for column in stored}
        self.retyped = [
            (column, self.stored[column.name])
            for column in self.source.values()
            if column.name in self.stored
            and column.name not in definition.column_types
            and column.type != self.stored[column.name].type
        ]

    def drift(self, followed: Collection[str]) -> Drift:
        """Return the plan, where the replica can follow these columns to a new type."""
        self._refuse_names()
        self._refuse_types([pair for pair in self.retyped if pair[0].name not in followed])
        steps = [
            *(self._add(column) for name, column in self.source.items() if name not in self.stored),
            *(self._widen(column, before) for column, before in self.retyped),
            *self._remember_removed(),
        ]
        return Drift(
            self.pipeline,
            self.target_name,
            tuple(statement for statements, _ in steps for statement in statements),
            tuple(sentence for _, sentence in steps),
            tuple(column.name for column, _ in self.retyped),
            tuple(column.name for column in self._removed()),
        )

    def _refuse_names(self) -> None:
        for name in REPLICA_COLUMNS:
            if name in self.source:
                raise StartError(
                    f"pipeline {self.pipeline}: {self.source_name} has a column {name}, a name"
                    " that is reserved for replicas",
                    f"read a view of {self.source_name} that gives the column another name",
                )
        wanted = [self.definition.cursor_column, *self.definition.key_columns]
        for table, columns, names in (
            (self.source_name, self.source, wanted),
            (self.target_name, self.stored, [*wanted, RUN_ID]),
        ):
            missing = [name for name in dict.fromkeys(names) if name not in columns]
            if missing:
                raise StartError(
                    f"pipeline {self.pipeline}: {table} has no column {', '.join(missing)}, which"
                    " the pipeline needs",
                    "correct cursor_column or key_columns in orchestrator.pipeline_definitions"
                    if table == self.source_name
                    # Its rows may be all that is left of what the source no longer has.
                    else f"give the replica a new place: alter table {table} rename to a name that"
                    " is free; the next ingest creates and loads it again",
                )

    def _refuse_types(self, pairs: Iterable[tuple[Column, Column]]) -> None:
        """Stop where stored values, or new ones, might not stay what they are."""
        stuck = list(pairs)
        if not stuck:
            return
        raise StartError(
            f"pipeline {self.pipeline}: "
            + "; ".join(
                f"{self.source_name}.{column.name} is now {column.type},"
                f" {self.target_name}.{column.name} is {before.type}"
                for column, before in stuck
            ),
            sql.SQL("to follow: alter table {} {}; or name the type to keep in column_types")
            .format(
                self.target,
                sql.SQL(", ").join(
                    sql.SQL("alter column {name} type {type} using {value}").format(
                        name=sql.Identifier(column.name),
                        type=sql.SQL(column.type),
                        value=_converted(column, before),
                    )
                    for column, before in stuck
                ),
            )
            .as_string(None),
        )

    def _add(self, column: Column) -> tuple[list[sql.Composed], str]:
        type_name = self.definition.column_types.get(column.name, column.definition)
        add = sql.SQL("alter table {} add column {} {}").format(
            self.target, sql.Identifier(column.name), sql.SQL(type_name)
        )
        return (
            [add, self._comment(column.name, self._comment_of(column))],
            f"column {column.name} {type_name} was added to {self.target_name}",
        )

    def _widen(self, column: Column, before: Column) -> tuple[list[sql.Composed], str]:
        widen = sql.SQL("alter table {} alter column {} type {}").format(
            self.target, sql.Identifier(column.name), sql.SQL(column.definition)
        )
        return (
            [widen],
            f"column {column.name} of {self.target_name} was {before.type} and is {column.type}",
        )

    def _remember_removed(self) -> Iterable[tuple[list[sql.Composed], str]]:
        """Yield what to do about columns that the source dropped, or has again.

        The comment of the column remembers that it was dropped, so that it is said once.
        """
        for column in self.stored.values():
            if column.name in self.source and self._was_removed(column):
                yield (
                    [self._comment(column.name, self._comment_of(self.source[column.name]))],
                    f"column {column.name} is back in {self.source_name}",
                )
        for column in self._removed():
            comment = f"{self._comment_of(column)} {self._note_of_removed}"
            statements = [self._comment(column.name, comment)]
            if column.is_required:
                text = "alter table {} alter column {} drop not null"
                statements.append(sql.SQL(text).format(self.target, sql.Identifier(column.name)))
            yield (
                statements,
                f"column {column.name} is no longer in {self.source_name}:"
                f" it stays in {self.target_name}, null in rows that are added",
            )

    @property
    def _note_of_removed(self) -> str:
        return f"No longer in {self.source_name}: null in rows that are added."

    def _was_removed(self, column: Column) -> bool:
        return (column.comment or "").endswith(self._note_of_removed)

    def _removed(self) -> list[Column]:
        """Return the columns that the source has dropped, and of which nothing was said yet."""
        return [
            column
            for column in self.stored.values()
            if column.name not in {*self.source, *REPLICA_COLUMNS} and not self._was_removed(column)
        ]

    def _comment_of(self, column: Column) -> str:
        return column.comment or f"{column.name} of {self.source_name}."

    def _comment(self, name: str, text: str) -> sql.Composed:
        return sql.SQL("comment on column {}.{} is {}").format(
            self.target, sql.Identifier(name), sql.Literal(text)
        )


def _converted(column: Column, before: Column) -> sql.Composed:
    """Return the stored value, cast to the type that the source has now."""
    kinds = {"timestamp without time zone", "timestamp with time zone"}
    if {_bare(column.type), _bare(before.type)} == kinds:
        return sql.SQL("{} at time zone 'UTC'").format(sql.Identifier(column.name))
    return sql.SQL("{}::{}").format(sql.Identifier(column.name), sql.SQL(column.type))


def _bare(type_name: str) -> str:
    """Strip the precision: `timestamp(3) with time zone` is `timestamp with time zone`."""
    return re.sub(r"\(\d+\)", "", type_name)
