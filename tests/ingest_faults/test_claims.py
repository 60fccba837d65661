"""Words are promises: where one falls, the run says why, and status says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from runner.database.session import BUILD_LOCK, Database
from runner.ingest.attempt import Listener
from runner.ingest.pipeline import IngestionPipeline, RunResult
from runner.status import status
from tests.ingest_faults.arena import Arena, EndlessRuns
from tests.support.sweeps import slow_but

OLD, LATE, NEW = "2025-06-01", "2025-12-31", "2026-01-01 01:00:00+00"
SETTINGS = settings(
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def reader(arena: Arena) -> Iterator[str]:
    """A role for whom row security holds, and that may otherwise do what a runner does."""
    name = f"reader_{arena.one('select pg_backend_pid()')}"
    arena.run_text(
        f"create role {name} login; grant pg_read_all_stats to {name};"
        f" grant create, usage on schema warehouse to {name};"
        f" grant usage on schema orchestrator to {name};"
        f" grant select, insert, update, delete on all tables in schema orchestrator to {name};"
        f" grant execute on function pg_control_system(), pg_control_checkpoint() to {name}"
    )
    yield name
    arena.run_text(f"drop owned by {name}; drop role {name}")


def run_as(arena: Arena, role: str, sweep: bool = False) -> list[Any]:
    conninfo = make_conninfo(arena.database.conninfo, options=f"-c role={role}")
    pipeline = IngestionPipeline(
        arena.pipeline_id, Database(conninfo), arena.project, EndlessRuns()
    )
    return pipeline.run(0.0, sweep)


def grant(arena: Arena, role: str) -> None:
    arena.run_text(
        f"grant usage on schema fire to {role}; grant select on all tables in schema fire to {role}"
    )


def last_note(arena: Arena) -> str:
    return str(
        arena.one(
            "select guarantee_note from orchestrator.runs where guarantee is not null"
            " order by run_id desc limit 1"
        )
    )


def fallen(arena: Arena) -> list[str]:
    """What status says of promises that fell."""
    found = status(arena.database, arena.project)
    return [row["problem"] for row in found.notes if "guarantee is only " in row["problem"]]


# Rows that are hidden, and shown again.


def test_rows_that_were_hidden_come_when_they_are_shown(arena: Arena, reader: str) -> None:
    arena.make("upsert")
    arena.insert(OLD, LATE)
    grant(arena, reader)
    arena.run_text(
        "alter table fire.goods enable row level security;"
        " create policy half on fire.goods using (id % 2 = 1)"
    )
    assert {run.guarantee for run in run_as(arena, reader)} == {"best_effort"}
    assert "row security" in last_note(arena)
    arena.run_text("alter table fire.goods disable row level security")
    assert {run.guarantee for run in run_as(arena, reader)} == {"exact"}
    arena.assert_exact()


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("examples", slow_but([5, 12], 5))
def test_any_history_of_row_security(arena: Arena, reader: str, examples: int) -> None:
    arena.make("append", sweep_every="1 day")
    steps = st.lists(
        st.sampled_from(["hide", "show", "odd", "even", "insert", "change", "ingest", "ingest"]),
        min_size=3,
        max_size=10,
    )
    texts = {
        "hide": "alter table fire.goods enable row level security",
        "show": "alter table fire.goods disable row level security",
        "odd": "drop policy if exists half on fire.goods;"
        " create policy half on fire.goods using (id % 2 = 1)",
        "even": "drop policy if exists half on fire.goods;"
        " create policy half on fire.goods using (id % 2 = 0)",
        "change": "update fire.goods set value = value || '+'",
    }

    @settings(SETTINGS, max_examples=examples)
    @given(steps=steps)
    def story(steps: list[str]) -> None:
        arena.run_text(
            "truncate orchestrator.runs, orchestrator.replaced_rows, orchestrator.rejected_rows,"
            " orchestrator.build_inputs, orchestrator.built_scripts cascade;"
            " drop table if exists warehouse.raw_goods; truncate fire.goods;" + texts["show"]
        )
        grant(arena, reader)
        arena.insert(OLD, OLD, LATE, LATE)
        for step in [*steps, "show", "ingest"]:
            if step == "ingest":
                words = {run.guarantee for run in run_as(arena, reader)}
                if words == {"exact"}:
                    arena.assert_exact()
            elif step == "insert":
                arena.insert(LATE)
            else:
                arena.run_text(texts[step])

    story()


def test_a_view_whose_table_hides_rows_says_so(arena: Arena, reader: str) -> None:
    arena.make("upsert", source_relation="fire.shown")
    arena.insert(OLD, LATE)
    arena.run_text(
        "create view fire.shown with (security_invoker = true) as select * from fire.goods;"
        " alter table fire.goods enable row level security;"
        " create policy half on fire.goods using (id % 2 = 1)"
    )
    grant(arena, reader)
    arena.define(target_relation="warehouse.raw_goods")
    assert {run.guarantee for run in run_as(arena, reader)} == {"best_effort"}
    assert "row security" in last_note(arena)


# Keys that are none.


def test_a_key_of_a_table_says_nothing_of_its_children(arena: Arena) -> None:
    arena.make("upsert")
    arena.insert(OLD)
    assert {run.guarantee for run in arena.ingest()} == {"exact"}
    arena.run_text("create table fire.more () inherits (fire.goods)")
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.run_text(f"insert into fire.more values (1, 'another', '{NEW}')")
    assert {run.guarantee for run in arena.ingest()} == {"best_effort"}
    assert "child tables" in last_note(arena)
    (problem,) = fallen(arena)
    assert "best_effort" in problem and "child tables" in problem


def test_a_partitioned_table_keeps_its_promise(arena: Arena) -> None:
    arena.make("upsert", source_relation="fire.parts", target_relation="warehouse.raw_goods")
    arena.run_text(
        "create table fire.parts (id bigint primary key, value text, written timestamptz)"
        " partition by range (id);"
        " create table fire.part partition of fire.parts for values from (0) to (9)"
    )
    assert {run.guarantee for run in arena.ingest()} == {"exact"}


def test_a_key_that_got_wider_says_so(arena: Arena) -> None:
    arena.make("upsert")
    arena.insert(OLD)
    arena.ingest()
    arena.run_text(
        "alter table fire.goods drop constraint goods_pkey, add column region text default 'eu',"
        " add primary key (id, region)"
    )
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.run_text(f"insert into fire.goods values (1, 'another', '{NEW}', 'us')")
    assert {run.guarantee for run in arena.ingest()} == {"best_effort"}
    assert "no unique index" in last_note(arena)
    assert len(fallen(arena)) == 1


def test_a_key_that_gets_wider_between_two_windows_says_so(arena: Arena) -> None:
    arena.make("append", window_size="1 hour")
    arena.insert(*[f"2025-12-31 0{hour}:00:00+00" for hour in range(6)])
    words: list[str | None] = []

    class Widening(Listener):
        def loaded(self, run: RunResult) -> None:
            if not words:
                arena.run_text(
                    "alter table fire.goods drop constraint goods_pkey,"
                    " add column region text default 'eu', add primary key (id, region)"
                )
            words.append(run.guarantee)

    arena.hearing(Widening()).run(0.0)
    assert words[0] == "exact"
    assert set(words[1:]) == {"best_effort"}


# Writers that are not seen.


def keyless(arena: Arena) -> None:
    """A source that is written now, by a clock of this server's."""
    arena.make("append", has_clock=False, key="{}")
    arena.run_text(
        "alter table fire.goods alter written set not null, alter written set default now()"
    )


def missing(arena: Arena) -> int:
    return int(
        arena.one(
            "select count(*) from fire.goods where id not in (select id from warehouse.raw_goods)"
        )
    )


@pytest.mark.parametrize(
    "way", slow_but(["never tracked", "stopped", "tracked again"], "tracked again")
)
def test_a_writer_that_is_not_tracked_is_no_reason_to_promise(arena: Arena, way: str) -> None:
    keyless(arena)
    assert {run.guarantee for run in arena.ingest()} == {"settled"}
    with psycopg.connect(arena.database.conninfo) as writer:
        if way == "never tracked":
            writer.execute("set track_activities = off")
            writer.commit()
        writer.execute("insert into fire.goods (id, value) values (1, 'unseen')")
        if way != "never tracked":
            writer.execute("set track_activities = off")
        if way == "tracked again":
            writer.execute("set track_activities = on")
        arena.run_text("select pg_sleep(2.1)")
        (run,) = arena.ingest()
        writer.commit()
    arena.run_text("select pg_sleep(1.1)")
    arena.ingest(wait_seconds=2)
    assert run.guarantee == "best_effort" or missing(arena) == 0
    if run.guarantee == "best_effort":
        note = arena.one(
            "select guarantee_note from orchestrator.runs where run_id = %s", run.run_id
        )
        assert "track_activities" in note


@pytest.mark.parametrize("name", ["", "milepost build (here:1)"])
def test_a_lock_of_ours_that_somebody_else_holds_hides_nobody(arena: Arena, name: str) -> None:
    """Not even one who calls himself as we do: anybody can."""
    keyless(arena)
    arena.ingest()
    with psycopg.connect(arena.database.conninfo, application_name=name) as writer:
        writer.execute("select pg_advisory_lock(%s, 7)", [BUILD_LOCK])
        writer.commit()
        writer.execute("insert into fire.goods (id, value) values (1, 'unseen')")
        arena.run_text("select pg_sleep(1.5)")
        (run,) = arena.ingest()
        writer.commit()
    arena.run_text("select pg_sleep(1.1)")
    arena.ingest(wait_seconds=2)
    assert run.guarantee == "settled"
    assert missing(arena) == 0


@pytest.mark.parametrize("source", ["dev_reporting.figures", "fire.figures"])
def test_a_build_is_waited_for_where_it_writes_the_source(arena: Arena, source: str) -> None:
    arena.make(
        "append", source_relation=source, target_relation="warehouse.raw_goods", has_clock=False,
        key="{}",
    )  # fmt: skip
    arena.run_text(
        "create schema dev_reporting; create table dev_reporting.figures"
        " (id bigint, value text, written timestamptz not null default now());"
        " create view fire.figures as select * from dev_reporting.figures"
    )
    arena.ingest()
    with psycopg.connect(arena.database.conninfo) as build:
        build.execute("lock table orchestrator.built_scripts in row exclusive mode")
        build.execute("insert into dev_reporting.figures (id) values (1)")
        arena.run_text("select pg_sleep(1.5)")
        arena.ingest()
        build.commit()
    arena.run_text("select pg_sleep(1.1)")
    arena.ingest(wait_seconds=2)
    assert arena.one("select count(*) from warehouse.raw_goods") == 1


# Rows that are dated back further than the lookback.


def test_a_small_table_is_searched_by_every_run(arena: Arena) -> None:
    arena.make("append", sweep_every="1 day")
    arena.insert(OLD, LATE)
    arena.ingest()
    arena.ingest()
    arena.insert("2025-02-01")
    (run,) = arena.ingest()
    arena.assert_exact()
    assert run.kind == "window"
    assert "every row" in last_note(arena)
    arena.change(1, "changed")
    arena.ingest()
    arena.assert_exact()


def test_a_table_that_takes_long_is_searched_when_it_is_time_and_status_says_when(
    arena: Arena,
) -> None:
    arena.make("append", sweep_every="1 day")
    arena.insert(OLD, LATE)
    arena.ingest()
    arena.run_text("update orchestrator.runs set search_elapsed = '2 s'")
    arena.insert("2025-02-01")
    arena.ingest()
    assert len(arena.differences()) == 1
    (freshness,) = [
        row for row in status(arena.database, arena.project).freshness if row["pipeline"] == "goods"
    ]
    assert freshness["searched_at"] is not None
    arena.ingest(sweep=True)
    arena.assert_exact()
    arena.ingest(sweep=True)
    assert arena.one("select max(search_elapsed) from orchestrator.runs where kind = 'sweep'")


def test_nothing_is_searched_where_nobody_wants_it(arena: Arena) -> None:
    arena.make("append", sweep_every=None)
    arena.insert(OLD, LATE)
    arena.ingest()
    arena.insert("2025-02-01")
    arena.ingest()
    assert len(arena.differences()) == 1
