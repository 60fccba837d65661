"""Reads Vega-Lite specs as far as the page relies on them: nothing from outside, nothing that the
library would silently ignore, and only fields that exist.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runner.pages.html import static

# What a spec may hold at its top, in a layer, in a part of several charts.
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
    arc area bar boxplot circle errorband errorbar line point rect rule square text tick
    trail
"""
TRANSFORMS = """
    aggregate bin calculate density extent filter flatten fold impute joinaggregate loess
    pivot quantile regression sample stack timeUnit window
"""
# What fetches, or leads away from the page.
FORBIDDEN = ("url", "href", "loader", "lookup", "image", "geoshape", "format_type")
PARTS = ("layer", "concat", "hconcat", "vconcat")
FACET_KEYS = "field type sort header columns title"


def problems(spec: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """What the page would not draw as it is meant, one line each."""
    found = list(_forbidden(spec))
    found += _colours(spec)
    found += _unit(spec, set(columns))
    return list(dict.fromkeys(found))


def _forbidden(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in FORBIDDEN:
                yield f"{key} is not allowed: a chart reads its rows and nothing else"
            yield from _forbidden(value)
    elif isinstance(part, list):
        for each in part:
            yield from _forbidden(each)


def _colours(part: Any) -> Iterator[str]:
    known = set(re.findall(r"(--[a-z0-9-]+):", static("dashboard.css")))
    for text in _texts(part):
        if text.startswith("--") and text not in known:
            yield f"{text} is no colour of the page{_near(text, known)}"


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for value in part.values():
            yield from _texts(value)
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each)
    elif isinstance(part, str):
        yield part


def _unit(unit: Mapping[str, Any], above: set[str]) -> Iterator[str]:
    """A chart or a part of one; fields are the columns and what transforms above it make."""
    for key in unit:
        if key not in UNIT.split():
            yield f"{key} is not known{_near(key, UNIT.split())}"
    fields = set(above)
    for transform in unit.get("transform", []):
        if not set(transform) & set(TRANSFORMS.split()):
            yield f"a transform of {', '.join(transform)} is not known"
        yield from _unknown(_used(transform), fields)
        fields |= set(_made(transform))
    mark = unit.get("mark")
    kind = mark.get("type") if isinstance(mark, Mapping) else mark
    if mark is not None and kind not in MARKS.split():
        yield f"mark {kind} is not known{_near(str(kind), MARKS.split())}"
    for where, known in (("encoding", CHANNELS), ("facet", f"{CHANNELS} {FACET_KEYS}")):
        allowed = known.split()
        for channel, definition in unit.get(where, {}).items():
            if channel not in allowed:
                yield f"{where} {channel} is not known{_near(channel, allowed)}"
            yield from _unknown(_used(definition), fields)
    for key in PARTS:
        for part in unit.get(key, []):
            yield from _unit(part, fields)
    if "spec" in unit:
        yield from _unit(unit["spec"], fields)


def _unknown(used: Iterable[str], fields: set[str]) -> Iterator[str]:
    for name in used:
        if name not in fields:
            yield f"{name} is neither a column of the query nor made by a transform" + _near(
                name, fields
            )


def _used(part: Any, key: str = "") -> Iterator[str]:
    """Names of fields in a definition: by key, and `datum.name` in expressions."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name != "axis" and name != "legend":  # there, datum is a label
                yield from _used(value, name)
    elif isinstance(part, list):
        for each in part:
            yield from _used(each, key)
    elif isinstance(part, str):
        if key in ("field", "fold", "groupby", "pivot"):
            yield part
        else:
            yield from re.findall(r"\bdatum\.([A-Za-z_]\w*)", part)


def _made(transform: Mapping[str, Any]) -> Iterator[str]:
    """Names of fields that a transform adds."""
    for part in (
        transform,
        *(
            each
            for value in transform.values()
            if isinstance(value, list)
            for each in value
            if isinstance(each, Mapping)
        ),
    ):
        made = part.get("as", ["key", "value"] if "fold" in part else [])
        yield from [made] if isinstance(made, str) else made


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
