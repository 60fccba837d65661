"""Averages over the cohorts that are shown.

An average is a row without a cohort, over the complete cells of its range. Of those that are not
shown it would tell, together with who was active in all, so it leaves them out.
"""

from collections import defaultdict
from collections.abc import Sequence, Set
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
