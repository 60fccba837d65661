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

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from runner.database.session import Row
from runner.pages.dashboard.averages import averaged
from runner.pages.dashboard.cards import SLICE, Card
from runner.pages.dashboard.groups import MEMBERS, Crossing, Groups, Sum
from runner.pages.dashboard.links import OUTSIDE, Links, bridges
from runner.pages.dashboard.periods import DATES


def withhold(
    card: Card, rows: Sequence[Row], least: int, unlisted: Set[int], last: str | None
) -> list[Row]:
    """Return the rows without the numbers of small groups; is_withheld says so."""
    if not card.base or not rows:
        return list(rows)
    groups = _Withheld(card, rows, least)
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
class _Withheld(Groups):
    """What is withheld of the rows."""

    def hide(self, unlisted: Set[int]) -> None:
        """Withhold the small groups, the unlisted members, and what gives them away."""
        for at in self.places:
            count = self.users[at]
            if at in unlisted if count >= self.least else count or self.tells(at):
                self.hidden.add(at)
        if self.card.adds_up:
            self._link_times()
        self._link_ranges()
        if not self.hidden:
            return
        sums = [*self.sums()]
        # A cohort goes as a whole, lest it look like a young one.
        is_of_cohorts = "cohort_start" in self.keys
        cohorts = self.grouped(self.places, (*SLICE, "grain", "cohort_start"))
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
        for places in self.grouped(self.places, SLICE).values() if gone else ():
            links = Links(0, ())
            for at in places:
                if at not in self.hidden:
                    links.add(*self.ends(at, "period_start"))
            start = min(self.ends(at, "period_start")[0] for at in places)
            found |= {
                at: {**self.rows[at], **gone}
                for at in places
                if not links.has(start, self.ends(at, "period_start")[1])
            }
        return found

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
        self.hidden.add(min(left, key=self.rank) if left else total or 0)
        return True

    def _crossings(self, sums: Sequence[Sum]) -> Iterator[Crossing]:
        """Pair what adds up in one way with what adds up in another. Two slices share nothing but
        everybody; of members, the days of a month are too many to be told by.
        """
        lines: dict[str, dict[int, int]] = defaultdict(dict)
        for number, (kind, parts, total) in enumerate(sums):
            for at in parts if total is None else (*parts, total):
                lines[kind][at] = number
        for (kind, one), (other_kind, other) in combinations(lines.items(), 2):
            if not (kind.startswith(MEMBERS) and other_kind.startswith((MEMBERS, "month"))):
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
                self.hidden.add(min(left, key=self.rank))
                is_more = True
        return is_more

    def _link_times(self) -> None:
        """Withhold periods that would link two points in time between which only a few users lie.

        A point in time is how many users lie before it, those of a series of days, or of cohorts,
        added up. A period links its two ends.
        """
        dated = next((name for name in DATES[1:] if name in self.keys), None)
        if dated is None or "grain" not in self.keys:
            return
        for found in self.grouped(self.places, self.without("grain", dated, "range")).values():
            by_grain = {key: at for (key,), at in self.grouped(found, ["grain"]).items()}
            ends: dict[int, tuple[int, int]] = {}
            for periods in by_grain.values():
                before = self.counted(by_grain.get("day", periods), dated)
                for at in periods:
                    first, end = self.ends(at, dated)
                    ends[at] = before(date.fromordinal(first)), before(date.fromordinal(end))
            small = [ends[at] for at in found if 0 < self.users[at] < self.least]
            links = Links(self.least, small)
            for at in sorted(ends, key=lambda at: (self.order(at), -ends[at][0])):
                if at in self.hidden:
                    continue
                if not links.add(*ends[at]):
                    self.hidden.add(at)

    def _link_ranges(self) -> None:
        """Withhold rows of a range that a few users tell from those of a longer one."""
        if "range" not in self.keys:
            return
        counts = [name for name, value in self.rows[0].items() if type(value) is int]
        for places in self.grouped(self.places, self.without("range")).values():
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
