"""What stands on few users is withheld, and nothing that is shown gives it away."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from runner.pages.dashboard.cards import Card, Column
from runner.pages.dashboard.small_groups import withhold

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


def miles(series: str, member: str, users: int, start: str = "2026-03-02") -> dict[str, Any]:
    slice_ = "all" if member == "all" else "country"
    return {"slice": slice_, "slice_value": member, "grain": "week", "period_start": start,
            "series": series, "miles": users * 10, "users": users}  # fmt: skip


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
