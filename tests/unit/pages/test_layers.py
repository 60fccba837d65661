"""The layers of a lineage: each table below all that it follows from."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from runner.pages.docs.layers import layers, reduced

NAMES = [f"table_{number}" for number in range(14)]
GRAPHS = st.sets(st.sampled_from(list(combinations(NAMES, 2))), max_size=40)


@given(GRAPHS)
def test_each_node_is_below_those_that_it_follows_from(graph: set[tuple[str, str]]) -> None:
    found = layers(NAMES, sorted(graph))
    ranks = {node: rank for rank, layer in enumerate(found) for node in layer}
    assert all(ranks[start] < ranks[end] for start, end in graph)


@given(GRAPHS)
def test_each_node_is_there_once_and_no_layer_is_empty(graph: set[tuple[str, str]]) -> None:
    found = layers(NAMES, sorted(graph))
    assert sorted(node for layer in found for node in layer) == sorted(NAMES)
    assert all(found)


@given(GRAPHS)
def test_the_same_graph_gives_the_same_layers(graph: set[tuple[str, str]]) -> None:
    assert layers(NAMES, sorted(graph)) == layers(NAMES, sorted(graph))


def test_neighbours_stand_below_each_other() -> None:
    edges = [("a", "z"), ("b", "y"), ("c", "x")]
    assert layers(["a", "b", "c", "x", "y", "z"], edges) == [["a", "b", "c"], ["z", "y", "x"]]


def test_there_are_no_layers_of_nothing() -> None:
    assert layers([], []) == []


@given(GRAPHS)
def test_a_line_is_left_out_only_where_a_longer_way_leads(graph: set[tuple[str, str]]) -> None:
    def reachable(edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
        found = set(edges)
        for middle in NAMES:
            found |= {(a, d) for a, b in found if b == middle for c, d in found if c == middle}
        return found

    edges = sorted(graph)
    kept = reduced(edges)
    assert reachable(kept) == reachable(edges)
    assert all(reachable([edge for edge in kept if edge != one]) != reachable(kept) for one in kept)
