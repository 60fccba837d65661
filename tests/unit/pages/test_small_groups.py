"""What stands on few users is withheld, and nothing that is shown gives it away."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from runner.pages.dashboard.cards import Card, Column
from runner.pages.dashboard.known_sums import KnownSums
from runner.pages.dashboard.periods import end_of
from runner.pages.dashboard.repeats import with_repeated
from runner.pages.dashboard.small_groups import withhold
from tests.support.attack import Span

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
terms = some.tuples(some.integers(0, 6), some.sampled_from([-2, -1, 1, 2]))


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


def shown_cohorts(sizes: dict[str, int], least: int = LEAST) -> tuple[list[str], Any]:
    """Which cohorts are shown, and their average of the second week."""
    weeks = {start: (date(2026, 2, 23) - date.fromisoformat(start)).days // 7 for start in sizes}
    rows = [
        cohort(start, sizes[start], number + 1) for start in sizes for number in range(weeks[start])
    ]
    for row in rows:
        row["retention_rate"] = 0.4 if row["cohort_size"] == 30 else 0.5
    average = cohort(None, sum(sizes.values()), 2, range_="all")
    card = replace(COHORTS, adds_up=False)
    *found, last = withhold(card, [*rows, average], least, set(), "2026-03-08")
    starts = [row["cohort_start"] for row in found if not row.get("is_withheld")]
    return sorted(set(starts)), None if last.get("is_withheld") else last


def test_a_small_cohort_is_withheld_with_one_that_began_before() -> None:
    """Who was active in its second week is of one of the two."""
    sizes = {"2026-01-05": 8, "2026-01-12": 30, "2026-01-19": 3, "2026-01-26": 40}
    assert shown_cohorts(sizes)[0] == ["2026-01-12", "2026-01-26"]
    # Where none began before, with the next one.
    del sizes["2026-01-05"], sizes["2026-01-12"]
    assert shown_cohorts({**sizes, "2026-02-02": 50})[0] == ["2026-02-02"]


def test_an_average_is_of_the_cohorts_that_are_shown() -> None:
    """Of those that are not, it would tell with who was active in all."""
    sizes = {"2026-01-05": 8, "2026-01-12": 30, "2026-01-19": 3, "2026-01-26": 20}
    average = shown_cohorts(sizes)[1]
    assert (average["cohort_size"], average["retention_rate"]) == (50, 0.44)
    assert shown_cohorts({**sizes, "2026-01-12": 12, "2026-01-26": 7})[1] is None
    assert shown_cohorts({"2026-01-12": 30})[1]["retention_rate"] == 0.5  # as it came


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


@settings(max_examples=40, deadline=None)
@example([0] * 19 + [1, 4, 0, 0, 0, 1, 1, 5, 1] + [0] * 22)
@given(some.lists(some.integers(0, 9), min_size=50, max_size=50))
def test_between_a_week_and_a_month_there_are_no_few(days: list[int]) -> None:
    """Points in time that shown periods link lie five users apart, or none."""
    start = date(2026, 1, 5)
    rows = []
    for number, users in enumerate(days):
        day = start + timedelta(number)
        firsts = {"day": day, "week": day - timedelta(day.weekday()), "month": day.replace(day=1)}
        for grain, first in firsts.items():
            found = [
                row for row in rows if (row["grain"], row["period_start"]) == (grain, str(first))
            ]
            if found:
                found[0]["users"] += users
                found[0]["miles"] += users
            else:
                rows.append(
                    {**miles("dining", "all", users, str(first)), "grain": grain, "miles": users}
                )
    for row in rows:
        row["is_complete"] = True
    found = withhold(MILES, rows, LEAST, set(), "2026-03-08")
    before = [sum(days[:number]) for number in range(len(days) + 1)]
    links: dict[int, set[int]] = {}
    for row in found:
        if row.get("is_withheld"):
            continue
        first = date.fromisoformat(row["period_start"])
        ends = [first, end_of(first, row["grain"]) + timedelta(1)]
        nodes = {before[min(max((end - start).days, 0), len(days))] for end in ends}
        linked = set().union(*(links.get(node, {node}) for node in nodes))
        links |= dict.fromkeys(linked, linked)
    for linked in links.values():
        assert all(more - less >= LEAST for less, more in itertools.pairwise(sorted(linked)))


def test_a_balance_tells_no_more_than_the_periods() -> None:
    column = {"outstanding": Column("outstanding", "Outstanding", "number", "balance")}
    card = replace(MILES, columns={"period_start": MILES.columns["period_start"], **column})
    users = [9, 8, 3, 7, 6, 9]
    rows = [{**miles("", "all", count, str(date(2026, 3, 2 + at))), "grain": "day",
             "outstanding": at + 10, "is_complete": True} for at, count in enumerate(users)]  # fmt: skip
    found = withhold(card, rows, LEAST, set(), "2026-03-08")
    # The newest is shown whatever the first days are, so a second day goes with that of the three.
    assert [row["outstanding"] for row in found] == [10, 11, None, None, None, 15]
    assert [bool(row["is_withheld"]) for row in found] == [False, False, True, False, True, False]


def test_the_newest_balance_is_kept_where_its_own_day_is_small() -> None:
    column = {"outstanding": Column("outstanding", "Outstanding", "number", "balance")}
    card = replace(MILES, columns={"period_start": MILES.columns["period_start"], **column})
    rows = [{**miles("", "all", count, str(date(2026, 3, 2 + at))), "grain": "day",
             "outstanding": at + 10, "is_complete": True} for at, count in enumerate([9, 8, 3])]  # fmt: skip
    found = withhold(card, rows, LEAST, set(), "2026-03-08")
    assert [(row["outstanding"], row["miles"] is None) for row in found] == [
        (10, False), (None, True), (12, True)
    ]  # fmt: skip


@pytest.mark.parametrize(("shorter", "shown"), [(20, ["all"]), (16, ["all", "30"])])
def test_a_range_that_few_tell_from_a_longer_one_is_withheld(
    shorter: int, shown: list[str]
) -> None:
    rows = [{"range": name, "series": "google", "users": users, "rate": 0.5}
            for name, users in (("30", shorter), ("all", 22))]  # fmt: skip
    card = replace(MILES, columns={"series": MILES.columns["series"]}, show="table")
    found = withhold(card, rows, LEAST, set(), "2026-03-08")
    assert (
        sorted((row["range"] for row in found if not row.get("is_withheld")), reverse=True) == shown
    )


def test_a_form_is_shown_unless_a_secret_could_be_computed() -> None:
    known = KnownSums()
    known.learn([(1, 1), (2, 1), (3, 1), (9, -1)])  # 9 is the sum of the others
    known.protect([(1, 1)])
    assert known.show([(9, 1)])
    assert known.show([(2, 1)])
    assert not known.show([(3, 1)])
    assert not known.has([(3, 1)])
    assert known.has([(1, 1), (3, 1)])
    # Nor what is a multiple of a secret, nor two that only together tell it.
    assert not known.show([(1, 2), (2, 5)])
    assert not known.show([(1, 1), (4, 1)], [(4, 1)])


@settings(max_examples=200, deadline=None)
@given(some.lists(some.lists(terms, max_size=4), min_size=4, max_size=12))
def test_what_is_shown_never_spans_a_secret(forms: list[list[tuple[int, int]]]) -> None:
    """The space is spanned anew, by other means (tests/support/attack.py)."""
    known, span = KnownSums(), Span()
    fact, *secrets = forms[:3]
    known.learn(fact)
    span.add(fact)
    secrets = [secret for secret in secrets if not span.has(secret)]
    for secret in secrets:
        known.protect(secret)
    for form in forms[3:]:
        if known.show(form):
            span.add(form)
        else:
            more = Span()
            for each in (fact, *(each for each in forms[3:] if known.has(each)), form):
                more.add(each)
            assert any(more.has(secret) for secret in secrets)
        assert not any(span.has(secret) for secret in secrets)


def test_a_headline_shows_what_the_card_does_that_it_repeats() -> None:
    row = {
        "slice": "all",
        "slice_value": "all",
        "figure": "Week-4",
        "value": 0.5,
        "trend": [0.5, 1],
    }
    rows = [{**row, "repeats": "retention/week/4"}, {**row, "repeats": None}]
    average = {**cohort(None, 34, 4, "all"), "retention_rate": 0.3, "is_withheld": False}
    large = {**cohort("2026-02-02", 30, 4), "is_withheld": False}
    small = {**cohort("2026-02-09", 4, 4), "is_withheld": True}
    first, second = with_repeated(rows, {"retention": [large, small, average]})
    assert (first["value"], first["trend"], second["value"]) == (0.3, [0.5], 0.5)
    first, _ = with_repeated(rows, {"retention": [small, {**average, "is_withheld": True}]})
    assert first["value"] is None
    assert with_repeated(rows, {"retention": [large]}) == rows
    month = {**row, "repeats": "miles_balance/month/2026-02-01/miles_earned"}
    balance = {"slice": "all", "slice_value": "all", "grain": "month",
               "period_start": "2026-02-01", "miles_earned": None}  # fmt: skip
    assert with_repeated([month], {"miles_balance": [balance]})[0]["value"] is None
