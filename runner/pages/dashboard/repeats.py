"""Headlines that repeat figures of other cards, and show no more than those cards do."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE
from runner.pages.dashboard.known_sums import KnownSums
from runner.pages.dashboard.running_totals import ends_of
from runner.pages.dashboard.small_groups import AVERAGE_MIN_USERS

# The rows of other cards by card, grain and member.
Places = Mapping[tuple[Any, ...], Sequence[Row]]


def with_repeated(rows: Sequence[Row], found: Mapping[str, Sequence[Row]]) -> Sequence[Row]:
    """Return the rows of a card with values as other cards show them; `found` has their rows.

    The column `repeats` names the other card, the grain and what is repeated, in one of three
    forms:

    - retention/week/4: an average by its number of periods; the trend is its cohorts;
    - miles_balance/month/2026-10-01/miles_earned: a period and a column;
    - miles_balance/day/2026-10-31/28: a sum, by its last day and its number of days.
    """
    if not rows or "repeats" not in rows[0]:
        return rows
    places: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for name in {row["repeats"].split("/")[0] for row in rows if row["repeats"]}:
        for each in found.get(name, ()):
            places[name, each["grain"], *(each[word] for word in SLICE)].append(each)
    return [_repeated(row, places) if row["repeats"] else row for row in rows]


def _repeated(row: Row, places: Places) -> Row:
    name, grain, which, *rest = row["repeats"].split("/")
    of_member = places.get((name, grain, *(row[word] for word in SLICE)), ())
    if not rest:
        return _average(row, [each for each in of_member if str(each["period_number"]) == which])
    if rest[0].isdigit():
        return _sums(row, places, date.fromisoformat(which), int(rest[0]))
    values = {each["period_start"]: each[rest[0]] for each in of_member}
    if grain != "day":
        return {**row, "value": values.get(which)}

    def on(age: int) -> Any:
        return values.get(str(date.fromisoformat(which) - timedelta(age)))

    trend = row["trend"] and [on(age) for age in range(len(row["trend"]) - 1, -1, -1)]
    return {**row, "value": on(0), "previous": on(28), "trend": trend}


def _average(row: Row, cells: Sequence[Row]) -> Row:
    """Repeat an average of cohorts, and as its trend those that are shown and large enough."""
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
        and each["cohort_size"] >= AVERAGE_MIN_USERS
    ]
    return {**row, "value": average[0] if average else None, "trend": row["trend"] and cohorts}


def _sums(row: Row, places: Places, last: date, days: int) -> Row:
    """Repeat the sums over some days that can be computed from the periods that are shown."""
    known = KnownSums()
    for grain in ("day", "week", "month"):
        name = row["repeats"].split("/")[0]
        for each in places.get((name, grain, *(row[word] for word in SLICE)), ()):
            first, end = ends_of(each["period_start"], grain, each["is_complete"] is False)
            if not each.get("is_withheld"):
                known.show([(first, 1), (end, -1)])

    def shown(value: Any, age: int) -> Any:
        end = (last - timedelta(age)).toordinal() + 1
        return value if known.has([(end - days, 1), (end, -1)]) else None

    ages = range(len(row["trend"] or ()) - 1, -1, -1)
    return {
        **row,
        "value": shown(row["value"], 0),
        "previous": shown(row["previous"], 28),
        "trend": row["trend"] and [*map(shown, row["trend"], ages)],
    }
