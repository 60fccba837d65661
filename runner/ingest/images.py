"""Images: rows of a replica as they were, kept byte for byte beside what JSON can show of them.

JSON holds most values exactly, and scripts can read it. What it does not hold - a null byte, the
bounds of an array, minus zero - is kept as text too. Queries: columns.sql.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from runner.database.equality import Equality
from runner.database.names import column_of, join
from runner.database.session import Session
from runner.ingest.columns import RUN_ID


@dataclass(frozen=True, slots=True)
class Form:
    """A column, and how its values are kept: columns.sql says how, with {0} for the value."""

    name: str
    type: str
    is_json: bool
    readable: str
    as_text: str | None

    def of(self, row: str, form: str = "{0}") -> sql.Composed:
        """Return the column of a row in one of these forms."""
        return sql.SQL(form).format(column_of(row, self.name))

    def named(self, row: str, form: str) -> sql.Composed:
        """The same, under the name of the column."""
        return sql.SQL("{} as {}").format(self.of(row, form), sql.Identifier(self.name))


def forms(session: Session, relation: sql.Identifier) -> list[Form]:
    """Return the columns of a table, in order, with how their values are kept."""
    values = {"relation": relation.as_string()}
    return [Form(**row) for row in session.named("ingest/columns.forms", **values)]


def as_json(forms: Sequence[Form], row: str) -> sql.Composed:
    """Return an expression: a row as JSON, which never fails."""
    columns = join(form.named(row, form.readable) for form in forms)
    return sql.SQL("(select to_jsonb(image.*) from (select {}) as image)").format(columns)


def image_values(
    target: sql.Identifier, forms: Sequence[Form], keys: Sequence[str], equality: Equality
) -> dict[str, Any]:
    """Return what the statements that keep images, and give them back, are written in.

    `forms` and `equality` are those of the replica.
    """
    by_name = {form.name: form for form in forms}
    names = [form.name for form in forms if form.name != RUN_ID]
    return {
        "old_row": sql.SQL("to_jsonb(stored.*)")
        if all(form.readable == "{0}" for form in forms)
        else as_json(forms, "stored"),
        "old_texts": _texts(forms),
        "image": _image(target, forms),
        "image_object": _image_object(forms),
        "key_object": key_object([by_name[key] for key in keys], "stored"),
        "image_keys": join(column_of("(images.image)", key) for key in keys),
        "is_key_of_image": equality.of_rows(keys, "(images.image)", "stored"),
        "is_same_image": equality.of_rows(keys, "(images.image)", "(former.image)"),
        "is_waiting_stored": equality.of_rows(keys, "(waiting.key_row)", "stored"),
        "restored_columns": join(column_of("(former.image)", name) for name in names),
        "stored_columns": join(map(sql.Identifier, names)),
    }


def key_object(keys: Sequence[Form], row: str) -> sql.Composed:
    """Return the arguments of jsonb_build_object() for a key."""
    return join(part for key in keys for part in (sql.Literal(key.name), key.of(row, key.readable)))


def _texts(forms: Sequence[Form]) -> sql.Composable:
    texts = [form.named("stored", form.as_text) for form in forms if form.as_text]
    if not texts:
        return sql.SQL("null::jsonb")
    return sql.SQL(
        "(select jsonb_strip_nulls(to_jsonb(texts.*)) from (select {}) as texts)"
    ).format(join(texts))


def _image_object(forms: Sequence[Form]) -> sql.Composed:
    """Return the image as one JSON object: a text becomes what it was of every type but JSON, of
    which it would be a value itself.
    """
    text = "replaced.old_row || coalesce(replaced.old_texts, '{{}}')"
    names = [form.name for form in forms if form.is_json]
    if not names:
        return sql.SQL(text).format()
    return sql.SQL(
        f"({text}) - array(select texts.name from jsonb_object_keys(coalesce(replaced.old_texts,"
        " '{{}}')) as texts (name) where texts.name = any({}::text[]))"
    ).format(sql.Literal(names))


def _image(target: sql.Identifier, forms: Sequence[Form]) -> sql.Composed:
    """Return the row that an image is of."""
    if not any(form.is_json for form in forms):
        return sql.SQL("(fresh.*)::{}").format(target)
    kept = sql.SQL("coalesce((replaced.old_texts ->> {})::{}, {})")
    values = [
        kept.format(sql.Literal(form.name), sql.SQL(form.type), form.of("fresh"))
        if form.is_json
        else form.of("fresh")
        for form in forms
    ]
    return sql.SQL("row({})::{}").format(join(values), target)
