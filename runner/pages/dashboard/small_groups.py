"""Withholds figures of few users, and others from which these could be computed.

The users of a row are in the column that `Base:` names. A row with fewer users than min_cell loses
its figures: they are secrets. The other rows are taken in turn, the most important first. A row is
withheld if a secret could be computed from it, the rows that are shown already, and all that is
known to add up: members, categories, cohorts of whom some were active in the same week, and days,
weeks and months. So no secret can be computed from the rows that are shown.

Secrets are also two kinds of sums, if they have few users: what lies between any two points in
time, and the small parts of a total together. Of ranges, the longer one is kept if few users lie
between two.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card
from runner.pages.dashboard.groups import Groups
from runner.pages.dashboard.known_sums import KnownSums, Term
from runner.pages.dashboard.periods import DATES, is_shown, start_of
from runner.pages.dashboard.running_totals import RunningTotals, ends_of

# Where not everything can be shown, a running month or a day is withheld sooner than a week.
ORDER = {"month": 0, "week": 1, "running": 2, "day": 3}
# Averages of fewer users are not shown, as in the reports.
AVERAGE_MIN_USERS = 20
Forms = Mapping[int, Sequence[Term]]


def withhold(
    card: Card, rows: Sequence[Row], least: int, unlisted: Set[int], last: str | None
) -> list[Row | None]:
    """Return the rows, withheld ones without figures, and None for rows that the file lacks.

    Rows of unlisted places are protected like small ones.
    """
    if not card.base or not rows:
        return list(rows)
    groups = _Withheld(card, rows, least, unlisted, last)
    hidden, changed = groups.hidden, groups.without_balances()
    if hidden and len(groups.places) < len(rows):
        averages = _averages(card, rows, hidden, last)
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


class _Withheld(Groups):
    """The rows of a card, with those that are withheld and those that the file lacks."""

    def __init__(
        self, card: Card, rows: Sequence[Row], least: int, unlisted: Set[int], last: str | None
    ) -> None:
        super().__init__(card, rows, least)
        self.newest: set[int] = set()  # rows whose balance is shown in any case
        for at in self.places:
            users = self.users[at]
            if at in unlisted if users >= self.least else users or self.has_figures(at):
                self.hidden.add(at)
        self._hide_ranges()
        is_dated = "grain" in self.keys and any(name in self.keys for name in DATES[1:])
        totals = RunningTotals(self, last) if self.card.adds_up and is_dated else None
        forms: Forms = totals.forms() if totals else {at: [(at, 1)] for at in self.places}
        self.unsent = {at for at in self.places if at not in forms}
        secrets = [*(totals.between() if totals else ()), *self._small_parts(forms)]
        if not secrets and not self.hidden:
            return
        known = KnownSums()
        zero_sums = list(
            totals.zero_sums() if totals and totals.has_days else self._zero_sums(forms)
        )
        for has_total, form in zero_sums:
            if has_total:
                known.learn(form)
        for secret in (*(forms.get(at, ()) for at in self.hidden), *secrets):
            known.protect(secret)
        for has_total, form in zero_sums:
            if not has_total:  # the sum of the parts is taken to be known from elsewhere
                known.show(form)
        for at, form in totals.newest() if totals and self.balances else ():
            if known.show(form):
                self.newest.add(at)
        self._hide_rows(known, forms)

    def _hide_rows(self, known: KnownSums, forms: Forms) -> None:
        """Withhold rows that reveal a secret; a cohort as a whole, so that none looks new."""
        wholes = [[at] for at in self.places]
        if "cohort_start" in self.keys:
            wholes = [*self.grouped(self.places, (*SLICE, "grain", "cohort_start")).values()]
        for whole in sorted(wholes, key=lambda whole: self._importance(whole[0])):
            of_whole = [forms[at] for at in whole if forms.get(at)]
            if not self.hidden.isdisjoint(whole) or not known.show(*of_whole):
                self.hidden |= {*whole}

    def _importance(self, at: int) -> tuple[Any, ...]:
        """Order everybody before members, months before weeks and days, large groups before small
        ones, and new periods before old ones.
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

    def _zero_sums(self, forms: Forms) -> Iterator[tuple[bool, list[Term]]]:
        """Yield the forms of rows that add up less that of their sum, and whether that is a row."""
        for parts, total in self.sums():
            form = [term for at in parts if self._has_users(at) for term in forms[at]]
            if total is not None and self._has_users(total):
                form += [(unknown, -factor) for unknown, factor in forms[total]]
            yield total is not None, form

    def _has_users(self, at: int) -> bool:
        return self.users[at] > 0 or at in self.hidden

    def _small_parts(self, forms: Forms) -> Iterator[list[Term]]:
        """Yield the sum of the small parts of each total, where they have few users."""
        found: dict[Any, list[int]] = defaultdict(list)
        for at in (at for at in self.hidden if forms.get(at)):
            row = self.rows[at]
            for name in (*SLICE[1:], *self.names):
                found[name, *(row[key] for key in self.keys if key != name)].append(at)
            if self.card.adds_up and row.get("grain") == "day" and "period_start" in row:
                rest = [row[key] for key in self.without("grain", "period_start")]
                day = date.fromisoformat(row["period_start"])
                for grain in ("week", "month"):
                    found[grain, start_of(day, grain), *rest].append(at)
        for places in found.values():
            if len(places) > 1 and sum(self.users[at] for at in places) < self.least:
                yield [term for at in places for term in forms[at]]

    def without_balances(self) -> dict[int, Row]:
        """Return rows without a balance that cannot be computed from the periods that are shown.

        Such a balance would reveal more than they do. It can be if shown periods, and the newest
        balance, link its day to the beginning.
        """
        found: dict[int, Row] = {}
        none = dict.fromkeys(self.balances)
        for places in self.grouped(self.places, SLICE).values() if none else ():
            ends = {
                at: ends_of(row["period_start"], row["grain"], row.get("is_complete") is False)
                for at in places
                for row in [self.rows[at]]
            }
            known = KnownSums()
            for at in places:
                if at not in self.hidden and at not in self.unsent:
                    known.show([(ends[at][0], 1), (ends[at][1], -1)])
            start = min(first for first, _ in ends.values())
            for at in self.newest.intersection(places):
                known.show([(start, 1), (ends[at][1], -1)])
            for at, (_, end) in ends.items():
                if not known.has([(start, 1), (end, -1)]):
                    found[at] = {**self.rows[at], **none}
        return found

    def _hide_ranges(self) -> None:
        """Withhold rows of a range that differ from those of a longer one by a few users."""
        if "range" not in self.keys:
            return
        counts = [name for name, value in self.rows[0].items() if type(value) is int]

        def differs_by_few(one: int, other: int) -> bool:
            pairs = ((self.rows[one][name] or 0, self.rows[other][name] or 0) for name in counts)
            return any(0 < abs(count - another) < self.least for count, another in pairs)

        for places in self.grouped(self.places, self.without("range")).values():
            shown: list[int] = []
            for at in sorted(places, key=lambda at: -self.users[at]):
                if any(differs_by_few(at, other) for other in shown):
                    self.hidden.add(at)
                if at not in self.hidden:
                    shown.append(at)


def _averages(
    card: Card, rows: Sequence[Row], hidden: Set[int], last: str | None
) -> dict[int, Row | None]:
    """Return averages without the cohorts that are withheld; None where too few users are left.

    An average is a row without a cohort, over the complete cells of its range. With a withheld
    cohort in it, it would reveal that one to those who know how many users were active in all.
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
        days, grain = row.get("range"), row.get("grain")
        if days and days != EVERYTHING and last:
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
    if users < AVERAGE_MIN_USERS:
        return None
    counts = [name for name, value in row.items() if type(value) is int and name != across]
    sums = {name: sum(each[name] for each in shown) for name in counts}
    weighted = {name: sum(each[name] * each[base] for each in shown) for name in rates}
    return {**row, **sums, **{name: round(sum_ / users, 6) for name, sum_ in weighted.items()}}
