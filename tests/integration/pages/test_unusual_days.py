"""A day with users outside what is usual for its weekday is warned of."""

from __future__ import annotations

import pytest

from runner.database.session import Database
from runner.pages.dashboard.plain import sentence
from tests.support import PROJECT, event, insert_events, query, run_all

SENTENCES = (PROJECT / "dashboard/05_changes.sql").read_text(encoding="utf-8")
WEEKS = (24, 25, 26, 27, 25, 28)  # users of the same weekday


@pytest.mark.parametrize(
    ("users", "status"),
    [pytest.param(25, "passed", marks=pytest.mark.slow), (30, "passed"), (12, "warned")],
)
def test_a_day_outside_the_usual_range_of_its_weekday_warns(
    database: Database, no_margin: None, users: int, status: str
) -> None:
    """Median 25.5, distances 1.5, 0.5, 0.5, 1.5, 0.5, 2.5: their median 1 reaches 4.45 far."""
    counts = [*WEEKS, users]
    events = [
        event(7 * week, f"u_{user}") for week, count in enumerate(counts) for user in range(count)
    ]
    insert_events(database, [*events, event(7 * len(WEEKS) + 1, "u_1")])
    run_all(database)
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
    told = "Thursday, 12 Feb 2026 had 12 users; usual for the weekday are 21 to 30."
    assert said == ([told] if status == "warned" else [])
