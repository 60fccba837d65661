"""Nothing that stands on few users can be computed from a page, by any sums of what it shows.

The unknowns are the miles, events and returns of each member, up to each day. A page's rows are
differences of them, and sums over members, categories and directions hold. What follows from all
of these together is found by elimination (tests/support/attack.py).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from runner.pages.dashboard.cards import load
from runner.pages.dashboard.data import begin, run
from tests.browser.conftest import Warehouse
from tests.support import PROJECT
from tests.support.attack import Span, attacked, between, ends, of_slice, told
from tests.support.pages import data_of, decoded

LEAST = 5
SLICES = ("country", "platform", "utm_source")
Rows = list[dict[str, Any]]


def truth_of(warehouse: Warehouse, *names: str) -> dict[str, Rows]:
    """The rows of cards as their queries give them, with nothing withheld."""
    cards = {card.name: card for card in load(PROJECT).cards}
    with warehouse.database.session("test") as session, session.transaction():
        begin(session)
        return {name: list(run(session, cards[name]).rows) for name in names}


def shown_on(warehouse: Warehouse, *names: str) -> dict[str, Rows]:
    return {
        name: [row for row in rows if not row.get("is_withheld")]
        for name, rows in listed_on(warehouse, *names).items()
    }


def listed_on(warehouse: Warehouse, *names: str) -> dict[str, Rows]:
    """All rows of the page, also those without their figures: they tell that there is somebody."""
    data = data_of(warehouse.page.read_text())["cards"]
    return {name: list(decoded(data[name]["data"])) for name in names}


def assert_hidden(warehouse: Warehouse, slice_: str) -> None:
    truth = truth_of(warehouse, "miles", "engagement")
    listed = listed_on(warehouse, *truth, "miles_balance", "headlines", "places")
    found, asked = told(attacked(listed, truth, slice_), truth, slice_, LEAST)
    assert asked > 500
    assert found == []
    # Without what is withheld for others' sake, the attack finds them.
    small = {
        "miles": [row for row in truth["miles"] if row["users"] >= LEAST],
        "engagement": [row for row in truth["engagement"] if row["base"] >= LEAST],
    }
    assert len(told(attacked(small, truth, slice_), truth, slice_, LEAST)[0]) > 20


def test_miles_and_events_of_few_cannot_be_computed(grown: Warehouse) -> None:
    assert_hidden(grown, "country")


@pytest.mark.slow
@pytest.mark.parametrize("slice_", SLICES)
def test_those_of_few_in_a_larger_programme_cannot_be_computed(
    demo: Warehouse, slice_: str
) -> None:
    assert_hidden(demo, slice_)


def number_of(row: dict[str, Any]) -> int:
    start = date.fromisoformat(row["cohort_start"])
    begun = start.year * 12 + start.month if row["grain"] == "month" else start.toordinal() // 7
    return begun + int(row["period_number"])


def cells(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["slice_value"], row["cohort_start"], row["period_number"]


def told_of_cohorts(warehouse: Warehouse, slice_: str, grain: str) -> tuple[list[Any], int]:
    """The users of a week are those of all cohorts: what of small ones can be computed, if members
    add up. Where few were there before, the week's users are not shown.
    """
    span = Span()
    truth = of_slice(truth_of(warehouse, "retention")["retention"], slice_)
    truth = [row for row in truth if row["grain"] == grain and row["cohort_start"]]
    shown = shown_on(warehouse, "retention", "growth_accounting", "active_users")
    for row in of_slice(shown["retention"], slice_):
        if row["grain"] == grain and row["cohort_start"]:
            span.add([(cells(row), 1)])
    known = set()
    for row in of_slice(shown["growth_accounting"], slice_):
        if row["grain"] == grain:
            known.add((row["slice_value"], number_of({**row, "cohort_start": row["period_start"], "period_number": 0})))  # fmt: skip
    for row in of_slice(shown["active_users"], slice_) if grain == "week" else ():
        day = date.fromisoformat(row["day"])
        if day.isoweekday() == 7:
            known.add((row["slice_value"], (day - timedelta(6)).toordinal() // 7))
    weeks: dict[Any, list[Any]] = defaultdict(list)
    members: dict[Any, list[Any]] = defaultdict(list)
    for row in truth:
        weeks[row["slice_value"], number_of(row)].append((cells(row), 1))
        sign = 1 if row["slice"] == "all" else -1
        members[cells(row)[1:]].append((cells(row), sign))
    for week, terms in weeks.items():
        if week in known:
            span.add(terms)
    users = {cells(row): row["active_users"] for row in truth}
    if all(sum(users[cell] * sign for cell, sign in terms) == 0 for terms in members.values()):
        for terms in members.values():
            span.add(terms)
    small = [row for row in truth if 0 < row["cohort_size"] < LEAST]
    return [cells(row) for row in small if span.has([(cells(row), 1)])], len(small)


def test_users_of_a_week_give_no_small_cohort_away(grown: Warehouse) -> None:
    asked = 0
    for slice_ in SLICES:
        for grain in ("week", "month"):
            found, count = told_of_cohorts(grown, slice_, grain)
            assert found == []
            asked += count
    assert asked > 500


@pytest.mark.slow
def test_users_of_a_week_give_no_small_cohort_of_the_real_file_away(
    real: Warehouse, demo: Warehouse
) -> None:
    for warehouse in (real, demo):
        for slice_ in SLICES:
            for grain in ("week", "month"):
                assert told_of_cohorts(warehouse, slice_, grain)[0] == []


def test_neither_weeks_nor_months_nor_ranges_tell_of_few_who_joined(grown: Warehouse) -> None:
    """Who joined between a week's end and a month's is known from both, if these are linked."""
    shown = shown_on(grown, "return_days")["return_days"]
    truth = truth_of(grown, "return_days")["return_days"]
    series: dict[Any, Span] = defaultdict(Span)
    for row in shown:
        if row["cohort_start"]:
            key = row["slice"], row["slice_value"], row["day_number"]
            series[key].add(between((), *ends(row, "cohort_start")))
    joined: dict[Any, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in truth:
        if row["cohort_start"]:
            key = row["slice"], row["slice_value"], row["day_number"]
            joined[key][row["grain"]][ends(row, "cohort_start")[0]] = row["eligible_users"]
            if 0 < row["eligible_users"] < LEAST:
                assert not series[key].has(between((), *ends(row, "cohort_start")))
    asked = 0
    for key, grains in joined.items():
        nodes = {node: sum(n for start, n in grains[grain].items() if start < node)
                 for grain in ("week", "month") for node in grains[grain]}  # fmt: skip
        for (first, before), (end, after) in pairwise(sorted(nodes.items())):
            if 0 < after - before < LEAST:
                asked += 1
                assert not series[key].has(between((), first, end))
    assert asked > 20
