"""Ingestion: half-open windows on a settled bound, each with its row in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import strategies as st

from runner.build.build import build
from runner.build.plan import Step
from runner.build.transaction import Listener
from runner.database import retry
from runner.database.session import PIPELINE_LOCK, Database, LockHeld, QueryFailed
from runner.errors import RunnerError, StartError
from runner.ingest import catch_up, pipeline
from runner.ingest.pipeline import IngestionPipeline
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import PROJECT, ingest, insert_events, query, scalar
from tests.support.sweeps import with_examples

pytestmark = pytest.mark.usefixtures("no_margin")

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection]:
    """An application beside us, with a transaction of its own."""
    with psycopg.connect(database.conninfo) as connection:
        yield connection


def event(**values: object) -> dict[str, object]:
    return {"event_time": JANUARY, "user_id": "u_1", "event_type": "like", **values}


def assert_replica_is_exact(database: Database, where: str = "true") -> None:
    columns = (
        "event_id, event_time, user_id, event_type, transaction_category, miles_amount, platform,"
        " utm_source, country, created_at"
    )
    source = f"select {columns} from public.event_stream where {where}"
    replica = f"select {columns} from warehouse.raw_event_stream"
    assert (
        query(
            database, f"({source} except all {replica}) union all ({replica} except all {source})"
        )
        == []
    )


def test_rows_arrive_once_however_often_ingest_runs(database: Database) -> None:
    insert_events(
        database, [event(created_at=JANUARY + timedelta(hours=hour)) for hour in range(50)]
    )
    ingest(database)
    ingest(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 50
    assert_replica_is_exact(database)


def test_catch_up_begins_with_the_definitions_size_grows_and_jumps_empty_stretches(
    database: Database,
) -> None:
    query(database, "update orchestrator.pipeline_definitions set window_size = '10 hours'")
    moments = [*range(45), *range(1000, 1005)]
    insert_events(database, [event(created_at=JANUARY + timedelta(hours=hour)) for hour in moments])
    windows = ingest(database, "event_stream")
    assert [window.counts.inserted for window in windows] == [10, 20, 15, 5, 0][: len(windows)]
    assert len(windows) <= 5


def test_windows_meet_without_gap_or_overlap(database: Database) -> None:
    query(database, "update orchestrator.pipeline_definitions set window_size = '7 hours'")
    insert_events(
        database, [event(created_at=JANUARY + timedelta(hours=hour)) for hour in range(40)]
    )
    ingest(database, "event_stream")
    ingest(database, "event_stream")
    gaps = query(
        database,
        """
        select low::text, lag(high::text) over (order by run_id) as previous_high
        from orchestrator.runs
        where kind = 'window' and status = 'succeeded'
        """,
    )
    assert len(gaps) > 3
    assert all(gap["low"] == gap["previous_high"] for gap in gaps[1:])


def test_equal_timestamps_at_a_windows_edge_go_into_one_window(database: Database) -> None:
    query(database, "update orchestrator.pipeline_definitions set window_size = '1 hour'")
    insert_events(
        database,
        [
            event(created_at=JANUARY + timedelta(hours=hour))
            for hour in (0, 1, 1, 1, 2)
            for _ in range(3)
        ],
    )
    ingest(database, "event_stream")
    assert_replica_is_exact(database)


def test_infinite_cursors_wait_or_arrive_and_do_not_poison_the_watermark(
    database: Database,
) -> None:
    insert_events(database, [event(created_at="infinity"), event(created_at=JANUARY)])
    query(
        database,
        "insert into public.event_stream (event_time, created_at) values (now(), '-infinity')",
    )
    ingest(database)
    insert_events(database, [event()])
    ingest(database)
    arrived = "select array_agg(created_at = '-infinity' order by created_at) from %s"
    assert scalar(database, arrived % "warehouse.raw_event_stream") == [True, False, False]
    # A time that never comes: the row waits for it, for ever.
    assert_replica_is_exact(database, "created_at < 'infinity'")
    assert scalar(database, "select bool_and(isfinite(high)) from orchestrator.runs")


def test_a_row_of_a_transaction_still_open_is_not_passed_over(
    database: Database, writer: psycopg.Connection
) -> None:
    writer.execute("insert into public.event_stream (event_time, user_id) values (now(), 'slow')")
    insert_events(database, [event(user_id="quick")])
    ingest_with_short_wait(database)
    writer.commit()
    ingest(database)
    assert_replica_is_exact(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 2


def test_a_held_bound_is_waited_for_and_then_explained(
    database: Database, writer: psycopg.Connection
) -> None:
    writer.execute("select txid_current()")
    insert_events(database, [event()])
    ingest_with_short_wait(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 0
    message = scalar(database, "select message from orchestrator.logs where level = 'warning'")
    assert str(writer.info.backend_pid) in message
    assert "idle in transaction" in message


def test_everything_committed_before_the_start_is_loaded(database: Database) -> None:
    insert_events(database, [event() for _ in range(5)])
    ingest(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 5


def test_our_own_build_does_not_hold_the_bound(database: Database) -> None:
    ingest(database)
    loaded = []

    class Ingesting(Listener):
        def starting(self, step: Step, index: int, count: int) -> None:
            if not loaded:
                insert_events(database, [event()])
                ingest_with_short_wait(database)
                loaded.append(scalar(database, "select count(*) from warehouse.raw_event_stream"))

    build(database, load(PROJECT), Target(), listener=Ingesting())
    assert loaded == [1]


def test_who_may_not_write_the_ledger_cannot_pass_for_a_build(
    database: Database, writer: psycopg.Connection
) -> None:
    query(database, "drop role if exists milepost_test_shop")
    query(database, "create role milepost_test_shop")
    query(database, "grant usage on schema orchestrator to milepost_test_shop")
    query(database, "grant select on orchestrator.built_scripts to milepost_test_shop")
    try:
        writer.execute("set role milepost_test_shop")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            writer.execute("lock table orchestrator.built_scripts in row exclusive mode")
        writer.rollback()
    finally:
        query(database, "drop owned by milepost_test_shop")
        query(database, "drop role milepost_test_shop")


def test_a_prepared_transaction_on_the_source_stops_the_bound(
    database: Database, writer: psycopg.Connection
) -> None:
    writer.execute(
        "insert into public.event_stream (event_time, user_id) values (now(), 'prepared')"
    )
    writer.execute("prepare transaction 'test_prepared'")
    writer.commit()
    insert_events(database, [event()])
    ingest_with_short_wait(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 0
    query(database, "commit prepared 'test_prepared'")
    ingest(database)
    assert_replica_is_exact(database)


def test_a_prepared_transaction_on_what_a_view_shows_stops_the_bound_too(
    database: Database, writer: psycopg.Connection
) -> None:
    query(database, "create view public.recent as select * from public.event_stream")
    query(
        database,
        "update orchestrator.pipeline_definitions set source_relation = 'public.recent',"
        " target_relation = 'warehouse.raw_event_stream' where pipeline_id = 1",
    )
    writer.execute("insert into public.event_stream (event_time, user_id) values (now(), 'p')")
    writer.execute("prepare transaction 'test_view'")
    writer.commit()
    ingest_with_short_wait(database)
    query(database, "commit prepared 'test_view'")
    ingest(database)
    assert_replica_is_exact(database)


def test_a_cursor_that_is_only_a_date_is_refused(database: Database) -> None:
    query(database, "create table public.dated (id int primary key, written date)")
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation, cursor_column)"
        " values ('dated', 'public.dated', 'written')",
    )
    with pytest.raises(StartError, match="cursor written is of type date"):
        ingest(database, "dated")


def test_rows_without_a_cursor_are_said_and_nothing_is_promised(database: Database) -> None:
    query(database, "create table public.loose (id int primary key, written timestamptz)")
    query(database, "insert into public.loose values (1, now()), (2, null)")
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation, cursor_column)"
        " values ('loose', 'public.loose', 'written')",
    )
    windows = ingest(database, "loose")
    assert [window.guarantee for window in windows] == ["best_effort"] * len(windows)
    assert "cursor is null" in scalar(database, "select message from orchestrator.logs")


def test_an_upsert_source_may_have_types_without_equality(database: Database) -> None:
    query(database, "create domain public.note as json")
    query(
        database,
        "create table public.odd (id int primary key, place point, note public.note, notes json [],"
        " shape polygon, mood text, written timestamptz not null default now())",
    )
    query(
        database,
        "insert into orchestrator.pipeline_definitions"
        " (pipeline_name, source_relation, cursor_column, key_columns, write_mode)"
        " values ('odd', 'public.odd', 'written', '{id}', 'upsert')",
    )
    query(
        database,
        "insert into public.odd (id, place, note) values (1, '(1,2)', '{}'), (2, null, null)",
    )
    ingest(database, "odd")
    query(database, "update public.odd set place = '(3,4)', written = now() where id = 1")
    assert sum(window.counts.updated for window in ingest(database, "odd")) == 1
    assert scalar(database, "select place::text from warehouse.raw_odd where id = 1") == "(3,4)"


def test_a_failed_window_leaves_a_failed_run_and_no_data(database: Database) -> None:
    ingest(database)
    query(
        database,
        """
        create function public.test_refuses_bad_users() returns trigger language plpgsql as $$
        begin
            if new.user_id = 'bad' then raise exception 'bad users are refused'; end if;
            return new;
        end $$
        """,
    )
    query(
        database,
        "create trigger test_refuses before insert on warehouse.raw_event_stream"
        " for each row execute function public.test_refuses_bad_users()",
    )
    insert_events(database, [event(), event(user_id="bad")])
    with pytest.raises(RunnerError, match="bad users are refused"):
        ingest(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 0
    failed = query(database, "select * from orchestrator.runs where status = 'failed'")
    assert [run["sqlstate"] for run in failed] == ["P0001"]
    assert "bad users are refused" in failed[0]["error"]
    query(database, "drop trigger test_refuses on warehouse.raw_event_stream")
    ingest(database)
    assert_replica_is_exact(database)


def test_a_row_that_comes_again_in_an_append_pipeline_replaces_itself(database: Database) -> None:
    insert_events(database, [event(created_at=JANUARY)])
    ingest(database)
    query(database, "update public.event_stream set user_id = 'u_2', created_at = now()")
    ingest(database)
    assert_replica_is_exact(database)
    former = scalar(database, "select old_row ->> 'user_id' from orchestrator.replaced_rows")
    assert former == "u_1"


def test_a_source_that_does_not_exist_leaves_a_failed_run(database: Database) -> None:
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation, cursor_column)"
        " values ('ghost', 'public.ghost', 'created_at')",
    )
    with pytest.raises(StartError, match=r"public\.ghost does not exist"):
        ingest(database, "ghost")
    assert "ghost" in scalar(
        database, "select error from orchestrator.runs where status = 'failed'"
    )


def test_an_upsert_pipeline_replaces_rows_and_keeps_what_it_replaced(database: Database) -> None:
    query(
        database,
        "insert into public.utm_campaigns (utm_source, monthly_cost) values ('google', 100), ('tiktok', 5)",
    )
    ingest(database, "utm_campaigns")
    query(
        database,
        "update public.utm_campaigns set monthly_cost = 250, updated_at = now() where utm_source = 'google'",
    )
    query(
        database,
        "update public.utm_campaigns set updated_at = now() where utm_source = 'tiktok'",
    )
    windows = ingest(database, "utm_campaigns")
    assert sum(window.counts.updated for window in windows) == 2
    found = query(database, "select key, old_row from orchestrator.replaced_rows order by key")
    assert [row["key"] for row in found] == [{"utm_source": "google"}, {"utm_source": "tiktok"}]
    assert found[0]["old_row"]["monthly_cost"] == 100
    costs = query(
        database, "select utm_source, monthly_cost from warehouse.raw_utm_campaigns order by 1"
    )
    assert [int(row["monthly_cost"]) for row in costs] == [250, 5]


def test_a_third_source_is_one_row_and_nothing_else(database: Database) -> None:
    query(database, 'create schema "Shop"')
    query(
        database,
        """
        create table "Shop"."Orders" (
            "Order No" bigint primary key,
            payload json,
            tags text [],
            "when" timestamp not null default now()
        )
        """,
    )
    query(
        database,
        """
        insert into orchestrator.pipeline_definitions (
            pipeline_name, source_relation, target_relation, cursor_column, key_columns, write_mode
        )
        values ('orders', 'Shop.Orders', 'warehouse.raw_orders', 'when', '{"Order No"}', 'upsert')
        """,
    )
    query(
        database,
        """insert into "Shop"."Orders" values (1, '{"a": 1}', '{x,y}'), (2, null, null)""",
    )
    ingest(database, "orders")
    query(
        database,
        """update "Shop"."Orders" set payload = '{"a": 2}', "when" = now() where "Order No" = 1""",
    )
    ingest(database, "orders")
    rows = query(database, 'select * from warehouse.raw_orders order by "Order No"')
    assert [row["payload"] for row in rows] == [{"a": 2}, None]
    assert rows[0]["tags"] == ["x", "y"]
    assert (
        scalar(database, "select old_row ->> 'payload' from orchestrator.replaced_rows")
        == '{"a": 1}'
    )


def test_two_runners_at_once_one_works_and_one_says_who_does(
    database: Database, writer: psycopg.Connection
) -> None:
    number = scalar(
        database,
        "select pipeline_id from orchestrator.pipeline_definitions where pipeline_name = 'event_stream'",
    )
    writer.execute("select pg_advisory_lock(%s, %s)", [PIPELINE_LOCK, number])
    with pytest.raises(LockHeld, match=str(writer.info.backend_pid)) as refused:
        ingest(database, "event_stream")
    assert refused.value.exit_code == 3


def test_a_run_whose_process_died_is_marked_abandoned_by_the_next(database: Database) -> None:
    insert_events(database, [event(created_at=JANUARY)])
    query(
        database,
        "insert into orchestrator.runs (kind, status, pipeline_id, low, high)"
        " values ('window', 'running', 1, '-infinity', now())",
    )
    ingest(database)
    statuses = query(
        database, "select status from orchestrator.runs where pipeline_id = 1 order by run_id"
    )
    assert [row["status"] for row in statuses][:2] == ["abandoned", "succeeded"]
    assert_replica_is_exact(database)


def test_overlapping_succeeded_windows_are_refused_by_the_database(database: Database) -> None:
    ingest(database)
    with pytest.raises(RunnerError, match="succeeded_windows_do_not_overlap"):
        query(
            database,
            "insert into orchestrator.runs (kind, status, pipeline_id, low, high, finished_at)"
            " values ('window', 'succeeded', 1, '2020-01-01', '2021-01-01', now())",
        )


def test_a_disabled_pipeline_is_left_out_unless_named(database: Database) -> None:
    query(
        database,
        "update orchestrator.pipeline_definitions set is_enabled = false where pipeline_id = 2",
    )
    ingest(database)
    assert scalar(database, "select count(*) from orchestrator.runs where pipeline_id = 2") == 0
    ingest(database, "utm_campaigns")
    assert scalar(database, "select count(*) from orchestrator.runs where pipeline_id = 2") == 1


@with_examples(
    5,
    15,
    batches=st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=4),
    hours=st.integers(1, 20),
)
def test_any_batches_of_arrivals_end_up_in_the_replica_once(
    database: Database, batches: list[list[int]], hours: int
) -> None:
    """Each batch arrives behind the last watermark of the one before it, as a source with now()
    does.
    """
    reset(database)
    query(database, f"update orchestrator.pipeline_definitions set window_size = '{hours} hours'")
    start = JANUARY
    for batch in batches:
        insert_events(database, [event(created_at=start + timedelta(hours=hour)) for hour in batch])
        ingest_up_to(database, start + timedelta(hours=31))
        start += timedelta(hours=31)
    assert_replica_is_exact(database)


def test_what_came_late_before_a_pause_is_found_by_the_catch_up_after_it(
    database: Database,
) -> None:
    query(
        database,
        "update orchestrator.pipeline_definitions"
        " set window_size = '1 hour', lookback = '1 hour', sweep_every = null",
    )
    insert_events(database, [event(created_at=JANUARY + timedelta(hours=hour)) for hour in (0, 1)])
    ingest_up_to(database, JANUARY + timedelta(hours=2))
    late = JANUARY + timedelta(minutes=110)
    insert_events(database, [event(created_at=late, user_id="late")])
    moments = [JANUARY + timedelta(hours=hour) for hour in range(3, 26)]
    insert_events(database, [event(created_at=moment) for moment in moments])
    ingest_up_to(database, JANUARY + timedelta(hours=26))
    assert scalar(database, "select count(*) from orchestrator.runs where status = 'succeeded'") > 4
    assert_replica_is_exact(database)


def test_a_sweep_that_takes_too_long_ends_after_some_tries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.001)
    insert_events(database, [event() for _ in range(3)])
    ingest(database, "event_stream")
    query(
        database,
        "create view public.slow as select events.*, pg_sleep(0.2) is null as waits"
        " from public.event_stream as events",
    )
    name = scalar(database, "select current_database()")
    query(
        database,
        "update orchestrator.pipeline_definitions set source_relation = 'public.slow',"
        " target_relation = 'warehouse.raw_event_stream', lookback = '0' where pipeline_id = 1",
    )
    query(database, f'alter database "{name}" set statement_timeout = 100')
    with pytest.raises(RunnerError, match="statement timeout") as refused:
        ingest(database, "event_stream")
    assert refused.value.hint
    query(database, f'alter database "{name}" reset statement_timeout')
    assert scalar(database, "select count(*) from orchestrator.runs where status = 'failed'") <= 5


def test_a_signal_is_not_tried_again_even_where_cleaning_up_behind_it_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def interrupted(*arguments: object) -> None:
        tries.append(arguments)
        try:
            raise KeyboardInterrupt
        finally:
            raise QueryFailed("canceling statement due to user request", None, "57014")

    monkeypatch.setattr(pipeline, "catch_up", interrupted)
    with pytest.raises(QueryFailed):
        ingest(database, "event_stream")
    assert len(tries) == 1


def reset(database: Database) -> None:
    with database.session("test") as session:
        session.run(
            "truncate public.event_stream; drop table if exists warehouse.raw_event_stream cascade;"
            " delete from orchestrator.runs"
        )


def ingest_up_to(database: Database, moment: datetime) -> None:
    """An ingest as it would have run at that moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catch_up, "settle", lambda attempt, wait_seconds: moment.isoformat())
        IngestionPipeline(1, database, PROJECT).run()


def ingest_with_short_wait(database: Database, seconds: float = 0.3) -> None:
    IngestionPipeline(1, database, PROJECT).run(wait_seconds=seconds)
