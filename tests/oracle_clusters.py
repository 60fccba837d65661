"""The yardstick of clusters: k-means in plain Python, with whole numbers.

Written from the metrics page and docs/adr/0017, never from the SQL. Knows neither events nor days:
whoever asks has the users and what they did.

Where the page leaves a choice, ADR 17 makes it:

- Logarithms have 20 digits, features 9. Places are counted in whole billionths from here on, and so
  are middles: a mean is rounded to the nearest billionth, a half to the even one.
- Which centre is nearest is asked at 9 digits too: the largest x.c - c.c / 2, which is the smallest
  distance. Squared distances are rounded to 9 digits before they are added up.
- After the last round everybody belongs to the nearest centre, moved or not.
- A centre that is left with nobody is no cluster: it has no number and is nobody's next one.
- Less than no miles are none, as they have no logarithm.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from operator import mul

PRECISE = Context(prec=60, rounding=ROUND_HALF_UP)
BILLION = 10**9
ROUNDS = 100

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """The cluster of a user, and squared distances to its middle and to the nearest other."""

    cluster: int
    squared_distance: Decimal
    next_squared_distance: Decimal | None


def standardised(features: dict[str, Sequence[Decimal]]) -> dict[str, Place]:
    """Return the place of each user: logarithms on scales of mean 0 and deviation 1."""
    columns = [
        scaled([logarithm(max(value, Decimal(0))) for value in column])
        for column in zip(*features.values(), strict=True)
    ]
    return dict(zip(features, zip(*columns, strict=True), strict=True))


@cache
def logarithm(value: Decimal) -> Decimal:
    return PRECISE.ln(PRECISE.add(value, Decimal(1))).quantize(Decimal("1e-20"), context=PRECISE)


def scaled(values: list[Decimal]) -> list[int]:
    mean = PRECISE.divide(sum(values), Decimal(len(values)))
    differences = [PRECISE.subtract(value, mean) for value in values]
    squares = [PRECISE.multiply(difference, difference) for difference in differences]
    if len(set(values)) == 1:
        return [0] * len(values)
    deviation = PRECISE.sqrt(PRECISE.divide(sum(squares), Decimal(len(values))))
    return [
        int(PRECISE.divide(difference * BILLION, deviation).quantize(Decimal(1), context=PRECISE))
        for difference in differences
    ]


def clusters(places: dict[str, Place], count: int, starts: int) -> dict[str, Membership]:
    """Return the best clusters of some starts; as many as there are places, if that is less."""
    return dict(zip(places, _clusters(tuple(places.items()), count, starts), strict=True))


@cache
def _clusters(places: tuple[tuple[str, Place], ...], count: int, starts: int) -> list[Membership]:
    found = [_one_start(places, count, start) for start in range(1, starts + 1)]
    # Of equal ones min() takes the first.
    _, nearest, centres = min(found, key=lambda one: one[0])
    number = _numbers([user for user, _ in places], nearest)
    return [
        Membership(
            cluster=number[centre],
            squared_distance=Decimal(_squared(place, centres[centre])).scaleb(-9),
            next_squared_distance=min(
                (
                    Decimal(_squared(place, centres[other])).scaleb(-9)
                    for other in number
                    if other != centre
                ),
                default=None,
            ),
        )
        for (_, place), centre in zip(places, nearest, strict=True)
    ]


def _one_start(
    places: tuple[tuple[str, Place], ...], count: int, start: int
) -> tuple[int, list[int], list[Place]]:
    in_order = sorted(places, key=lambda one: (md5(f"{start}:{one[0]}"), one[0]))
    centres = list(dict.fromkeys(place for _, place in in_order))[:count]
    nearest = _nearest(places, centres)
    for _ in range(ROUNDS):
        centres = [
            _middle(
                [place for (_, place), own in zip(places, nearest, strict=True) if own == number]
            )
            or centre
            for number, centre in enumerate(centres)
        ]
        before, nearest = nearest, _nearest(places, centres)
        if nearest == before:
            break
    inertia = sum(
        _squared(place, centres[own]) for (_, place), own in zip(places, nearest, strict=True)
    )
    return inertia, nearest, centres


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _nearest(places: tuple[tuple[str, Place], ...], centres: list[Place]) -> list[int]:
    own = [sum(map(mul, centre, centre)) for centre in centres]
    numbers = range(len(centres))

    def nearest(place: Place) -> int:
        nearness = [
            round((2 * sum(map(mul, place, centres[number])) - own[number]) / (2 * BILLION))
            for number in numbers
        ]
        return nearness.index(max(nearness))

    return [nearest(place) for _, place in places]


def _middle(places: list[Place]) -> Place | None:
    if not places:
        return None
    return tuple(round(sum(column) / len(places)) for column in zip(*places, strict=True))


def _squared(one: Place, other: Place) -> int:
    """The square of a distance, in billionths as well."""
    return round(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) / BILLION)


def _numbers(users: list[str], nearest: list[int]) -> dict[int, int]:
    sizes = Counter(nearest)
    first = {
        centre: min(user for user, own in zip(users, nearest, strict=True) if own == centre)
        for centre in sizes
    }
    ordered = sorted(sizes, key=lambda centre: (-sizes[centre], first[centre]))
    return {centre: number for number, centre in enumerate(ordered, start=1)}
