"""Withholds what stands on few users, and as much besides as keeps it from being computed.

A row stands on the users in the column that `Base:` names. Where these are fewer than min_cell, its
numbers are left out of the file. So are others that would give them away: of all members of a
slice, all categories, or the days of a week, whose sum is known, either none is withheld, or two or
more that together have as many users, as far as there are any. An average is withheld with too few
of its cohorts, and of those by which it differs from that of a shorter range.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from itertools import permutations
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card
from runner.pages.dashboard.periods import DATES, is_shown, start_of

# Numbers that order rows and say nothing of users.
ORDERS = ("place", "depth")
# A cohort of fewer users says less than the average, which is kept in its place.
LITTLE = 20


@dataclass(frozen=True, slots=True)
class Sum:
    """Rows that add up, and the row of their sum; without one, it is known from elsewhere. What is
    missing in the parts are users of members for which there is no average. With a row to take
    away, the parts are what its sum has less than the total.
    """

    parts: list[int]
    total: int | None
    is_average: bool = False
    missing: int = 0
    less: int | None = None


def withhold(
    card: Card, rows: Sequence[Row], least: int, unlisted: Set[int], last: str | None
) -> list[Row]:
    """Return the rows without the numbers of small groups; is_withheld says so."""
    base = card.base
    if not base or not rows:
        return list(rows)
    users = [row[base] or 0 for row in rows]
    kept = _kept(card, rows)
    hidden = {
        place
        for place, count in enumerate(users)
        if 0 < count < least or (not count and _tells(rows[place], kept))
    }
    hidden |= {place for place in unlisted if users[place]}
    sums = list(_sums(card, base, rows, last)) if hidden else []
    cohorts = _cohorts(rows) if hidden else []
    is_more = bool(hidden)
    while is_more:
        is_more = any([_protect(each, users, hidden, least) for each in sums])
        for cohort in cohorts:
            if not hidden.isdisjoint(cohort) and not cohort <= hidden:
                hidden |= cohort
                is_more = True
    if not hidden:
        return list(rows)
    return [
        {name: row[name] if name in kept else None for name in row} | {"is_withheld": True}
        if place in hidden
        else {**row, "is_withheld": False}
        for place, row in enumerate(rows)
    ]


def without_averages(
    card: Card, rows: Sequence[Row], found: Mapping[str, Sequence[Row]]
) -> Sequence[Row]:
    """Return the rows of a card without the averages of another that are withheld there: average_of
    is the other's name, the grain and the number of the period, as retention/week/4.
    """
    gone = {
        (name, row["grain"], str(row["period_number"]), *(row[word] for word in SLICE))
        for name, of_name in found.items()
        for row in of_name
        if row.get("is_withheld")
        and row.get("cohort_start", "") is None
        and row.get("period_number") is not None
        and row.get("range") in (None, EVERYTHING)
    }
    if not gone or not rows or "average_of" not in rows[0]:
        return rows
    kept = _kept(card, rows)
    return [
        {name: row[name] if name in kept else None for name in row} | {"is_withheld": True}
        if (*(row["average_of"] or "").split("/"), *(row[word] for word in SLICE)) in gone
        else {"is_withheld": False, **row}
        for row in rows
    ]


def _tells(row: Row, kept: Set[str]) -> bool:
    """Return whether a row without users has figures all the same: those of a few in its range. Of
    a cohort whose time is not over, the users are known.
    """
    if row.get("cohort_start") is not None:
        return False
    figures = (value for name, value in row.items() if name not in kept)
    return any(
        any(value) if isinstance(value, list) else value
        for value in figures
        if not isinstance(value, str)
    )


def _cohorts(rows: Sequence[Row]) -> list[set[int]]:
    """Return the rows of each cohort: it is withheld as a whole, lest it look like a young one."""
    found: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    for place, row in enumerate(rows):
        if row.get("cohort_start") is not None:
            found[tuple(row.get(name) for name in (*SLICE, "grain", "cohort_start"))].add(place)
    return list(found.values())


def _protect(found: Sum, users: Sequence[int], hidden: set[int], least: int) -> bool:
    """Withhold one more row if a sum gives one away; return whether it did."""
    gone = [part for part in found.parts if part in hidden]
    is_total_hidden = found.total in hidden or found.less in hidden
    withheld = len(gone) + bool(found.missing)
    withheld_users = sum(users[part] for part in gone) + found.missing
    if is_total_hidden and (gone or found.is_average):
        return False
    if not is_total_hidden and (not gone or (withheld > 1 and withheld_users >= least)):
        return False
    left = [part for part in found.parts if part not in hidden and users[part]]
    if found.is_average:
        left = [part for part in left if users[part] < LITTLE]
    if left:
        hidden.add(min(left, key=lambda part: (users[part], part)))
    elif found.total is not None and not is_total_hidden:
        hidden.add(found.total)
    else:
        return False
    return True


def _sums(card: Card, base: str, rows: Sequence[Row], last: str | None) -> Iterator[Sum]:
    names = [column.name for column in card.columns.values() if column.is_name]
    across = [column.name for column in card.columns.values() if column.look == "across"]
    known = [
        name
        for name in (*SLICE, "grain", "range", *DATES, "figure", "direction")
        if name in rows[0]
    ]
    keys = list(dict.fromkeys([*known, *across, *names]))
    yield from _of_members(rows, keys, base)
    for name in names if card.show != "figures" else ():
        yield from _of_names(rows, [key for key in keys if key != name])
    if "grain" in keys and "period_start" in keys:
        yield from _of_days(rows, keys)
    if "cohort_start" in keys and last:
        yield from _of_cohorts(rows, keys, last)


def _of_members(rows: Sequence[Row], keys: list[str], base: str) -> Iterator[Sum]:
    if "slice" not in keys:
        return
    rest = [key for key in keys if key not in SLICE]
    parts: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    totals: dict[tuple[Any, ...], int] = {}
    for place, row in enumerate(rows):
        key = tuple(row[name] for name in rest)
        if row["slice"] == EVERYTHING:
            totals[key] = place
        else:
            parts[row["slice"], *key].append(place)
    for (_, *rest_of_key), found in parts.items():
        total = totals.get(tuple(rest_of_key))
        missing = 0
        if total is not None and rows[total].get("cohort_start", "") is None:
            known = sum(rows[part][base] or 0 for part in found)
            missing = max((rows[total][base] or 0) - known, 0)
        yield Sum(found, total, missing=missing)


def _of_names(rows: Sequence[Row], rest: list[str]) -> Iterator[Sum]:
    parts: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        parts[tuple(row[name] for name in rest)].append(place)
    yield from (Sum(found, None) for found in parts.values() if len(found) > 1)


def _of_days(rows: Sequence[Row], keys: list[str]) -> Iterator[Sum]:
    rest = [key for key in keys if key not in ("grain", "period_start")]
    for grain in ("week", "month"):
        parts: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        totals: dict[tuple[Any, ...], int] = {}
        for place, row in enumerate(rows):
            key = tuple(row[name] for name in rest)
            if row["grain"] == "day":
                first = start_of(date.fromisoformat(row["period_start"]), grain)
                parts[first.isoformat(), *key].append(place)
            elif row["grain"] == grain:
                totals[row["period_start"], *key] = place
        yield from (Sum(found, totals[key]) for key, found in parts.items() if key in totals)


def _of_cohorts(rows: Sequence[Row], keys: list[str], last: str) -> Iterator[Sum]:
    """Averages are rows without a cohort, over the complete cells of their range. One less another
    is the average of the cohorts between.
    """
    rest = [key for key in keys if key not in ("cohort_start", "cohort", "range")]
    parts: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    averages: dict[tuple[Any, ...], list[tuple[list[int], int]]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row["cohort_start"] is not None and row.get("is_complete") is not False:
            parts[tuple(row[name] for name in rest)].append(place)
    for place, row in enumerate(rows):
        if row["cohort_start"] is None:
            key = tuple(row[name] for name in rest)
            found = parts[key]
            days = row.get("range")
            if days and days != EVERYTHING:
                found = [
                    part
                    for part in found
                    if is_shown(rows[part]["cohort_start"], row.get("grain"), int(days), last)
                ]
            averages[key].append((found, place))
            yield Sum(found, place, is_average=True)
    for known in averages.values():
        for (shorter, less), (longer, total) in permutations(known, 2):
            if set(shorter) < set(longer):
                between = sorted(set(longer) - set(shorter))
                yield Sum(between, total, is_average=True, less=less)


def _kept(card: Card, rows: Sequence[Row]) -> set[str]:
    """Return the columns that are no figures; the names of a table's rows are left out, too."""
    across = {column.name for column in card.columns.values() if column.look == "across"}
    names = {column.name for column in card.columns.values() if column.is_name}
    left_out = names if card.show in ("table", "beside") else set()
    numbers = {
        name
        for name in rows[0]
        for row in rows
        if isinstance(row[name], int | float | list) and not isinstance(row[name], bool)
    }
    return (set(rows[0]) - numbers - left_out) | across | {*ORDERS, *DATES}
