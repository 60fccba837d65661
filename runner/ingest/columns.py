"""Columns of a source and of its replica, as the catalogue has them. Queries: columns.sql."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from psycopg import sql

from runner.database.names import relation
from runner.database.session import Session
from runner.errors import StartError, did_you_mean
from runner.ingest.pipelines import PipelineDefinition

RUN_ID, DELETED_AT = "_run_id", "_deleted_at"
# The columns that a replica has in addition to those of its source.
REPLICA_COLUMNS = (RUN_ID, DELETED_AT)
# A column of the view of a remote source, which neither its table nor the replica has.
ROW_AGE = "_row_age"
# Names of columns that no source may use: those above, those that sql/ingest/merge.sql and
# writer.sql give to columns, and those of system columns.
RESERVED_COLUMNS = (
    *(RUN_ID, DELETED_AT, ROW_AGE, "_row", "_differs", "_stored_run_id"),
    *("tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column, with its type as format_type() spells it. `is_loose` is whether its collation may
    treat different texts as equal.
    """

    name: str
    type: str
    is_required: bool
    comment: str | None
    collation: str | None = None
    is_loose: bool = False
    is_text: bool = False

    @property
    def definition(self) -> str:
        """The type, with its collation if that is not the type's: a key may depend on it."""
        return f"{self.type} collate {self.collation}" if self.collation else self.type

    @property
    def is_naive(self) -> bool:
        """Whether it is a date or a time without a time zone."""
        return self.type.startswith(("timestamp", "date")) and "with time zone" not in self.type

    def comment_in(self, source: str) -> str:
        """Return the comment on the column in the replica of a source."""
        return self.comment or f"{self.name} of {source}."


def comment_on(table: str, column: str, text: str) -> sql.Composed:
    return sql.SQL("comment on column {}.{} is {}").format(
        relation(table), sql.Identifier(column), sql.Literal(text)
    )


def written_keys(definition: PipelineDefinition, is_monthly: bool) -> tuple[str, ...]:
    """Return the key of a replica's table; partitioned by month, it contains the cursor."""
    keys, cursor = definition.key_columns, definition.cursor_column
    return (*keys, cursor) if keys and is_monthly and cursor not in keys else keys


def stored_columns(session: Session, definition: PipelineDefinition) -> list[Column]:
    """Return the columns of a replica, in order; none if there is no replica."""
    return _columns(session, definition.target_relation)


def source_columns(session: Session, definition: PipelineDefinition) -> list[Column]:
    """Return the columns of a source, in order.

    StartError if the source, its cursor or its key does not exist, or its cursor is no timestamp.
    """
    name, source = definition.pipeline_name, definition.source_relation
    columns = {column.name: column for column in _columns(session, source)}
    if not columns:
        raise StartError(
            f"pipeline {name}: source {source} does not exist, or this role cannot see it",
            "correct source_relation in orchestrator.pipeline_definitions",
        )
    refuse_names(definition, columns)
    cursor = columns[definition.cursor_column]
    if not cursor.type.startswith("timestamp") and not text_of_moment(definition, cursor):
        raise StartError(
            f"pipeline {name}: cursor {cursor.name} is of type {cursor.type}",
            "a cursor is a timestamp that says when the row was written",
        )
    return list(columns.values())


def text_of_moment(definition: PipelineDefinition, column: Column) -> str | None:
    """Return the timestamp type that column_types gives to a text column, if any."""
    type_name = definition.column_types.get(column.name, "").lower()
    is_text = column.type.startswith(("text", "character varying"))
    if not is_text or not type_name.startswith("timestamp"):
        return None
    has_zone = type_name.startswith("timestamptz") or "with time zone" in type_name
    return f"timestamp {'with' if has_zone else 'without'} time zone"


def loose_keys(
    keys: Collection[str], source: Iterable[Column], stored: Iterable[Column]
) -> list[str]:
    """Return the columns of a key whose values the replica may compare unlike the source."""
    before = {column.name: column for column in stored}
    return [
        column.name
        for column in source
        if column.name in keys
        and column.collation != before[column.name].collation
        and (column.is_loose or before[column.name].is_loose)
    ]


def refuse_names(definition: PipelineDefinition, columns: Collection[str]) -> None:
    """StartError for a source without its cursor or key, or with a column of a reserved name."""
    pipeline, source = definition.pipeline_name, definition.source_relation
    # With a clock of another PostgreSQL, its view has the ages of rows under this name.
    allowed = {ROW_AGE} if definition.clock_relation else set()
    taken = [name for name in columns if name in RESERVED_COLUMNS and name not in allowed]
    if taken:
        raise StartError(
            f"pipeline {pipeline}: {source} has a column {', '.join(taken)}, a name that is"
            " reserved",
            f"read a view of {source} in which the column has another name",
        )
    for needed in (definition.cursor_column, *definition.key_columns):
        if needed not in columns:
            otherwise = f"its columns are {', '.join(columns)}: name one as cursor or as key"
            raise StartError(
                f"pipeline {pipeline}: {source} has no column {needed}",
                did_you_mean(needed, columns, otherwise),
            )


def _columns(session: Session, name: str) -> list[Column]:
    rows = session.named("ingest/columns.columns", relation=relation(name).as_string())
    return [Column(**row) for row in rows]
