"""Plain tables for readers without JavaScript: the opening choice, with figures in full.

static/dashboard/ makes every other choice, draws charts and shortens figures.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card, Column
from runner.pages.dashboard.periods import DATES, is_shown

OPENING = {"slice": EVERYTHING, "grain": "week", "range": "90"}
# The days, periods or rows of a table: most readers never see this part of the file.
FEW = 14
CONTROLS = (*SLICE, "grain", "range", "is_complete", "is_withheld", "as_of")
# The words before the member of a slice in a sentence, and names that are not spelt as usual.
BEFORE = {"platform": "on", "utm_source": "from"}
SPELT = {"ios": "iOS", "qr_code": "QR code", "tiktok": "TikTok"}
Cell = tuple[str, bool]  # the text, and whether its period is in progress


@dataclass(frozen=True, slots=True)
class Table:
    """Column headings, and rows of cells below them."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def chosen(rows: Sequence[Row], last: str | None) -> Sequence[Row]:
    """Select all users, weeks, and the days up to the last one (ISO) that the page shows first."""
    for name in ("slice", "grain"):
        known = [row[name] for row in rows if name in row]
        if known:
            value = OPENING[name] if OPENING[name] in known else known[-1]
            rows = [row for row in rows if row[name] == value]
    dated, days = _dated(rows), int(OPENING["range"])

    def is_in(row: Row) -> bool:
        if row.get("range"):
            return bool(row["range"] == OPENING["range"])
        start = row[dated] if dated else None
        return not last or not start or is_shown(start, row.get("grain"), days, last)

    return [row for row in rows if is_in(row)]


def newest(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows of the last few days or periods or, without dates, the first rows."""
    if not (dated := _dated(rows)):
        return rows[:FEW]
    days = sorted({row[dated] for row in rows if row[dated] is not None})[-FEW:]
    return [row for row in rows if row[dated] is None or row[dated] in days]


def _dated(rows: Sequence[Row]) -> str | None:
    return next((name for name in DATES if rows and name in rows[0]), None)


def columns(card: Card, rows: Sequence[Row]) -> list[Column]:
    """Return the columns that the card's header names; else all that no control uses."""
    if card.columns:
        return list(card.columns.values())
    names = [name for name in (rows[0] if rows else ()) if name not in CONTROLS]
    return [Column(name, name.replace("_", " ").capitalize()) for name in names]


def table(card: Card, rows: Sequence[Row], currency: str = "") -> Table:
    """Lay out rows that are not withheld, as a cohort triangle if a column is shown across."""
    shown = [column for column in columns(card, rows) if column.look != "line"]
    rows = [row for row in rows if not row.get("is_withheld")]
    looks = [column.look for column in shown]
    if "across" not in looks:
        if shown[0].name in DATES:
            rows = sorted(rows, key=lambda row: row[shown[0].name] or "", reverse=True)
        labels = [column.label for column in shown]
        return Table(labels, [_cells(shown, row, currency) for row in rows])
    place = looks.index("across")
    heads, step, value = shown[:place], shown[place], shown[place + 1]
    lines: dict[Any, list[Row]] = {}
    for row in rows:
        lines.setdefault(row[heads[0].name], []).append(row)
    steps = sorted({row[step.name] for row in rows})
    body = []
    for start, line in sorted(lines.items(), key=lambda item: item[0] or ""):
        found = {row[step.name]: _cells([value], row, currency)[0] for row in line}
        first = [(text, False) for text, _ in _cells(heads, line[0], currency)]
        if start is None and heads[0].name in DATES:  # the average of the cohorts of a range
            days = line[0].get("range") or EVERYTHING
            first[0] = ("All cohorts" if days == EVERYTHING else f"Last {days} days", False)
        body.append(first + [found.get(each, ("", False)) for each in steps])
    return Table([*(head.label for head in heads), *map(str, steps)], body)


def _cells(shown: Sequence[Column], row: Row, currency: str) -> list[Cell]:
    is_running = row.get("is_complete") is False
    cells = []
    for column in shown:
        grain = row.get("grain") if column.name in DATES else None
        text = written(row[column.name], column.form, grain)
        if column.form == "money" and row[column.name] is not None and currency:
            text = f"{currency}\N{NO-BREAK SPACE}{text}"
        cells.append((text, is_running))
    return cells


def written(value: Any, form: str | None = None, grain: str | None = None) -> str:
    """Write a value of a column's form in full; the script shortens large numbers."""
    if value is None:
        return "All" if form == "name" else "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if form == "name":
        return named(str(value))
    if isinstance(value, str):
        return _moment(value, grain) if form in ("date", "time", None) else value
    if form == "percent":
        return f"{_fixed(value * 100, 1)}%"
    if form in ("decimal", "money"):
        return _fixed(value, 2)
    return _fixed(value, 0 if value == int(value) or abs(value) >= 100 else 1)


def sentence(row: Row) -> str:
    """Write a row of `Show: sentences` as one."""
    words = [row["before"], row["name"] and named(row["name"])]
    if row["change"] is not None:
        sign = "+" if row["change"] > 0 else ""
        words.append(f"{sign}{_fixed(row['change'] * 100, 1)}%")
    words.append(row["after"])
    where = BEFORE.get(row["driver_slice"], "in")
    driver = f", {row['share']} {where} {named(row['driver'])}" if row["driver"] else ""
    return " ".join(word for word in words if word) + driver + "."


def named(name: str) -> str:
    """Write a name that a program gave as people do: gift_card as Gift card."""
    if name in SPELT or not re.fullmatch(r"[a-z][a-z0-9]*(?:[_ ,.:][a-z0-9 ,_:.]*)?", name):
        return SPELT.get(name, name)
    return (name[0].upper() + name[1:]).replace("_", " ")


def _moment(text: str, grain: str | None) -> str:
    """Write an ISO date or time as people do; return any other text as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if "T" in text:
        return f"{moment.day} {moment:%b %Y, %H:%M}"
    return f"{moment:%b %Y}" if grain == "month" else f"{moment.day} {moment:%b %Y}"


def _fixed(value: float, digits: int) -> str:
    """Round half up, as JavaScript does."""
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return ("\N{MINUS SIGN}" if rounded < 0 else "") + f"{abs(rounded):,}"
