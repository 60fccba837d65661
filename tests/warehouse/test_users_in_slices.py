"""What moves when a user's first day, an active day or an earning day does: cohorts of other months,
weeks that lie in two months, and days that are counted from the first one.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from runner.database.session import Database
from tests.support import assert_equals_rebuild, insert_events, query, run_all
from tests.warehouse.test_warehouse_equals_oracle import (
    ELSEWHERE,
    assert_everything_equals_oracle,
    at,
    earn,
    event,
    redeem,
    update,
)

pytestmark = pytest.mark.usefixtures("no_margin")

# 31 March 2025 is a Monday: its week lies in two months. 1 January is a Wednesday, so the first
# week of the data is partial, and the first month is not.
HISTORY = [
    # Enough users for the average lines, each on the first day and so many days later.
    *(
        event(f"{number:02}", str((at("2025-01-01") + timedelta(days=later)).date()), "like")
        for number in range(24)
        for later in (0, number + 1, 60 + number)
    ),
    # A category in the first, partial week and in the one after it.
    earn("00", "2025-01-02", "taxi", 1),
    earn("00", "2025-01-08", "taxi", 1),
    # Comes to have a first day elsewhere, in an earlier month.
    earn("early", "2025-03-10", "dining", 10),
    earn("early", "2025-04-02", "dining", 20),
    redeem("early", "2025-04-03", "flight", 5),
    # Loses the first day, and with it the month.
    event("later", "2025-01-15", "like"),
    earn("later", "2025-02-10", "dining", 7),
    redeem("later", "2025-03-03", "flight", 0),
    # Earns in both parts of a week, and redeems nothing in one of them.
    earn("week", "2025-03-31", "dining", 3),
    earn("week", "2025-04-01", "dining", 4, **ELSEWHERE),
    redeem("week", "2025-04-02", "flight", 0),
    # Comes back on the last day that counts, and on the first that does not.
    event("90", "2025-01-10", "like"),
    event("90", "2025-04-10", "like"),
    event("91", "2025-01-10", "like"),
    event("91", "2025-04-11", "like", **ELSEWHERE),
    event("back", "2025-01-30", "like"),
    # Redeems, and later again.
    redeem("twice", "2025-02-05", "flight", 4),
    redeem("twice", "2025-03-05", "flight", 6),
    # In two places on one day, and in one of them again.
    earn("both", "2025-04-20", "dining", 2),
    earn("both", "2025-04-20", "dining", 2, **ELSEWHERE),
    redeem("both", "2025-04-27", "flight", 1, **ELSEWHERE),
    event("last", "2025-04-29", "like"),
]


def cohorts(database: Database) -> list[tuple[object, ...]]:
    rows = query(
        database,
        "select cohort_start::text, period_number, miles_earned::integer, redeemers"
        " from reporting.cohort_value where slice = 'country' and slice_value = 'SG'"
        " and cohort_start >= '2025-02-01' order by 1, 2",
    )
    return [tuple(row.values()) for row in rows]


def weeks(database: Database) -> list[dict[str, object]]:
    return query(
        database,
        "select slice_value, earning_users, redeeming_users from reporting.kpi_periods"
        " where grain = 'week' and period_start = '2025-03-31' and slice in ('all', 'platform')"
        " order by 1",
    )


def test_what_follows_from_first_days_and_days_of_months(mutable: Database) -> None:
    insert_events(mutable, HISTORY)
    run_all(mutable)
    assert_everything_equals_oracle(mutable)
    average = "select count(*) as rows from reporting.retention_days where cohort_start is null"
    assert query(mutable, average) != [{"rows": 0}]
    assert weeks(mutable) == [
        {"slice_value": "all", "earning_users": 2, "redeeming_users": 2},
        {"slice_value": "ios", "earning_users": 2, "redeeming_users": 2},
        {"slice_value": "web", "earning_users": 1, "redeeming_users": 0},
    ]

    # One change each, and the last day stays.
    insert_events(mutable, [event("early", "2025-02-20", "like", **ELSEWHERE)])
    update(mutable, "user_id = 'later' and event_type = 'like'", user_id="other")
    update(mutable, "user_id = 'week' and event_time < '2025-04-01'", event_type="like")
    update(mutable, "user_id = '90' and event_time > '2025-04-01'", event_time=at("2025-04-11"))
    update(mutable, "user_id = '91' and event_time > '2025-04-01'", event_time=at("2025-04-10"))
    update(mutable, "user_id = 'twice' and event_time < '2025-03-01'", event_type="share")
    update(mutable, "user_id = 'both' and platform = 'ios'", platform="web")
    run_all(mutable)
    assert_everything_equals_oracle(mutable)
    # In Singapore early is still of March, though of February in all.
    assert [row for row in cohorts(mutable) if row[0] == "2025-03-01"] == [
        ("2025-03-01", 0, 10, 0),
        ("2025-03-01", 1, 30, 2),
    ]
    assert weeks(mutable)[1:] == [
        {"slice_value": "ios", "earning_users": 1, "redeeming_users": 2},
        {"slice_value": "web", "earning_users": 1, "redeeming_users": 0},
    ]

    # Somebody goes altogether, somebody comes back to the first month, and a day passes.
    update(mutable, "user_id = 'other'", user_id="later")
    update(mutable, "user_id = 'early' and platform = 'ios'", user_id="week")
    update(mutable, "user_id = 'twice' and event_type = 'share'", event_type="miles_redeemed")
    insert_events(
        mutable, [event("last", "2025-05-01", "like"), event("back", "2025-04-30", "like")]
    )
    run_all(mutable)
    assert_everything_equals_oracle(mutable)
    assert_equals_rebuild(mutable)
