"""The oracle of the warehouse against figures worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from tests import oracle_warehouse
from tests.oracle import Event, Row, Value
from tests.unit.test_oracle import event


def rows_of(table: str, events: Iterable[Event], **where: Value) -> list[Row]:
    """Return the rows of a table that match, without the columns that were asked for."""
    return [
        {column: value for column, value in row.items() if column not in where}
        for row in oracle_warehouse.all_tables(events, [])[table]
        if all(row[column] == value for column, value in where.items())
    ]


def test_day_of_a_user_who_comes_twice_and_leaves() -> None:
    # The 3rd and the 5th; the 12th is 7 days after the 5th.
    days = [event(1, "2025-03-03 08:00"), event(2, "2025-03-05 08:00")]
    changes = {
        row["period_start"]: [row["trailing_7_day_change"], row["trailing_28_day_change"]]
        for row in rows_of("agg_period_activity", days, slice="all", slice_value="all", grain="day")
    }
    assert changes == {
        date(2025, 3, 3): [1, 1],
        date(2025, 3, 4): [0, 0],
        date(2025, 3, 5): [0, 0],
        date(2025, 3, 6): [0, 0],
        date(2025, 3, 12): [-1, 0],
        date(2025, 4, 2): [0, -1],
    }
    assert rows_of("agg_period_activity", days, slice="all", slice_value="all", grain="week") == [
        {
            "cohort_start": date(2025, 3, 3),
            "period_start": date(2025, 3, day),
            "active_users": active,
            "new_users": active,
            "retained_users": 0,
            "resurrected_users": 0,
            "churned_users": 1 - active,
            "trailing_7_day_change": 0,
            "trailing_28_day_change": 0,
        }
        for day, active in ((3, 1), (10, 0))
    ]


def test_favourite_category_is_the_first_of_the_equal_ones_and_not_of_likes() -> None:
    events = [
        event(1, "2025-03-03 08:00", event_type="reward_search", category="spa"),
        event(2, "2025-03-03 09:00", "ann", "miles_earned", "5", category="air"),
        event(3, "2025-03-10 08:00", category="zoo"),
    ]
    found = rows_of("agg_user_engagement", events)[0]
    assert found["favourite_category_lifetime"] == "air"
    assert found["favourite_category_7d"] is None
    assert (found["depth_lifetime"], found["depth_7d"]) == (4, 1)


def test_events_without_a_user_or_a_day_are_in_one_fact_and_in_nothing_else() -> None:
    tables = oracle_warehouse.all_tables(
        [event(1, "2025-03-03 08:00", None, "odd"), event(2, float("-inf"), "ann", "like")], []
    )
    filled = {name: len(rows) for name, rows in tables.items() if rows}
    assert filled == {"fact_unclassified_events": 2, "dim_event_types": 5}
    assert [
        (row["user_id"], row["event_date"], row["reason"])
        for row in tables["fact_unclassified_events"]
    ] == [
        ("unknown", date(2025, 3, 3), "no user_id"),
        ("ann", "-infinity", "insane time"),
    ]


def test_year_of_a_week_is_not_the_year_of_its_day() -> None:
    dates = rows_of("dim_dates", [event(1, "2024-12-30 08:00")])
    assert dates == [
        {
            "calendar_date": date(2024, 12, 30),
            "week_start": date(2024, 12, 30),
            "month_start": date(2024, 12, 1),
            "quarter_start": date(2024, 10, 1),
            "iso_year": 2025,
            "iso_week": 1,
            "weekday": 1,
            "is_weekend": False,
        }
    ]
