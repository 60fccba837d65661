"""What can be computed from a page, by all linear combinations of what it shows.

A figure is a vector over unknowns, such as the miles of a member up to the end of a day. What is
shown spans a space; a figure that lies in it can be computed, whatever its value is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

from runner.pages.dashboard.periods import end_of

PRIME = 2**61 - 1
NEVER = date.max.toordinal()
Vector = dict[Hashable, int]
Rows = list[dict[str, Any]]
Series = tuple[Any, ...]
Terms = list[tuple[Any, int]]


class Span:
    """The space that vectors span, in echelon form, modulo a prime."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._rows: dict[int, dict[int, int]] = {}

    def add(self, *terms: Iterable[tuple[Hashable, int]]) -> None:
        rest = self._reduced(self._numbered(merged(*terms)))
        if rest:
            first = max(rest)
            inverse = pow(rest[first], -1, PRIME)
            self._rows[first] = {name: value * inverse % PRIME for name, value in rest.items()}

    def has(self, *terms: Iterable[tuple[Hashable, int]]) -> bool:
        vector = merged(*terms)
        return all(name in self._numbers for name in vector) and not self._reduced(
            self._numbered(vector)
        )

    def _numbered(self, vector: Mapping[Hashable, int]) -> dict[int, int]:
        return {
            self._numbers.setdefault(name, len(self._numbers)): value % PRIME
            for name, value in vector.items()
        }

    def _reduced(self, vector: dict[int, int]) -> dict[int, int]:
        rest: dict[int, int] = {}
        waiting = [-name for name in vector]
        heapify(waiting)
        while waiting:
            name = -heappop(waiting)
            value = vector.pop(name, 0)
            if not value:
                continue
            row = self._rows.get(name)
            if row is None:
                rest[name] = value
                continue
            for other, factor in row.items():
                if other == name:
                    continue
                if other not in vector:
                    heappush(waiting, -other)
                vector[other] = (vector.get(other, 0) - value * factor) % PRIME
        return rest


def merged(*terms: Iterable[tuple[Hashable, int]]) -> Vector:
    found: Vector = {}
    for name, value in (each for part in terms for each in part):
        found[name] = found.get(name, 0) + value
    return {name: value for name, value in found.items() if value}


def of_slice(rows: Rows, slice_: str) -> Rows:
    return [row for row in rows if row["slice"] in ("all", slice_)]


def ends(row: dict[str, Any], dated: str = "period_start", last: int = NEVER) -> tuple[int, int]:
    """The days with which a period begins and ends; after the last day there is nothing."""
    start = date.fromisoformat(str(row[dated]))
    after = (end_of(start, row["grain"]) + timedelta(1)).toordinal()
    return start.toordinal(), after if row["is_complete"] and after <= last else NEVER


def between(series: Series, first: int, end: int) -> Terms:
    return [((*series, end), 1), ((*series, first), -1)]


def negative(terms: Terms) -> Terms:
    return [(name, -value) for name, value in terms]


def series_of(card: str, row: dict[str, Any]) -> Series:
    if card == "miles" and row["series"] is None:
        return "balance", row["slice_value"], row["direction"]
    return card, row["slice_value"], row["series" if card == "miles" else "event_type"]


def last_of(truth: dict[str, Rows]) -> int:
    return max(ends(row)[0] for card in truth for row in truth[card] if row["grain"] == "day")


def attacked(listed: dict[str, Rows], truth: dict[str, Rows], slice_: str) -> Span:
    """All that a page says of the miles and events of a slice and of everybody. Rows that are
    listed without figures tell that there is somebody, and rows that are not, that there is nobody.
    """
    span, last = Span(), last_of(truth)
    rows = [(card, row) for card in truth for row in of_slice(truth[card], slice_)]
    nodes = sorted({node for _, row in rows for node in ends(row, last=last)})
    every = {series_of(card, row): row.get("direction") for card, row in rows}
    members = sorted({member for _, member, _ in every} - {"all"})
    for card in truth:
        of_card = of_slice(listed[card], slice_)
        for row in of_card:
            if not row.get("is_withheld"):
                span.add(between(series_of(card, row), *ends(row, last=last)))
        for series, first, end in nobody(card, of_card, last):
            span.add(between(series, first, end))
    for row in of_slice(listed.get("miles_balance", []), slice_):
        first, end = ends(row, last=last)
        earned, redeemed = (("balance", row["slice_value"], way) for way in ("earned", "redeemed"))
        if not row.get("is_withheld"):
            span.add(between(earned, first, end))
            span.add(between(redeemed, first, end))
        if row["outstanding_miles"] is not None:
            span.add(between(earned, nodes[0], end), negative(between(redeemed, nodes[0], end)))
    day = None
    for terms in headlines(listed.get("headlines", []), nodes[0]):
        span.add(*terms)
    for row in listed.get("headlines", []):
        if row["slice"] == "all" and row["figure"].startswith("Outstanding"):
            day = day_of(row)
    for row in listed.get("places", []):
        if row["dimension"] == slice_ and day and row["events"] is not None:
            types = {name for card, _, name in every if card == "engagement"}
            window = day - 27, day + 1 if day < last else NEVER
            span.add(*(between(("engagement", row["member"], name), *window) for name in types))
    for series in every:
        span.add([((*series, nodes[0]), 1)])
    for node in nodes:
        for kind, name in {(kind, name) for kind, _, name in every}:
            parts = [((kind, member, name, node), -1) for member in members]
            span.add([((kind, "all", name, node), 1)], parts)
        for member in ("all", *members):
            for way in ("earned", "redeemed"):
                of_way = {
                    name for (kind, _, name), of in every.items() if (kind, of) == ("miles", way)
                }
                parts = [(("miles", member, name, node), -1) for name in of_way]
                span.add([(("balance", member, way, node), 1)], parts)
    return span


def nobody(card: str, rows: Rows, last: int) -> Iterator[tuple[Series, int, int]]:
    """Periods of a series that are not listed, while others of its slice and grain are."""
    periods: dict[Any, set[tuple[int, int]]] = defaultdict(set)
    own: dict[Any, set[tuple[int, int]]] = defaultdict(set)
    every: dict[Series, str] = {}
    for row in rows:
        series = series_of(card, row)
        is_total = series[0] == "balance"
        every[series] = row["slice"]
        periods[row["slice"], row["grain"], is_total].add(ends(row, last=last))
        own[series, row["grain"]].add(ends(row, last=last))
    for series, slice_ in every.items():
        for grain in ("day", "week", "month"):
            for period in periods[slice_, grain, series[0] == "balance"] - own[series, grain]:
                yield series, *period


def day_of(row: dict[str, Any]) -> int:
    return datetime.strptime(row["as_of"].removesuffix(", so far"), "%d %b %Y").toordinal()


def headlines(rows: Rows, start: int) -> Iterator[list[Terms]]:
    """The miles of everybody in 28 days, and those outstanding, on each of the last days."""
    for row in rows:
        if row["slice"] != "all" or row.get("is_withheld") or row["trend"] is None:
            continue
        earned, redeemed = (("balance", "all", way) for way in ("earned", "redeemed"))
        for age, value in enumerate(reversed(row["trend"])):
            end = day_of(row) + 1 - age if row["as_of"] and "week" not in row["as_of"] else 0
            if value is not None and row["figure"].startswith("Miles earned"):
                yield [between(earned, end - 28, end)]
            elif value is not None and row["figure"].startswith("Miles redeemed"):
                yield [between(redeemed, end - 28, end)]
            elif value is not None and row["figure"].startswith("Outstanding"):
                yield [between(earned, start, end), negative(between(redeemed, start, end))]


def told(span: Span, truth: dict[str, Rows], slice_: str, least: int) -> tuple[list[Any], int]:
    """What stands on few users and can be computed: rows, and what lies between a week's end and a
    month's; and how many such there are.
    """
    found, asked, last = [], 0, last_of(truth)
    days: dict[Any, dict[int, int]] = defaultdict(dict)
    cuts: dict[Any, set[int]] = defaultdict(set)
    for card in truth:
        for row in of_slice(truth[card], slice_):
            series, (first, end) = series_of(card, row), ends(row, last=last)
            users = row["users" if card == "miles" else "base"] or 0
            if row["grain"] == "day":
                days[series][first] = users
            else:
                cuts[series] |= {first, end}
            if 0 < users < least:
                asked += 1
                if span.has(between(series, first, end)):
                    found.append((*series, row["grain"], row["period_start"], users))
    for series, nodes in cuts.items():
        for first, end in pairwise(sorted(nodes)):
            users = sum(count for day, count in days[series].items() if first <= day < end)
            if 0 < users < least:
                asked += 1
                if span.has(between(series, first, end)):
                    found.append((*series, "between", date.fromordinal(first), users))
    return found, asked
