"""`schema apply` and `seed`: what a new database gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg.conninfo import make_conninfo

from runner.build.compose import Composer, run_pieces
from runner.database.session import Database
from runner.errors import RunnerError, UsageError
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.demo import Demo, seed
from tests.support import PROJECT, assert_reports_equal_oracle, query, run_all, scalar

END = datetime(2026, 3, 1, tzinfo=UTC)
SMALL = Demo(events=3_000, users=100, days=60, seed=1, end=END, append=False)


def fingerprint(database: Database) -> str:
    return str(
        scalar(
            database,
            "select md5(string_agg(events::text, '|' order by events.event_id)) from public.event_stream as events",
        )
    )


def test_a_rehearsal_names_what_would_be_created_and_creates_nothing(
    empty_database: Database,
) -> None:
    changes = schema.rehearse(empty_database, load(PROJECT), Target())
    assert "create schema orchestrator" in changes
    assert "create table warehouse.fact_miles_earned" in changes
    assert "create table warehouse.raw_event_stream" in changes
    assert "create view reporting.freshness" in changes
    assert scalar(empty_database, "select to_regnamespace('orchestrator') is null")


def test_applied_twice_the_schema_is_the_same_and_data_stay(empty_database: Database) -> None:
    schema.apply(empty_database, load(PROJECT), Target())
    query(empty_database, "insert into public.utm_campaigns (utm_source) values ('google')")
    assert schema.rehearse(empty_database, load(PROJECT), Target()) == []
    schema.apply(empty_database, load(PROJECT), Target())
    assert scalar(empty_database, "select count(*) from public.utm_campaigns") == 1


def test_tables_of_an_application_that_are_not_ours_stay_as_they_are(
    empty_database: Database,
) -> None:
    source = Composer(load(PROJECT), Target(), {}).layer("source")
    with empty_database.session("test") as session:
        run_pieces(session, source)
        name = session.row("select current_database() as name")["name"]
        session.run(
            "create role milepost_test_reader login;"
            f" grant create on database {name} to milepost_test_reader;"
            " grant select on all tables in schema public to milepost_test_reader"
        )
    reader = Database(make_conninfo(empty_database.conninfo, user="milepost_test_reader"))
    try:
        schema.apply(reader, load(PROJECT), Target())
        assert scalar(reader, "select count(*) from orchestrator.pipeline_definitions") == 3
        assert run_all(reader).run_id is not None
        guarantee = scalar(
            reader, "select min(guarantee) from orchestrator.runs where kind = 'window'"
        )
        assert guarantee == "exact"  # the horizon does not need to see who writes
    finally:
        with empty_database.session("test") as session:
            session.run("drop owned by milepost_test_reader; drop role milepost_test_reader")


def test_a_pipeline_that_its_owner_changed_stays_changed(database: Database) -> None:
    query(database, "update orchestrator.pipeline_definitions set is_enabled = false")
    schema.apply(database, load(PROJECT), Target())
    assert not scalar(database, "select bool_or(is_enabled) from orchestrator.pipeline_definitions")


def test_seeding_gives_exactly_the_events_asked_for_and_the_same_again(
    database: Database, empty_database: Database
) -> None:
    assert seed(database, PROJECT, SMALL) == 3_000
    schema.apply(empty_database, load(PROJECT), Target())
    with empty_database.session("test") as session:
        session.run("alter role current_user set timezone = 'America/New_York'")
    try:
        seed(empty_database, PROJECT, SMALL)
    finally:
        with empty_database.session("test") as session:
            session.run("alter role current_user reset timezone")
    assert fingerprint(database) == fingerprint(empty_database)


def test_another_seed_gives_other_events(database: Database) -> None:
    seed(database, PROJECT, SMALL)
    first = fingerprint(database)
    query(database, "truncate public.event_stream restart identity")
    seed(database, PROJECT, Demo(3_000, 100, 60, seed=2, end=END, append=False))
    assert fingerprint(database) != first


def test_seeded_events_have_the_shape_of_the_real_file(database: Database) -> None:
    seed(database, PROJECT, Demo(20_000, 500, 120, seed=3, end=END, append=False))
    shares = {
        row["event_type"]: row["share"]
        for row in query(
            database,
            "select event_type, count(*)::float / 20000 as share from public.event_stream group by 1",
        )
    }
    real = {
        "miles_earned": 0.561,
        "reward_search": 0.153,
        "miles_redeemed": 0.136,
        "share": 0.098,
        "like": 0.051,
    }
    assert shares.keys() == real.keys()
    assert all(abs(shares[name] - real[name]) < 0.03 for name in real)
    found = query(
        database,
        """
        select
            count(distinct transaction_category) as categories,
            avg((created_at - event_time > interval '1 hour')::integer) as late,
            max(created_at - event_time) <= interval '3 days 1 hour' as is_late_by_days,
            max(created_at) < %(end)s as is_before_end,
            min(created_at - event_time) >= interval '0' as arrives_after
        from public.event_stream
        """,
        end=END,
    )[0]
    assert found["categories"] >= 20
    assert 0.004 < found["late"] < 0.02
    assert found["is_late_by_days"] and found["is_before_end"] and found["arrives_after"]
    assert scalar(database, "select count(*) from public.utm_campaigns") >= 4


@pytest.mark.slow
def test_seeded_users_come_stay_leave_and_come_back(database: Database, no_margin: None) -> None:
    seed(database, PROJECT, Demo(20_000, 500, 120, seed=3, end=END, append=False))
    run_all(database)
    weeks = query(
        database,
        "select * from reporting.growth_accounting where grain = 'week' and is_complete order by period_start",
    )
    for figure in ("new_users", "retained_users", "resurrected_users", "churned_users"):
        assert sum(week[figure] > 0 for week in weeks) > len(weeks) / 2, figure
    quarter = len(weeks) // 4
    early = sum(week["active_users"] for week in weeks[:quarter])
    late = sum(week["active_users"] for week in weeks[-quarter:])
    assert late > early


def test_a_second_seed_is_refused_and_appending_goes_on_after_the_newest(
    database: Database,
) -> None:
    with pytest.raises(RunnerError, match="no rows to continue after"):
        seed(database, PROJECT, Demo(10, 5, 5, seed=1, end=END, append=True))
    seed(database, PROJECT, SMALL)
    with pytest.raises(RunnerError, match="has rows already"):
        seed(database, PROJECT, SMALL)
    newest = scalar(database, "select max(created_at) from public.event_stream")
    more = Demo(500, 20, 5, seed=1, end=END + timedelta(days=5), append=True)
    assert seed(database, PROJECT, more) == 3_500
    added = query(
        database,
        "select min(created_at) as oldest, max(created_at) as newest from public.event_stream where event_id > 3000",
    )[0]
    assert newest < added["oldest"] <= added["newest"] < END + timedelta(days=5)


@pytest.mark.slow
def test_appended_events_are_ingested_although_the_watermark_has_passed_the_newest_event(
    database: Database,
) -> None:
    seed(database, PROJECT, SMALL)
    run_all(database)
    with pytest.raises(RunnerError, match="behind the watermark"):
        seed(database, PROJECT, Demo(500, 20, 5, seed=1, end=END + timedelta(days=5), append=True))
    seed(database, PROJECT, Demo(500, 20, 5000, seed=1, end=None, append=True))
    run_all(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 3_500
    assert_reports_equal_oracle(database)


def test_an_end_in_the_future_is_refused(database: Database) -> None:
    with pytest.raises(UsageError, match="future"):
        seed(
            database,
            PROJECT,
            Demo(10, 5, 5, seed=1, end=datetime(2999, 1, 1, tzinfo=UTC), append=False),
        )


@pytest.mark.parametrize("demo", [(1, 1, 1), (3, 50, 2), (100, 10, 30)])
def test_small_figures_work_too(database: Database, demo: tuple[int, int, int]) -> None:
    assert seed(database, PROJECT, Demo(*demo, seed=1, end=END, append=False)) == demo[0]
