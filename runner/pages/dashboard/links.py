"""What can be computed from what: points in time that are linked, and sums that cross."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise

# The end of a figure that is in one sum only.
OUTSIDE = -1


def bridges(edges: Mapping[int, tuple[int, int]]) -> list[tuple[int, set[int]]]:
    """Return the unknown figures that follow from all sums together, each with the sums on one side
    of it. A figure is an edge between the two sums that it is in: it follows if it is a bridge.
    """
    beside: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for edge, (one, other) in edges.items():
        beside[one].append((other, edge))
        beside[other].append((one, edge))
    found: list[tuple[int, set[int]]] = []
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    for root in beside:
        if root in order:
            continue
        order[root] = lowest[root] = len(order)
        reached = [root]
        path = [(root, -2, iter(beside[root]))]
        while path:
            node, came_by, others = path[-1]
            for other, edge in others:
                if edge == came_by:
                    continue
                if other in order:
                    lowest[node] = min(lowest[node], order[other])
                    continue
                order[other] = lowest[other] = len(order)
                reached.append(other)
                path.append((other, edge, iter(beside[other])))
                break
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                    if lowest[node] == order[node]:
                        # What was reached since then is on the other side of this edge.
                        found.append((came_by, {*reached[order[node] - order[root] :]}))
    return found


class Links:
    """Points that are linked, directly or by others: their difference is known. Few users are fewer
    than the least, and what lies in a small period: the same ones may come on several days.
    """

    def __init__(self, least: int, small: Iterable[tuple[int, int]]) -> None:
        self._least = least
        self._groups: dict[int, set[int]] = {}
        ordered = sorted(small)
        self._starts = [start for start, _ in ordered]
        self._ends = [0, *accumulate((end for _, end in ordered), max)]

    def add(self, one: int, other: int) -> bool:
        """Link two points, unless it brings two together that are too close; return whether."""
        linked = self._groups.get(one, {one}) | self._groups.get(other, {other})
        if any(self._is_close(less, more) for less, more in pairwise(sorted(linked))):
            return False
        self._groups |= dict.fromkeys(linked, linked)
        return True

    def has(self, one: int, other: int) -> bool:
        """Return whether two points are linked."""
        return other in self._groups.get(one, {one})

    def _is_close(self, less: int, more: int) -> bool:
        is_in_small = more <= self._ends[bisect_right(self._starts, less)]
        return more - less < self._least or is_in_small
