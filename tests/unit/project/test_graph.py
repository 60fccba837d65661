"""The order of scripts, and selections, follow from the needs in the manifest."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import StartError, UsageError
from runner.project.graph import order, select
from runner.project.manifest import Script
from tests.support.manifests import NEEDS, declare


def keys(scripts: list[Script]) -> list[str]:
    return [script.key for script in scripts]


# --- order ----------------------------------------------------------------------------------------


def test_each_script_comes_after_its_needs() -> None:
    needs = {"reporting.r": ["warehouse.b"], "warehouse.b": ["warehouse.a"], "warehouse.a": []}
    assert keys(order(declare(needs))) == ["warehouse.a", "warehouse.b", "reporting.r"]


def test_ties_come_in_the_order_of_the_file() -> None:
    needs = {"warehouse.c": [], "warehouse.a": ["raw.x"], "warehouse.b": []}
    assert keys(order(declare(needs))) == ["warehouse.c", "warehouse.a", "warehouse.b"]


def test_script_comes_as_soon_as_its_needs_allow() -> None:
    needs = {
        "warehouse.late": ["warehouse.early"],
        "warehouse.early": [],
        "warehouse.last": [],
    }
    assert keys(order(declare(needs))) == ["warehouse.early", "warehouse.late", "warehouse.last"]


def test_need_of_a_state_table_is_a_need_of_its_script() -> None:
    needs = {"warehouse.dim_dates": ["warehouse.totals"], "warehouse.daily": []}
    manifest = declare(needs, states={"warehouse.daily": "totals"})
    assert keys(order(manifest)) == ["warehouse.daily", "warehouse.dim_dates"]


def test_cycle_of_two_is_printed() -> None:
    needs = {"warehouse.a": ["warehouse.b"], "warehouse.b": ["warehouse.a"]}
    with pytest.raises(StartError) as raised:
        order(declare(needs))
    assert raised.value.message in (
        "sql/manifest.toml: there is a cycle: warehouse.a -> warehouse.b -> warehouse.a",
        "sql/manifest.toml: there is a cycle: warehouse.b -> warehouse.a -> warehouse.b",
    )
    assert raised.value.hint == "remove one of these needs"


def test_arrows_of_a_cycle_point_at_what_is_needed() -> None:
    needs = {
        "warehouse.a": ["warehouse.b"],
        "warehouse.b": ["warehouse.c", "warehouse.outside"],
        "warehouse.c": ["warehouse.a"],
        "warehouse.outside": [],
    }
    with pytest.raises(StartError) as raised:
        order(declare(needs))
    cycle = raised.value.message.removeprefix("sql/manifest.toml: there is a cycle: ").split(" -> ")
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {"warehouse.a", "warehouse.b", "warehouse.c"}
    assert all(need in needs[key] for key, need in pairwise(cycle))


def test_script_that_needs_itself_is_a_cycle() -> None:
    with pytest.raises(StartError, match=r"cycle: warehouse\.a -> warehouse\.a$"):
        order(declare({"warehouse.a": ["warehouse.a"]}))


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Needs without a cycle, in a file order that has nothing to do with them."""
    names = [f"warehouse.s{number}" for number in range(draw(st.integers(0, 12)))]
    needs: dict[str, list[str]] = {}
    for index, name in enumerate(names):
        earlier = st.lists(st.sampled_from(names[:index]), unique=True) if index else st.just([])
        needs[name] = draw(earlier)
    return {name: needs[name] for name in draw(st.permutations(names))}


@given(graphs())
def test_any_graph_runs_each_script_once_and_after_its_needs(needs: dict[str, list[str]]) -> None:
    ordered = keys(order(declare(needs)))
    assert sorted(ordered) == sorted(needs)
    for index, key in enumerate(ordered):
        assert set(needs[key]) <= set(ordered[:index])


@given(graphs())
def test_any_graph_takes_the_first_of_the_file_that_can_run(needs: dict[str, list[str]]) -> None:
    done: list[str] = []
    while len(done) < len(needs):
        done.append(next(key for key in needs if key not in done and {*needs[key]} <= {*done}))
    assert keys(order(declare(needs))) == done


@given(graphs())
def test_order_of_the_needs_decides_nothing(needs: dict[str, list[str]]) -> None:
    backwards = {key: wanted[::-1] for key, wanted in needs.items()}
    assert keys(order(declare(needs))) == keys(order(declare(backwards)))


# --- select ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("fact", {"warehouse.fact"}),
        ("warehouse.fact", {"warehouse.fact"}),
        ("warehouse", {"warehouse.changed", "warehouse.fact", "warehouse.dim"}),
        ("reporting", {"reporting.growth", "reporting.costs"}),
        ("*", set(NEEDS)),
        ("c*", {"warehouse.changed", "reporting.costs"}),
        ("reporting.*", {"reporting.growth", "reporting.costs"}),
        ("+growth", {"warehouse.changed", "warehouse.fact", "reporting.growth"}),
        ("dim+", {"warehouse.dim", "reporting.costs"}),
        ("changed+", {*NEEDS} - {"warehouse.dim"}),
        ("+fact+", {*NEEDS} - {"warehouse.dim"}),
        ("+dim", {"warehouse.dim"}),
        ("growth+", {"reporting.growth"}),
    ],
)
def test_pattern_selects(pattern: str, expected: set[str]) -> None:
    assert select(declare(NEEDS), [pattern]) == expected


def test_patterns_add_up() -> None:
    assert select(declare(NEEDS), ["dim", "growth"]) == {"warehouse.dim", "reporting.growth"}
    assert select(declare(NEEDS), []) == set()


def test_plus_goes_through_state_tables() -> None:
    needs = {"warehouse.daily": [], "warehouse.dates": ["warehouse.totals"]}
    manifest = declare(needs, states={"warehouse.daily": "totals"})
    assert select(manifest, ["+dates"]) == set(needs)
    assert select(manifest, ["daily+"]) == set(needs)


def test_pattern_that_matches_nothing_names_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        select(declare(NEEDS), ["dim", "+grwth"])
    assert raised.value.message == "no script matches grwth"
    assert raised.value.hint == "did you mean growth?"
    assert raised.value.exit_code == 2


def test_pattern_like_nothing_has_a_hint_where_names_are() -> None:
    with pytest.raises(UsageError) as raised:
        select(declare(NEEDS), ["zzz"])
    assert raised.value.hint == "python -m runner ls lists them"
