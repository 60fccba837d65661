"""examples/from_dbt: seventeen tables that follow late, changed and deleted events."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from runner.database.session import Database
from tests.support import PROJECT, insert_events, query
from tests.support.commands import command

EXAMPLE = PROJECT / "examples/from_dbt"
SOURCE = (PROJECT / "schema/source.sql").read_text(encoding="utf-8")
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
MILES = {"miles_earned": "earned", "miles_redeemed": "redeemed"}
Row = dict[str, Any]


@pytest.mark.slow
def test_the_seventeen_tables_follow_late_changed_and_deleted_events(
    empty_database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "from_dbt"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".pgdata"))

    def run(line: str) -> str:
        done = command(*line.split(), database=empty_database, project=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def change(statement: str) -> None:
        with empty_database.session("test") as session:
            session.run(statement)

    draw = random.Random(17)
    (table,) = re.findall(
        r"create table if not exists public\.event_stream \(.*?\n\);", SOURCE, re.S
    )
    change(table)
    run("schema apply --yes")
    insert_events(empty_database, [event(draw, draw.randrange(60)) for _ in range(400)])
    run("run-all")
    assert differences(empty_database) == {}

    insert_events(empty_database, [event(draw, day) for day in (70, 70, 70, 3, 31, 59, 66)])
    run("run-all")
    assert differences(empty_database) == {}

    change("delete from public.event_stream where event_id % 41 = 3 or event_time > '2025-03-08Z'")
    change(
        "update public.event_stream set user_id = 'moved', miles_amount = 7 where event_id % 53 = 5"
    )
    change("update public.event_stream set event_time = '2024-12-30Z' where event_id = 101")
    run("reconcile event_stream")
    run("build")
    assert differences(empty_database) == {}
    assert "equal a rebuild" in run("verify")


def event(draw: random.Random, day: int) -> Row:
    event_type = draw.choice([*MILES, "reward_search", "share", "like"])
    return {
        "event_time": FIRST + timedelta(days=day, seconds=draw.randrange(86_400)),
        "user_id": f"u{draw.randrange(25)}",
        "event_type": event_type,
        "transaction_category": None
        if event_type in ("share", "like")
        else draw.choice(["dining", "travel"]),
        "miles_amount": draw.randrange(1, 500) if event_type in MILES else None,
        "platform": draw.choice(["web", "ios", None]),
        "utm_source": draw.choice(["organic", "google", None]),
        "country": draw.choice(["SG", "MY"]),
    }


# --- what the tables have to say, from the events -------------------------------------------------


def differences(database: Database) -> dict[str, Any]:
    """Tables that say something else than plain Python says of the source, and what each says."""
    events = query(database, "select * from public.event_stream")
    found = {}
    for name, rows in tables(events).items():
        columns = ", ".join(rows[0])
        said = query(database, f"select {columns} from {name}")
        if sorted(map(str, map(plain, said))) != sorted(map(str, map(plain, rows))):
            found[name] = (said, rows)
    return found


def plain(row: Row) -> list[Any]:
    """Values that are equal have equal texts: 7 and 7.00, of whatever type."""
    return [
        Decimal(value).normalize() + 0 if isinstance(value, int | Decimal) else value
        for value in row.values()
    ]


def tables(events: list[Row]) -> dict[str, list[Row]]:
    days: dict[str, set[date]] = {}
    for row in sorted(events, key=lambda row: (row["event_time"], row["event_id"])):
        row["day"] = row["event_time"].astimezone(UTC).date()
        days.setdefault(row["user_id"], set()).add(row["day"])
    first, last = min(map(min, days.values())), max(map(max, days.values()))
    calendar = [first + timedelta(n) for n in range((last - first).days + 1)]
    facts = {
        "fact_miles_earned": ["miles_earned"],
        "fact_miles_redeemed": ["miles_redeemed"],
        "fact_reward_searches": ["reward_search"],
        "fact_social_engagements": ["share", "like"],
    }
    return {
        **{
            f"warehouse.{name}": [
                {"event_id": row["event_id"], "event_date": row["day"], "user_id": row["user_id"]}
                for row in events
                if row["event_type"] in kinds
            ]
            for name, kinds in facts.items()
        },
        "warehouse.dim_dates": [{"date_day": day} for day in calendar],
        "warehouse.dim_platforms": seen(events, "platform"),
        "warehouse.dim_utm_sources": seen(events, "utm_source"),
        "warehouse.dim_transaction_categories": seen(events, "transaction_category"),
        "warehouse.dim_users": [users(rows) for rows in by(events, "user_id").values()],
        "warehouse.agg_user_daily_engagement": [
            {"user_id": rows[0]["user_id"], "event_date": rows[0]["day"], **totals(rows)}
            for rows in by(events, "user_id", "day").values()
        ],
        "warehouse.agg_category_daily_engagement": [
            {
                "event_date": rows[0]["day"],
                "transaction_category": rows[0]["transaction_category"],
                "users": len({row["user_id"] for row in rows}),
                "events": len(rows),
            }
            for rows in by(events, "day", "transaction_category").values()
            if rows[0]["transaction_category"]
        ],
        "warehouse.agg_user_engagement": [
            {
                "first_active_date": min(days[user]),
                "last_active_date": max(days[user]),
                "active_days": len(days[user]),
                **users(rows),
                **totals(rows),
            }
            for (user,), rows in by(events, "user_id").items()
        ],
        "reporting.rpt_active_users": [
            {"date_day": day} | {name: active(days, day, n) for name, n in WINDOWS.items()}
            for day in calendar
        ],
        "reporting.rpt_growth_accounting": [
            row for grain, start in STARTS.items() for row in growth(grain, start, days, calendar)
        ],
        "reporting.rpt_retention_cohorts": list(cohorts(days, calendar)),
        "reporting.rpt_miles_by_category": [
            {
                "direction": MILES[rows[0]["event_type"]],
                "transaction_category": rows[0]["transaction_category"],
                "events": len(rows),
                "users": len({row["user_id"] for row in rows}),
                "miles": sum(row["miles_amount"] for row in rows),
            }
            for rows in by(events, "event_type", "transaction_category").values()
            if rows[0]["event_type"] in MILES
        ],
        "reporting.rpt_acquisition_by_utm_source": [
            {"utm_source": source["utm_source"]}
            | {"users": len(theirs), "events": sum(map(len, theirs))}
            for source in seen(events, "utm_source")
            for theirs in [
                [
                    rows
                    for rows in by(events, "user_id").values()
                    if users(rows)["first_utm_source"] == source["utm_source"]
                ]
            ]
        ],
    }


WINDOWS = {"dau": 1, "wau": 7, "mau": 30}
STARTS: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(day.weekday()),
    "month": lambda day: day.replace(day=1),
}


def by(events: list[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in events:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def seen(events: list[Row], name: str) -> list[Row]:
    return [
        {name: value, "first_seen_at": min(row["event_time"] for row in rows)}
        for (value,), rows in by(events, name).items()
        if value
    ]


def users(rows: list[Row]) -> Row:
    first = min(rows, key=lambda row: (row["event_time"], row["event_id"]))
    return {
        "user_id": first["user_id"],
        "first_seen_at": first["event_time"],
        "country": first["country"],
        "first_utm_source": first["utm_source"],
    }


def totals(rows: list[Row]) -> Row:
    kinds = Counter(row["event_type"] for row in rows)
    miles = Counter[str]()
    for row in rows:
        miles[row["event_type"]] += row["miles_amount"] or 0
    return {
        "events": len(rows),
        "miles_earned": miles["miles_earned"],
        "miles_redeemed": miles["miles_redeemed"],
        "reward_searches": kinds["reward_search"],
        "shares": kinds["share"],
        "likes": kinds["like"],
    }


def active(days: dict[str, set[date]], last: date, length: int) -> int:
    window = {last - timedelta(n) for n in range(length)}
    return sum(not window.isdisjoint(theirs) for theirs in days.values())


def growth(
    grain: str, start: Callable[[date], date], days: dict[str, set[date]], calendar: list[date]
) -> Iterator[Row]:
    periods = {user: set(map(start, theirs)) for user, theirs in days.items()}
    for period in sorted(set(map(start, calendar))):
        former = start(period - timedelta(1))
        here = {user for user, theirs in periods.items() if period in theirs}
        there = {user for user, theirs in periods.items() if former in theirs}
        new = {user for user in here if min(periods[user]) == period}
        yield {
            "grain": grain,
            "period_start": period,
            "active_users": len(here),
            "new_users": len(new),
            "retained_users": len(here & there),
            "resurrected_users": len(here - there - new),
            "churned_users": len(there - here),
        }


def cohorts(days: dict[str, set[date]], calendar: list[date]) -> Iterator[Row]:
    start = STARTS["week"]
    weeks = {user: set(map(start, theirs)) for user, theirs in days.items()}
    for cohort in {min(theirs) for theirs in weeks.values()}:
        members = [theirs for theirs in weeks.values() if min(theirs) == cohort]
        for week in {start(day) for day in calendar if start(day) >= cohort}:
            count = sum(week in theirs for theirs in members)
            share = Decimal(count) / len(members)
            yield {
                "cohort_week": cohort,
                "week_number": (week - cohort).days // 7,
                "cohort_users": len(members),
                "active_users": count,
                "retention_rate": share.quantize(Decimal("0.0001"), ROUND_HALF_UP),
            }
