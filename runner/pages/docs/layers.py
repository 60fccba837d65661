"""Orders the tables of a lineage in layers; the browser places them and draws the lines."""

import graphlib
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from runner.project.graph import reachable
from runner.project.lineage import Edge

SWEEPS = 8  # how often the order of each layer is improved

Near = Mapping[str, Sequence[str]]


def layers(nodes: Iterable[str], edges: Sequence[Edge]) -> list[list[str]]:
    """Sort nodes into layers, each node below all that it follows from, so that few edges cross.

    The edges have no cycle. The same graph gives the same layers.
    """
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in before}
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    ranks = _ranks(before, after)
    found: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for node in before:
        found[ranks[node]].append(node)
    for sweep in range(SWEEPS):
        _align(found, before if sweep % 2 == 0 else after)
    return found


def _ranks(before: Near, after: Near) -> dict[str, int]:
    """Number the layers from the top; a node is as near as possible to what follows from it."""
    ordered = list(graphlib.TopologicalSorter(before).static_order())
    ranks: dict[str, int] = {}
    for node in ordered:
        ranks[node] = max((ranks[other] + 1 for other in before[node]), default=0)
    for node in reversed(ordered):
        if after[node]:
            ranks[node] = min(ranks[other] for other in after[node]) - 1
    first = min(ranks.values(), default=0)
    return {node: rank - first for node, rank in ranks.items()}


def _align(found: Sequence[list[str]], near: Near) -> None:
    """Move each node to the mean place of its neighbours; places go from 0, left, to 1."""
    for layer in found:
        places = {
            node: (place + 0.5) / len(each) for each in found for place, node in enumerate(each)
        }
        means = {node: fmean(places[each] for each in near[node] or [node]) for node in layer}
        layer.sort(key=means.__getitem__)


def reduced(edges: Sequence[Edge]) -> list[Edge]:
    """Return the edges without those that a longer path implies."""
    after: dict[str, list[str]] = {}
    for start, end in edges:
        after.setdefault(start, []).append(end)
    return [
        (start, end)
        for start, end in edges
        if not any(end in reachable([near], after) for near in after[start] if near != end)
    ]
