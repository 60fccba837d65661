"""Of any small history, the card of miles tells nothing that stands on few users: an attack by all
sums of what it shows finds nothing (tests/support/attack.py).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as some

from runner.pages.dashboard.cards import load
from runner.pages.dashboard.periods import is_sent, start_of
from runner.pages.dashboard.small_groups import withhold
from tests.support import PROJECT
from tests.support.attack import Rows, attacked, told

FIRST = date(2026, 1, 26)
DAYS = 120
CARD = next(card for card in load(PROJECT).cards if card.name == "miles")
# A day, a user, a country, a platform, and what was earned or redeemed.
events = some.tuples(
    some.integers(0, 12).map(lambda step: step * DAYS // 13) | some.integers(DAYS - 30, DAYS - 1),
    some.integers(1, 12),
    some.sampled_from("SMV"),
    some.sampled_from(["web", "ios"]),
    some.sampled_from(["a, earned", "b, earned", "c, earned", "a, redeemed", "b, redeemed"]),
)
Event = tuple[int, int, str, str, str]


def rows_of(history: list[Event]) -> Rows:
    """As the card's query gives them: of each period, the names that occur, and the sums of both
    directions.
    """
    users: dict[Any, set[int]] = defaultdict(set)
    miles: dict[Any, int] = defaultdict(int)
    for number, user, country, platform, series in history:
        day = FIRST + timedelta(number)
        for grain in ("day", "week", "month"):
            for member in (("all", "all"), ("country", country), ("platform", platform)):
                for name in (series, None):
                    key = (*member, grain, start_of(day, grain), series.split(", ")[1], name)
                    users[key].add(user)
                    miles[key] += 1
    for member in {key[:2] for key in [*users]}:
        for number in range(DAYS):
            for grain in ("day", "week", "month"):
                for way in ("earned", "redeemed"):
                    start = start_of(FIRST + timedelta(number), grain)
                    users.setdefault((*member, grain, start, way, None), set())
    last = FIRST + timedelta(DAYS - 1)
    return [
        {
            "slice": slice_, "slice_value": value, "grain": grain, "period_start": str(start),
            "direction": way, "place": 1, "series": name,
            "miles": miles[key] if name else None, "total": None if name else miles[key],
            "users": len(found),
            "is_complete": start_of(last, grain) != start,
        }
        for key, found in users.items()
        for slice_, value, grain, start, way, name in [key]
    ]  # fmt: skip


def told_of(rows: Rows, listed: Rows, least: int) -> tuple[list[Any], int]:
    found, asked = [], 0
    for slice_ in ("country", "platform"):
        span = attacked({"miles": listed}, {"miles": rows}, slice_)
        of_slice, count = told(span, {"miles": rows}, slice_, least)
        found += of_slice
        asked += count
    return found, asked


@pytest.mark.parametrize("least", [3, 10])
@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(history=some.lists(events, min_size=20, max_size=160))
def test_no_history_tells_of_few(history: list[Event], least: int) -> None:
    rows = rows_of(history)
    last = str(FIRST + timedelta(DAYS - 1))
    found = withhold(CARD, rows, least, set(), last)
    listed = [row for row in found if row is not None and is_sent(row, last)]
    assert told_of(rows, listed, least)[0] == []
    for row in listed:
        assert row.get("is_withheld") or not 0 < row["users"] < least
