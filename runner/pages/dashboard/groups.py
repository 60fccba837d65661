"""The rows of a card as groups of users: what tells them apart, and what they add up to."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from runner.database.session import Row
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card
from runner.pages.dashboard.periods import DATES

# Numbers that order rows and reveal nothing of users.
ORDERS = ("place", "depth")
# The rows that add up, and the row of their sum: None if the sum is known from elsewhere.
Sum = tuple[Sequence[int], int | None]


class Groups:
    """The rows of a card, known by their places, and which of them are withheld."""

    def __init__(self, card: Card, rows: Sequence[Row], least: int) -> None:
        self.card, self.rows, self.least = card, rows, least
        self.hidden: set[int] = set()
        self.users = [row[card.base or ""] or 0 for row in rows]
        # All rows but averages.
        self.places = [at for at, row in enumerate(rows) if row.get("cohort_start", "") is not None]
        columns = card.columns.values()
        self.names = [column.name for column in columns if column.is_name]
        self.balances = [column.name for column in columns if column.look == "balance"]
        across = [column.name for column in columns if column.look == "across"]
        # The columns that tell groups apart.
        known = (*SLICE, "grain", "range", *DATES, "figure", "direction")
        present = (name for name in known if name in rows[0])
        self.keys = list(dict.fromkeys([*present, *across, *self.names]))
        # The columns that a withheld row keeps. In a table, its name would reveal that it exists.
        numbers = {name for name in rows[0] if self._is_number(name)}
        left_out = {*self.names} if card.show in ("table", "beside") else set()
        self.kept = {*rows[0]} - numbers - left_out | {*across, *ORDERS, *DATES}
        # The users of each member and name.
        self.sizes: Counter[tuple[str, Any]] = Counter()
        for row, users in zip(rows, self.users, strict=True):
            for name in (*SLICE[1:], *self.names):
                self.sizes[name, row.get(name)] += users

    def _is_number(self, name: str) -> bool:
        value = next((row[name] for row in self.rows if row[name] is not None), None)
        return isinstance(value, int | float | list) and not isinstance(value, bool)

    def has_figures(self, at: int) -> bool:
        """Return whether a row has figures; one without users then has those of a few.

        The size of a cohort whose time is not over is no such figure.
        """
        row = self.rows[at]
        if row.get("cohort_start") is not None:
            return False
        values = (row[name] for name in row.keys() - self.kept - {*self.balances})
        return any(
            any(each) if isinstance(each, list) else each
            for each in values
            if not isinstance(each, str)
        )

    def rank(self, at: int) -> tuple[int, ...]:
        """Order rows by the size of their members and names in all, and then by their own.

        So each card withholds the same small ones: what one card withholds of a small one is not
        the sum of what another shows.
        """
        row = self.rows[at]
        sizes = [-self.sizes[name, row[name]] for name in (*SLICE[1:], *self.names) if name in row]
        return (*sizes, -self.users[at])

    def sums(self) -> Iterator[Sum]:
        """Yield what adds up: members to everybody, names to the row without one, and cohorts."""
        if "slice" in self.keys:
            rest = self.without(*SLICE)
            everybody = [at for at in self.places if self.rows[at]["slice"] == EVERYTHING]
            totals = {key: at for key, (at, *_) in self.grouped(everybody, rest).items()}
            members = [at for at in self.places if self.rows[at]["slice"] != EVERYTHING]
            for (_, *key), parts in self.grouped(members, ["slice", *rest]).items():
                yield parts, totals.get(tuple(key))
        for name in self.names if self.card.show != "figures" else ():
            for found in self.grouped(self.places, self.without(name)).values():
                parts = [at for at in found if self.rows[at][name] is not None]
                yield parts, next((at for at in found if self.rows[at][name] is None), None)
        if {"period_number", "cohort_start"} <= {*self.keys}:
            yield from ((parts, None) for parts in self._by_activity().values())

    def _by_activity(self) -> dict[Any, list[int]]:
        """Return the cells of cohorts by the period in which their users were active.

        They add up to all users of the period, whose number the page shows.
        """
        found: dict[Any, list[int]] = defaultdict(list)
        rest = self.without("cohort_start", "period_number")
        for at in self.places:
            row = self.rows[at]
            start = date.fromisoformat(row["cohort_start"])
            is_month = row["grain"] == "month"
            begun = start.year * 12 + start.month if is_month else start.toordinal() // 7
            found[begun + row["period_number"], *(row[name] for name in rest)].append(at)
        return found

    def without(self, *names: str) -> list[str]:
        """Return the keys but these."""
        return [key for key in self.keys if key not in names]

    def grouped(self, places: Iterable[int], names: Sequence[str]) -> dict[Any, list[int]]:
        """Return places by the values of their rows in some columns."""
        found: dict[Any, list[int]] = defaultdict(list)
        for at in places:
            found[tuple(self.rows[at].get(name) for name in names)].append(at)
        return found
