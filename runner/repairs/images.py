"""Gives back the rows that images are of: runner/ingest/images.py says how they are kept."""

from collections.abc import Sequence

from psycopg import sql

from runner.database.equality import Equality
from runner.database.names import column_of, join
from runner.ingest.columns import RUN_ID
from runner.ingest.images import Form


def restoring_values(
    target: sql.Identifier, forms: Sequence[Form], keys: Sequence[str], equality: Equality
) -> dict[str, sql.Composable]:
    """Return what the statement that gives rows back is written in.

    `forms` and `equality` are those of the replica.
    """
    names = [form.name for form in forms if form.name != RUN_ID]
    return {
        "image": _image(target, forms),
        "image_object": image_object(forms),
        "image_keys": join(column_of("(images.image)", key) for key in keys),
        "is_key_of_image": equality.of_rows(keys, "(images.image)", "stored"),
        "is_same_image": equality.of_rows(keys, "(images.image)", "(former.image)"),
        "image_has_moved": sql.SQL("false"),
        "restored_columns": join(column_of("(former.image)", name) for name in names),
        "stored_columns": join(map(sql.Identifier, names)),
    }


def image_object(forms: Sequence[Form]) -> sql.Composed:
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
