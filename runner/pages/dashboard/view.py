"""What of the rows is seen before a script runs, and as which text: the page as it opens, for
readers without JavaScript. runner/page/dashboard.js does the same for every other choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import Card, Column
from runner.pages.dashboard.data import EVERYTHING, SLICE, Result

# As the page opens. A card follows a control by having its column.
GRAINS = ("day", "week", "month")
GRAIN, RANGE = "week", "90"
DATES = ("day", "period_start", "cohort_start")
CONTROLS = (*SLICE, "grain", "range", "is_complete")
NUMBERS = ("number", "decimal", "percent")
NOTHING = "\N{EN DASH}"
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is shown; `share` of the longest bar or the deepest colour."""

    text: str
    look: str = ""
    share: float | None = None
    points: str = ""
    is_running: bool = False
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    heads: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    across: str = ""
    steps: int = 0


def last_day(results: Sequence[Result]) -> str | None:
    """The newest day of all cards."""
    return max(
        (row["day"] for found in results for row in found.rows if row.get("day")), default=None
    )


def first_day(results: Sequence[Result]) -> str | None:
    return min(
        (row["day"] for found in results for row in found.rows if row.get("day")), default=None
    )


def chosen(rows: Sequence[Row], last: str | None) -> list[Row]:
    """The rows that the opening choice leaves."""
    if not rows:
        return []
    grains = {row.get("grain") for row in rows}
    later = [grain for grain in GRAINS[GRAINS.index(GRAIN) :] if grain in grains]
    grain = next(iter(later or [grain for grain in GRAINS if grain in grains]), None)
    dated = next((name for name in DATES if name in rows[0] and "range" not in rows[0]), None)
    return [
        row
        for row in rows
        if row.get("slice", EVERYTHING) == EVERYTHING
        and row.get("grain") == grain
        and row.get("range", RANGE) == RANGE
        and (dated is None or _is_within(row[dated], row.get("grain"), last))
    ]


def _is_within(start: str | None, grain: str | None, last: str | None) -> bool:
    """Whether a period reaches into the days that are shown."""
    if start is None or last is None:
        return True
    begin = date.fromisoformat(start)
    length = {"week": 6, "month": 27}.get(grain or "day", 0)
    return begin + timedelta(length) > date.fromisoformat(last) - timedelta(int(RANGE))


def columns(card: Card, rows: Sequence[Row]) -> list[Column]:
    """Those that the header names, else all that choose nothing."""
    if card.columns:
        return list(card.columns.values())
    return [
        Column(name, name.replace("_", " ").capitalize())
        for name in (rows[0] if rows else ())
        if name not in CONTROLS
    ]


def table(card: Card, rows: Sequence[Row]) -> Table:
    shown = columns(card, rows)
    if any(column.look == "across" for column in shown):
        return _triangle(shown, rows)
    longest = {
        column.name: max((abs(row[column.name] or 0) for row in rows), default=0)
        for column in shown
        if column.look == "bar"
    }
    return Table(
        shown,
        [
            [
                cell(row[column.name], column, longest.get(column.name), _is_running(row))
                for column in shown
            ]
            for row in rows
        ],
    )


def _triangle(shown: Sequence[Column], rows: Sequence[Row]) -> Table:
    """One row for each value of the first column, one column for each value of the one across."""
    place = next(index for index, column in enumerate(shown) if column.look == "across")
    across, heads, value = shown[place], shown[:place], shown[place + 1]
    steps = sorted({row[across.name] for row in rows})
    lines: dict[Any, list[Row]] = {}
    for row in rows:
        lines.setdefault(row[heads[0].name], []).append(row)
    body = []
    for line in lines.values():
        by_step = {row[across.name]: row for row in line}
        cells = [cell(line[0][column.name], column) for column in heads]
        for step in steps:
            found = by_step.get(step)
            cells.append(
                cell(found[value.name], value, 1, _is_running(found))
                if found
                else Cell("", "blank")
            )
        body.append(cells)
    shown = [*heads, *(Column(str(step), str(step)) for step in steps)]
    return Table(shown, body, across.label, len(steps))


def _is_running(row: Mapping[str, Any]) -> bool:
    return row.get("is_complete") is False


def cell(value: Any, column: Column, longest: float | None = None, running: bool = False) -> Cell:
    if column.look == "line":
        return Cell("", "line", points=points(value or []))
    share = None
    if column.look in ("bar", "heat") and value is not None:
        most = 1 if column.form == "percent" else longest
        share = round(min(abs(value) / most, 1), 4) if most else 0
    return Cell(
        text(value, column.form), column.look or "", share, "", running, _is_number(value, column)
    )


def _is_number(value: Any, column: Column) -> bool:
    if column.form is not None:
        return column.form in NUMBERS
    return isinstance(value, int | float) and not isinstance(value, bool)


def points(values: Sequence[float | None]) -> str:
    """A line through the values, 100 wide and 24 high."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    return " ".join(
        f"{fixed(100 * place / (len(values) - 1), 1)},"
        f"{fixed(22 - 20 * (value - low) / (high - low), 1) if high > low else '12.0'}"
        for place, value in enumerate(values)
        if value is not None
    )


def text(value: Any, form: str | None = None) -> str:
    """A value as people read it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _moment(value) if form in ("date", "time", None) else value
    if form == "percent":
        return f"{fixed(value * 100, 1)}%"
    if form == "decimal":
        return fixed(value, 2)
    return _number(value)


def _number(value: float) -> str:
    size = abs(value)
    for least, unit, letter in ((999_950_000, 1e9, "B"), (999_950, 1e6, "M"), (9_999.5, 1e3, "k")):
        if size >= least:
            return f"{fixed(value / unit, 1)}{letter}"
    return fixed(value, 0 if value == int(value) or size >= 100 else 1)


def _moment(value: str) -> str:
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d):\d\dZ)?", value)
    if not found:
        return value
    day = f"{int(found[3])} {MONTHS.split()[int(found[2]) - 1]} {found[1]}"
    return f"{day}, {found[4]}" if found[4] else day


def fixed(value: float, digits: int) -> str:
    """Rounded half up, as JavaScript does it, with commas."""
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return ("\N{MINUS SIGN}" if rounded < 0 else "") + f"{abs(rounded):,}"


def change(row: Row) -> dict[str, str]:
    """How a figure differs from what it was: words, and whether that is good."""
    now, before, form = row["value"], row["previous"], row["form"]
    if now is None or before is None or (form == "number" and not before):
        return {"text": "", "tone": "", "beside": row["compared_with"]}
    difference = now - before
    if form == "percent":
        words = f"{fixed(abs(difference) * 100, 1)} pts"
    elif form == "decimal":
        words = fixed(abs(difference), 2)
    else:
        words = f"{fixed(abs(difference) / before * 100, 1)}%"
    is_same = not any(digit in "123456789" for digit in words)
    arrow = (
        "="
        if is_same
        else "\N{BLACK UP-POINTING TRIANGLE}"
        if difference > 0
        else "\N{BLACK DOWN-POINTING TRIANGLE}"
    )
    tone = "" if is_same else "good" if (difference > 0) == (row["better"] == "up") else "bad"
    if row["better"] not in ("up", "down"):
        tone = ""
    return {
        "text": f"{arrow} {words}",
        "tone": tone,
        "beside": f"from {text(before, form)}, {row['compared_with']}",
    }
