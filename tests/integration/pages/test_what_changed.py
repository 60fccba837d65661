"""What changed, as the dashboard says it."""

from __future__ import annotations

from typing import Any

from runner.database.session import Database
from tests.support import PROJECT, earn, event, insert_events, query, run_all

SENTENCES = (PROJECT / "dashboard/05_changes.sql").read_text(encoding="utf-8")


def sentences(database: Database, grain: str = "week") -> list[dict[str, Any]]:
    return [row for row in query(database, SENTENCES) if row["grain"] == grain]


def week_of(users: int, monday: int, country: str = "SG") -> list[dict[str, object]]:
    return [event(monday, f"{country}_{user}", country=country) for user in range(users)]


def test_nothing_is_compared_with_the_week_in_whose_midst_the_data_begin(
    database: Database, no_margin: None
) -> None:
    """Day 0 is a Thursday: the first week is partial, and members are compared from the third on."""
    insert_events(database, [*week_of(20, 0), *week_of(60, 4), event(11, "SG_0")])
    run_all(database)
    assert [row["before"] for row in sentences(database)] == ["No figure moved by 2 % or more"]
    insert_events(database, [*week_of(30, 11), event(18, "SG_0")])
    run_all(database)
    (figure, member) = sentences(database)[:2]
    assert (figure["name"], figure["driver"], figure["share"]) == ("Active users", "SG", "most")
    assert (member["link_slice"], member["link_member"]) == ("country", "SG")
    assert float(member["change"]) == -0.5
    assert member["after"] == "active users, from 60 to 30, in the week of 12 Jan 2026"


def test_a_share_is_said_of_what_adds_up_and_no_more_than_all(
    database: Database, no_margin: None
) -> None:
    everybody = [
        one
        for monday in (4, 11)
        for country in ("SG", "MY")
        for one in week_of(20, monday, country)
    ]
    miles = [
        earn(4, "SG_1", 100),
        {**earn(4, "MY_1", 1000), "country": "MY"},
        earn(11, "SG_1", 1200),
        {**earn(4, "SG_2", 300), "event_type": "miles_redeemed"},
        {**earn(11, "SG_2", 400), "event_type": "miles_redeemed"},
    ]
    insert_events(database, [event(-3, "SG_0"), *everybody, *miles, event(18, "SG_0")])
    run_all(database)
    said = {row["name"]: (row["driver"], row["share"]) for row in sentences(database)}
    assert said["Miles earned"] == ("SG", "more than all of it")  # 1100 of 100
    assert said["Miles redeemed"] == ("SG", "100% of it")
