"""The tables of the catalogue in dbdiagram's language, and drawn with what leads where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.pages.docs.catalogue import Column, Reference, Relation
from runner.pages.html import fill
from runner.project.manifest import LAYERS

# Columns of the drawing, from left to right, by what tables are.
FAMILIES = ("source", "replica", "event", "fact", "dimension", "aggregate", "report", "memory")
PLACES = {"source": 0, "replica": 0, "event": 1, "fact": 1, "dimension": 2, "aggregate": 3}
PREFIXES = {"raw_": "replica", "fact_": "fact", "dim_": "dimension", "agg_": "aggregate"}
SHORT_TYPES = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "double precision": "float8",
    "character varying": "varchar",
}

PREFACE = """\
// The tables as the catalogue has them: made by `python -m runner docs -o schema.dbml`.
// Keys are natural, so few foreign keys are declared. The other Refs lead from columns to the
// dimension (dim_) or else the replica (raw_) whose whole key has their names.

"""
HEAD, ROW, CHARACTER = 22, 15, 6.1
GAP_ACROSS, GAP_DOWN, MARGIN = 84, 16, 16
COLOURS = 8


def family(table: str) -> str:
    """What kind of table this is, by its name; it decides its colour and its place."""
    schema, _, short = table.partition(".")
    if schema == "reporting":
        return "report"
    if schema not in LAYERS:
        return "memory" if schema == "orchestrator" else "source"
    return next((kind for prefix, kind in PREFIXES.items() if short.startswith(prefix)), "event")


# --- dbdiagram's language -------------------------------------------------------------------------


def dbml(tables: Sequence[Relation], references: Sequence[Reference]) -> str:
    """Tables with columns, types, notes and keys, then what leads where."""
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


def _column(column: Column, table: Relation) -> str:
    settings = []
    if table.key == (column.name,):
        settings.append(_kind_of_key(table))
    if not column.is_nullable:
        settings.append("not null")
    if column.comment:
        settings.append(f"note: {_note(column.comment)}")
    type_ = column.type if re.fullmatch(r"\w+", column.type) else _quoted(column.type)
    return f"{_quoted(column.name)} {type_}" + (f" [{', '.join(settings)}]" if settings else "")


def _kind_of_key(table: Relation) -> str:
    return "pk" if any(rule.kind == "p" for rule in table.constraints) else "unique"


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
    """A name in quotes, which the language gives no way to have inside."""
    return '"' + " ".join(name.replace('"', "'").split()) + '"'


def _note(text: str) -> str:
    escaped = " ".join(text.split()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


# --- the drawing ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """A table in the drawing."""

    table: Relation
    family: str
    place: int
    x: int
    y: int
    width: int

    @property
    def height(self) -> int:
        return HEAD + ROW * len(self.table.columns) + 4

    def row(self, column: str) -> float:
        """Where the line of a column is."""
        names = [each.name for each in self.table.columns]
        return self.y + HEAD + ROW * (names.index(column) + 0.5)


@dataclass(frozen=True, slots=True)
class Line:
    """What leads from a column to the key of another table."""

    path: str
    colour: int


def svg(tables: Sequence[Relation], references: Sequence[Reference]) -> str:
    """The tables side by side, sources at the left and reports at the right."""
    boxes = {box.table.name: box for box in _boxes(tables)}
    ends = sorted({reference.to for reference in references})
    lines = [
        Line(_path(boxes[each.table], boxes[each.to], each), ends.index(each.to) % COLOURS)
        for each in references
    ]
    return fill(
        "schema.svg",
        boxes=list(boxes.values()),
        lines=lines,
        width=max((box.x + box.width for box in boxes.values()), default=0) + 2 * MARGIN,
        height=max((box.y + box.height for box in boxes.values()), default=0) + MARGIN,
        head=HEAD,
        row=ROW,
        short=short_type,
    )


def short_type(name: str) -> str:
    """A type as people write it."""
    for long, short in SHORT_TYPES.items():
        name = name.replace(long, short)
    return name


def _boxes(tables: Sequence[Relation]) -> Iterator[Box]:
    x = MARGIN
    families = {table.name: family(table.name) for table in tables}
    places = {name: PLACES.get(kind, FAMILIES.index(kind)) for name, kind in families.items()}
    for place in sorted(set(places.values())):
        column = [table for table in tables if places[table.name] == place]
        column.sort(key=lambda table: FAMILIES.index(families[table.name]))
        width = max(_width(table) for table in column)
        y = MARGIN
        for table in column:
            box = Box(table, families[table.name], place, x, y, width)
            y += box.height + GAP_DOWN
            yield box
        x += width + GAP_ACROSS


def _width(table: Relation) -> int:
    lengths = [len(column.name) + len(short_type(column.type)) + 3 for column in table.columns]
    return round(max([len(table.name) + 2, *lengths]) * CHARACTER + 16)


def _path(start: Box, end: Box, reference: Reference) -> str:
    """From the side of one box that looks to the other; within a column around the right side."""
    is_right = end.place >= start.place
    is_beside = end.place != start.place
    x1 = start.x + start.width if is_right else start.x
    x2 = end.x if is_right and is_beside else end.x + end.width
    bend = GAP_ACROSS * 0.6 if is_beside else GAP_ACROSS * 0.45
    out = bend if is_right else -bend
    back = -out if is_beside else out
    y1, y2 = start.row(reference.columns[0]), end.row(reference.to_columns[0])
    return f"M{x1:.0f},{y1:.1f}C{x1 + out:.0f},{y1:.1f} {x2 + back:.0f},{y2:.1f} {x2:.0f},{y2:.1f}"
