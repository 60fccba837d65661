"""A day with users outside what is usual for its weekday is warned of; growth is no alarm."""

from __future__ import annotations

import random

import pytest

from runner.database.session import Database
from runner.pages.dashboard.page import render
from runner.pages.dashboard.tables import sentence
from tests.oracle.unusual import is_unusual, usual
from tests.support import PROJECT, event, insert_events, query, run_all
from tests.support.pages import data_of, decoded

SENTENCES = (PROJECT / "dashboard/05_changes.sql").read_text(encoding="utf-8")
WEEKDAYS = (20, 21, 22, 24, 26, 30, 18)  # users, and one more every other week


def counts(last: int) -> list[int]:
    return [WEEKDAYS[day % 7] + day // 14 for day in range(84)] + [last]


@pytest.mark.parametrize(
    ("users", "status"),
    [
        (12, "passed"),
        (50, "warned"),
        pytest.param(27, "passed", marks=pytest.mark.slow),
        pytest.param(6, "warned", marks=pytest.mark.slow),
    ],
)
def test_a_day_outside_the_usual_range_of_its_weekday_warns(
    database: Database, no_margin: None, users: int, status: str
) -> None:
    days = counts(users)
    events = [event(day, f"u_{user}") for day, count in enumerate(days) for user in range(count)]
    insert_events(database, [*events, event(len(days), "u_1")])
    run_all(database)
    low, high = usual(days, len(days) - 1) or (0, 0)
    assert (status == "warned") == is_unusual(days, len(days) - 1) == (not low <= users <= high)
    found = query(
        database,
        "select status, bad_rows from reporting.data_checks"
        " where check_name = 'active_users_daily.unusual'",
    )
    assert found == [{"status": status, "bad_rows": int(status == "warned")}]
    said = [
        sentence(row) for row in query(database, SENTENCES)
        if row["card"] == "active_users" and row["grain"] == "week"
    ]  # fmt: skip
    told = f"Thursday, 26 Mar 2026 had {users} users; usual for the weekday are {low} to {high}."
    assert said == ([told] if status == "warned" else [])
    # The band of the page is the same, for each day.
    rows = decoded(data_of(render(database, PROJECT))["cards"]["active_users"]["data"])
    bands = [(row["usual_low"], row["usual_high"]) for row in rows if row["slice"] == "all"]
    assert bands[:-1] == [usual(days, day) or (None, None) for day in range(len(days))]


def noisy(generator: random.Random, users: float, growth: float) -> list[int]:
    """Users of 120 days, more at weekends, as chance has them."""
    means = [users * (1 + growth) ** day * (1.25 if day % 7 in (5, 6) else 1) for day in range(120)]
    return [max(0, round(generator.gauss(mean, mean**0.5))) for mean in means]


@pytest.mark.parametrize("users", [30, 100, 1000])
def test_growth_and_chance_are_no_alarm_and_half_a_day_is(users: int) -> None:
    """Of days in which nothing happened, one of a hundred at most is told; of days on which half of
    the events did not come, nearly all, from a hundred users on."""
    generator = random.Random(users)
    alarms, found, days, halves = 0, 0, 0, 0
    for growth in (0, 0.004, 0.01) * 4:
        series = noisy(generator, users, growth)
        for day in range(60, 120):
            alarms += is_unusual(series, day)
            days += 1
            if day % 10 == 0:
                found += is_unusual([*series[:day], series[day] // 2], day)
                halves += 1
    assert alarms / days < 0.01
    assert users < 100 or found / halves > 0.95
