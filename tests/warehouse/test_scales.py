"""Equal amounts are equal bytes: 1.5, 1.50 and 2 replaced by one another leave no digits behind, in
no table.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.database.session import Database, Session
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import PROJECT, earn, insert_events, modes, query, rebuild, run_all
from tests.support.databases import Moulds, apply_schema, let_rows_change

# Up to four digits behind the point, some of them for nothing.
amounts = st.builds(
    lambda quarters, digits: f"{quarters / 4:.{digits}f}", st.integers(0, 40), st.integers(0, 4)
)
DAYS = 30


def prepare(database: Database) -> None:
    let_rows_change(database)
    events: list[dict[str, Any]] = [
        {**earn(day, f"u_{day % 7}", 0), "miles_amount": "1.50", "transaction_category": "dining"}
        for day in range(DAYS)
    ]
    for one in events[::3]:
        one["event_type"] = "miles_redeemed"
    insert_events(database, events)
    query(
        database,
        "insert into public.campaign_costs (utm_source, month, cost)"
        " values ('google', '2026-01-01', 2.50)",
    )
    query(
        database,
        "insert into public.utm_campaigns (utm_source, monthly_cost) values ('tiktok', 3.0)",
    )
    run_all(database)


def texts(session: Session, target: Target) -> dict[str, list[str]]:
    """The rows of every table, as they are written."""
    return {
        f"{script.layer}.{table}": [
            row["line"]
            for row in session.rows(
                f"select t::text as line from {target.table(script.layer, table)} as t order by 1"
            )
        ]
        for script in load(PROJECT).scripts.values()
        if not script.is_view and not script.name.startswith("changed_")
        for table in script.tables
        if not table.endswith("_basis")
    }


def assert_like_a_rebuild(database: Database) -> None:
    rebuild(database, target="scratch")
    with database.session("test") as session:
        live, fresh = texts(session, Target()), texts(session, Target("scratch"))
        session.run("drop schema scratch_warehouse cascade; drop schema scratch_reporting cascade")
    assert {table for table in live if live[table] != fresh[table]} == set()


changes = st.dictionaries(st.integers(1, DAYS), amounts, min_size=1, max_size=DAYS)


# In the last two, the miles of a user stay equal, and only their digits change.
@pytest.mark.parametrize(
    "history",
    [
        [dict.fromkeys(range(1, 16), "2"), {4: "0.500", 16: "7"}],
        [{1: "0", 2: "6", 30: "0"}, {2: "1.5000", 15: "2.750", 29: "0.2500"}],
        [{9: "1.500"}, {2: "3", 9: "0"}, {2: "1.5000", 9: "1.5"}],
    ],
)
def test_amounts_of_other_scales_leave_no_digits(
    moulds: Moulds, no_margin: None, history: list[dict[int, str]]
) -> None:
    follow(moulds, history)


@pytest.mark.slow
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(changes, min_size=1, max_size=3))
def test_any_amounts_leave_no_digits(
    moulds: Moulds, no_margin: None, history: list[dict[int, str]]
) -> None:
    follow(moulds, history)


def follow(moulds: Moulds, history: list[dict[int, str]]) -> None:
    with moulds.clone(apply_schema, prepare) as database:
        for change in history:
            for event_id, amount in change.items():
                query(
                    database,
                    "update public.event_stream set miles_amount = %(amount)s, updated_at = now()"
                    " where event_id = %(event_id)s",
                    event_id=event_id,
                    amount=amount,
                )
            cost = next(iter(change.values()))
            for table, column in (("campaign_costs", "cost"), ("utm_campaigns", "monthly_cost")):
                query(
                    database,
                    f"update public.{table} set {column} = %(cost)s, updated_at = now()",
                    cost=cost,
                )
            assert modes(run_all(database))["agg_user_daily"] == "incremental"
        assert_like_a_rebuild(database)
