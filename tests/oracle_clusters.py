"""The yardstick of clusters: the scales and the k-means of the metrics page, in plain Python.

Written from that page, never from the SQL. Knows neither events nor days: whoever asks has the users
and what they did. Places and centres are counted in whole millionths, so that nothing is rounded but
what the page rounds.

Where the page leaves a choice:

- A half is rounded away from zero.
- A centre without users is a cluster: it has a number, and it can be somebody's next one.
- Where a label has a centre of 0, it says `high`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache

PRECISE = Context(prec=60, rounding=ROUND_HALF_UP)
MILLION = 10**6
LOOKS = 100
HEATS = 4
STARTS = 5

FEATURES = (
    "recency",
    "active days",
    "likes",
    "shares",
    "searches",
    "earns",
    "redeems",
    "miles earned",
    "miles redeemed",
    "categories",
)

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and population deviation of a feature's logarithms."""

    mean: Decimal
    deviation: Decimal

    def coordinate(self, value: Decimal) -> int:
        if self.deviation == 0:
            return 0
        distance = PRECISE.divide(logarithm(value) - self.mean, self.deviation)
        return int(six_digits(distance).scaleb(6))


@dataclass(frozen=True, slots=True)
class Clusters:
    """Centres by their numbers, from 1, and where everybody is."""

    centres: list[Place]
    number_of: dict[str, int]

    @property
    def sizes(self) -> list[int]:
        numbers = list(self.number_of.values())
        return [numbers.count(number) for number, _ in enumerate(self.centres, start=1)]

    def label(self, number: int) -> str:
        centre = self.centres[number - 1]
        strongest = sorted(range(len(centre)), key=lambda feature: -abs(centre[feature]))[:2]
        return ", ".join(
            f"{'low' if centre[feature] < 0 else 'high'} {FEATURES[feature]}"
            for feature in strongest
        )

    def nearest(self, place: Place) -> int:
        distances = [squared(place, centre) for centre in self.centres]
        return 1 + distances.index(min(distances))


def six_digits(value: Decimal) -> Decimal:
    return value.quantize(Decimal("1e-6"), context=PRECISE)


@cache
def logarithm(value: Decimal) -> Decimal:
    return six_digits(PRECISE.ln(PRECISE.add(max(value, Decimal(0)), Decimal(1))))


def scales(people: Sequence[Sequence[Decimal]]) -> list[Scale]:
    """The scales of the features of some users."""
    return [_scale([logarithm(value) for value in column]) for column in zip(*people, strict=True)]


def _scale(logarithms: list[Decimal]) -> Scale:
    count = Decimal(len(logarithms))
    mean = PRECISE.divide(sum(logarithms), count)
    squares = [
        PRECISE.multiply(PRECISE.subtract(one, mean), PRECISE.subtract(one, mean))
        for one in logarithms
    ]
    variance = PRECISE.divide(sum(squares, Decimal(0)), count)
    if len(set(logarithms)) == 1:
        variance = Decimal(0)
    return Scale(six_digits(mean), six_digits(PRECISE.sqrt(variance)))


def place(values: Sequence[Decimal], by: Sequence[Scale]) -> Place:
    return tuple(scale.coordinate(value) for scale, value in zip(by, values, strict=True))


def fit(places: dict[str, Place], count: int, starts: int = STARTS) -> Clusters:
    """The best clusters of some starts; as many as there are different places, if these are fewer."""
    return _fit(tuple(sorted(places.items())), min(count, len(set(places.values()))), starts)


@cache
def _fit(places: tuple[tuple[str, Place], ...], count: int, starts: int) -> Clusters:
    begun = [_first_rounds(places, count, start) for start in range(1, starts + 1)]
    # Of equal ones min() takes the first.
    centres = min(begun, key=lambda centres: _look(places, centres)[0])
    nearest: list[int] = []
    for look in range(1 + HEATS, LOOKS + 1):
        before, (_, nearest) = nearest, _look(places, centres)
        if nearest == before or look == LOOKS:
            break
        centres = _moved(places, centres, nearest)
    order = sorted(
        range(len(centres)), key=lambda centre: (-sum(centres[centre][1:]), centres[centre])
    )
    number = {centre: place for place, centre in enumerate(order, start=1)}
    return Clusters(
        [centres[centre] for centre in order],
        {user: number[own] for (user, _), own in zip(places, nearest, strict=True)},
    )


def _first_rounds(places: tuple[tuple[str, Place], ...], count: int, start: int) -> list[Place]:
    in_order = sorted(places, key=lambda one: (md5(f"{start}:{one[0]}"), one[0]))
    centres = list(dict.fromkeys(place for _, place in in_order))[:count]
    for _ in range(HEATS):
        centres = _moved(places, centres, _look(places, centres)[1])
    return centres


def _look(places: tuple[tuple[str, Place], ...], centres: list[Place]) -> tuple[int, list[int]]:
    """Who is nearest to which centre, and the squares of all these distances."""
    squares = [[squared(place, centre) for centre in centres] for _, place in places]
    return sum(map(min, squares)), [own.index(min(own)) for own in squares]


def _moved(
    places: tuple[tuple[str, Place], ...], centres: list[Place], nearest: list[int]
) -> list[Place]:
    members: dict[int, list[Place]] = {}
    for (_, place), own in zip(places, nearest, strict=True):
        members.setdefault(own, []).append(place)
    return [
        _middle(members[number]) if number in members else centre
        for number, centre in enumerate(centres)
    ]


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _middle(places: list[Place]) -> Place:
    return tuple(_mean(sum(column), len(places)) for column in zip(*places, strict=True))


def _mean(total: int, count: int) -> int:
    whole = (2 * abs(total) + count) // (2 * count)
    return whole if total >= 0 else -whole


def squared(one: Place, other: Place) -> int:
    """The square of a distance, in millionths of millionths."""
    return sum((a - b) * (a - b) for a, b in zip(one, other, strict=True))
