"""A leap day, and the week 53 of a year: 2020 has both."""

from __future__ import annotations

from typing import Any

import pytest

from runner.database.session import Database
from tests.support import insert_events, query, run_all
from tests.warehouse.test_warehouse_equals_oracle import (
    ELSEWHERE,
    assert_everything_equals_oracle,
    earn,
    event,
    redeem,
    search,
)

pytestmark = pytest.mark.usefixtures("no_margin")

# 29 February is a Saturday. Week 53 goes from Monday, 28 December, to Sunday, 3 January.
BORDERS = (
    *("2020-01-30", "2020-02-01", "2020-02-28", "2020-02-29", "2020-03-01", "2020-03-30"),
    *("2020-11-30", "2020-12-27", "2020-12-28", "2020-12-31", "2021-01-01", "2021-01-03"),
    *("2021-01-04", "2021-01-31"),
)
HISTORY = [
    # Each comes on one border for the first time, and again on all that follow.
    *(
        one
        for number, first in enumerate(BORDERS)
        for one in (
            search(first, first, "flight"),
            *(earn(first, f"{day} 23:59:59", "dining", 2) for day in BORDERS[number:]),
            redeem(first, BORDERS[-1], "flight", 1, **ELSEWHERE),
        )
    ),
    # 28 days after these days are the leap day and the first day of week 53.
    event("leap", "2020-02-01", "like"),
    earn("leap", "2020-02-29", "dining", 3),
    event("week", "2020-11-30", "like", **ELSEWHERE),
    earn("week", "2020-12-28", "dining", 3, **ELSEWHERE),
]
LATE = [
    event("leap", "2020-02-29 12:00", "like", **ELSEWHERE),
    event("early", "2020-02-29", "like"),
    event("early", "2020-12-31", "share"),
    earn("week", "2021-01-02", "taxi", 5),
]


def of_weeks(database: Database) -> list[dict[str, Any]]:
    return query(
        database,
        "select period_start::text, active_users, new_users from reporting.kpi_periods"
        " where grain = 'week' and slice = 'all'"
        " and period_start between '2020-12-21' and '2021-01-04' order by 1",
    )


@pytest.mark.slow
def test_a_leap_day_and_a_week_53_are_a_day_and_a_week(database: Database) -> None:
    insert_events(database, HISTORY)
    run_all(database)
    assert_everything_equals_oracle(database)
    insert_events(database, LATE)
    run_all(database)
    assert_everything_equals_oracle(database)
    assert [tuple(row.values()) for row in of_weeks(database)] == [
        ("2020-12-21", 8, 1),
        ("2020-12-28", 14, 4),
        ("2021-01-04", 13, 1),
    ]
    leap_day = (
        "select dau, new_users from reporting.kpi_daily where day = '2020-02-29' and slice = 'all'"
    )
    assert query(database, leap_day) == [{"dau": 6, "new_users": 2}]
