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
class Form:
    """A column, with the expressions of columns.sql that keep a value of it, {0}."""

    name: str
    type: str
    is_json: bool
    readable: str
    as_text: str | None

    def of(self, row: str, form: str = "{0}") -> sql.Composed:
        """Return an expression over the column of a row."""
        return sql.SQL(form).format(column_of(row, self.name))

    def named(self, row: str, form: str) -> sql.Composed:
        """Return the same, with the name of the column."""
        return sql.SQL("{} as {}").format(self.of(row, form), sql.Identifier(self.name))


def forms(session: Session, relation: sql.Identifier) -> list[Form]:
    """Return the columns of a table, in order, with how their values are kept."""
    values = {"relation": relation.as_string()}
    return [Form(**row) for row in session.named("ingest/columns.forms", **values)]


def as_json(forms: Sequence[Form], row: str) -> sql.Composed:
    """Return an expression that gives a row as JSON, and never fails."""
    columns = join(form.named(row, form.readable) for form in forms)
    return sql.SQL("(select to_jsonb(image.*) from (select {}) as image)").format(columns)


def image_values(
    forms: Sequence[Form], keys: Sequence[str], equality: Equality
) -> dict[str, sql.Composable]:
    """Return template values for keeping images; `forms` and `equality` are of the replica."""
    by_name = {form.name: form for form in forms}
    return {
        "old_row": sql.SQL("to_jsonb(stored.*)")
        if all(form.readable == "{0}" for form in forms)
        else as_json(forms, "stored"),
        "old_texts": _texts(forms),
        "key_object": key_object([by_name[key] for key in keys], "stored"),
        "is_waiting_stored": equality.of_rows(keys, "(waiting.key_row)", "stored"),
    }


def key_object(keys: Sequence[Form], row: str) -> sql.Composed:
    """Return the arguments of jsonb_build_object() for a key."""
    return join(part for key in keys for part in (sql.Literal(key.name), key.of(row, key.readable)))


def _texts(forms: Sequence[Form]) -> sql.Composable:
    texts = [form.named("stored", form.as_text) for form in forms if form.as_text]
    if not texts:
        return sql.SQL("null::jsonb")
    text = "(select jsonb_strip_nulls(to_jsonb(texts.*)) from (select {}) as texts)"
    return sql.SQL(text).format(join(texts))
