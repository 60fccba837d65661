"""What is usual for a day's users, in plain Python: docs/dashboard.md says how."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, sqrt
from statistics import mean, median

WEEKS = (7, 14, 21, 28, 35, 42, 49, 56)


def usual(users: Sequence[int], at: int) -> tuple[int, int] | None:
    """The range of a day; None while fewer than four of its weekdays stand on 28 days."""

    def level(day: int) -> float:
        return mean(users[day - 28 : day])

    earlier = [at - days for days in WEEKS if at - days >= 28 and level(at - days)]
    if len(earlier) < 4:
        return None
    ratios = [users[day] / level(day) for day in earlier]
    middle = median(ratios)
    expected = middle * level(at)
    distance = median(abs(ratio - middle) for ratio in ratios) * level(at)
    reach = max(4.45 * distance, 3.5 * sqrt(expected), expected / 10)
    return floor(max(expected - reach, 0)), ceil(expected + reach)


def is_unusual(users: Sequence[int], at: int) -> bool:
    found = usual(users, at)
    return found is not None and not found[0] <= users[at] <= found[1]
