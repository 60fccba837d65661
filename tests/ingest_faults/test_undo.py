"""What was done can be undone, and done again; and the builds follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.database.session import Database
from runner.ingest.run import RunResult
from runner.repairs.pipeline import RepairedPipeline
from tests.ingest_faults.arena import Arena
from tests.ingest_faults.test_odd_values import MODES
from tests.support import (
    PROJECT,
    assert_equals_rebuild,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    query,
    rebuild,
    scalar,
)

Image = set[tuple[object, ...]]


def image(arena: Arena) -> Image:
    """The replica, but for who brought its rows."""
    return set(arena.all("select id, value, written from warehouse.raw_goods"))


def the_run(runs: list[RunResult], kind: str) -> int:
    """The one of a kind that changed something."""
    (run_id,) = [run.run_id for run in runs if run.kind == kind and run.counts.changed]
    return run_id


# What an undo restores.


@pytest.mark.parametrize("mode", MODES)
def test_an_undone_window_leaves_the_replica_as_it_was_before(arena: Arena, mode: str) -> None:
    arena.make(mode)
    arena.insert(*[f"2025-12-31 0{hour}:00:00+00" for hour in range(9)])
    arena.ingest()
    before = image(arena)
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.insert("2026-01-01 01:00:00+00", "2025-12-31 23:00:00+00", None)
    arena.change(1, "changed", "2026-01-01 01:30:00+00")
    arena.change(2, "changed in silence")
    run = the_run(arena.ingest(), "window")
    arena.assert_exact()
    arena.pipeline.undo(run)
    assert image(arena) == before
    arena.assert_sound()
    arena.ingest()
    gone = {row[1] for row in arena.differences() if row[0] == "<"}
    assert gone == {1, 10}  # they lie in the gap, and nothing else does
    arena.fill_gaps()
    arena.assert_exact()
    assert arena.gaps() == []


def test_an_undone_sweep_is_done_again_by_the_next_ingest(arena: Arena) -> None:
    arena.make("upsert")
    arena.insert("2025-11-01", "2025-12-31")
    arena.ingest()
    before = image(arena)
    arena.change(1, "changed in silence")
    arena.insert("2025-10-01")
    run = the_run(arena.ingest(sweep=True), "sweep")
    arena.assert_exact()
    arena.pipeline.undo(run)
    assert image(arena) == before
    arena.ingest(sweep=True)
    arena.assert_exact()


@pytest.mark.parametrize("policy", ["apply", "mark"])
def test_an_undone_reconcile_gives_back_what_it_took(arena: Arena, policy: str) -> None:
    arena.make("upsert", on_delete=policy)
    arena.insert("2025-11-01", "2025-12-31", "2025-12-30")
    arena.ingest()
    before = image(arena)
    arena.all("delete from fire.goods where id in (1, 2)")
    arena.all("update fire.goods set value = 'changed in silence' where id = 3")
    run = the_run(arena.pipeline.reconcile(), "reconcile")
    arena.pipeline.undo(run)
    assert image(arena) == before
    if policy == "mark":
        query = "select count(*) from warehouse.raw_goods where _deleted_at is not null"
        assert arena.one(query) == 0
    arena.pipeline.reconcile()
    arena.all("delete from warehouse.raw_goods where id in (1, 2)") if policy == "mark" else None
    assert arena.differences() == []


def test_an_undone_backfill_opens_its_gap_again(arena: Arena) -> None:
    arena.make("append", window_size="1 hour")
    arena.insert(*[f"2025-12-31 0{hour}:00:00+00" for hour in range(4)])
    runs = arena.ingest()
    for run in runs:
        arena.pipeline.undo(run.run_id)
    low, high = arena.gaps()[0]
    filled = arena.pipeline.backfill(low, high)
    assert arena.gaps() == []
    arena.assert_exact()
    for run in filled:
        arena.pipeline.undo(run.run_id)
    assert image(arena) == set()
    assert arena.gaps() == [(low, high)]
    arena.fill_gaps()
    arena.assert_exact()


def test_what_later_runs_changed_stays_as_they_left_it(arena: Arena) -> None:
    arena.make("upsert", on_delete="apply")
    arena.insert(*["2025-12-31 01:00:00+00"] * 4)
    arena.ingest()
    arena.set_clock("2026-01-01 01:00:00+00")
    for row in (1, 2, 3, 4):
        arena.change(row, "second", "2026-01-01 00:30:00+00")
    run = the_run(arena.ingest(), "window")
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.change(1, "third", "2026-01-01 01:30:00+00")
    arena.change(2, "third, in silence")
    arena.ingest()
    arena.all("delete from fire.goods where id = 3")
    arena.pipeline.reconcile()
    arena.pipeline.undo(run)
    found = dict(arena.all("select id, value from warehouse.raw_goods order by id"))
    assert found == {1: "third", 2: "third, in silence", 4: "new"}
    arena.fill_gaps()
    arena.ingest()
    arena.assert_exact()


@pytest.mark.parametrize(
    "order",
    [(1, 0, 2), *(pytest.param(each, marks=pytest.mark.slow) for each in permutations(range(3)))],
)
def test_undone_in_any_order_and_filled_it_is_exact_again(
    arena: Arena, order: tuple[int, ...]
) -> None:
    arena.make("upsert")
    arena.insert("2025-12-31 01:00:00+00", "2025-12-31 02:00:00+00")
    arena.ingest()
    runs = []
    for hour in range(3):
        arena.set_clock(f"2026-01-01 0{hour + 1}:00:00+00")
        arena.change(1, f"version {hour}", f"2026-01-01 0{hour}:30:00+00")
        arena.change(2, f"version {hour}")
        arena.insert(f"2026-01-01 0{hour}:10:00+00", "2025-12-31 03:00:00+00")
        runs.append(the_run(arena.ingest(), "window"))
    arena.assert_exact()
    for number in order:
        arena.pipeline.undo(runs[number])
        arena.assert_sound()
    arena.ingest()
    arena.fill_gaps()
    arena.assert_exact()


def test_undone_one_after_the_other_the_replica_is_what_it_was_before_all(arena: Arena) -> None:
    arena.make("upsert")
    arena.insert("2025-12-31 01:00:00+00", "2025-12-31 02:00:00+00")
    arena.ingest()
    before = [image(arena)]
    runs = []
    for hour in range(3):
        arena.set_clock(f"2026-01-01 0{hour + 1}:00:00+00")
        arena.change(1, f"version {hour}", f"2026-01-01 0{hour}:30:00+00")
        if hour:
            arena.change(arena.last_id, f"changed {hour}")
        arena.insert(f"2026-01-01 0{hour}:10:00+00")
        runs.append(the_run(arena.ingest(), "window"))
        before.append(image(arena))
    for hour in (2, 1, 0):
        assert image(arena) == before[hour + 1]
        arena.pipeline.undo(runs[hour])
    assert image(arena) == before[0]


def test_rows_that_came_late_into_a_gap_are_found_when_it_is_filled(arena: Arena) -> None:
    arena.make("append")
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.insert("2026-01-01 01:00:00+00")
    run = the_run(arena.ingest(), "window")
    arena.pipeline.undo(run)
    arena.insert("2026-01-01 01:10:00+00")
    arena.set_clock("2026-01-01 03:00:00+00")
    arena.ingest(sweep=True)
    assert {row[1] for row in arena.differences()} == {2, 3}
    arena.fill_gaps()
    arena.assert_exact()
    arena.change(3, "changed in silence")
    arena.ingest()
    arena.assert_exact()


def test_late_rows_of_an_undone_run_come_back_though_they_lie_outside_its_gap(
    arena: Arena,
) -> None:
    """The lookback of the next run may not reach them any more."""
    arena.make("append", lookback="1 hour")
    arena.insert("2025-12-31 20:00:00+00")
    arena.ingest()
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.insert("2025-12-31 23:30:00+00", "2026-01-01 01:00:00+00")  # the first is late
    run = the_run(arena.ingest(), "window")
    arena.set_clock("2026-01-01 05:00:00+00")
    arena.ingest()
    arena.pipeline.undo(run)
    arena.fill_gaps()
    arena.ingest(sweep=True)
    arena.assert_exact()


def test_an_undo_restores_values_of_any_type_as_they_were(arena: Arena) -> None:
    """But for what jsonb does not know: the spelling of json, JSON's null, -0, bounds of arrays."""
    arena.make("upsert")
    arena.run_text(
        """
        create type fire.mood as enum ('fine', 'bad');
        create type fire.pair as (a int, b text);
        alter table fire.goods
            add b jsonb, add t text [], add grid int [], add m fire.mood, add c fire.pair,
            add f float8, add g float4, add n numeric, add y bytea, add d date, add w timestamptz,
            add i interval, add r int4range, add mr int4multirange, add p point, add u uuid,
            add h char(9), add k inet, add q tsvector, add z bit varying, add o money;
        insert into fire.goods values (
            1, 'new', '2025-12-31', '{"x": null}', '{"a,b",c,NULL,""}', '{{1,2},{3,4}}',
            'bad', '(1,"x y")', '1e-300', 'nan', 1.500, '\\x00ff', '294276-01-01', '-infinity',
            '1 mon -3 days 00:00:00.5', '[1,5)', '{[1,2),[5,)}', '(1.1,2)',
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'ab', '10.0.0.1/8', 'fat:1A cat', '101', 12.5
        )
        """
    )
    arena.ingest()
    as_text = "select stored::text from warehouse.raw_goods as stored"
    before = arena.one(as_text)
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.run_text(
        "update fire.goods set written = '2026-01-01 01:00:00+00', b = '1', t = null, grid = null,"
        " m = null, c = null, f = 1, g = 1, n = 1, y = null, d = null, w = null, i = null,"
        " r = null, mr = null, p = null, u = null, h = null, k = null, q = null, z = null, o = null"
    )
    arena.pipeline.undo(the_run(arena.ingest(), "window"))
    assert arena.one(as_text).rpartition(",")[0] == before.rpartition(",")[0]


SOURCE_STEPS = st.tuples(
    st.sampled_from(["insert", "late", "touch", "silence", "delete"]), st.integers(1, 4)
)
Turn = tuple[list[tuple[str, int]], str]
RUNS = st.sampled_from(["ingest", "sweep", "reconcile", "backfill"])


def do_to_source(arena: Arena, what: str, row: int) -> None:
    now = arena.one("select (clock - interval '10 minutes')::text from fire.now_there")
    written = "2025-06-01" if what == "late" else now
    if what in ("insert", "late"):
        arena.all(
            "insert into fire.goods values (%s, 'again', %s) on conflict (id) do nothing",
            row,
            written,
        )
    elif what == "delete":
        arena.all("delete from fire.goods where id = %s", row)
    else:
        arena.last_id += 1
        arena.change(row, f"value {arena.last_id}", *([now] if what == "touch" else []))


def do_with_runner(arena: Arena, what: str) -> list[RunResult]:
    if what == "reconcile":
        return arena.pipeline.reconcile()
    if what == "backfill":
        return arena.pipeline.backfill("-infinity", "infinity")
    return arena.ingest(sweep=what == "sweep")


def undo_all_in_reverse(arena: Arena, turns: list[Turn]) -> None:
    arena.run_text(
        "truncate fire.goods, orchestrator.runs, orchestrator.replaced_rows,"
        " orchestrator.rejected_rows cascade; drop table if exists warehouse.raw_goods"
    )
    arena.set_clock("2026-01-01 00:00:00+00")
    arena.ingest()
    done: list[tuple[int, Image]] = []
    for changes, what in turns:
        arena.run_text("update fire.now_there set clock = clock + interval '1 hour'")
        for change in changes:
            do_to_source(arena, *change)
        # One at a time: an ingest may sweep after its window.
        before = image(arena)
        runs = do_with_runner(arena, what)
        for run in runs:
            done.append((run.run_id, before))
    while done:
        run_id, before = done.pop()
        arena.pipeline.undo(run_id)
        if not done or done[-1][1] is not before:  # all that one command did
            assert image(arena) == before
        arena.assert_sound()
    arena.ingest(sweep=True)
    arena.fill_gaps()
    arena.pipeline.reconcile()
    arena.assert_exact()


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(
    ("mode", "examples"), [("upsert", 3), pytest.param("append", 60, marks=pytest.mark.slow)]
)
def test_whatever_was_done_undone_in_reverse_it_never_happened(
    arena: Arena, mode: str, examples: int
) -> None:
    arena.make(mode, on_delete="apply")

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(st.tuples(st.lists(SOURCE_STEPS, max_size=4), RUNS), min_size=2, max_size=6))
    def any_turns(turns: list[Turn]) -> None:
        undo_all_in_reverse(arena, turns)

    any_turns()


# The builds follow.

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def events(database: Database, count: int, start: datetime, seed: int) -> None:
    query(
        database,
        """
        insert into public.event_stream (
            event_time, user_id, event_type, transaction_category, miles_amount, platform,
            utm_source, country, created_at
        )
        select
            %(start)s::timestamptz + n * interval '37 minutes' - n %% 4 * interval '9 days',
            'u_' || (n * %(seed)s) %% 17,
            (array['like', 'share', 'miles_earned', 'miles_redeemed', 'reward_search'])[n %% 5 + 1],
            case when n %% 5 in (2, 3) then 'dining' end,
            case when n %% 5 in (2, 3) then n %% 90 + 1 end,
            (array['ios', 'android'])[n %% 2 + 1],
            (array['google', 'tiktok', null])[n %% 3 + 1],
            'SG',
            %(start)s::timestamptz + n * interval '11 minutes'
        from generate_series(1, %(count)s) as n
        """,
        start=start,
        seed=seed,
        count=count,
    )


def assert_all_is_told(database: Database) -> None:
    rebuild(database)
    assert_reports_equal_oracle(database)
    assert_facts_equal_oracle(database)
    assert_equals_rebuild(database)


def assert_build_is_a_rebuild(database: Database) -> None:
    rebuild(database)
    assert_equals_rebuild(database)


def event_pipeline(database: Database) -> RepairedPipeline:
    return RepairedPipeline(1, database, PROJECT)


@pytest.mark.slow
def test_builds_follow_undo_ingest_and_backfill(database: Database) -> None:
    events(database, 120, JANUARY, 3)
    event_pipeline(database).run()
    assert_all_is_told(database)
    events(database, 80, JANUARY + timedelta(days=40), 5)
    query(
        database,
        "update public.event_stream set user_id = 'u_changed', event_type = 'share',"
        " created_at = now() - interval '2 seconds' where event_id % 7 = 0",
    )
    runs = [run for run in event_pipeline(database).run() if run.counts.changed]
    rebuild(database)
    for run in runs:
        event_pipeline(database).undo(run.run_id)
    assert_build_is_a_rebuild(database)
    event_pipeline(database).run()
    assert_build_is_a_rebuild(database)
    for gap in query(
        database,
        "select low::text, high::text from orchestrator.runs"
        " where kind = 'window' and status = 'rolled_back'",
    ):
        event_pipeline(database).backfill(gap["low"], gap["high"])
    event_pipeline(database).run(sweep=True)
    assert_all_is_told(database)


@pytest.mark.slow
def test_builds_follow_a_sweep_a_reconcile_with_deletes_and_their_undoing(
    database: Database,
) -> None:
    query(
        database,
        "update orchestrator.pipeline_definitions"
        " set on_delete = 'apply', sweep_every = null where pipeline_id = 1",
    )
    events(database, 150, JANUARY, 3)
    event_pipeline(database).run()
    assert_all_is_told(database)
    query(database, "update public.event_stream set country = 'MY' where event_id % 6 = 0")
    (sweep,) = [run for run in event_pipeline(database).run(sweep=True) if run.counts.updated]
    assert sweep.kind == "sweep"
    assert_all_is_told(database)
    event_pipeline(database).undo(sweep.run_id)
    assert_build_is_a_rebuild(database)
    query(database, "delete from public.event_stream where event_id % 4 = 1")
    (reconcile,) = event_pipeline(database).reconcile()
    assert reconcile.counts.deleted > 30
    assert_all_is_told(database)
    event_pipeline(database).undo(reconcile.run_id)
    assert_build_is_a_rebuild(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 150
    event_pipeline(database).reconcile()
    assert_all_is_told(database)
    event_pipeline(database).backfill("2026-01-01", "2026-01-02")
    assert_all_is_told(database)


@pytest.mark.slow
def test_builds_follow_a_replica_that_was_truncated(database: Database) -> None:
    events(database, 60, JANUARY, 3)
    event_pipeline(database).run()
    rebuild(database)
    query(database, "truncate warehouse.raw_event_stream")
    event_pipeline(database).run()
    assert_all_is_told(database)
