"""Figures that add up over time, as forms of running totals.

The figure of a period is the running total at its end less that at its beginning. So days, weeks
and months, which cross each other, are forms of the same unknowns.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

from runner.pages.dashboard.cards import EVERYTHING, SLICE
from runner.pages.dashboard.groups import Groups
from runner.pages.dashboard.known_sums import Term
from runner.pages.dashboard.periods import DATES, end_of, first_sent, start_of

END = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Series:
    """The rows over time of a member and a name, such as a category."""

    number: int
    places: Sequence[int]
    is_of_all: bool
    first_day: int  # the file has its days from here on
    # The users before each point in time; by grain, as without days the grains differ.
    before: Mapping[str, Mapping[int, int]]


class RunningTotals:
    """The unknowns of a card: the running total of each series at each point in time.

    Two points between which a series has no users are one unknown, and before its first user the
    total is zero.
    """

    def __init__(self, groups: Groups, last: str | None) -> None:
        rows, self._groups = groups.rows, groups
        dated = next(name for name in DATES[1:] if name in groups.keys)
        self._ends = {
            at: ends_of(rows[at][dated], rows[at]["grain"], rows[at].get("is_complete") is False)
            for at in groups.places
        }
        self._points = sorted({end for ends in self._ends.values() for end in ends})
        self._names = groups.without("grain", dated, "range")
        self._numbers: dict[tuple[int, int], int] = {}
        self.has_days = any(rows[at]["grain"] == "day" for at in groups.places)
        # Of members the file has days from here on: from the start of a week and of a month.
        since = first_sent(last)
        self._since = max(start_of(since, "week"), start_of(since, "month")).toordinal()
        self._small_days = self._count_small_days()
        found = groups.grouped(groups.places, self._names)
        self._series = {
            key: self._read(number, key, places)
            for number, (key, places) in enumerate(found.items())
        }

    def _read(self, number: int, key: Sequence[Any], places: Sequence[int]) -> Series:
        users: dict[str, Counter[int]] = defaultdict(Counter)
        for at in places:
            users[self._groups.rows[at]["grain"]][self._ends[at][0]] += self._groups.users[at]
        if self.has_days:
            before = dict.fromkeys(("day", "week", "month"), self._users_before(users["day"]))
        else:
            before = {grain: self._users_before(found) for grain, found in users.items()}
        is_of_all = "slice" not in self._names or key[self._names.index("slice")] == EVERYTHING
        slice_, has_name = self._slice_and_name(places[0])
        first_day = END if has_name and self._small_days[slice_] > 0 else self._since
        return Series(number, places, is_of_all, 0 if is_of_all else first_day, before)

    def _slice_and_name(self, at: int) -> tuple[Any, bool]:
        """Return the slice of a row, and whether the row is of a name and not of all names."""
        row, names = self._groups.rows[at], self._groups.names
        return row.get("slice"), any(row[name] is not None for name in names)

    def _count_small_days(self) -> Counter[Any]:
        """Count, by slice, the days of names with few users, less those with enough."""
        rows, users, least = self._groups.rows, self._groups.users, self._groups.least
        found: Counter[Any] = Counter()
        for at, (first, _) in self._ends.items():
            if rows[at]["grain"] == "day" and first >= self._since and users[at]:
                slice_, has_name = self._slice_and_name(at)
                found[slice_] += has_name and (1 if users[at] < least else -1)
        return found

    def _users_before(self, users: Mapping[int, int]) -> Mapping[int, int]:
        starts = sorted(users)
        sums = [0, *accumulate(users[start] for start in starts)]
        return {point: sums[bisect_left(starts, point)] for point in self._points}

    def forms(self) -> dict[int, list[Term]]:
        """Return the form of each row that the file has.

        It lacks old days of members, and all days of their names if most in the slice are small.
        """
        rows, found = self._groups.rows, {}
        for series in self._series.values():
            for at in series.places:
                first, end = self._ends[at]
                grain = rows[at]["grain"]
                if grain != "day" or first >= series.first_day:
                    before = series.before[grain]
                    found[at] = self._between(series, before[first], before[end])
        return found

    def newest(self) -> Iterator[tuple[int, list[Term]]]:
        """Yield the last full day of everybody, and the form of the running total at its end."""
        rows = self._groups.rows
        for series in self._series.values():
            days = [
                at
                for at in series.places
                if rows[at]["grain"] == "day" and rows[at].get("is_complete") is not False
            ]
            if series.is_of_all and days and not self._slice_and_name(days[0])[1]:
                at = max(days, key=self._ends.__getitem__)
                yield at, [*self._total(series, series.before["day"][self._ends[at][1]])]

    def _between(self, series: Series, one: int, other: int) -> list[Term]:
        return [] if one == other else [*self._total(series, other), *self._total(series, one, -1)]

    def _total(self, series: Series, users: int, factor: int = 1) -> Iterator[Term]:
        """Yield the running total before which a series had so many users; nothing for none."""
        if users:
            numbers = self._numbers
            yield numbers.setdefault((series.number, users), len(numbers)), factor

    def between(self) -> Iterator[list[Term]]:
        """Yield the form of what lies between any two points in time with few users between."""
        rows, least = self._groups.rows, self._groups.least
        for series in self._series.values():
            users = sorted(
                {
                    series.before[rows[at]["grain"]][end]
                    for at in series.places
                    if rows[at]["grain"] != "day" or self._ends[at][0] >= series.first_day
                    for end in self._ends[at]
                }
            )
            for place, one in enumerate(users):
                for other in users[place + 1 : bisect_left(users, one + least)]:
                    yield self._between(series, one, other)

    def zero_sums(self) -> Iterator[tuple[bool, list[Term]]]:
        """Yield, for each point in time, the running totals of parts less that of their sum.

        The first value is whether the card has a series of that sum; else it may be known from
        elsewhere, and the form has the parts alone.
        """
        for parts, total in self._parts():
            series = [*parts, *([total] if total else [])]
            first_day = max(each.first_day for each in series)
            last: list[int] = []
            for point in self._points:
                if point < first_day and not _begins_period(point):
                    continue
                if (users := [each.before["day"][point] for each in series]) != last:
                    last = users
                    form = [
                        term
                        for each, count in zip(series, users, strict=True)
                        for term in self._total(each, count, -1 if each is total else 1)
                    ]
                    yield total is not None, form

    def _parts(self) -> Iterator[tuple[list[Series], Series | None]]:
        """Yield series that add up, and the series of their sum: of names, and of members."""
        names = self._names
        for name in self._groups.names:
            place = names.index(name)
            found: dict[Any, dict[Any, Series]] = defaultdict(dict)
            for key, series in self._series.items():
                found[(*key[:place], *key[place + 1 :])][key[place]] = series
            for of_names in found.values():
                total = of_names.pop(None, None)
                yield [*of_names.values()], total
        if "slice" in names:
            places = [names.index(name) for name in SLICE]
            members: dict[Any, list[Series]] = defaultdict(list)
            totals = {}
            for key, series in self._series.items():
                rest = tuple(value for place, value in enumerate(key) if place not in places)
                if series.is_of_all:
                    totals[rest] = series
                else:
                    members[key[places[0]], rest].append(series)
            for (_, rest), parts in members.items():
                yield parts, totals.get(rest)


@cache
def ends_of(start: str, grain: str, is_running: bool) -> tuple[int, int]:
    """Return the first day of a period and the day after it, as ordinals; END if it is running."""
    first = date.fromisoformat(start)
    end = END if is_running else (end_of(first, grain) + timedelta(1)).toordinal()
    return first.toordinal(), end


@cache
def _begins_period(point: int) -> bool:
    """Return whether a week or a month begins with a day."""
    day = date.fromordinal(point)
    return day.day == 1 or day.weekday() == 0 or point == END
