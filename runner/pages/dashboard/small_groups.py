"""Withholds what stands on few users, and as much besides as keeps it from being computed.

A row stands on the users in the column that `Base:` names. Where these are fewer than min_cell, its
numbers are left out of the file. So are others that would give them away:

- Of rows whose sum is known (the members of a slice, the categories, the cohorts of whom some were
  active in a week), either none is withheld, or two or more that together have as many users.
- Days add up to weeks and to months, and so does what lies between the end of a week and that of a
  month. Between two points in time that are linked by what is shown, there are as many users, or
  none.
- Of ranges, the longer ones are kept where few users lie between. Averages: averages.py.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate, combinations
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.averages import averaged
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card
from runner.pages.dashboard.links import OUTSIDE, Links, bridges
from runner.pages.dashboard.periods import DATES, end_of, start_of

# Numbers that order rows and say nothing of users.
ORDERS = ("place", "depth")
# What does not go with the ones before is withheld: a running month or an old day, sooner than a
# new week.
ORDER = {"month": 0, "week": 1, "running": 2, "day": 3}
# What adds up, the rows, and the row of their sum; without one, it is known from elsewhere.
Sum = tuple[str, Sequence[int], int | None]
MEMBERS = "members of "
# What each row adds up to in two ways, or in one.
Crossing = dict[int, tuple[int, int]]


def withhold(
    card: Card, rows: Sequence[Row], least: int, unlisted: Set[int], last: str | None
) -> list[Row]:
    """Return the rows without the numbers of small groups; is_withheld says so."""
    if not card.base or not rows:
        return list(rows)
    groups = _Groups(card, rows, least)
    groups.hide(unlisted)
    hidden, changed = groups.hidden, groups.without_balances()
    if hidden and len(groups.places) < len(rows):
        averages = averaged(card, rows, hidden, last)
        hidden |= {at for at, row in averages.items() if row is None}
        changed |= {at: row for at, row in averages.items() if row is not None}
    if not hidden and not changed:
        return list(rows)
    kept = groups.kept
    return [
        {name: row[name] if name in kept else None for name in row} | {"is_withheld": True}
        if at in hidden
        else {**changed.get(at, row), "is_withheld": False}
        for at, row in enumerate(rows)
    ]


@dataclass(slots=True)
class _Groups:
    """The rows of a card, and which are withheld. Those of averages, without a cohort, are none of
    the places.
    """

    card: Card
    rows: Sequence[Row]
    least: int
    hidden: set[int] = field(default_factory=set)
    users: list[int] = field(init=False)
    places: list[int] = field(init=False)
    names: list[str] = field(init=False)
    keys: list[str] = field(init=False)
    kept: set[str] = field(init=False)
    balances: list[str] = field(init=False)
    sizes: Counter[tuple[str, Any]] = field(init=False)  # the users of each member and name

    def __post_init__(self) -> None:
        columns, rows = self.card.columns.values(), self.rows
        self.users = [row[self.card.base or ""] or 0 for row in rows]
        self.places = [at for at, row in enumerate(rows) if row.get("cohort_start", "") is not None]
        self.names = [column.name for column in columns if column.is_name]
        known = (*SLICE, "grain", "range", *DATES, "figure", "direction")
        across = [column.name for column in columns if column.look == "across"]
        present = (name for name in known if name in rows[0])
        self.keys = list(dict.fromkeys([*present, *across, *self.names]))
        self.kept = self._kept()
        self.balances = [column.name for column in columns if column.look == "balance"]
        self.sizes = Counter()
        for row, users in zip(rows, self.users, strict=True):
            for name in (*SLICE[1:], *self.names):
                self.sizes[name, row.get(name)] += users

    def _kept(self) -> set[str]:
        """Return the columns that are no figures; the names of a table's rows are left out, too."""
        across = {column.name for column in self.card.columns.values() if column.look == "across"}
        left_out = {*self.names} if self.card.show in ("table", "beside") else set()
        numbers = {
            name
            for name in self.rows[0]
            for row in self.rows
            if isinstance(row[name], int | float | list) and not isinstance(row[name], bool)
        }
        return ({*self.rows[0]} - numbers - left_out) | across | {*ORDERS, *DATES}

    def hide(self, unlisted: Set[int]) -> None:
        """Withhold the small groups, the unlisted members, and what gives them away."""
        for at in self.places:
            count = self.users[at]
            if at in unlisted if count >= self.least else count or self._tells(at):
                self.hidden.add(at)
        if self.card.adds_up:
            self._link_times()
        self._link_ranges()
        if not self.hidden:
            return
        sums = [*self._sums()]
        # A cohort goes as a whole, lest it look like a young one.
        is_of_cohorts = "cohort_start" in self.keys
        cohorts = self._grouped(self.places, (*SLICE, "grain", "cohort_start"))
        wholes = [{*found} for found in cohorts.values()] if is_of_cohorts else []
        crossings = [(crossing, [0]) for crossing in self._crossings(sums)]
        is_more = True
        while is_more:
            is_more = any([self._protect(*each) for each in sums])
            is_more = is_more or any([self._close(*crossing) for crossing in crossings])
            for whole in wholes:
                if not self.hidden.isdisjoint(whole) and not whole <= self.hidden:
                    self.hidden |= whole
                    is_more = True

    def without_balances(self) -> dict[int, Row]:
        """Return rows without a balance that tells more than the sum of the periods that are shown:
        whose end these do not link to the beginning of all.
        """
        found: dict[int, Row] = {}
        gone = dict.fromkeys(self.balances)
        for places in self._grouped(self.places, SLICE).values() if gone else ():
            links = Links(0, ())
            for at in places:
                if at not in self.hidden:
                    links.add(*self._ends(at, "period_start"))
            start = min(self._ends(at, "period_start")[0] for at in places)
            found |= {
                at: {**self.rows[at], **gone}
                for at in places
                if not links.has(start, self._ends(at, "period_start")[1])
            }
        return found

    def _tells(self, at: int) -> bool:
        """Return whether a row without users has figures all the same: those of a few in its range.
        Of a cohort whose time is not over, the users are known.
        """
        row = self.rows[at]
        if row.get("cohort_start") is not None:
            return False
        figures = (
            value
            for name, value in row.items()
            if name not in self.kept and name not in self.balances
        )
        return any(
            any(value) if isinstance(value, list) else value
            for value in figures
            if not isinstance(value, str)
        )

    def _protect(self, kind: str, parts: Sequence[int], total: int | None) -> bool:
        """Withhold one more row if a sum gives one away; return whether it did."""
        gone = [part for part in parts if part in self.hidden]
        if total in self.hidden:
            is_safe = bool(gone)
        else:
            users = sum(self.users[part] for part in gone)
            # A cohort that is withheld for another's sake may be told while it is the only one.
            are_enough = len(gone) > 1 or kind == "cohort"
            is_safe = not gone or (are_enough and users >= self.least)
        left = [part for part in parts if part not in self.hidden and self.users[part]]
        if is_safe or (not left and (total is None or total in self.hidden)):
            return False
        self.hidden.add(min(left, key=self._rank) if left else total or 0)
        return True

    def _crossings(self, sums: Sequence[Sum]) -> Iterator[Crossing]:
        """Pair what adds up in one way with what adds up in another. Two slices share nothing but
        everybody.
        """
        lines: dict[str, dict[int, int]] = defaultdict(dict)
        for number, (kind, parts, total) in enumerate(sums):
            for at in parts if total is None else (*parts, total):
                lines[kind][at] = number
        for (kind, one), (other_kind, other) in combinations(lines.items(), 2):
            if not (kind.startswith(MEMBERS) and other_kind.startswith(MEMBERS)):
                both = {*one, *other}
                yield {at: (one.get(at, OUTSIDE), other.get(at, OUTSIDE)) for at in both}

    def _close(self, crossing: Crossing, done: list[int]) -> bool:
        """Withhold one more row for each that follows from sums that cross; return whether any.
        Done is how many were withheld when last asked.
        """
        hidden = {at for at in self.hidden if self.users[at]} & crossing.keys()
        if len(hidden) == done[0]:
            return False
        done[0] = len(hidden)
        found = [
            side
            for at, side in bridges({at: crossing[at] for at in hidden})
            if self.users[at] < self.least
        ]
        if not found:
            return False
        beside: dict[int, list[int]] = defaultdict(list)
        for at, ends in crossing.items():
            if at not in self.hidden and self.users[at]:
                for end in ends:
                    beside[end].append(at)
        is_more = False
        for side in found:
            ends_of = ((at, crossing[at]) for end in side for at in beside[end])
            left = [at for at, (one, other) in ends_of if (one in side) != (other in side)]
            if left:
                self.hidden.add(min(left, key=self._rank))
                is_more = True
        return is_more

    def _rank(self, at: int) -> tuple[Any, ...]:
        """Of members and of names, the same small ones go everywhere, in each card: what one card
        withholds of a small one is not the sum of what another shows.
        """
        row = self.rows[at]
        sizes = (self.sizes[name, row[name]] for name in (*SLICE[1:], *self.names) if name in row)
        return (*sizes, self.users[at], at)

    def _sums(self) -> Iterator[Sum]:
        if "slice" in self.keys:
            rest = self._without(*SLICE)
            everybody = [at for at in self.places if self.rows[at]["slice"] == EVERYTHING]
            totals = {key: at for key, (at, *_) in self._grouped(everybody, rest).items()}
            members = [at for at in self.places if self.rows[at]["slice"] != EVERYTHING]
            for (slice_, *key), parts in self._grouped(members, ["slice", *rest]).items():
                yield MEMBERS + slice_, parts, totals.get(tuple(key))
        for name in self.names if self.card.show != "figures" else ():
            for found in self._grouped(self.places, self._without(name)).values():
                # A row without a name is the sum of the others.
                parts = [at for at in found if self.rows[at][name] is not None]
                total = next((at for at in found if self.rows[at][name] is None), None)
                yield name, parts, total
        if {"period_number", "cohort_start"} <= {*self.keys}:
            yield from self._of_cohorts()
        if self.card.adds_up and {"grain", "period_start"} <= {*self.keys}:
            yield from self._of_days()

    def _of_cohorts(self) -> Iterator[Sum]:
        """Who is active in a week is of one of the cohorts that began before; how many, the page
        says.
        """
        found: dict[Any, list[int]] = defaultdict(list)
        rest = self._without("cohort_start", "period_number")
        for at in self.places:
            row = self.rows[at]
            start = date.fromisoformat(row["cohort_start"])
            is_month = row["grain"] == "month"
            begun = start.year * 12 + start.month if is_month else start.toordinal() // 7
            found[begun + row["period_number"], *(row[name] for name in rest)].append(at)
        yield from (("cohort", parts, None) for parts in found.values())

    def _of_days(self) -> Iterator[Sum]:
        rest = self._without("grain", "period_start")
        for grain in ("week", "month"):
            parts: dict[Any, list[int]] = defaultdict(list)
            totals: dict[Any, int] = {}
            for at in self.places:
                row = self.rows[at]
                key = tuple(row[name] for name in rest)
                if row["grain"] == "day":
                    first = start_of(date.fromisoformat(row["period_start"]), grain)
                    parts[first.isoformat(), *key].append(at)
                elif row["grain"] == grain:
                    totals[row["period_start"], *key] = at
            yield from ((grain, days, totals[key]) for key, days in parts.items() if key in totals)

    def _link_times(self) -> None:
        """Withhold periods that would link two points in time between which only a few users lie.

        A point in time is how many users lie before it, those of a series of days, or of cohorts,
        added up. A period links its two ends.
        """
        dated = next((name for name in DATES[1:] if name in self.keys), None)
        if dated is None or "grain" not in self.keys:
            return
        for found in self._grouped(self.places, self._without("grain", dated, "range")).values():
            by_grain = {key: at for (key,), at in self._grouped(found, ["grain"]).items()}
            ends: dict[int, tuple[int, int]] = {}
            for periods in by_grain.values():
                before = self._counted(by_grain.get("day", periods), dated)
                for at in periods:
                    first, end = self._ends(at, dated)
                    ends[at] = before(date.fromordinal(first)), before(date.fromordinal(end))
            small = [ends[at] for at in found if 0 < self.users[at] < self.least]
            links = Links(self.least, small)
            for at in sorted(ends, key=lambda at: (self._order(at), -ends[at][0])):
                if at in self.hidden:
                    continue
                if not links.add(*ends[at]):
                    self.hidden.add(at)

    def _order(self, at: int) -> int:
        row = self.rows[at]
        is_running = row["grain"] == "month" and row.get("is_complete") is False
        return ORDER["running" if is_running else row["grain"]]

    def _ends(self, at: int, dated: str) -> tuple[int, int]:
        """Return the days that a period begins and ends with; a running one goes to the end."""
        row = self.rows[at]
        start = date.fromisoformat(row[dated])
        is_running = row.get("is_complete") is False
        end = date.max if is_running else end_of(start, row["grain"]) + timedelta(1)
        return start.toordinal(), end.toordinal()

    def _counted(self, places: Sequence[int], dated: str) -> Callable[[date], int]:
        """Return how many users of the periods lie before a date."""
        ordered = sorted(places, key=lambda at: self.rows[at][dated])
        starts = [self.rows[at][dated] for at in ordered]
        sums = [0, *accumulate(self.users[at] for at in ordered)]
        return lambda day: sums[bisect_left(starts, day.isoformat())]

    def _link_ranges(self) -> None:
        """Withhold rows of a range that a few users tell from those of a longer one."""
        if "range" not in self.keys:
            return
        counts = [name for name, value in self.rows[0].items() if type(value) is int]
        for places in self._grouped(self.places, self._without("range")).values():
            shown: list[int] = []
            for at in sorted(places, key=lambda at: -self.users[at]):
                row = self.rows[at]
                if at in self.hidden:
                    continue
                if any(
                    0 < abs((self.rows[other][name] or 0) - (row[name] or 0)) < self.least
                    for other in shown
                    for name in counts
                ):
                    self.hidden.add(at)
                else:
                    shown.append(at)

    def _without(self, *names: str) -> list[str]:
        return [key for key in self.keys if key not in names]

    def _grouped(self, places: Iterable[int], names: Sequence[str]) -> dict[Any, list[int]]:
        found: dict[Any, list[int]] = defaultdict(list)
        for at in places:
            found[tuple(self.rows[at].get(name) for name in names)].append(at)
        return found
