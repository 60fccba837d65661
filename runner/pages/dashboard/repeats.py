"""Headlines that repeat what another card shows, and no more than that."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE
from runner.pages.dashboard.flows import ends_of
from runner.pages.dashboard.known import Known
from runner.pages.dashboard.small_groups import LITTLE


def with_repeated(rows: Sequence[Row], found: Mapping[str, Sequence[Row]]) -> Sequence[Row]:
    """Return the rows of a card with the values as another card shows them. The column repeats
    names the other, the grain, and the number of an average (retention/week/4; the trend is its
    cohorts), the period and the column (miles_balance/month/2026-10-01/miles_earned), or the last
    day and the days that are added up (miles_balance/day/2026-10-31/28).
    """
    if not rows or "repeats" not in rows[0]:
        return rows
    places: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for name in {row["repeats"].split("/")[0] for row in rows if row["repeats"]}:
        for each in found.get(name, ()):
            places[name, each["grain"], *(each[word] for word in SLICE)].append(each)
    return [_repeated(row, places) if row["repeats"] else row for row in rows]


def _repeated(row: Row, places: Mapping[tuple[Any, ...], Sequence[Row]]) -> Row:
    name, grain, which, *column = row["repeats"].split("/")
    of_member = places.get((name, grain, *(row[word] for word in SLICE)), ())
    if column and column[0].isdigit():
        return _linked(row, places, date.fromisoformat(which), int(column[0]))
    if column:
        values = {each["period_start"]: each[column[0]] for each in of_member}
        found = {**row, "value": values.get(which)}
        if grain == "day":
            last, ages = date.fromisoformat(which), range(len(row["trend"] or ()) - 1, -1, -1)
            found["previous"] = values.get(str(last - timedelta(28)))
            found["trend"] = row["trend"] and [
                values.get(str(last - timedelta(age))) for age in ages
            ]
        return found
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


def _linked(
    row: Row, places: Mapping[tuple[Any, ...], Sequence[Row]], last: date, days: int
) -> Row:
    """Return a row without the sums whose ends are not linked by the periods that are shown."""
    name = row["repeats"].split("/")[0]
    known = Known()
    for grain in ("day", "week", "month"):
        for each in places.get((name, grain, *(row[word] for word in SLICE)), ()):
            first, end = ends_of(each["period_start"], grain, each["is_complete"] is False)
            if not each.get("is_withheld"):
                known.show([(first, 1), (end, -1)])

    def shown(value: Any, age: int) -> Any:
        end = (last - timedelta(age)).toordinal() + 1
        return value if known.has([(end - days, 1), (end, -1)]) else None

    trend = row["trend"] or ()
    return {
        **row,
        "value": shown(row["value"], 0),
        "previous": shown(row["previous"], 28),
        "trend": row["trend"]
        and [shown(value, len(trend) - 1 - place) for place, value in enumerate(trend)],
    }
