"""Draws a graph without cycles in layers: places for its nodes, ways for its edges. Pure, and the
same graph gives the same drawing.
"""

from __future__ import annotations

import graphlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from runner.project.lineage import Edge

# A bend of an edge that passes a layer takes part in the layout as a node without a name.
Bend = tuple[str, str, int]
Node = str | Bend

HEIGHT = 38.0
LAYER_GAP = 40.0
NODE_GAP = 12.0
BEND_WIDTH = 4.0
MARGIN = 8.0
SWEEPS = 24
# As wide as a page: of a wider layer, nodes from which nothing follows go down a layer.
WIDEST = 940.0
PULL = 0.25


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is: the middle of its upper side, and how wide it is."""

    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Places of nodes, paths of edges, and the size of it all."""

    boxes: dict[str, Box]
    paths: dict[Edge, str]
    width: float
    height: float


def draw(widths: Mapping[str, float], edges: Sequence[Edge]) -> Drawing:
    """Put nodes of these widths into layers, each below all that it follows from."""
    ranks = _ranks(widths, edges)
    layers: list[list[Node]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for node, rank in ranks.items():
        layers[rank].append(node)
    ways: dict[Edge, list[Node]] = {}
    for start, end in edges:
        bends: list[Node] = [(start, end, rank) for rank in range(ranks[start] + 1, ranks[end])]
        for bend, rank in zip(bends, range(ranks[start] + 1, ranks[end]), strict=True):
            layers[rank].append(bend)
        ways[start, end] = [start, *bends, end]
    links = [link for way in ways.values() for link in pairwise(way)]
    layers = _ordered(layers, links)
    sizes = {
        node: widths.get(node, 0.0) if isinstance(node, str) else BEND_WIDTH
        for layer in layers
        for node in layer
    }
    xs = _placed(layers, links, sizes)
    return _drawing(ranks, ways, xs, sizes)


def _ranks(widths: Mapping[str, float], edges: Sequence[Edge]) -> dict[str, int]:
    """A layer for each node: below all that it follows from, and as near as can be to what follows
    from it.
    """
    before: dict[str, list[str]] = {node: [] for node in widths}
    after: dict[str, list[str]] = {node: [] for node in widths}
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    ordered = list(graphlib.TopologicalSorter(before).static_order())
    ranks: dict[str, int] = {}
    for node in ordered:
        ranks[node] = max((ranks[other] + 1 for other in before[node]), default=0)
    for node in reversed(ordered):
        if after[node]:
            ranks[node] = min(ranks[other] for other in after[node]) - 1
    for rank in itertools.count():
        layer = [node for node in widths if ranks[node] == rank]
        if not layer:
            return {node: ranks[node] for node in widths}
        ends = [node for node in layer if not after[node]]
        room = WIDEST - sum(widths[node] + NODE_GAP for node in layer)
        while room < 0 and ends and len(layer) > 1:
            ranks[ends[-1]] += 1
            room += widths[ends.pop()] + NODE_GAP
    raise AssertionError


def _ordered(layers: list[list[Node]], links: Sequence[tuple[Node, Node]]) -> list[list[Node]]:
    """The layers in an order in which few edges cross: each node goes to the mean place of its
    neighbours, down and up again, and the best that was met is kept.
    """
    above: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    below: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    for start, end in links:
        above[end].append(start)
        below[start].append(end)
    best, fewest = layers, _crossings(layers, below)
    for sweep in range(SWEEPS):
        is_down = sweep % 2 == 0
        near = above if is_down else below
        layers = [list(layer) for layer in layers]
        for layer in layers[1:] if is_down else layers[-2::-1]:
            places = {node: place for each in layers for place, node in enumerate(each)}
            means = {
                node: sum(places[other] for other in near[node]) / len(near[node])
                if near[node]
                else float(places[node])
                for node in layer
            }
            layer.sort(key=lambda node, means=means: means[node])  # type: ignore[misc]
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _crossings(layers: Sequence[Sequence[Node]], below: Mapping[Node, Sequence[Node]]) -> int:
    count = 0
    for upper, lower in pairwise(layers):
        places = {node: place for place, node in enumerate(lower)}
        ends = [place for node in upper for place in sorted(places[end] for end in below[node])]
        count += sum(left > right for index, left in enumerate(ends) for right in ends[index + 1 :])
    return count


def _placed(
    layers: Sequence[Sequence[Node]],
    links: Sequence[tuple[Node, Node]],
    sizes: Mapping[Node, float],
) -> dict[Node, float]:
    """Where across the drawing each node is: near its neighbours, in the order of its layer."""
    near: dict[Node, list[Node]] = {node: [] for node in sizes}
    for start, end in links:
        near[start].append(end)
        near[end].append(start)
    xs = {node: 0.0 for node in sizes}
    for layer in layers:
        xs.update(zip(layer, _spread([0.0] * len(layer), layer, sizes), strict=True))
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            # A little towards the middle, too, or the drawing would lean to one side.
            wished = [
                sum(xs[other] for other in near[node]) / (len(near[node]) + PULL) for node in layer
            ]
            xs.update(zip(layer, _spread(wished, layer, sizes), strict=True))
    left = min((xs[node] - sizes[node] / 2 for node in xs), default=0.0)
    return {node: x - left + MARGIN for node, x in xs.items()}


def _spread(
    wished: Sequence[float], layer: Sequence[Node], sizes: Mapping[Node, float]
) -> list[float]:
    """The places nearest to those wished, by least squares, that keep the order and the gaps."""
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + (sizes[left] + sizes[right]) / 2 + NODE_GAP)
    # Without the gaps the places have only to go up: neighbours that would not are put together.
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wished, offsets, strict=True):
        mean, count = wish - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, size = blocks.pop()
            mean = (mean * count + other * size) / (count + size)
            count += size
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _drawing(
    ranks: Mapping[str, int],
    ways: Mapping[Edge, Sequence[Node]],
    xs: Mapping[Node, float],
    sizes: Mapping[Node, float],
) -> Drawing:
    step = HEIGHT + LAYER_GAP
    boxes = {
        node: Box(round(xs[node], 1), MARGIN + rank * step, sizes[node])
        for node, rank in ranks.items()
    }
    paths = {}
    for (start, end), way in ways.items():
        y = boxes[start].y + HEIGHT
        path = f"M{xs[start]:.1f},{y:.0f}"
        for above, below in pairwise(way):
            middle, y = y + LAYER_GAP / 2, y + LAYER_GAP
            path += f"C{xs[above]:.1f},{middle:.0f} {xs[below]:.1f},{middle:.0f}"
            path += f" {xs[below]:.1f},{y:.0f}"
            if below != end:
                y += HEIGHT
                path += f"V{y:.0f}"
        paths[start, end] = path
    width = max((xs[node] + sizes[node] / 2 for node in xs), default=0.0) + MARGIN
    height = (max(ranks.values(), default=-1) + 1) * step - LAYER_GAP + 2 * MARGIN
    return Drawing(boxes, paths, round(width, 1), max(height, 0.0))
