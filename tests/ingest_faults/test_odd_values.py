"""Cursors that are null, infinite, equal, far away or said twice by a wall clock; clocks that go
back; transactions that are held for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from runner.errors import RunnerError
from runner.ingest import windows
from tests.ingest_faults.arena import Arena

NEW_YORK = "America/New_York"
AUTUMN, SPRING = datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 3, 8, 7, tzinfo=UTC)
MODES = ("append", pytest.param("upsert", marks=pytest.mark.slow))


def waiting(arena: Arena) -> list[int]:
    """Keys that are in quarantine."""
    return [
        row[0]
        for row in arena.all(
            "select (key ->> 'id')::int from orchestrator.rejected_rows"
            " where resolved_run_id is null order by 1"
        )
    ]


# Equal moments, and the ends of time.


@pytest.mark.parametrize("mode", MODES)
def test_equal_moments_at_an_edge_are_in_one_window(arena: Arena, mode: str) -> None:
    arena.make(mode, window_size="1 hour")
    hours = [f"2025-12-31 0{hour}:00:00+00" for hour in range(6)]
    arena.insert(*[moment for moment in hours for _ in range(4)])
    runs = arena.ingest()
    assert len(runs) > 3
    assert sum(run.counts.inserted for run in runs) == 24
    assert sum(run.counts.updated for run in runs) == 0
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_a_row_at_the_settled_bound_itself_waits_for_the_next_run(arena: Arena, mode: str) -> None:
    arena.make(mode)
    arena.insert("2025-12-31 23:59:59+00", "2025-12-31 23:59:58.999999+00")
    assert sum(run.counts.inserted for run in arena.ingest()) == 1
    arena.set_clock("2026-01-01 00:00:00.000001+00")
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cursor", ["timestamptz", "timestamp"])
def test_the_first_moment_that_there_is_can_be_had_and_the_last_never_comes(
    arena: Arena, mode: str, cursor: str
) -> None:
    arena.make(mode, cursor, window_size="1 day")
    arena.insert("294276-12-31 23:59:59.999999", "infinity", "-infinity", None)
    arena.insert("4713-01-01 00:00:00 BC", "0001-01-01", "0044-03-15 BC", "2025-12-31")
    arena.ingest()
    arena.ingest(sweep=True)
    arena.assert_exact(ahead=[1, 2])


@pytest.mark.parametrize("mode", MODES)
def test_the_earliest_moment_of_all_alone(arena: Arena, mode: str) -> None:
    arena.make(mode, window_size="1 second")
    arena.set_clock("4713-11-25 00:00:00+00 BC")
    arena.insert("4713-11-24 00:00:00+00 BC")
    arena.ingest()
    arena.insert("4713-11-24 00:00:00+00 BC")
    arena.ingest()
    arena.assert_exact()


# Policies for odd cursors.


def test_odd_cursors_are_included_and_found_again_when_they_change(arena: Arena) -> None:
    """But for those ahead: no row comes before its time."""
    arena.make("append", odd_cursors="include")
    rows = arena.insert(None, "infinity", "-infinity", "2030-01-01", "2025-12-31")
    arena.ingest()
    arena.assert_exact(ahead=[rows[1], rows[3]])
    for row in rows:
        arena.change(row, "changed")
    arena.ingest(sweep=True)
    arena.assert_exact(ahead=[rows[1], rows[3]])
    for row in rows:
        arena.change(row, "in time", "2025-12-31 12:00:00+00")
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_odd_cursors_in_quarantine_are_not_in_the_replica_and_wait_once(
    arena: Arena, mode: str
) -> None:
    arena.make(mode, odd_cursors="quarantine")
    odd = arena.insert(None, "infinity", "-infinity", "2030-01-01")
    arena.insert("2025-12-31")
    arena.ingest()
    arena.ingest()
    arena.ingest(sweep=True)
    assert waiting(arena) == odd
    assert arena.all("select id from warehouse.raw_goods") == [(5,)]


@pytest.mark.parametrize("mode", MODES)
def test_a_row_leaves_the_quarantine_when_its_cursor_is_mended(arena: Arena, mode: str) -> None:
    arena.make(mode, odd_cursors="quarantine")
    rows = arena.insert(None, "infinity", "2030-01-01")
    arena.ingest()
    for row in rows:
        arena.change(row, "mended", "2026-01-01 00:00:30+00")
    arena.set_clock("2026-01-01 01:00:00+00")
    arena.ingest()
    assert waiting(arena) == []
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_a_future_row_leaves_the_quarantine_when_its_time_comes(arena: Arena, mode: str) -> None:
    arena.make(mode, odd_cursors="quarantine", window_size="1 day")
    arena.insert("2026-01-03 12:00:00+00")
    arena.ingest()
    assert waiting(arena) == [1]
    arena.set_clock("2026-01-10 00:00:00+00")
    arena.insert("2026-01-06 12:00:00+00", "2026-01-09 12:00:00+00")
    assert len(arena.ingest()) > 1
    assert waiting(arena) == []
    arena.assert_exact()


@pytest.mark.parametrize(
    "moment",
    [
        None,
        *(
            pytest.param(odd, marks=pytest.mark.slow)
            for odd in ("infinity", "-infinity", "2030-01-01")
        ),
    ],
)
def test_odd_cursors_fail_the_run_until_they_are_mended(arena: Arena, moment: str | None) -> None:
    arena.make("append", odd_cursors="fail")
    arena.insert("2025-12-30")
    arena.ingest()
    arena.insert(moment)
    arena.set_clock("2026-01-01 01:00:00+00")
    for _ in range(2):
        with pytest.raises(RunnerError, match="null, infinite or over a day ahead"):
            arena.ingest()
    arena.change(2, "mended", "2026-01-01 00:30:00+00")
    arena.ingest()
    arena.assert_exact()


def test_odd_rows_come_in_when_the_policy_becomes_include(arena: Arena) -> None:
    arena.make("append", odd_cursors="quarantine")
    arena.insert(None, "infinity", "2030-01-01", "2025-12-31")
    arena.ingest()
    arena.define(odd_cursors="include")
    runs = arena.ingest()
    assert runs[-1].guarantee == "exact"
    # Those that are ahead still wait for their time.
    assert waiting(arena) == [2, 3]
    arena.assert_exact(ahead=[2, 3])


def test_odd_rows_fail_the_run_when_the_policy_becomes_fail(arena: Arena) -> None:
    arena.make("append", odd_cursors="quarantine")
    arena.insert(None)
    arena.ingest()
    arena.define(odd_cursors="fail")
    with pytest.raises(RunnerError, match="null, infinite"):
        arena.ingest()


@pytest.mark.parametrize("mode", MODES)
def test_a_row_from_the_future_is_loaded_once_its_time_has_come(arena: Arena, mode: str) -> None:
    arena.make(mode, window_size="1 day")
    arena.insert("2026-01-05 12:00:00+00", "2026-01-05 12:00:00+00")
    arena.insert("2025-12-31")
    arena.ingest()
    arena.ingest(sweep=True)
    arena.assert_exact(ahead=[1, 2])
    arena.set_clock("2026-01-05 11:00:00+00")  # less than a day ahead: neither odd nor its time
    arena.change(1, "changed in silence")
    arena.ingest()
    arena.set_clock("2026-01-09 00:00:00+00")
    arena.insert("2026-01-05 12:00:00+00", "2026-01-08 00:00:00+00")
    arena.ingest()
    arena.assert_exact()


# A clock that goes back, stands still, or belongs to somebody else.


@pytest.mark.parametrize("mode", MODES)
def test_a_clock_that_goes_back_loses_and_doubles_nothing(arena: Arena, mode: str) -> None:
    arena.make(mode)
    arena.insert("2025-12-31 23:00:00+00")
    arena.ingest()
    arena.set_clock("2025-12-31 20:00:00+00")
    arena.insert("2025-12-31 19:30:00+00")  # dated by that clock, behind the watermark
    assert [run.window.low == run.window.high for run in arena.ingest()] == [True]
    arena.assert_exact()
    said = arena.one("select message from orchestrator.logs where level = 'warning'")
    assert "no new ones are read until" in said
    arena.set_clock("2026-01-02 00:00:00+00")
    arena.insert("2026-01-01 12:00:00+00")
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_a_transaction_counter_that_goes_back_is_another_history(arena: Arena, mode: str) -> None:
    """A source that was restored from a backup, or failed over to a copy that lagged behind, has
    the same identity and gives numbers again that it gave before.
    """
    arena.make(mode)
    arena.run_text("update fire.now_there set horizon_shift = 100000, xid_shift = 100000")
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.run_text("update fire.now_there set horizon_shift = 0, xid_shift = 0")
    arena.insert("2025-12-31 02:00:00+00")
    (run, *_) = arena.ingest()
    assert run.guarantee != "exact" or arena.differences() == []
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_a_horizon_that_is_too_old_means_a_full_comparison(arena: Arena, mode: str) -> None:
    arena.make(mode)
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.change(1, "changed in silence")
    shift = 2**31 + 5
    arena.run_text(f"update fire.now_there set horizon_shift = {shift}, xid_shift = {shift}")
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_another_server_in_the_place_of_the_source_is_compared_in_full(
    arena: Arena, mode: str
) -> None:
    arena.make(mode)
    arena.insert(*[f"2025-0{month}-01" for month in range(1, 10)])
    arena.ingest()
    arena.change(1, "as the other server has it")
    arena.insert("2025-06-06")
    # What the new server gives as numbers says nothing about when this was.
    arena.run_text(
        "update fire.now_there set identity = 'there', xid_shift = -1000000,"
        " horizon_shift = -1000000"
    )
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_another_table_in_the_place_of_the_source_is_compared_in_full(
    arena: Arena, mode: str
) -> None:
    """Its rows were written before the last run: their age tells nothing."""
    arena.make(mode)
    arena.run_text("create table fire.other (like fire.goods including all)")
    arena.run_text("insert into fire.other values (7, 'older', '2025-12-31 01:00:00+00')")
    arena.insert("2025-12-31 02:00:00+00")
    arena.ingest()
    arena.run_text("alter table fire.goods rename to former")
    arena.run_text("alter table fire.other rename to goods")
    assert arena.ingest()[-1].guarantee != "exact" or not [
        row for row in arena.differences() if row[0] == "<"
    ]


def test_a_partition_that_is_attached_with_old_rows_is_found(arena: Arena) -> None:
    arena.make("append")
    arena.run_text("drop table fire.goods")
    arena.run_text(
        "create table fire.goods (id bigint primary key, value text, written timestamptz)"
        " partition by range (id);"
        " create table fire.goods_1 partition of fire.goods for values from (1) to (100);"
        " create table fire.goods_2 (id bigint primary key, value text, written timestamptz);"
        " insert into fire.goods_2 values (101, 'older', '2025-12-31 01:00:00+00')"
    )
    arena.insert("2025-12-31 02:00:00+00")
    arena.ingest()
    arena.assert_exact()
    arena.run_text(
        "alter table fire.goods attach partition fire.goods_2 for values from (100) to (200)"
    )
    assert arena.ingest()[-1].guarantee != "exact" or arena.differences() == []


@pytest.mark.parametrize("change", [{"lookback": "30 days"}, {"start_at": "-infinity"}])
def test_a_definition_that_reaches_further_back_is_believed_only_after_a_look(
    arena: Arena, change: dict[str, str]
) -> None:
    arena.make("append", lookback="1 hour", start_at="2025-12-01")
    arena.insert("2025-12-31 12:00:00+00")
    arena.ingest()
    arena.insert("2025-12-20 12:00:00+00", "2025-11-20 12:00:00+00")  # late, and too early
    arena.ingest()
    arena.define(**change)
    promised = {run.guarantee for run in arena.ingest(sweep="start_at" in change)}
    found = {row[0] for row in arena.all("select id from warehouse.raw_goods")}
    wanted = {1, 2} if "lookback" in change else {1, 2, 3}
    assert found >= wanted or "exact" not in promised


# Wall clocks.


def hour(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S+00")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("around", [AUTUMN, pytest.param(SPRING, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "window_size",
    ["10 minutes", *(pytest.param(size, marks=pytest.mark.slow) for size in ("1 hour", "3 hours"))],
)
def test_rows_of_a_wall_clock_arrive_once_through_its_changes(
    arena: Arena, mode: str, around: datetime, window_size: str
) -> None:
    """A writer in New York, an ingest after every row or two, on both sides of the change: in
    autumn 01:30 is written twice, an hour apart.
    """
    arena.make(mode, "timestamp", cursor_timezone=NEW_YORK, window_size=window_size)
    for step in range(18):
        moment = around + timedelta(minutes=20 * step - 180)
        arena.set_clock(hour(moment + timedelta(seconds=5)))
        wall = arena.one("select (%s::timestamptz at time zone %s)::text", hour(moment), NEW_YORK)
        arena.insert(wall)
        if step % 3:
            arena.ingest()
            arena.assert_exact()
    arena.set_clock(hour(around + timedelta(hours=5)))
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("window_size", ["10 minutes", "1 hour", "7 days"])
def test_a_catch_up_through_the_hour_that_comes_twice(
    arena: Arena, mode: str, window_size: str
) -> None:
    arena.make(mode, "timestamp", cursor_timezone=NEW_YORK, window_size=window_size)
    arena.set_clock("2026-11-01 12:00:00+00")
    arena.insert(
        *[f"2026-11-01 0{hour}:{minute}0" for hour in (0, 1, 1, 2) for minute in (0, 2, 4)]
    )
    arena.ingest()
    arena.assert_exact()


def test_a_wall_clock_without_a_key(arena: Arena) -> None:
    arena.make("append", "timestamp", key="{}", cursor_timezone=NEW_YORK, window_size="1 day")
    arena.set_clock("2026-06-01 12:00:00+00")
    arena.insert("2026-05-30 07:00", "2026-05-31 07:00")
    arena.ingest()
    arena.set_clock("2026-06-01 18:00:00+00")
    arena.insert("2026-06-01 10:00")
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_an_hour_that_spring_leaves_out_is_read_like_any_other(arena: Arena, mode: str) -> None:
    arena.make(mode, "timestamp", cursor_timezone=NEW_YORK, window_size="10 minutes")
    arena.set_clock("2026-03-08 06:59:00+00")
    arena.insert("2026-03-08 01:30", "2026-03-08 02:30")
    arena.ingest()
    arena.set_clock("2026-03-08 08:00:00+00")
    arena.insert("2026-03-08 02:10", "2026-03-08 02:59:59.999999", "2026-03-08 03:00")
    arena.ingest()
    arena.set_clock("2026-03-08 12:00:00+00")
    arena.ingest()
    arena.assert_exact()


def test_a_reconcile_reaches_up_to_the_watermark_of_a_wall_clock(arena: Arena) -> None:
    arena.make("upsert", "timestamp", cursor_timezone=NEW_YORK)
    arena.set_clock("2026-06-01 12:00:00+00")
    arena.insert("2026-06-01 06:30", "2026-06-01 07:50", "2026-06-01 07:59:58")
    arena.ingest()
    arena.all("update fire.goods set value = 'in silence'")
    arena.insert("2026-06-01 07:55")
    arena.pipeline.reconcile()
    arena.assert_exact()


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("interval", "1 mon", "30 days"),
        ("numeric", "1.0", "1.00"),
        ("float8", "0", "-0"),
        ("char(4)", "a", "b"),
    ],
)
def test_a_change_to_an_equal_value_is_a_change(
    arena: Arena, kind: str, before: str, after: str
) -> None:
    arena.make("upsert")
    arena.run_text(f"alter table fire.goods add extra {kind}")
    arena.insert("2025-12-31 12:00:00+00")
    arena.all("update fire.goods set extra = %s", before)
    arena.ingest()
    arena.all("update fire.goods set extra = %s", after)
    arena.ingest(sweep=True)
    text = "select extra::text from "
    assert arena.one(f"{text} warehouse.raw_goods") == arena.one(f"{text} fire.goods")


# Transactions that are held for long, with the clock that ships.


def begin(arena: Arena, moment: str) -> psycopg.Connection[Any]:
    """An application that has written a row, and does not commit."""
    connection = psycopg.connect(arena.database.conninfo)
    arena.last_id += 1
    connection.execute(
        sql.SQL(f"insert into fire.goods values ({arena.last_id}, 'held', {moment})")
    )
    return connection


@pytest.fixture
def prepared(arena: Arena) -> Iterator[str]:
    """A name for a prepared transaction, which is gone after the test."""
    name = f"fire_{arena.connection.info.dbname}"
    yield name
    if arena.all("select gid from pg_prepared_xacts where gid = %s", name):
        arena.run_text(f"rollback prepared '{name}'")


def wait_until_now_is_settled(arena: Arena) -> None:
    arena.run_text("select pg_sleep(1.1)")


@pytest.mark.parametrize("mode", MODES)
def test_a_prepared_transaction_beyond_max_hold_is_passed_and_found_later(
    arena: Arena, mode: str, prepared: str
) -> None:
    arena.make(mode, has_clock=False, max_hold="0 seconds")
    with begin(arena, "now()") as writer:
        writer.execute(sql.SQL(f"prepare transaction '{prepared}'"))
    arena.all("insert into fire.goods values (2, 'new', clock_timestamp())")
    wait_until_now_is_settled(arena)
    runs = arena.ingest()
    assert runs[-1].guarantee == "exact"
    assert arena.all("select id from warehouse.raw_goods") == [(2,)]
    said = arena.one("select message from orchestrator.logs where level = 'warning'")
    assert f"prepared transaction {prepared}" in said
    arena.run_text(f"commit prepared '{prepared}'")
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("key", ["{id}", "{}"])
def test_a_prepared_transaction_within_max_hold_stops_the_bound(
    arena: Arena, key: str, prepared: str
) -> None:
    arena.make("append", has_clock=False, key=key)
    arena.ingest()
    with begin(arena, "now()") as writer:
        writer.execute(sql.SQL(f"prepare transaction '{prepared}'"))
    wait_until_now_is_settled(arena)
    watermark = arena.one("select max(high)::text from orchestrator.runs")
    arena.ingest()
    assert arena.one("select max(high)::text from orchestrator.runs") == watermark
    arena.run_text(f"commit prepared '{prepared}'")
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_a_long_reader_beyond_max_hold_is_not_waited_for(arena: Arena, mode: str) -> None:
    arena.make(mode, has_clock=False, max_hold="0 seconds")
    arena.last_id = 10
    insert = "insert into fire.goods values (%s, 'new', clock_timestamp())"
    with psycopg.connect(arena.database.conninfo) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select count(*) from fire.goods")
        arena.all(insert, 1)
        wait_until_now_is_settled(arena)
        arena.ingest()
        arena.assert_exact()
        with begin(arena, "now() - interval '1 minute'"):
            arena.all(insert, 2)
            arena.change(1, "changed in silence")
            wait_until_now_is_settled(arena)
            arena.ingest()
            assert [row[1] for row in arena.differences()] == []
        arena.ingest()
        arena.assert_exact()


def test_a_slow_machine_gets_through_small_windows_of_a_wall_clock(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window reads an hour more on both sides, and still has to go on."""
    monkeypatch.setattr(windows, "TARGET_SECONDS", 0.001)
    arena.make("append", "timestamp", cursor_timezone=NEW_YORK, window_size="10 minutes")
    arena.set_clock("2026-06-01 12:00:00+00")
    arena.insert(*[f"2026-06-01 0{hour}:{minute}0" for hour in range(4) for minute in range(6)])
    arena.ingest()
    arena.assert_exact()
