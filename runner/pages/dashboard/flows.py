"""Figures that add up over time, as forms: the sum up to the end of a period, less that up to its
beginning. So days, weeks and months, which cross, are all made of the same unknowns.
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
from runner.pages.dashboard.known import Term
from runner.pages.dashboard.periods import DATES, end_of, first_sent, start_of

END = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of a member and a name, say."""

    number: int
    places: Sequence[int]
    is_of_all: bool
    first_day: int  # from which on days are sent
    # How many users it has before each point in time; by grain, as that differs without days.
    before: Mapping[str, Mapping[int, int]]


class Flows:
    """The unknowns of a card: each series up to each point in time. Two points between which it has
    no users are one, and before the first user there is nothing.
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
        # Of members, days are sent from here on, or from later in the week or month around it.
        since = first_sent(last)
        self._since = max(start_of(since, "week"), start_of(since, "month")).toordinal()
        self._scarce = self._count()
        found = groups.grouped(groups.places, self._names)
        self._series = {
            key: self._of(number, key, places) for number, (key, places) in enumerate(found.items())
        }

    def _of(self, number: int, key: Sequence[Any], places: Sequence[int]) -> Series:
        users: dict[str, dict[int, int]] = defaultdict(dict)
        for at in places:
            grain, first = self._groups.rows[at]["grain"], self._ends[at][0]
            users[grain][first] = users[grain].get(first, 0) + self._groups.users[at]
        if self.has_days:
            before = dict.fromkeys(("day", "week", "month"), self._before(users["day"]))
        else:
            before = {grain: self._before(found) for grain, found in users.items()}
        is_of_all = "slice" not in self._names or key[self._names.index("slice")] == EVERYTHING
        slice_, is_named = self._part(places[0])
        first_day = END if is_named and self._scarce[slice_] > 0 else self._since
        return Series(number, places, is_of_all, 0 if is_of_all else first_day, before)

    def _part(self, at: int) -> tuple[Any, bool]:
        """Return which slice a row is of, and whether it is one of its parts, of a name."""
        row, names = self._groups.rows[at], self._groups.names
        return row.get("slice"), any(row[name] is not None for name in names)

    def _count(self) -> Counter[Any]:
        """Count the days of each slice's names that are small, less those that are not."""
        rows, users, least = self._groups.rows, self._groups.users, self._groups.least
        found: Counter[Any] = Counter()
        for at, (first, _) in self._ends.items():
            if rows[at]["grain"] == "day" and first >= self._since and users[at]:
                slice_, is_named = self._part(at)
                found[slice_] += is_named and (1 if users[at] < least else -1)
        return found

    def _before(self, users: Mapping[int, int]) -> Mapping[int, int]:
        starts = sorted(users)
        sums = [0, *accumulate(users[start] for start in starts)]
        return {point: sums[bisect_left(starts, point)] for point in self._points}

    def forms(self) -> dict[int, list[Term]]:
        """Return the form of each row, but of the days that nobody is sent: those of members
        that are old, and those of their names if most of the slice are small.
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
        """Yield the last day of everybody that is over, and the form of all up to its end."""
        rows = self._groups.rows
        for series in self._series.values():
            days = [
                at
                for at in series.places
                if rows[at]["grain"] == "day" and rows[at].get("is_complete") is not False
            ]
            if series.is_of_all and days and not self._part(days[0])[1]:
                at = max(days, key=lambda at: self._ends[at])
                yield at, [*self._upto(series, series.before["day"][self._ends[at][1]])]

    def _between(self, series: Series, one: int, other: int) -> list[Term]:
        return [] if one == other else [*self._upto(series, other), *self._upto(series, one, -1)]

    def _upto(self, series: Series, users: int, factor: int = 1) -> Iterator[Term]:
        if users:
            numbers = self._numbers
            yield numbers.setdefault((series.number, users), len(numbers)), factor

    def between(self) -> Iterator[list[Term]]:
        """Yield the forms of what lies between any two points with only a few users."""
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

    def lines(self) -> Iterator[tuple[bool, list[Term]]]:
        """Yield forms that are nothing: what lies up to a point in time of members or of names,
        without that of their sum; and whether there is a series of the sum. Else it may be known
        from elsewhere.
        """
        for parts, total in self._lines():
            series = [*parts, *([total] if total else [])]
            first_day = max(each.first_day for each in series)
            last: list[int] = []
            for point in self._points:
                if point >= first_day or is_cut(point):
                    users = [each.before["day"][point] for each in series]
                    if users != last:
                        last = users
                        yield (
                            total is not None,
                            [
                                term
                                for each, count in zip(series, users, strict=True)
                                for term in self._upto(each, count, -1 if each is total else 1)
                            ],
                        )

    def _lines(self) -> Iterator[tuple[list[Series], Series | None]]:
        names = self._names
        for name in self._groups.names:
            place = names.index(name)
            found: dict[Any, dict[Any, Series]] = defaultdict(dict)
            for key, series in self._series.items():
                found[(*key[:place], *key[place + 1 :])][key[place]] = series
            for line in found.values():
                total = line.pop(None, None)
                yield [*line.values()], total
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
    """Return the days that a period begins and ends with; a running one goes to the end."""
    first = date.fromisoformat(start)
    end = END if is_running else (end_of(first, grain) + timedelta(1)).toordinal()
    return first.toordinal(), end


@cache
def is_cut(point: int) -> bool:
    """Return whether a week or a month begins with a day."""
    day = date.fromordinal(point)
    return day.day == 1 or day.weekday() == 0 or point == END
