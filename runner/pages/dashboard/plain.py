"""Plain tables for readers without JavaScript: the opening choice, with figures in full.

static/dashboard/ makes every other choice, draws charts and shortens figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import Card, Column
from runner.pages.dashboard.data import EVERYTHING, SLICE

OPENING = {"slice": EVERYTHING, "grain": "week", "range": "90"}
DAYS = 90
# Days, periods or rows of a table. The tables are a part of the file that most readers never see.
FEW = 14
DATES = ("day", "period_start", "cohort_start")
CONTROLS = (*SLICE, "grain", "range", "is_complete")
Cell = tuple[str, bool]  # the text, and whether its period is in progress


@dataclass(frozen=True, slots=True)
class Table:
    """Column headings, and rows of cells below them."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def chosen(rows: Sequence[Row], last: str | None) -> Sequence[Row]:
    """Select all users, weeks, and the days up to the last one (ISO) that the page shows first."""
    for name, value in OPENING.items():
        known = [row[name] for row in rows if name in row]
        if known:
            value = value if value in known else known[-1]
            rows = [row for row in rows if row[name] == value]
    dated = next((name for name in DATES if rows and name in rows[0]), None)
    if not last or not dated or "range" in rows[0]:
        return rows
    days = DAYS + 6 * ("grain" in rows[0])  # a week may begin before the first of these days
    since = (date.fromisoformat(last) - timedelta(days)).isoformat()
    return [row for row in rows if row[dated] is None or row[dated] > since]


def newest(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows of the last few days or periods or, without dates, the first rows."""
    dated = next((name for name in DATES if rows and name in rows[0]), None)
    if not dated:
        return rows[:FEW]
    days = sorted({row[dated] for row in rows if row[dated] is not None})[-FEW:]
    return [row for row in rows if row[dated] is None or row[dated] in days]


def columns(card: Card, rows: Sequence[Row]) -> list[Column]:
    """Return the columns that the card's header names; else all that no control uses."""
    if card.columns:
        return list(card.columns.values())
    return [
        Column(name, name.replace("_", " ").capitalize())
        for name in (rows[0] if rows else ())
        if name not in CONTROLS
    ]


def table(card: Card, rows: Sequence[Row]) -> Table:
    """Lay out at least one row, a cohort triangle if a column is shown across."""
    shown = [column for column in columns(card, rows) if column.look != "line"]
    looks = [column.look for column in shown]
    if "across" not in looks:
        return Table([column.label for column in shown], [_cells(shown, row) for row in rows])
    place = looks.index("across")
    heads, step, value = shown[:place], shown[place], shown[place + 1]
    lines: dict[Any, list[Row]] = {}
    for row in rows:
        lines.setdefault(row[heads[0].name], []).append(row)
    steps = sorted({row[step.name] for row in rows})
    body = []
    for line in lines.values():
        found = {row[step.name]: _cells([value], row)[0] for row in line}
        first = [(text, False) for text, _ in _cells(heads, line[0])]
        body.append(first + [found.get(each, ("", False)) for each in steps])
    return Table([*(head.label for head in heads), *map(str, steps)], body)


def _cells(shown: Sequence[Column], row: Row) -> list[Cell]:
    return [
        (written(row[column.name], column.form), row.get("is_complete") is False)
        for column in shown
    ]


def written(value: Any, form: str | None = None) -> str:
    """Write a value of a column's form in full; the script shortens large numbers."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _moment(value) if form in ("date", "time", None) else value
    if form == "percent":
        return f"{_fixed(value * 100, 1)}%"
    if form == "decimal":
        return _fixed(value, 2)
    return _fixed(value, 0 if value == int(value) or abs(value) >= 100 else 1)


def _moment(text: str) -> str:
    """Write an ISO date or time as people do; return any other text as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    day = f"{moment.day} {moment:%b %Y}"
    return f"{day}, {moment:%H:%M}" if "T" in text else day


def _fixed(value: float, digits: int) -> str:
    """Round half up, as JavaScript does."""
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return ("\N{MINUS SIGN}" if rounded < 0 else "") + f"{abs(rounded):,}"
