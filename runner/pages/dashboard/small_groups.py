"""Withholds what stands on few users, and as much besides as keeps it from being computed.

A row stands on the users in the column that `Base:` names. Where these are fewer than min_cell, its
numbers are left out of the file: they are secrets. The other rows are taken one after the other,
the most important first, and one is left out if, with those that are shown already and with all
that adds up, a secret could be computed (known.py). So none can be computed from what is shown.

- What adds up: the members of a slice, the categories, the cohorts of whom some were active in a
  week, and days to weeks and months (flows.py).
- Secrets are also what lies between any two points in time, and the small ones of a sum together,
  if they have few users.
- Of ranges, the longer ones are kept where few users lie between.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card
from runner.pages.dashboard.flows import Flows, ends_of
from runner.pages.dashboard.groups import Groups
from runner.pages.dashboard.known import Known, Term
from runner.pages.dashboard.periods import DATES, is_shown, start_of

# Where not all can be shown, a running month or a day is withheld sooner than a week.
ORDER = {"month": 0, "week": 1, "running": 2, "day": 3}
# Of fewer users there is no average, as in the reports.
LITTLE = 20
Forms = Mapping[int, Sequence[Term]]


def withhold(
    card: Card, rows: Sequence[Row], least: int, unlisted: Set[int], last: str | None
) -> list[Row | None]:
    """Return the rows; small ones without numbers, and None for one that the file lacks."""
    if not card.base or not rows:
        return list(rows)
    groups = _Withheld(card, rows, least)
    groups.hide(unlisted, last)
    hidden, changed = groups.hidden, groups.without_balances()
    if hidden and len(groups.places) < len(rows):
        averages = _averaged(card, rows, hidden, last)
        hidden |= {at for at, row in averages.items() if row is None}
        changed |= {at: row for at, row in averages.items() if row is not None}
    if not hidden and not changed and not groups.unsent:
        return list(rows)

    def shown(at: int, row: Row) -> Row | None:
        if at in groups.unsent:
            return None
        if at not in hidden:
            return {**changed.get(at, row), "is_withheld": False}
        kept = {*groups.kept, *(groups.balances if at in groups.newest else ())}
        values = {name: value if name in kept else None for name, value in row.items()}
        return {**values, "is_withheld": True}

    return [shown(at, row) for at, row in enumerate(rows)]


@dataclass(slots=True)
class _Withheld(Groups):
    """What is withheld of the rows, and what the file does not have at all."""

    unsent: set[int] = field(default_factory=set)
    newest: set[int] = field(default_factory=set)  # whose balance is shown whatever else is not

    def hide(self, unlisted: Set[int], last: str | None) -> None:
        """Withhold the small groups, the unlisted members, and what gives them away."""
        for at in self.places:
            count = self.users[at]
            if at in unlisted if count >= self.least else count or self.tells(at):
                self.hidden.add(at)
        self._hide_ranges()
        is_dated = "grain" in self.keys and any(name in self.keys for name in DATES[1:])
        flows = Flows(self, last) if self.card.adds_up and is_dated else None
        forms: Forms = flows.forms() if flows else {at: [(at, 1)] for at in self.places}
        self.unsent = {at for at in self.places if at not in forms}
        secrets = [*(flows.between() if flows else ()), *self._together(forms)]
        if secrets or self.hidden:
            known = Known()
            lines = [*(flows.lines() if flows and flows.has_days else self._lines(forms))]
            for is_known, line in lines:
                if is_known:
                    known.learn(line)
            for secret in (*(forms.get(at, ()) for at in self.hidden), *secrets):
                known.keep(secret)
            for is_known, line in lines:
                # Whoever knows the sum from elsewhere: it is taken to be shown.
                if not is_known:
                    known.show(line)
            for at, form in flows.newest() if flows and self.balances else ():
                if known.show(form):
                    self.newest.add(at)
            self._show(known, forms)

    def _show(self, known: Known, forms: Forms) -> None:
        # A cohort goes as a whole, lest it look like a young one.
        is_of_cohorts = "cohort_start" in self.keys
        cohort = (*SLICE, "grain", "cohort_start")
        wholes: dict[Any, list[int]] = {at: [at] for at in self.places}
        if is_of_cohorts:
            wholes = self.grouped(self.places, cohort)
        for whole in sorted(wholes.values(), key=lambda whole: self._order(whole[0])):
            of_whole = [forms[at] for at in whole if forms.get(at)]
            if not self.hidden.isdisjoint(whole) or not known.show(*of_whole):
                self.hidden |= {*whole}

    def _order(self, at: int) -> tuple[Any, ...]:
        """Everybody before members, months before weeks and days, large ones before small ones, new
        ones before old ones. The same small members and names come last everywhere.
        """
        row = self.rows[at]
        grain = row.get("grain")
        is_running = grain == "month" and row.get("is_complete") is False
        start = next((row[name] for name in DATES if row.get(name)), None)
        return (
            row.get("slice", EVERYTHING) != EVERYTHING,
            ORDER["running" if is_running else grain or "day"],
            self.rank(at),
            -ends_of(start, "day", False)[0] if start else 0,
        )

    def _lines(self, forms: Forms) -> Iterator[tuple[bool, list[Term]]]:
        """Yield what adds up, row by row: the forms that are nothing."""
        for parts, total in self.sums():
            line = [term for at in parts if self._is_of_users(at) for term in forms[at]]
            if total is not None and self._is_of_users(total):
                line += [(unknown, -factor) for unknown, factor in forms[total]]
            yield total is not None, line

    def _is_of_users(self, at: int) -> bool:
        return self.users[at] > 0 or at in self.hidden

    def _together(self, forms: Forms) -> Iterator[list[Term]]:
        """Yield the small ones of each sum together, where they have few users."""
        found: dict[Any, list[int]] = defaultdict(list)
        for at in self.hidden:
            row = self.rows[at]
            if forms.get(at):
                for name in (*SLICE[1:], *self.names):
                    rest = tuple(row[key] for key in self.keys if key != name)
                    found[name, rest].append(at)
                is_day = self.card.adds_up and row.get("grain") == "day" and "period_start" in row
                for longer in ("week", "month") if is_day else ():
                    start = start_of(date.fromisoformat(row["period_start"]), longer)
                    rest = tuple(row[key] for key in self.without("grain", "period_start"))
                    found[longer, start, rest].append(at)
        for places in found.values():
            if len(places) > 1 and sum(self.users[at] for at in places) < self.least:
                yield [term for at in places for term in forms[at]]

    def without_balances(self) -> dict[int, Row]:
        """Return rows without a balance that tells more than the sum of the periods that are shown:
        whose end these, and the newest balance, do not link to the beginning of all.
        """
        found: dict[int, Row] = {}
        gone = dict.fromkeys(self.balances)
        for places in self.grouped(self.places, SLICE).values() if gone else ():
            ends = {
                at: ends_of(row["period_start"], row["grain"], row.get("is_complete") is False)
                for at in places
                for row in [self.rows[at]]
            }
            known = Known()
            for at in places:
                if at not in self.hidden and at not in self.unsent:
                    known.show((end, factor) for end, factor in zip(ends[at], (1, -1), strict=True))
            start = min(first for first, _ in ends.values())
            for at in self.newest.intersection(places):
                known.show([(start, 1), (ends[at][1], -1)])
            found |= {
                at: {**self.rows[at], **gone}
                for at, (_, end) in ends.items()
                if not known.has([(start, 1), (end, -1)])
            }
        return found

    def _hide_ranges(self) -> None:
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


def _averaged(
    card: Card, rows: Sequence[Row], hidden: Set[int], last: str | None
) -> dict[int, Row | None]:
    """Return the averages that lack a cohort, without it; None where too little is left.

    An average is a row without a cohort, over the complete cells of its range. Of cohorts that are
    not shown it would tell, together with who was active in all, so it leaves them out.
    """
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
