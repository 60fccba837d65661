"""Images: rows of a replica as they were, kept byte for byte beside what JSON can show of them.

JSON holds most values exactly, and scripts can read it. What it does not hold - a null byte, the
bounds of an array, minus zero - is kept as text too. Queries: columns.sql.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from runner.database.equality import Equality
from runner.database.names import join
from runner.database.session import Session
from runner.ingest.columns import RUN_ID

NO_TEXTS = sql.SQL("null::jsonb").format()


@dataclass(frozen=True, slots=True)
class Form:
    """A column, and how its values are kept: columns.sql says what each word means."""

    name: str
    type: str
    is_exact: bool
    is_safe: bool
    is_json: bool
    is_jsonb: bool
    is_reference: bool

    def of(self, alias: str) -> sql.Composed:
        """Return the column of a row."""
        return sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(self.name))

    def readable(self, alias: str) -> sql.Composed:
        """Return an expression that to_jsonb() never fails on."""
        text = "{}" if self.is_safe else "orchestrator.readable({})"
        return sql.SQL(text).format(self.of(alias))

    def text(self, alias: str) -> sql.Composed:
        """Return the value as PostgreSQL writes it; null where JSON tells all."""
        value = self.of(alias)
        if self.is_jsonb:  # but of a null that is JSON's own
            return sql.SQL("case when {} = 'null' then 'null' end").format(value)
        # A name may stand for several objects.
        shown = sql.SQL("{}::oid" if self.is_reference else "{}").format(value)
        # `is null` would be true of a row of nulls too.
        return sql.SQL("case when {} is distinct from null then concat({}) end").format(
            value, shown
        )


def forms(session: Session, relation: sql.Identifier) -> list[Form]:
    """Return the columns of a table, in order, with how their values are kept."""
    values = {"relation": relation.as_string()}
    return [Form(**row) for row in session.named("ingest/columns.forms", **values)]


def as_json(forms: Sequence[Form], alias: str) -> sql.Composed:
    """Return an expression: a row as JSON, which never fails."""
    names = [sql.SQL("{} as {}").format(form.readable(alias), _name(form)) for form in forms]
    return sql.SQL("(select to_jsonb(image.*) from (select {}) as image)").format(join(names))


def image_values(
    target: sql.Identifier, forms: Sequence[Form], keys: Sequence[str], equality: Equality
) -> dict[str, Any]:
    """Return what the statements that keep images, and give them back, are written in.

    `forms` and `equality` are those of the replica.
    """
    by_name = {form.name: form for form in forms}
    return {
        "old_row": sql.SQL("to_jsonb(stored.*)").format()
        if all(form.is_safe for form in forms)
        else as_json(forms, "stored"),
        "old_texts": _texts([form for form in forms if not form.is_exact]),
        "image": _image(target, forms),
        "image_object": _image_object(forms),
        "key_object": key_object([by_name[key] for key in keys], "stored"),
        "image_keys": join([_of("(images.image)", key) for key in keys]),
        "is_key_of_image": equality.all_equal(keys, "(images.image)", "stored"),
        "is_same_image": equality.all_equal(keys, "(images.image)", "(former.image)"),
        "is_waiting_stored": equality.all_equal(keys, "(waiting.key_row)", "stored"),
        "restored_columns": join(
            [_of("(former.image)", form.name) for form in forms if form.name != RUN_ID]
        ),
        "stored_columns": join([_name(form) for form in forms if form.name != RUN_ID]),
    }


def key_object(keys: Sequence[Form], alias: str) -> sql.Composed:
    """Return the arguments of jsonb_build_object() for a key."""
    return join(
        [sql.SQL("{}, {}").format(sql.Literal(key.name), key.readable(alias)) for key in keys]
    )


def _texts(inexact: Sequence[Form]) -> sql.Composed:
    if not inexact:
        return NO_TEXTS
    names = [sql.SQL("{} as {}").format(form.text("stored"), _name(form)) for form in inexact]
    return sql.SQL(
        "(select jsonb_strip_nulls(to_jsonb(texts.*)) from (select {}) as texts)"
    ).format(join(names))


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
    values = [
        sql.SQL("coalesce((replaced.old_texts ->> {})::{}, {})").format(
            sql.Literal(form.name), sql.SQL(form.type), form.of("fresh")
        )
        if form.is_json
        else form.of("fresh")
        for form in forms
    ]
    return sql.SQL("row({})::{}").format(join(values), target)


def _of(row: str, name: str) -> sql.Composed:
    return sql.SQL(row + ".{}").format(sql.Identifier(name))


def _name(form: Form) -> sql.Identifier:
    return sql.Identifier(form.name)
