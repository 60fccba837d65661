"""Averages over the cohorts that are shown.

An average is a row without a cohort, over the complete cells of its range. Of those that are not
shown it would tell, together with who was active in all, so it leaves them out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card
from runner.pages.dashboard.periods import is_shown

# Of fewer users there is no average, as in the reports.
LITTLE = 20


def averaged(
    card: Card, rows: Sequence[Row], hidden: Set[int], last: str | None
) -> dict[int, Row | None]:
    """Return the averages that lack a cohort, without it; None where too little is left."""
    across = next(column.name for column in card.columns.values() if column.look == "across")
    rates = [column.name for column in card.columns.values() if column.form == "percent"]
    names = (*SLICE, "grain", across)
    cells: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        if row["cohort_start"] is not None and row.get("is_complete") is not False:
            cells[tuple(row.get(name) for name in names)].append(at)
    found: dict[int, Row | None] = {}
    for at, row in enumerate(rows):
        if row["cohort_start"] is not None:
            continue
        places = cells[tuple(row.get(name) for name in names)]
        days = row.get("range")
        if days and days != EVERYTHING and last:
            grain = row.get("grain")
            places = [
                each
                for each in places
                if is_shown(rows[each]["cohort_start"], grain, int(days), last)
            ]
        shown = [rows[each] for each in places if each not in hidden]
        if len(shown) < len(places):
            found[at] = _average(card.base or "", rates, row, across, shown)
    return found


def _average(
    base: str, rates: Sequence[str], row: Row, across: str, shown: Sequence[Row]
) -> Row | None:
    users = sum(each[base] for each in shown)
    if users < LITTLE:
        return None
    sums = {
        name: sum(each[name] for each in shown)
        for name, value in row.items()
        if isinstance(value, int) and not isinstance(value, bool) and name != across
    }
    of_rates = {
        name: round(sum(each[name] * each[base] for each in shown) / users, 6) for name in rates
    }
    return {**row, **sums, **of_rates}


def with_repeated(rows: Sequence[Row], found: Mapping[str, Sequence[Row]]) -> Sequence[Row]:
    """Return the rows of a card with the values as another card shows them. The column repeats
    names the other, the grain, and the number of an average (retention/week/4; the trend is its
    cohorts) or the period and the column (miles_balance/month/2026-10-01/miles_earned).
    """
    if not rows or "repeats" not in rows[0]:
        return rows
    return [_repeated(row, found) if row["repeats"] else row for row in rows]


def _repeated(row: Row, found: Mapping[str, Sequence[Row]]) -> Row:
    name, grain, which, *column = row["repeats"].split("/")
    of_member = [
        each
        for each in found.get(name, ())
        if each["grain"] == grain and all(each[word] == row[word] for word in SLICE)
    ]
    if column:
        values = [each[column[0]] for each in of_member if each["period_start"] == which]
        return {**row, "value": values[0] if values else None}
    cells = [each for each in of_member if str(each["period_number"]) == which]
    if not any(each.get("is_withheld") for each in cells):
        return row
    shown = [each for each in cells if not each["is_withheld"]]
    average = [
        each["retention_rate"]
        for each in shown
        if each["cohort_start"] is None and each["range"] in (None, EVERYTHING)
    ]
    cohorts = [
        each["retention_rate"]
        for each in shown
        if each["cohort_start"] is not None
        and each["is_complete"]
        and each["cohort_size"] >= LITTLE
    ]
    return {**row, "value": average[0] if average else None, "trend": row["trend"] and cohorts}
