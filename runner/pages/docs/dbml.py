"""Writes the tables of the catalogue in DBML, the language of dbdiagram.io."""

import re
from collections.abc import Sequence

from runner.database.session import Row
from runner.pages.docs.catalogue import Reference, Relation

PREFACE = """\
// The tables as the catalogue has them, written by `python -m runner docs -o schema.dbml`.
// Keys are natural, so few foreign keys are declared. The other Refs lead from columns to the
// dimension (dim_), or else the replica (raw_), whose whole key has their names.

"""


def dbml(tables: Sequence[Relation], references: Sequence[Reference]) -> str:
    """Return tables with columns, types, notes and keys, then the references."""
    keys = {table.name: table.key for table in tables}
    parts = [_table(table) for table in tables]
    parts.append("".join(_reference(reference, keys) for reference in references))
    return PREFACE + "\n".join(parts)


def _table(table: Relation) -> str:
    lines = [f"Table {_quoted(table.schema)}.{_quoted(table.short)} {{"]
    lines += [f"  {_column(column, table)}" for column in table.columns]
    lines += ["", f"  Note: {_note(table.comment)}"] if table.comment else []
    if len(table.key) > 1:
        columns = ", ".join(map(_quoted, table.key))
        lines += ["", "  indexes {", f"    ({columns}) [{_kind_of_key(table)}]", "  }"]
    return "\n".join([*lines, "}", ""])


def _column(column: Row, table: Relation) -> str:
    settings = []
    if table.key == (column["name"],):
        settings.append(_kind_of_key(table))
    if not column["is_nullable"]:
        settings.append("not null")
    if column["comment"]:
        settings.append(f"note: {_note(column['comment'])}")
    name, type_ = _quoted(column["name"]), column["type"]
    type_ = type_ if re.fullmatch(r"\w+", type_) else _quoted(type_)
    return f"{name} {type_}" + (f" [{', '.join(settings)}]" if settings else "")


def _kind_of_key(table: Relation) -> str:
    return "pk" if any(rule["kind"] == "p" for rule in table.constraints) else "unique"


def _reference(reference: Reference, keys: dict[str, tuple[str, ...]]) -> str:
    is_whole_key = set(reference.columns) == set(keys[reference.table])
    return (
        f"Ref: {_end(reference.table, reference.columns)} {'-' if is_whole_key else '>'} "
        f"{_end(reference.to, reference.to_columns)}\n"
    )


def _end(table: str, columns: Sequence[str]) -> str:
    schema, _, short = table.partition(".")
    names = [_quoted(column) for column in columns]
    listed = names[0] if len(names) == 1 else f"({', '.join(names)})"
    return f"{_quoted(schema)}.{_quoted(short)}.{listed}"


def _quoted(name: str) -> str:
    """Quote a name; DBML has no way to write a quote inside one."""
    return '"' + " ".join(name.replace('"', "'").split()) + '"'


def _note(text: str) -> str:
    escaped = " ".join(text.split()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
