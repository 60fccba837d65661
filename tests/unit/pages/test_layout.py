"""The drawing of a graph: everything below what it follows from, nothing on top of another."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from runner.pages.docs.layout import HEIGHT, draw
from runner.project.lineage import reduced

NAMES = [f"table_{number}" for number in range(14)]
GRAPHS = st.sets(st.sampled_from(list(combinations(NAMES, 2))), max_size=40)


@given(GRAPHS)
def test_each_node_is_below_those_that_it_follows_from(graph: set[tuple[str, str]]) -> None:
    boxes = draw(dict.fromkeys(NAMES, 90.0), sorted(graph)).boxes
    assert all(boxes[start].y + HEIGHT < boxes[end].y for start, end in graph)


@given(GRAPHS)
def test_no_two_nodes_overlap_and_all_are_inside(graph: set[tuple[str, str]]) -> None:
    drawing = draw({name: 40.0 + 9 * index for index, name in enumerate(NAMES)}, sorted(graph))
    for one, other in combinations(drawing.boxes.values(), 2):
        assert one.y != other.y or abs(one.x - other.x) >= (one.width + other.width) / 2
    for box in drawing.boxes.values():
        assert box.width / 2 <= box.x <= drawing.width - box.width / 2
        assert 0 <= box.y <= drawing.height - HEIGHT


@given(GRAPHS)
def test_the_same_graph_gives_the_same_drawing(graph: set[tuple[str, str]]) -> None:
    widths = dict.fromkeys(NAMES, 90.0)
    assert draw(widths, sorted(graph)) == draw(widths, sorted(graph))


def test_a_drawing_of_nothing_is_empty() -> None:
    assert draw({}, []).boxes == {}


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
