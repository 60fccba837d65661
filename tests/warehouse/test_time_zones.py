"""A day is a day of reporting_timezone: another zone moves every border, over the changes of the
clock too, and what is built after it or back again is what plain Python computes in that zone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from runner.build.build import read_plan
from runner.database.session import Database
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from tests.support import (
    PROJECT,
    assert_equals_rebuild,
    ingest,
    insert_events,
    modes,
    query,
    rebuild,
    run_all,
)
from tests.warehouse.test_warehouse_equals_oracle import (
    EARN,
    ELSEWHERE,
    REDEEM,
    SEARCH,
    assert_everything_equals_oracle,
    event,
)

pytestmark = pytest.mark.usefixtures("no_margin")

NEW_YORK, SINGAPORE = "America/New_York", "Asia/Singapore"

# In New York, 2025: the night of 9 March has no hour from two to three, that of 2 November has the
# hour from one to two twice. Both are Sundays, so weeks begin on the next day; November began the
# day before. Midnight is at 5:00 in UTC in winter, at 4:00 in summer; in Singapore, always at 16:00
# of the day before.
SPRING = [
    event("night", "2025-03-09 04:59:59", SEARCH, **ELSEWHERE),
    event("night", "2025-03-09 05:00", "like"),
    event("night", "2025-03-09 06:59:59", EARN, miles_amount=10, transaction_category="bar"),
    event("night", "2025-03-09 07:00", REDEEM, miles_amount=1, transaction_category="bar"),
    event("night", "2025-03-10 03:59:59", EARN, miles_amount=20, transaction_category="bar"),
    event("morning", "2025-03-10 04:00", "share"),
    event("east", "2025-03-09 15:59:59", EARN, miles_amount=3, transaction_category="taxi"),
    event("east", "2025-03-09 16:00", SEARCH, transaction_category="taxi"),
]
AUTUMN = [
    event("month", "2025-11-01 03:59:59", EARN, miles_amount=7, transaction_category="bar"),
    event("month", "2025-11-01 04:00", SEARCH, transaction_category="bar"),
    event("night", "2025-11-02 03:59:59", "like", **ELSEWHERE),
    event("night", "2025-11-02 04:00", "like"),
    # On the clock on the wall each of these is earlier than the one before it, or as late.
    event("twice", "2025-11-02 05:45", SEARCH, transaction_category="taxi"),
    event("twice", "2025-11-02 06:15", EARN, miles_amount=9, transaction_category="taxi"),
    event("twice", "2025-11-02 06:45", REDEEM, miles_amount=4, transaction_category="taxi"),
    event("night", "2025-11-03 04:59:59", EARN, miles_amount=30, transaction_category="bar"),
    event("morning", "2025-11-03 05:00", "share"),
    event("morning", "2025-11-03 16:30", "like"),
]


def in_zone(name: str) -> Manifest:
    manifest = load(PROJECT)
    variables = {**manifest.variables, "reporting_timezone": name}
    return dataclasses.replace(manifest, variables=variables)


def plan(database: Database, manifest: Manifest) -> dict[str, tuple[str, str]]:
    with database.session("test") as session:
        steps = read_plan(session, manifest, Target())[1]
    return {step.script.name: (step.mode, step.reason) for step in steps}


def active_days(database: Database, users: Iterable[str]) -> dict[str, list[tuple[int, int]]]:
    """The days, as month and day, on which these users did something."""
    rows = query(
        database,
        "select distinct user_id, event_date from warehouse.agg_user_daily order by 1, 2",
    )
    return {
        user: [
            (row["event_date"].month, row["event_date"].day)
            for row in rows
            if row["user_id"] == user
        ]
        for user in users
    }


def test_a_day_goes_from_midnight_to_midnight_whatever_the_clock_does(database: Database) -> None:
    insert_events(database, [*SPRING, *AUTUMN])
    ingest(database)
    users = ("night", "morning", "east", "month", "twice")
    rebuild(database, manifest=in_zone(NEW_YORK))
    assert active_days(database, users) == {
        "night": [(3, 8), (3, 9), (11, 1), (11, 2)],
        "morning": [(3, 10), (11, 3)],
        "east": [(3, 9)],
        "month": [(10, 31), (11, 1)],
        "twice": [(11, 2)],
    }
    assert_everything_equals_oracle(database, NEW_YORK)
    rebuild(database, manifest=in_zone(SINGAPORE))
    assert active_days(database, users) == {
        "night": [(3, 9), (3, 10), (11, 2), (11, 3)],
        "morning": [(3, 10), (11, 3), (11, 4)],
        "east": [(3, 9), (3, 10)],
        "month": [(11, 1)],
        "twice": [(11, 2)],
    }
    assert_everything_equals_oracle(database, SINGAPORE)


def test_an_hour_that_comes_twice_lasts_as_long_as_it_lasted(database: Database) -> None:
    insert_events(database, [*AUTUMN, event("later", "2025-12-05 12:00", "like")])
    ingest(database)
    rebuild(database, manifest=in_zone(NEW_YORK))
    (funnel,) = query(
        database,
        """
        select searched, earned, redeemed, median_days_to_earn * 24 as hours
        from reporting.engagement_funnel
        where slice = 'all' and cohort_start = '2025-11-01'
        """,
    )
    # The search of `month` is after its only earning, and it is of the cohort of October.
    assert funnel == {"searched": 1, "earned": 1, "redeemed": 1, "hours": funnel["hours"]}
    assert round(float(funnel["hours"]), 3) == 0.5


def test_plan_names_the_time_zone_and_what_follows_from_it(database: Database) -> None:
    insert_events(database, SPRING)
    run_all(database)
    steps = plan(database, in_zone(NEW_YORK))
    because = {name: reason for name, (_, reason) in steps.items()}
    assert because["classified_events"] == "variable reporting_timezone changed"
    assert because["former_events"] == "variable reporting_timezone changed"
    skipped = {name for name, (mode, _) in steps.items() if mode == "skip"}
    assert skipped == {"agg_campaign_costs"}  # what a month cost depends on no time zone
    assert {mode for mode, _ in steps.values()} == {"full", "skip"}


def move(database: Database, seconds: int, second: int) -> None:
    """What happened at this second of a minute happened so many seconds later: on the other side
    of a midnight.
    """
    moved = query(
        database,
        """
        update public.event_stream
        set event_time = event_time + %(seconds)s * interval '1 second', updated_at = now()
        where extract(second from event_time) = %(second)s
        returning event_id
        """,
        seconds=seconds,
        second=second,
    )
    assert moved


@pytest.mark.slow
@pytest.mark.parametrize("night", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_figures_follow_the_time_zone_there_and_back(
    mutable: Database, night: list[dict[str, Any]]
) -> None:
    insert_events(mutable, night[::2])
    run_all(mutable)
    assert_everything_equals_oracle(mutable)
    # Rows and another zone come at once; after that only what has changed is built.
    insert_events(mutable, night[1::2])
    ingest(mutable)
    assert set(modes(rebuild(mutable, manifest=in_zone(NEW_YORK))).values()) == {"full"}
    assert_everything_equals_oracle(mutable, NEW_YORK)
    # Its former place is on another day in UTC.
    move(mutable, 1, 59)
    ingest(mutable)
    assert "full" not in modes(rebuild(mutable, manifest=in_zone(NEW_YORK))).values()
    assert_everything_equals_oracle(mutable, NEW_YORK)
    assert_equals_rebuild(mutable, in_zone(NEW_YORK))
    rebuild(mutable, manifest=in_zone(SINGAPORE))
    assert_everything_equals_oracle(mutable, SINGAPORE)
    move(mutable, -1, 0)
    ingest(mutable)
    rebuild(mutable, manifest=in_zone(SINGAPORE))
    assert_everything_equals_oracle(mutable, SINGAPORE)
    rebuild(mutable)
    assert_everything_equals_oracle(mutable)
