"""What can be computed from a page, by all linear combinations of what it shows.

A figure is a vector over unknowns, such as the miles of a member up to the end of a day. What is
shown spans a space; a figure that lies in it can be computed, whatever its value is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from heapq import heapify, heappop, heappush

PRIME = 2**61 - 1
Vector = dict[Hashable, int]


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
