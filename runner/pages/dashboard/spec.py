"""Checks Vega-Lite specs: they fetch nothing, and use only words and fields that exist."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runner.errors import did_you_mean
from runner.pages.html import static

# What a spec may hold at its top, in a layer, or in one of several charts.
UNIT = """
    $schema align autosize bounds center columns concat config data description encoding
    facet hconcat height layer mark name padding params projection repeat resolve spacing
    spec title transform usermeta vconcat view width
"""
CHANNELS = """
    angle color column description detail facet fill fillOpacity key opacity order radius
    radius2 row shape size stroke strokeDash strokeOpacity strokeWidth text theta theta2
    tooltip x x2 xError xError2 xOffset y y2 yError yError2 yOffset
"""
MARKS = """
    arc area bar boxplot circle errorband errorbar line point rect rule square text tick trail
"""
TRANSFORMS = """
    aggregate bin calculate density extent filter flatten fold impute joinaggregate loess
    pivot quantile regression sample stack timeUnit window
"""
# What fetches something, or leads away from the page.
FORBIDDEN = ("url", "href", "loader", "lookup", "image", "geoshape", "format_type")
PARTS = ("layer", "concat", "hconcat", "vconcat")
FACET_KEYS = "field type sort header columns title"

# A text of the file, by which the line is found, and what is wrong there.
Problem = tuple[str, str]


def problems(spec: Mapping[str, Any], columns: Iterable[str]) -> list[Problem]:
    """Return what the page would not draw as intended."""
    try:
        found = [*_words(spec), *_unit(spec, set(columns))]
    except RecursionError:
        found = [("{", "it is nested too deep")]
    return list(dict.fromkeys(found))


def _words(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what fetches something, and colours that the page does not have."""
    colours = set(re.findall(r"(--[a-z0-9-]+):", static("dashboard.css")))
    for key, value in _walk(spec):
        if key in FORBIDDEN:
            yield _quoted(key), f"{key} is not allowed: a chart reads its rows and nothing else"
        if isinstance(value, str) and value.startswith("--") and value not in colours:
            yield _quoted(value), f"{value} is not a colour of the page{_near(value, colours)}"


def _walk(part: Any, key: str = "", but: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield everything in a part of a spec with the key above it, except below some keys."""
    yield key, part
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name not in but:
                yield from _walk(value, name, but)
    elif isinstance(part, list):
        for each in part:
            yield from _walk(each, key, but)


def _unit(unit: Any, above: set[str]) -> Iterator[Problem]:
    """Check a chart or a part of one; fields are columns, or made by transforms above it."""
    if wrong := _malformed(unit):
        yield wrong
        return
    for key in unit:
        if key not in UNIT.split():
            yield _quoted(key), f"{key} is not known{_near(key, UNIT.split())}"
    fields = set(above)
    for transform in unit.get("transform", []):
        if not set(transform) & set(TRANSFORMS.split()):
            first = _quoted(next(iter(transform), "transform"))
            yield first, f"a transform of {', '.join(transform)} is not known"
        yield from _unknown(transform, fields)
        fields |= set(_made(transform))
    mark = unit.get("mark")
    kind = mark.get("type") if isinstance(mark, Mapping) else mark
    if mark is not None and kind not in MARKS.split():
        yield _quoted(kind), f"mark {kind} is not known{_near(str(kind), MARKS.split())}"
    for where, known in (("encoding", CHANNELS), ("facet", f"{CHANNELS} {FACET_KEYS}")):
        allowed = known.split()
        for channel, definition in unit.get(where, {}).items():
            # In a layer, null takes away what it would inherit.
            many = definition if isinstance(definition, list) else [definition]
            is_object = definition is None or all(isinstance(each, Mapping) for each in many)
            if channel not in allowed:
                yield _quoted(channel), f"{where} {channel} is not known{_near(channel, allowed)}"
            elif where == "encoding" and not is_object:
                yield _quoted(channel), f"{where} {channel} is not an object"
            yield from _unknown({channel: definition}, fields)
    parts = [part for key in PARTS for part in unit.get(key, [])]
    for part in (*parts, unit["spec"]) if "spec" in unit else parts:
        yield from _unit(part, fields)


def _malformed(unit: Any) -> Problem | None:
    """Return the first part of a chart that does not have the type it needs."""
    if not isinstance(unit, Mapping):
        return _quoted(unit), f"{unit!r} is not a chart"
    for key in ("encoding", "facet"):
        if not isinstance(unit.get(key, {}), Mapping):
            return _quoted(key), f"{key} is not an object"
    for key in ("transform", *PARTS):
        parts = unit.get(key, [])
        if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
            return _quoted(key), f"{key} is not a list of objects"
    for key in ("width", "height"):
        size = unit.get(key, 0)
        is_size = isinstance(size, int | float | Mapping) and not isinstance(size, bool)
        if not is_size and size != "container":
            return _quoted(key), f'{key} is neither a number nor "container"'
    return None


def _unknown(part: Any, fields: set[str]) -> Iterator[Problem]:
    """Find the fields of a definition that do not exist: by key, or `datum.name` in expressions."""
    for key, value in _walk(part, but=("axis", "legend")):  # there, datum is a label
        if not isinstance(value, str):
            continue
        is_name = key in ("field", "fold", "groupby", "pivot")
        for name in [value] if is_name else re.findall(r"\bdatum\.([A-Za-z_]\w*)", value):
            if name not in fields:
                near = _near(name, fields)
                said = f"{name} is neither a column of the query nor made by a transform{near}"
                yield _quoted(name) if is_name else f"datum.{name}", said


def _made(transform: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the fields that a transform adds."""
    yield from (value for key, value in _walk(transform) if key == "as" and isinstance(value, str))
    if "fold" in transform and "as" not in transform:
        yield from ("key", "value")


def _quoted(value: Any) -> str:
    """Return a value as the file has it."""
    return json.dumps(value, ensure_ascii=False)


def _near(name: str, known: Iterable[str]) -> str:
    near = did_you_mean(name, sorted(known))
    return f"; {near}" if near else ""
