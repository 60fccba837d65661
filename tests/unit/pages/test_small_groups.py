"""What stands on few users is withheld, and nothing that is shown gives it away."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from runner.pages.dashboard.cards import Card, Column
from runner.pages.dashboard.small_groups import withhold, without_averages

LEAST = 5
MILES = Card(
    "miles", Path("dashboard/10_miles.sql"), "", "Miles", "?", ".", "chart", "full",
    {
        "period_start": Column("period_start", "From"),
        "series": Column("series", "Category", "name"),
        "miles": Column("miles", "Miles", "number"),
    },
    base="users",
)  # fmt: skip
COHORTS = Card(
    "retention", Path("dashboard/20_retention.sql"), "", "Retention", "?", ".", "table", "full",
    {
        "cohort_start": Column("cohort_start", "Cohort"),
        "cohort_size": Column("cohort_size", "Users", "number"),
        "period_number": Column("period_number", "Later", None, "across"),
        "retention_rate": Column("retention_rate", "Active", "percent", "heat"),
    },
    base="cohort_size",
)  # fmt: skip
counts = some.integers(0, 9) | some.integers(0, 60)


def miles(
    series: str, member: str, users: int, start: str = "2026-03-02", direction: str = "earned"
) -> dict[str, Any]:
    slice_ = "all" if member == "all" else "country"
    return {"slice": slice_, "slice_value": member, "grain": "week", "period_start": start,
            "series": series, "direction": direction, "miles": users * 10, "users": users}  # fmt: skip


def shown(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(row["series"], row["slice_value"]) for row in rows if not row.get("is_withheld")}


def test_a_small_group_is_withheld_and_so_is_the_one_that_would_give_it_away() -> None:
    rows = [miles("dining", "all", 40), miles("dining", "SG", 30), miles("dining", "ID", 7),
            miles("dining", "VN", 3)]  # fmt: skip
    found = withhold(MILES, rows, LEAST, set(), "2026-03-08")
    assert shown(found) == {("dining", "all"), ("dining", "SG")}
    assert {row["miles"] for row in found if row["is_withheld"]} == {None}
    assert {row["users"] for row in found if row["is_withheld"]} == {None}


def test_a_member_that_is_not_listed_is_protected_like_a_small_one() -> None:
    rows = [miles("dining", "all", 40), miles("dining", "SG", 34), miles("dining", "ID", 6)]
    found = withhold(MILES, rows, LEAST, {2}, "2026-03-08")
    assert shown(found) == {("dining", "all")}


def test_where_no_group_is_small_nothing_is_withheld() -> None:
    rows = [miles("dining", "all", 40), miles("dining", "SG", 35), miles("dining", "ID", 5)]
    assert withhold(MILES, rows, LEAST, set(), "2026-03-08") == rows
    assert withhold(MILES, [], LEAST, set(), None) == []


def cohort(start: str | None, size: int, number: int = 1, range_: str | None = None) -> Any:
    return {"slice": "all", "slice_value": "all", "grain": "week", "cohort_start": start,
            "range": range_, "cohort_size": size, "period_number": number,
            "retention_rate": 0.5, "is_complete": True}  # fmt: skip


def test_an_average_is_withheld_with_too_few_of_its_cohorts() -> None:
    large, small = cohort("2026-02-02", 30), cohort("2026-02-09", 4)
    average = cohort(None, 34, range_="all")
    found = withhold(COHORTS, [large, small, average], LEAST, set(), "2026-03-08")
    assert [row["is_withheld"] for row in found] == [False, True, True]
    # A cohort that says little goes in its place.
    little = cohort("2026-02-23", 12)
    found = withhold(COHORTS, [large, small, little, average], LEAST, set(), "2026-03-08")
    assert [row["is_withheld"] for row in found] == [False, True, True, False]
    # Two small ones of five users together hide behind each other.
    others = [small, cohort("2026-02-16", 1)]
    found = withhold(COHORTS, [large, *others, average], LEAST, set(), "2026-03-08")
    assert [row["is_withheld"] for row in found] == [False, True, True, False]


@settings(max_examples=60, deadline=None)
@given(
    some.dictionaries(
        some.tuples(some.sampled_from("abcd"), some.sampled_from(["SG", "ID", "MY", "VN"])), counts
    )
)
def test_no_sum_gives_a_small_group_away(users: dict[tuple[str, str], int]) -> None:
    """Whatever is withheld of a sum that is shown is two groups or more, of five users together."""
    rows = [miles(series, member, count) for (series, member), count in users.items()]
    totals: dict[str, int] = defaultdict(int)
    for (series, _), count in users.items():
        totals[series] += count
    rows += [miles(series, "all", count) for series, count in totals.items()]
    found = withhold(MILES, rows, LEAST, set(), "2026-03-08")
    seen = shown(found)
    for (series, member), count in users.items():
        assert (series, member) not in seen or count == 0 or count >= LEAST
    cells = {**users, **{(series, "all"): count for series, count in totals.items()}}
    hidden = {cell: count for cell, count in cells.items() if cell not in seen}
    for series in totals:
        line = [count for (of, member), count in hidden.items() if of == series and member != "all"]
        if (series, "all") in hidden:
            assert line, "a total alone is the sum of what is shown"
        elif line:
            assert len(line) > 1 and sum(line) >= LEAST
    for member in ("SG", "ID", "MY", "VN"):  # the sum over all categories is known from elsewhere
        line = [count for (_, of), count in hidden.items() if of == member]
        rest = [cell for cell in seen if cell[1] == member and cells[cell]]
        assert not line or not rest or (len(line) > 1 and sum(line) >= LEAST)


@settings(max_examples=40, deadline=None)
@given(some.dictionaries(some.tuples(some.sampled_from(["earned", "redeemed"]),
                                     some.sampled_from("abcd")), counts))  # fmt: skip
def test_no_total_of_a_direction_gives_a_category_away(users: dict[tuple[str, str], int]) -> None:
    """What was earned and what was redeemed in all is known each for itself, from the balance."""
    rows = [miles(f"{name}, {way}", "all", count, direction=way)
            for (way, name), count in users.items()]  # fmt: skip
    found = withhold(MILES, rows, LEAST, set(), "2026-03-08")
    for way in ("earned", "redeemed"):
        of_way = [(row, users[way, row["series"][0]]) for row in found if row["direction"] == way]
        gone = [count for row, count in of_way if row.get("is_withheld") and count]
        assert not gone or len(gone) == sum(1 for _, count in of_way if count) or (
            len(gone) > 1 and sum(gone) >= LEAST
        )  # fmt: skip


@pytest.mark.parametrize("users", [0, None])
def test_figures_without_users_are_those_of_a_few(users: int | None) -> None:
    nobody = {**miles("dining", "all", 0), "users": users}
    assert not withhold(MILES, [nobody], LEAST, set(), None)[0].get("is_withheld")
    assert withhold(MILES, [{**nobody, "miles": 7}], LEAST, set(), None)[0]["miles"] is None
    trend = {**nobody, "miles": [0, 1, 0]}
    assert withhold(MILES, [trend], LEAST, set(), None)[0]["miles"] is None
    # How many a cohort has is a count; its figures are empty until its time is over.
    young = {**cohort("2026-03-02", 0), "retention_rate": None, "others": 12}
    assert not withhold(COHORTS, [young], LEAST, set(), None)[0].get("is_withheld")


@settings(max_examples=60, deadline=None)
@given(some.lists(some.integers(1, 30), min_size=1, max_size=12))
def test_no_two_averages_give_a_cohort_away(sizes: list[int]) -> None:
    """What one range has more than another, or than none, is no cohort, or two with five users."""
    last = date(2026, 3, 8)
    starts = [(last - timedelta(7 * age + 6)).isoformat() for age in range(len(sizes))]
    ranges = {"all": len(sizes), "30": 5, "90": 13}
    cohorts = [cohort(start, size) for start, size in zip(starts, sizes, strict=True)]
    averages = [cohort(None, sum(sizes[:count]), range_=name) for name, count in ranges.items()]
    found = withhold(COHORTS, cohorts + averages, LEAST, set(), last.isoformat())
    hidden = {row_at for row_at, row in enumerate(found[: len(sizes)]) if row.get("is_withheld")}
    assert {place for place, size in enumerate(sizes) if size < LEAST} <= hidden
    known = [0, *sorted(
        min(ranges[row["range"]], len(sizes))
        for row in found[len(sizes):] if not row.get("is_withheld")
    )]  # fmt: skip
    for first, end in itertools.combinations(known, 2):
        gone = [sizes[place] for place in hidden if first <= place < end]
        assert not gone or (len(gone) > 1 and sum(gone) >= LEAST)


def test_a_headline_goes_with_the_average_that_it_repeats() -> None:
    card = replace(MILES, show="figures", base="users")
    rows = [{"slice": "all", "slice_value": "all", "figure": "Week-4", "value": 0.5, "trend": [0.5],
             "users": 34, "average_of": name} for name in ("retention/week/4", None)]  # fmt: skip
    average = {**cohort(None, 34, 4, "all"), "is_withheld": True}
    for each, is_gone in ((average, True), ({**average, "range": "30"}, False),
                          ({**average, "grain": "month"}, False)):  # fmt: skip
        first, second = without_averages(card, rows, {"retention": [each]})
        assert (first["value"] is None) == is_gone and second["value"] == 0.5
    assert without_averages(card, rows, {"retention": [cohort(None, 34, 4, "all")]}) == rows
