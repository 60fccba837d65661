"""The SQL of acquisition and of the funnel, made wrong on purpose in one place: then a figure differs
from that of plain Python, or a blocking check finds it. And figures made wrong: the check finds them.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runner.build.compose import PRELUDE, Composer
from runner.build.plan import Step
from runner.database import ledger
from runner.database.session import Database, QueryFailed, Session
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from tests import oracle, oracle_warehouse
from tests.oracle import EARN, REDEEM, SEARCH, Row
from tests.support import (
    PROJECT,
    campaigns,
    costs,
    frozen,
    ingest,
    insert_events,
    query,
    rebuild,
    source_events,
)
from tests.support.databases import Moulds, apply_schema

# Here the clock is put back from one to midnight, in 2020 on the first of November; that midnight
# comes twice. The last day is a Monday.
ZONE = "America/Havana"
LAST_DAY = datetime(2020, 12, 7, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
MICROSECOND, DAY = timedelta(microseconds=1), timedelta(days=1)
# First events on both sides of the borders of months, of weeks, and of the time that is over.
FIRST = [
    border + side
    for border in (
        datetime(2020, 9, 1, 4, tzinfo=UTC),
        datetime(2020, 10, 1, 4, tzinfo=UTC),
        datetime(2020, 11, 1, 4, tzinfo=UTC),
        datetime(2020, 11, 1, 5, tzinfo=UTC),
        *(LAST_DAY - days * DAY for days in (35, 28, 21, 14, 7, 6)),
    )
    for side in (-MICROSECOND, 0 * DAY, MICROSECOND, timedelta(hours=9))
]
LATER = [
    days * DAY + side
    for days in (0, 0, 0, 3, 6, 7, 13, 14, 20, 21, 27, 28, 34, 35)
    for side in (-MICROSECOND, 0 * DAY, MICROSECOND)
    if days * DAY + side >= 0 * DAY
]
SCRIPTS = (
    "warehouse.agg_campaign_costs",
    "warehouse.agg_user_acquisition",
    "warehouse.agg_user_funnels",
    "warehouse.dim_utm_sources",
    "reporting.acquisition",
    "reporting.engagement_funnel",
)
FUNNELS, USERS, COSTS = (f"sql/{SCRIPTS[place].replace('.', '/')}.sql" for place in (2, 1, 0))
FUNNEL, ACQUISITION = "sql/reporting/engagement_funnel.sql", "sql/reporting/acquisition.sql"
SOURCES = "sql/warehouse/dim_utm_sources.sql"
FUNCTIONS = "schema/warehouse.sql"
OF_SEARCH = "(event_time, event_id) > (searches.event_time, searches.event_id)"
OF_EARN = "(event_time, event_id) > (earns.event_time, earns.event_id)"

Mutant = tuple[str, str, str]
MUTANTS: list[Mutant] = [
    (FUNCTIONS, "(moment - interval '1 microsecond')", "(moment + interval '0')"),
    (FUNCTIONS, "at time zone zone)::date + 1", "at time zone zone)::date"),
    (FUNNELS, "hours => 24 *", "hours => 23 *"),
    (FUNNELS, "event_time <= until", "event_time < until"),
    (FUNNELS, "select min(first_event_at)", "select max(first_event_at)"),
    (FUNNELS, ", last_day) as last_day", ", 'infinity') as last_day"),
    (FUNNELS, OF_SEARCH, "event_time > searches.event_time"),
    (FUNNELS, OF_SEARCH, "event_time >= searches.event_time"),
    (FUNNELS, OF_SEARCH, "true"),
    (FUNNELS, OF_EARN, "event_time > earns.event_time"),
    (FUNNELS, OF_EARN, "event_time >= earns.event_time"),
    (FUNNELS, OF_EARN, "event_id > earns.event_id"),
    (FUNNELS, "order by event_date, event_time, event_id", "order by event_id"),
    (FUNNELS, "or any_earns.event_time", "or not any_earns.event_time"),
    (FUNNELS, "or any_redemptions.event_time is not null", ""),
    (FUNNELS, "= spans.slice_value\n    order by event_date\n", "<> ''\n    order by event_date\n"),
    (FUNNELS, "= spans.slice_value\n    order by event_date,", "<> ''\n    order by event_date,"),
    (FUNNEL, "+ days <= last_day", "+ days < last_day"),
    (FUNNEL, "+ days <= last_day", "+ days <= 'infinity'"),
    (FUNNEL, "generate_series(0, 32)", "generate_series(0, 9)"),
    (FUNNEL, "generate_series(0, 32)", "generate_series(9, 32)"),
    (FUNNEL, "month_start(first_day) = cohort_start\n),", "month_start(over_on) = cohort_start\n),"),
    (FUNNEL, "        and {{ warehouse }}.month_start(first_day) = cohort_start\n", ""),
    (FUNNEL, "0.5 + 1e-9", "0.5"),
    (FUNNEL, "order by earned_at - searched_at", "order by redeemed_at - searched_at"),
    (FUNNEL, "filter (where has_earned)", "filter (where earned_at is not null)"),
    (FUNNEL, "filter (where has_redeemed)", "filter (where redeemed_at is not null)"),
    (FUNNEL, "round(searched::numeric / eligible_users, 6)", "round(searched::numeric / users, 6)"),
    (FUNNEL, "round(redeemed::numeric / eligible_users, 6)", "round(redeemed::numeric / users, 6)"),
    (FUNNEL, "nullif(earned, 0), 6)) as redeem_rate", "nullif(searched, 0), 6)) as redeem_rate"),
    (FUNNEL, "next_period('month', cohort_start), {{", "next_period('day', cohort_start), {{"),
    (USERS, "first_earned_at <= first_seen_at", "first_earned_at < first_seen_at"),
    (USERS, "first_seen_at + interval '168 hours', {{", "first_seen_at + interval '144 hours', {{"),
    (USERS, "width_bucket(first_week + 13,", "width_bucket(first_week + 12,"),
    (USERS, "width_bucket(first_week + 6,", "width_bucket(first_week + 7,"),
    (USERS, "width_bucket(first_week + 34,", "width_bucket(first_week + 35,"),
    (USERS, "width_bucket(first_week + 27,", "width_bucket(first_week + 26,"),
    (USERS, "redeemed_count_lifetime > 0", "redeemed_count_lifetime > 1"),
    (USERS, "where slice = 'all'", ""),
    (USERS, "sum(sign * miles_earned)", "sum(sign * abs(miles_earned))"),
    (ACQUISITION, "over_on <= last_day as is_over", "over_on < last_day as is_over"),
    (ACQUISITION, "+ 14 <= last_day", "+ 14 < last_day"),
    (ACQUISITION, "+ 35 <= last_day", "+ 35 < last_day"),
    (ACQUISITION, "sum(users) filter (where is_over)", "sum(users)"),
    (ACQUISITION, "sum(activated_users) filter (where is_over)", "sum(activated_users)"),
    (ACQUISITION, "sum(week_1_users) filter (where is_week_1_over)", "sum(week_1_users)"),
    (ACQUISITION, "sum(week_4_users) filter (where is_week_4_over)", "sum(week_4_users)"),
    (ACQUISITION, "last_day on month <= last_day", "last_day on true"),
    (ACQUISITION, "when dated.utm_source is null then", "when dated_cost is null then"),
    (ACQUISITION, "case when is_complete then given_cost end", "given_cost"),
    (ACQUISITION, "cohort_start) <= last_day as is_complete", "cohort_start) < last_day + 31 as is_complete"),
    (ACQUISITION, "case when cost is not null then is_dated end", "is_dated"),
    (ACQUISITION, "when activation_eligible = new_users\n", "when true\n"),
    (ACQUISITION, "full join costs", "left join costs"),
    (COSTS, "sum(cost)", "max(cost)"),
    (COSTS, "{{ warehouse }}.member(utm_source)", "utm_source"),
    (COSTS, "month >= '2000-01-01'", "true"),
    (COSTS, "month < '9999-12-30'", "true"),
    (COSTS, "month < '9999-12-30'", "month <= '9999-12-30'"),
    (COSTS, "and cost::numeric < 'infinity'", ""),
    (COSTS, "{{ warehouse }}.month_start(month)", "month"),
    (SOURCES, "and monthly_cost::numeric < 'infinity'", ""),
]  # fmt: skip

# What no report may hold, and the check that finds it.
WRONG = {
    "acquisition": [
        "new_users = new_users + 1",
        "new_users = new_users - 1, activation_eligible = 0, week_1_eligible = 0,"
        " week_4_eligible = 0, activated_users = 0, week_1_retained = 0, week_4_retained = 0",
        "redeemers = redeemers + 1",
        "miles_per_user = miles_per_user + 0.001",
        "activation_eligible = new_users + 1",
        "activated_users = activation_eligible + 1",
        "week_1_eligible = new_users + 1",
        "week_1_retained = week_1_eligible + 1",
        "week_4_eligible = week_1_eligible + 1",
        "week_4_retained = week_4_eligible + 1",
        "is_complete = false",
        "cost_is_dated = null",
        "cost_is_dated = false",
        "cost = cost + 1",
        "cost = null, cost_is_dated = null",
    ],
    "engagement_funnel": [
        "users = users + 1",
        "eligible_users = users + 1",
        "eligible_users = users - 1",
        "searched = eligible_users + 1",
        "earned = searched + 1",
        "redeemed = earned + 1",
        "earned_any = earned - 1",
        "redeemed_any = redeemed - 1",
        "earned_any = eligible_users + 1",
        "redeemed_any = eligible_users + 1",
        "median_days_to_earn = -0.000001",
        "median_days_to_earn = 28.000001",
        "median_days_to_redeem = -0.000001",
        "median_days_to_redeem = 28.000001",
    ],
}
# A row in which every figure is above zero.
WHERE = {
    "acquisition": "utm_source = 'google' and cohort_start = '2020-09-01'",
    "engagement_funnel": "slice = 'all' and cohort_start = '2020-09-01'",
}


def in_zone() -> Manifest:
    manifest = load(PROJECT)
    variables = {**manifest.variables, "reporting_timezone": ZONE}
    return dataclasses.replace(manifest, variables=variables)


def hostile_events() -> list[dict[str, Any]]:
    draw = random.Random(17)
    events = []
    for number, first in enumerate(3 * FIRST):
        moments = [first + later for later in (0 * DAY, *draw.choices(LATER, k=8))]
        for moment in moments:
            if moment < LAST_DAY + DAY:
                events.append(
                    {
                        "event_time": moment,
                        "user_id": f"u{number}",
                        "event_type": draw.choice([EARN, EARN, REDEEM, REDEEM, SEARCH, SEARCH, "like"]),
                        "miles_amount": draw.choice([None, 0, 5, 7.25, -3]),
                        "platform": draw.choice(["ios", "web"]),
                        "utm_source": draw.choice(["google", "google", "email", "tiktok", None]),
                        "country": draw.choice(["CU", "US"]),
                        "created_at": min(moment, LAST_DAY + DAY - MICROSECOND),
                    }
                )  # fmt: skip
    # Keys do not follow the time, and a search and an earning of a later day came on the last one.
    draw.shuffle(events)
    late = {"created_at": LAST_DAY, "user_id": "u9", "platform": "ios", "utm_source": "google"}
    for user in ("u9", "u39", "u23"):
        for hours, event_type in ((24, SEARCH), (24, EARN), (24, REDEEM)):
            events.append(
                {
                    **late,
                    "event_time": LAST_DAY + timedelta(hours=hours),
                    "event_type": event_type,
                    "user_id": user,
                    "country": "CU",
                }
            )
    return events


def prepare(database: Database) -> None:
    """As sources of one's own may be: without the constraints of those that ship."""
    with database.session("test") as session:
        session.run(
            "alter table public.event_stream drop constraint miles_amount_is_not_negative;"
            " alter table public.campaign_costs drop constraint month_is_finite,"
            " drop constraint cost_is_not_negative;"
            " alter table public.utm_campaigns drop constraint monthly_cost_is_not_negative"
        )
    query(
        database,
        """
        insert into public.campaign_costs (utm_source, month, cost) values
        ('google', '2020-09-01', 10), ('google', '2020-09-30', 5), ('google', '2020-12-01', 9),
        ('google', 'infinity', 1), ('google', '2020-10-02', 'nan'), ('', '2020-10-01', 3),
        ('unknown', '2020-10-31', 4), ('bing', '2020-10-05', 8), ('bing', '2021-01-01', 8),
        ('google', '300000-01-01', 1), ('google', '-infinity', 1), ('google', '9999-12-30', 1),
        ('google', '9999-12-29', 1), ('google', '1999-12-31', 1), ('google', '2000-01-01', 1)
        """,
    )
    query(
        database,
        """
        insert into public.utm_campaigns (utm_source, monthly_cost)
        values ('google', 70), ('tiktok', 30), ('email', 'nan')
        """,
    )
    insert_events(database, hostile_events())
    ingest(database)
    rebuild(database, manifest=in_zone())


@pytest.fixture(scope="module")
def hostile(moulds: Moulds) -> Iterator[Database]:
    with moulds.clone(apply_schema, prepare) as database:
        yield database


@pytest.fixture(scope="module")
def expected(hostile: Database) -> dict[str, list[Row]]:
    known = source_events(hostile), campaigns(hostile), costs(hostile)
    tables = oracle_warehouse.all_tables(*known, timezone=ZONE)
    reports = oracle.all_reports(*known, timezone=ZONE)
    return {f"warehouse.{name}": rows for name, rows in tables.items()} | {
        f"reporting.{name}": rows for name, rows in reports.items()
    }


def wrong_tables(
    database: Database, expected: dict[str, list[Row]], manifest: Manifest
) -> set[str]:
    """What a full build of the scripts by these texts makes of the tables, rolled back: those that
    differ from plain Python.
    """
    wrong = set()
    with database.session("test") as session:
        session.run("begin")
        session.run(PRELUDE)
        composer = Composer(manifest, Target(), ledger.positions(session, "live"))
        for piece in composer.layer("warehouse"):
            session.run(piece.text, piece.file)
        for name in SCRIPTS:
            script = manifest.scripts[name]
            for piece in composer.update(Step(script, "full", "forced"), session):
                session.run(piece.text, piece.file)
            for table in script.tables:
                key = f"{script.layer}.{table}"
                found = {frozen(row) for row in session.rows(f"select * from {key}")}
                if found != {frozen(row) for row in expected[key]}:
                    wrong.add(key)
        session.run("rollback")
    return wrong


def test_the_hostile_set_is_what_plain_python_makes_of_it(
    hostile: Database, expected: dict[str, list[Row]]
) -> None:
    assert wrong_tables(hostile, expected, in_zone()) == set()
    for table, where in WHERE.items():
        (row,) = query(hostile, f"select * from reporting.{table} where {where}")
        assert all(value != 0 for value in row.values()), row


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, marks=[] if number % 20 == 0 else [pytest.mark.slow], id=str(number))
        for number, mutant in enumerate(MUTANTS)
    ],
)
def test_a_script_that_is_wrong_in_one_place_makes_a_wrong_figure(
    hostile: Database, expected: dict[str, list[Row]], mutant: Mutant
) -> None:
    file, old, new = mutant
    manifest = in_zone()
    text = manifest.read(Path(file))
    assert old in text
    mutated = dict.fromkeys((Path(file), PROJECT / file), text.replace(old, new))
    texts = {**manifest.texts, **mutated}
    try:
        wrong = wrong_tables(hostile, expected, dataclasses.replace(manifest, texts=texts))
    except QueryFailed:
        return  # what does not run misleads nobody
    assert wrong


@pytest.mark.parametrize("table", WRONG)
def test_the_check_of_a_report_finds_each_wrong_figure(hostile: Database, table: str) -> None:
    manifest = in_zone()
    missed = []
    with hostile.session("test") as session:
        composer = Composer(manifest, Target(), ledger.positions(session, "live"))
        (check,) = manifest.scripts[f"reporting.{table}"].checks
        text = composer.check(check, "full").text
        assert session.rows(text) == []
        for wrong in WRONG[table]:
            session.run("begin")
            session.run(f"update reporting.{table} set {wrong} where {WHERE[table]}")
            missed += [] if session.rows(text) else [wrong]
            session.run("rollback")
    assert missed == []


def _first_moment(session: Session, zone: str, day: date) -> tuple[datetime, date, date]:
    row = session.row(
        "select warehouse.day_start(%(day)s, %(zone)s) as moment,"
        " warehouse.over_on(warehouse.day_start(%(day)s, %(zone)s), %(zone)s) as at_once,"
        " warehouse.over_on(warehouse.day_start(%(day)s, %(zone)s) + interval '1 microsecond',"
        " %(zone)s) as next_day",
        {"day": day, "zone": zone},
    )
    return row["moment"], row["at_once"], row["next_day"]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", date(2024, 2, 29)),
        ("America/Havana", date(2020, 11, 1)),  # midnight twice
        ("America/Havana", date(2020, 3, 8)),  # no midnight
        ("America/Sao_Paulo", date(2018, 11, 4)),  # no midnight
        ("Atlantic/Azores", date(2025, 10, 26)),  # midnight twice
        ("America/New_York", date(2025, 11, 2)),
        ("Asia/Kathmandu", date(2025, 1, 1)),
    ],
)
def test_a_day_starts_at_its_first_moment(hostile: Database, zone: str, day: date) -> None:
    data = dataclasses.replace(oracle.prepare([], []), zone=ZoneInfo(zone))
    with hostile.session("test") as session:
        found = _first_moment(session, zone, day)
    first = data.start_of(day)
    assert found == (first, day, day + DAY)
    assert (first - MICROSECOND).astimezone(ZoneInfo(zone)).date() < day
    assert first.astimezone(ZoneInfo(zone)).date() == day
