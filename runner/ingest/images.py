"""Images: earlier versions of rows of a replica, from which a row can be restored byte for byte.

They are kept as JSON, which scripts can read. A value that JSON does not hold exactly, such as the
bounds of an array or minus zero, is kept as text too. Queries: columns.sql.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from runner.database.names import column_of, join
from runner.database.session import Session
from runner.database.tables import Equality


@dataclass(frozen=True, slots=True)
class KeptColumn:
    """A column, with the expressions of columns.sql that keep a value of it, {0}."""

    name: str
    type: str
    is_json: bool
    readable: str
    as_text: str | None

    def of(self, row: str, expression: str = "{0}") -> sql.Composed:
        """Return an expression over the column of a row."""
        return sql.SQL(expression).format(column_of(row, self.name))

    def named(self, row: str, expression: str) -> sql.Composed:
        """Return the same, with the name of the column."""
        return sql.SQL("{} as {}").format(self.of(row, expression), sql.Identifier(self.name))


def kept_columns(session: Session, relation: sql.Identifier) -> list[KeptColumn]:
    """Return the columns of a table, in order, with how their values are kept."""
    values = {"relation": relation.as_string()}
    return [KeptColumn(**row) for row in session.named("ingest/columns.kept_columns", **values)]


def as_json(columns: Sequence[KeptColumn], row: str) -> sql.Composed:
    """Return an expression that gives a row as JSON, and never fails."""
    values = join(column.named(row, column.readable) for column in columns)
    return sql.SQL("(select to_jsonb(image.*) from (select {}) as image)").format(values)


def image_values(
    columns: Sequence[KeptColumn], keys: Sequence[str], equality: Equality
) -> dict[str, sql.Composable]:
    """Return template values for keeping images; `columns` and `equality` are of the replica."""
    by_name = {column.name: column for column in columns}
    return {
        "old_row": sql.SQL("to_jsonb(stored.*)")
        if all(column.readable == "{0}" for column in columns)
        else as_json(columns, "stored"),
        "old_texts": _texts(columns),
        "key_object": key_object([by_name[key] for key in keys], "stored"),
        "is_waiting_stored": equality.of_rows(keys, "(waiting.key_row)", "stored"),
    }


def key_object(keys: Sequence[KeptColumn], row: str) -> sql.Composed:
    """Return the arguments of jsonb_build_object() for a key."""
    return join(part for key in keys for part in (sql.Literal(key.name), key.of(row, key.readable)))


def _texts(columns: Sequence[KeptColumn]) -> sql.Composable:
    texts = [column.named("stored", column.as_text) for column in columns if column.as_text]
    if not texts:
        return sql.SQL("null::jsonb")
    text = "(select jsonb_strip_nulls(to_jsonb(texts.*)) from (select {}) as texts)"
    return sql.SQL(text).format(join(texts))
