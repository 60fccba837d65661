"""The tables behind the reports hold exactly the rows that plain Python computes from the source."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.datetime import DateLoader, TimestamptzLoader

from runner.database.session import Database
from runner.project.manifest import load
from runner.setup.demo import Demo, seed
from runner.setup.load_csv import load as load_file
from tests import oracle_warehouse
from tests.support import (
    PROJECT,
    REAL_FILE,
    assert_equals_rebuild,
    assert_reports_equal_oracle,
    campaigns,
    costs,
    frozen,
    ingest,
    insert_events,
    query,
    rebuild,
    run_all,
    scalar,
    source_events,
)
from tests.support import event as in_january
from tests.warehouse.test_reports_equal_oracle import (
    _hold_back_the_newer_half_and_some_old_rows,
    real_file,
)

pytestmark = pytest.mark.usefixtures("no_margin")

UTC_MANIFEST = load(PROJECT)
SINGAPORE = dataclasses.replace(
    UTC_MANIFEST,
    variables={**UTC_MANIFEST.variables, "reporting_timezone": "Asia/Singapore"},
)


# --- comparison -------------------------------------------------------------------------------------


class InfiniteDate(DateLoader):
    """Dates as psycopg knows them, and what no Python date can be as its text."""

    def load(self, data: Any) -> Any:
        return _infinity(data) or super().load(data)


class InfiniteTime(TimestamptzLoader):
    """The same for times."""

    def load(self, data: Any) -> Any:
        return _infinity(data) or super().load(data)


def _infinity(data: Any) -> str | None:
    text = bytes(data).decode()
    return text if text.endswith("infinity") else None


def assert_warehouse_equals_oracle(database: Database, timezone: str = "UTC") -> None:
    expected = oracle_warehouse.all_tables(
        source_events(database), campaigns(database), costs(database), timezone=timezone
    )
    with psycopg.connect(database.conninfo, row_factory=dict_row) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.adapters.register_loader("date", InfiniteDate)
        connection.adapters.register_loader("timestamptz", InfiniteTime)
        for table, rows in expected.items():
            stored = connection.execute(f"select * from warehouse.{table}".encode()).fetchall()
            wanted = {frozen(row) for row in rows}
            found = {frozen(without_hints(row)) for row in stored}
            assert len(wanted) == len(rows)
            missing, surplus = wanted - found, found - wanted
            assert not missing and not surplus, (
                f"warehouse.{table}: {len(missing)} rows missing, {len(surplus)} too many, for example"
                f"\n  wanted {sorted(map(sorted, missing), key=str)[:3]}"
                f"\n  found  {sorted(map(sorted, surplus), key=str)[:3]}"
            )


def without_hints(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the md5 of its model's sample, which plain Python would write otherwise, and
    without the day of the next look, which may be too early but never too late.
    """
    hints = ("fitted_on", "next_look_on")
    return {name: value for name, value in row.items() if name not in hints}


def assert_everything_equals_oracle(database: Database, timezone: str = "UTC") -> None:
    assert_warehouse_equals_oracle(database, timezone)
    assert_reports_equal_oracle(database, timezone)


# --- much data --------------------------------------------------------------------------------------


def bring_back(database: Database) -> None:
    """What was held back arrives now: late."""
    query(
        database,
        """
        insert into public.event_stream (
            event_time, user_id, event_type, transaction_category, miles_amount, platform,
            utm_source, country
        )
        select
            event_time, user_id, event_type, transaction_category, miles_amount, platform,
            utm_source, country
        from public.held_back
        order by event_id
        """,
    )


@pytest.mark.slow
@real_file
def test_real_file_in_two_batches(database: Database) -> None:
    load_file(database, REAL_FILE, as_history=True)
    query(
        database,
        """
        with middle as (
            select percentile_disc(0.5) within group (order by event_time) as moment
            from public.event_stream
        )
        select events.* into public.held_back
        from public.event_stream as events cross join middle
        where events.event_time >= middle.moment
        """,
    )
    query(
        database,
        "delete from public.event_stream where event_id in (select event_id from public.held_back)",
    )
    run_all(database)
    assert_warehouse_equals_oracle(database)
    bring_back(database)
    run_all(database)
    assert_warehouse_equals_oracle(database)


def test_seeded_growth_with_gaps_and_late_rows_in_two_batches(database: Database) -> None:
    seed(database, PROJECT, Demo(3_000, 150, 120, seed=11, end=None, append=False))
    _hold_back_the_newer_half_and_some_old_rows(database)
    run_all(database)
    assert_warehouse_equals_oracle(database)
    bring_back(database)
    run_all(database)
    assert_warehouse_equals_oracle(database)


# --- edges ------------------------------------------------------------------------------------------

EARN, REDEEM, SEARCH = "miles_earned", "miles_redeemed", "reward_search"
LONG = "x" * 190 + "é" * 11


def event(user: str | None, time: str, event_type: str | None, **values: object) -> dict[str, Any]:
    return {
        "event_time": time if time.endswith("infinity") else at(time),
        "user_id": user,
        "event_type": event_type,
        "platform": "ios",
        "utm_source": "google",
        "country": "SG",
        **values,
    }


def at(time: str) -> datetime:
    return datetime.fromisoformat(time).replace(tzinfo=UTC)


def earn(user: str | None, time: str, category: str | None, miles: Any, **values: object) -> Any:
    return event(user, time, EARN, transaction_category=category, miles_amount=miles, **values)


def redeem(user: str | None, time: str, category: str | None, miles: Any, **values: object) -> Any:
    return event(user, time, REDEEM, transaction_category=category, miles_amount=miles, **values)


def search(user: str | None, time: str, category: str | None, **values: object) -> Any:
    return event(user, time, SEARCH, transaction_category=category, **values)


# March 2025: the 3rd, the 10th and, the last day of the month, the 31st are Mondays. The last day of
# all is Sunday, 6 April, until the third batch.
ELSEWHERE = {"platform": "web", "utm_source": "tiktok", "country": "TH"}
FURTHER = {"platform": "android", "utm_source": "bing", "country": "VN"}
# 6, 7, 27, 28, 89 and 90 days before 4 April.
SIDES = ("2025-03-29", "2025-03-28", "2025-03-08", "2025-03-07", "2025-01-05", "2025-01-04")
FIRST = [
    # Unknown types only, two and more on a day, in one slice and in two.
    event("odd", "2025-02-03 10:00", "cancelled"),
    event("odd", "2025-02-03 11:00", "cancelled"),
    event("odd", "2025-02-03 12:00", "cancelled", **ELSEWHERE),
    event("odd", "2025-02-03 12:00", None),
    event("odder", "2025-02-03 12:00", "cancelled"),
    event("odder", "2025-02-05 12:00", ""),
    # Light engagement only; two platforms on a day are one active day.
    event("light", "2025-01-15 10:00", "like"),
    event("light", "2025-01-15 10:00", "like", platform="web"),
    event("light", "2025-01-16 10:00", "like"),
    event("light", "2025-01-16 11:00", "like"),
    event("sharer", "2025-01-16 11:00", "share"),
    event("sharer", "2025-01-16 12:00", "like"),
    # A category in each role.
    search("roles", "2025-01-20 10:00", "searched"),
    search("roles", "2025-01-20 11:00", "searched"),
    earn("roles", "2025-01-20 12:00", "earned", 10),
    redeem("roles", "2025-01-20 13:00", "redeemed", 5),
    earn("roles", "2025-01-21 13:00", "traded", 5),
    redeem("roles", "2025-01-21 14:00", "traded", "2.50"),
    # A week after the first event, to the second; and at once.
    event("in_time", "2025-02-10 08:00", "like", utm_source="facebook"),
    earn("in_time", "2025-02-17 08:00", "dining", 1),
    event("too_late", "2025-02-10 08:00", "like", utm_source="facebook"),
    earn("too_late", "2025-02-17 08:00:01", "dining", 1),
    earn("at_once", "2025-02-11 08:00", "dining", 1, utm_source="facebook"),
    # The fourth week after this cohort's last first week ends on the last day of all, and so does
    # the first week after that of the other.
    event("monday", "2025-03-03 00:00", "like", utm_source="email"),
    event("monday", "2025-03-10 00:00", "like"),
    event("monday", "2025-03-31 00:00", "like"),
    event("saturday", "2025-03-08 10:00", "like", utm_source="email"),
    event("saturday", "2025-04-05 10:00", "share"),
    event("recent", "2025-03-24 10:00", "like", utm_source="partner"),
    event("recent", "2025-04-06 10:00", "like"),
    # At the same instant: the key decides, however the members are sorted, and across the facts.
    event("down", "2025-03-05 12:00", "like", **ELSEWHERE),
    event("down", "2025-03-05 12:00", "share"),
    search("down", "2025-03-05 12:00", "spa", **FURTHER),
    search("up", "2025-03-05 12:00", "spa", **FURTHER),
    event("up", "2025-03-05 12:00", "share"),
    event("up", "2025-03-05 12:00", "like", **ELSEWHERE),
    *[
        event("same", "2025-03-06 12:00", event_type)
        for event_type in ("like", "cancelled", SEARCH, REDEEM, EARN, REDEEM, SEARCH, "like")
    ],
    # The newer one has the smaller key.
    event("mixed", "2025-03-06 12:00:01", "like", **ELSEWHERE),
    event("mixed", "2025-03-06 12:00", "like", **FURTHER),
    event("mixed", "2025-03-06 12:00:00.5", "like"),
    earn("mixed", "2025-03-06 13:00", "spa", 3),
    earn("mixed", "2025-03-06 12:30", "spa", 4),
    # On both sides of the windows of 7, 28 and 90 days, deeper and more of another kind each time.
    event("windows", "2025-04-04 00:00", "like"),
    event("windows", "2025-03-29 12:00", "share"),
    search("windows", "2025-03-28 12:00", "spa"),
    search("windows", "2025-03-08 12:00", "hotel"),
    earn("windows", "2025-03-07 12:00", "dining", 7),
    earn("windows", "2025-03-07 13:00", "dining", 8),
    earn("windows", "2025-01-05 12:00", "dining", 9),
    *[redeem("windows", f"2025-01-04 1{hour}:00", "flight", 1) for hour in range(5)],
    event("inside", "2025-04-04 00:00", "like"),
    search("inside", "2025-03-29 12:00", "spa"),
    earn("inside", "2025-03-08 12:00", "spa", 1),
    redeem("inside", "2025-01-05 12:00", "spa", 1),
    # The same borders for amounts and favourites: every day back has more, in a category of its own.
    event("sides", "2025-04-04 00:00", "like"),
    *[
        kind("sides", f"{day} 12:00", f"of {day}", number)
        for number, day in enumerate(SIDES, 1)
        for kind in (earn, redeem)
        for _ in range(number)
    ],
    # Favourites: equal ones; the missing one counts too.
    *[search("tied", "2025-02-20 10:00", name) for name in ("bar", "air", "tea", "tea", "air")],
    *[earn("tied", "2025-02-20 11:00", name, 2) for name in ("bar", "cafe", None)],
    *[redeem("nameless", "2025-02-20 12:00", name, None) for name in (None, None, "air")],
    # Trends over 7 and 14 days, and what else happened on these days.
    *[earn("trend", f"2025-03-06 0{hour}:00", "taxi", 1) for hour in range(3)],
    *[earn("trend", f"2025-03-13 0{hour}:00", "taxi", 1) for hour in range(2)],
    search("trend", "2025-03-20 00:00", "taxi"),
    redeem("other", "2025-03-20 00:00", "flight", 1000),
    search("other", "2025-03-13 00:00", "taxi"),
    # Periods that a later batch begins: a week from its end, a month from its beginning.
    earn("borders", "2025-04-06 23:59:59", "dining", 2),
    search("borders", "2025-02-24 00:00", "dining"),
    redeem("january", "2025-01-31 23:59:59", "dining", 2),
    redeem("again", "2025-01-31 12:00", "dining", 2),
    search("year", "2024-12-28 10:00", "hotel", **ELSEWHERE),
    search("year", "2025-01-01 00:00", "hotel"),
    # Members: missing, empty, named like the missing, long; amounts that are none.
    earn("members", "2025-02-25 10:00", "", 0, platform=None, utm_source=None, country=None),
    earn("members", "2025-02-25 11:00", "unknown", None, platform="unknown", utm_source=""),
    earn("unknown", "2025-02-25 12:00", None, Decimal("NaN"), country="unknown"),
    redeem("", "2025-02-25 12:00", None, Decimal("Infinity"), country=""),
    search(LONG, "2025-02-25 12:00", LONG, platform=LONG, utm_source=LONG, country=LONG),
    earn(LONG + "y", "2025-02-25 12:00", LONG + "y", "0.000001", platform="p" * 200, country="é" * 200),
    event(LONG, "2025-02-25 13:00", LONG),
    # What counts in no metric, in places where it would be seen.
    event(None, "2025-04-08 10:00", "like", country="nowhere"),
    earn(None, "infinity", "never", Decimal("NaN"), platform="none"),
    event("nobody", "-infinity", "never", utm_source="never"),
    event("nobody", "infinity", "like"),
    redeem("windows", "1999-12-31 23:59:59", "flight", 5),
    redeem("windows", "1950-01-01 23:59:59", None, 6),
    earn("windows", "2025-04-30 10:00", "flight", 5, created_at=at("2025-04-29 09:59:59")),
    event("tomorrow", "2025-01-02 10:00", "like", created_at=at("2025-01-01 10:00")),
]  # fmt: skip
SECOND = [
    earn("borders", "2025-03-31 00:00", "dining", 4),
    search("borders", "2025-03-01 12:00", "dining"),
    search("january", "2025-01-02 12:00", "dining"),
    redeem("again", "2025-01-30 12:00", "dining", 1),
    search("year", "2024-12-31 23:59:59", "hotel"),
    # A user's day again, older, newer and at the same instant.
    event("down", "2025-03-05 12:00", "share", **ELSEWHERE),
    event("up", "2025-03-05 11:59:59", "share", country="MY"),
    earn("same", "2025-03-06 12:00", None, 6),
    # What was late comes in time, by an earlier first event; and the other way round.
    event("too_late", "2025-02-10 08:00:01", "like"),
    event("in_time", "2025-02-10 07:59:59", "like", utm_source="email"),
    earn("trend", "2025-03-12 12:00", "taxi", 1),
    event(None, "2025-03-12 12:00", "cancelled"),
]
BETWEEN = [
    event("odder", "2025-02-05 12:00", "cancelled"),
    event("tied", "2025-02-21 12:00", "like"),
    search("tied", "2025-02-21 12:00", "bar"),
]
# The day after all of it: the weeks that were waited for are complete.
THIRD = [event("light", "2025-04-07 00:00", "like")]


def insert_campaigns(database: Database) -> None:
    query(
        database,
        """
        insert into public.utm_campaigns (utm_source, campaign, channel, is_paid, monthly_cost)
        values
        ('facebook', 'spring', 'social', true, 100),
        ('email', null, 'email', false, null),
        ('unknown', 'none', null, false, 7.5),
        ('nobody', 'came', 'search', true, 1),
        ('', 'second to none', 'social', true, 9),
        (%(long)s, 'endless', 'social', true, 3)
        """,
        long=LONG,
    )
    # One that is known by month and now, one before it has anybody, one of no month of its own.
    query(
        database,
        """
        insert into public.campaign_costs (utm_source, month, cost)
        values
        ('facebook', '2025-02-03', 10), ('facebook', '2025-02-28', 2.5),
        ('facebook', '2025-03-31', 0), ('email', '2020-05-01', 1), ('email', '2099-05-01', 1),
        ('', '2025-01-01', 4), ('unknown', '2025-01-31', 3), (%(long)s, '2025-03-01', 8)
        """,
        long=LONG,
    )


def update_campaigns(database: Database) -> None:
    query(
        database,
        """
        update public.utm_campaigns set monthly_cost = 90, is_paid = true, updated_at = now()
        where utm_source in ('email', 'nobody')
        """,
    )
    query(
        database,
        """
        update public.campaign_costs set cost = cost + 1, updated_at = now()
        where utm_source = 'facebook'
        """,
    )


@pytest.mark.slow
def test_edges_in_three_batches(database: Database) -> None:
    insert_campaigns(database)
    insert_events(database, FIRST)
    run_all(database)
    assert_everything_equals_oracle(database)
    # Rows of another pipeline are replaced between two runs of this one that a build takes at once.
    insert_events(database, SECOND)
    update_campaigns(database)
    ingest(database)
    insert_events(database, BETWEEN)
    run_all(database)
    assert_everything_equals_oracle(database)
    waiting = "select week_4_eligible from reporting.acquisition where utm_source = 'email' and cohort_start = '2025-03-01'"
    assert scalar(database, waiting) == 0
    insert_events(database, THIRD)
    run_all(database)
    assert scalar(database, waiting) == 2
    assert_everything_equals_oracle(database)
    assert_equals_rebuild(database)


def test_the_edges_of_the_hand_made_set_are_where_they_should_be(database: Database) -> None:
    """Figures worked out by hand: a set that has lost its edges would kill nothing."""
    insert_events(database, FIRST)
    run_all(database)
    assert query(
        database,
        """
        select
            depth_7d, depth_28d, depth_90d, depth_lifetime, event_count_7d, event_count_28d,
            event_count_90d, event_count_lifetime, favourite_category_7d, favourite_category_28d,
            favourite_category_90d, favourite_category_lifetime
        from warehouse.agg_user_engagement
        where user_id = 'windows'
        """,
    ) == [
        {
            "depth_7d": 2,
            "depth_28d": 3,
            "depth_90d": 4,
            "depth_lifetime": 5,
            "event_count_7d": 2,
            "event_count_28d": 4,
            "event_count_90d": 7,
            "event_count_lifetime": 12,
            "favourite_category_7d": None,
            "favourite_category_28d": "hotel",
            "favourite_category_90d": "dining",
            "favourite_category_lifetime": "flight",
        }
    ]
    assert query(
        database,
        """
        select first_platform, first_utm_source, country
        from warehouse.dim_users where user_id in ('down', 'up') order by user_id
        """,
    ) == [
        {"first_platform": "web", "first_utm_source": "tiktok", "country": "VN"},
        {"first_platform": "android", "first_utm_source": "bing", "country": "TH"},
    ]
    assert query(
        database,
        """
        select trend_7d from warehouse.agg_category_daily
        where transaction_category = 'taxi' order by event_date
        """,
    ) == [{"trend_7d": None}, {"trend_7d": 0}, {"trend_7d": Decimal("-0.666667")}]


# --- rows that change -------------------------------------------------------------------------------


def update(database: Database, condition: str, **values: object) -> None:
    assignments = "".join(f"{name} = %({name})s, " for name in values)
    found = query(
        database,
        f"update public.event_stream set {assignments} updated_at = clock_timestamp()"
        f" where {condition} returning event_id",
        **values,
    )
    assert found


@pytest.mark.slow
def test_edges_that_change_in_another_time_zone(mutable: Database) -> None:
    """Two events lie on either side of the local midnight, on one day of UTC, and change sides."""
    insert_campaigns(mutable)
    insert_events(
        mutable,
        [
            *FIRST,
            earn("before", "2025-02-28 15:59:59", "dining", 5),
            earn("after", "2025-02-28 16:00", "dining", 5),
            earn("after", "2025-03-08 16:00", "dining", 5),
        ],
    )
    ingest(mutable)
    rebuild(mutable, manifest=SINGAPORE)
    assert_everything_equals_oracle(mutable, "Asia/Singapore")
    update(mutable, "user_id = 'before'", event_time=at("2025-02-28 16:00"))
    update(
        mutable,
        "user_id = 'after' and event_time = '2025-02-28 16:00+00'",
        event_time=at("2025-02-28 15:59:59"),
    )
    # To another user, from a long name, to and from what counts; one column at a time.
    update(mutable, "user_id = 'too_late' and event_type = 'like'", user_id="in_time")
    update(mutable, f"user_id = '{LONG}'", user_id="short")
    update(mutable, "user_id is null and event_type = 'like'", user_id="somebody")
    update(mutable, "user_id = 'nobody' and event_type = 'like'", event_time=at("2025-01-01 10:00"))
    update(mutable, "user_id = 'tied' and event_type = 'miles_earned'", user_id=None)
    update(mutable, "user_id = 'roles' and event_type = 'reward_search'", event_type="miles_earned")
    update(mutable, "user_id = 'down' and event_type = 'like'", platform="ios")
    update(mutable, "user_id = 'windows' and event_type = 'miles_earned'", miles_amount=1)
    update(mutable, "user_id = 'trend' and event_type = 'reward_search'", transaction_category=None)
    update_campaigns(mutable)
    ingest(mutable)
    # In the last run too; and nothing is left of that day.
    insert_events(mutable, SECOND)
    update(mutable, "user_id = 'after' and event_time > '2025-03-08'", event_time=at("2025-02-28"))
    ingest(mutable)
    rebuild(mutable, manifest=SINGAPORE)
    assert_everything_equals_oracle(mutable, "Asia/Singapore")
    assert_equals_rebuild(mutable, SINGAPORE)


def test_windows_of_changing_rows_write_each_row_once_and_leave_the_equal_ones(
    mutable: Database,
) -> None:
    query(
        mutable,
        "update orchestrator.pipeline_definitions set window_size = '1 hour' where pipeline_id = 1",
    )
    noon = at("2025-01-01 12:00")
    insert_events(
        mutable,
        [
            event("u_1", "2025-01-01 12:00", "like") | {"updated_at": noon + timedelta(hours=hour)}
            for hour in (0, 0, 1, 1, 1, 2, 2, 5)
        ],
    )
    windows = ingest(mutable, "event_stream")
    assert [window.counts.inserted for window in windows if window.counts.inserted] == [2, 5, 1]
    run_all(mutable)
    assert_everything_equals_oracle(mutable)
    # Nothing may be read twice by itself; who makes it so finds nothing to do.
    query(mutable, "update orchestrator.runs set status = 'abandoned' where kind = 'window'")
    update(mutable, "event_id = 3", event_type="share")
    windows = ingest(mutable, "event_stream")
    assert sum(window.counts.inserted for window in windows) == 0
    assert sum(window.counts.updated for window in windows) == 1
    replaced = query(
        mutable, "select key, old_row ->> 'event_type' as type from orchestrator.replaced_rows"
    )
    assert replaced == [{"key": {"event_id": 3}, "type": "like"}]
    runs = query(
        mutable, "select _run_id, count(*) from warehouse.raw_event_stream group by 1 order by 2"
    )
    assert [row["count"] for row in runs] == [1, 1, 2, 4]
    run_all(mutable)
    assert_everything_equals_oracle(mutable)


def test_who_uses_very_many_categories_speaks_for_the_hundred_used_most(database: Database) -> None:
    """The pairs of a user grow with the square of its categories; equal ones are taken by name."""
    many = [
        in_january(1 + use, "collector", "reward_search", transaction_category=f"c{number:03}")
        for number in range(104)
        for use in range(2 if number % 3 else 1)
    ]
    few = [
        in_january(2, "guest", "reward_search", transaction_category=category)
        for category in ("c001", "c102", "c103")
    ]
    insert_events(database, [*many, *few, in_january(45, "later", "like")])
    run_all(database)
    assert_warehouse_equals_oracle(database)
    # The hundred of the collector, and c102 of the guest.
    named = "select count(distinct similar_category) from warehouse.model_category_similarities"
    assert scalar(database, named) == 101


def test_who_stays_away_moves_when_the_rule_ends_or_others_earn_more(database: Database) -> None:
    # Enough for a model of December, so that the days of January don't make another one.
    crowd = [in_january(-20, f"crowd_{number}") for number in range(50)]
    earner = [
        in_january(day, "earner", "miles_earned", miles_amount=10, transaction_category="dining")
        for day in range(12)
    ]
    insert_events(database, [*crowd, *earner, in_january(0, "guest")])
    segment = "select segment from warehouse.agg_user_profiles where user_id = %(user)s"
    for day, miles, of_earner, of_guest in (
        (14, 0, "new", "new"),
        (15, 0, "champion", "hibernating"),
        (16, 500, "loyal", "hibernating"),
        (26, 0, "at risk", "hibernating"),
        (54, 0, "hibernating", "hibernating"),
        (91, 0, "hibernating", "lost"),
    ):
        others = in_january(day, f"of_{day}", "miles_earned", miles_amount=miles)
        insert_events(database, [others])
        run_all(database)
        assert scalar(database, segment, user="earner") == of_earner
        assert scalar(database, segment, user="guest") == of_guest
        assert_warehouse_equals_oracle(database)
