"""`good` holds only where no problem is known; what no script needs does not count."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import strategies as st

from runner.database.session import Database
from runner.repairs.pipeline import RepairedPipeline
from runner.status import Status, status
from tests.support import PROJECT, earn, ingest, insert_events, query, run_all, scalar
from tests.support.commands import command
from tests.support.sweeps import with_examples

NOW = datetime.now(UTC)
PIPELINE = "(select pipeline_id from orchestrator.pipeline_definitions where pipeline_name = '{}')"


def looked(database: Database) -> Status:
    return status(database, PROJECT)


def problem(database: Database) -> str:
    """The problems in one line; empty if all is good."""
    return "; ".join(f"{row['what']}: {row['problem']}" for row in looked(database).problems)


def test_a_good_status_says_what_it_rests_on(built: Database) -> None:
    assert problem(built) == ""
    done = command("status", database=built)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("ok: no known problems\n")
    assert "sources: 3 needed pipelines, guarantee exact, loaded" in done.stdout
    assert "deletes in the sources: not checked for event_stream, " in done.stdout
    assert "complete" not in done.stdout


def test_a_dropped_replica_is_not_good(built: Database) -> None:
    query(built, "drop table warehouse.raw_utm_campaigns cascade")
    assert "its replica warehouse.raw_utm_campaigns does not exist" in problem(built)


def test_rows_that_row_security_hides_are_not_good(built: Database) -> None:
    query(
        built,
        "create role hidden_from login; grant pg_read_all_stats to hidden_from;"
        " grant usage on schema orchestrator, warehouse to hidden_from;"
        " grant select on all tables in schema orchestrator, public to hidden_from;"
        " grant execute on function pg_control_system(), pg_control_checkpoint() to hidden_from;"
        " alter table public.event_stream enable row level security;"
        " create policy half on public.event_stream using (user_id = 'u_1')",
    )
    try:
        reader = Database(f"{built.conninfo} options='-c role=hidden_from'")
        assert "row security hides rows" in problem(reader)
    finally:
        query(built, "drop owned by hidden_from; drop role hidden_from")


def test_deleted_rows_that_a_reconcile_left_are_not_good(built: Database) -> None:
    query(built, "delete from public.event_stream where event_id = 1")
    assert problem(built) == ""
    pipeline_id = scalar(built, f"select {PIPELINE.format('event_stream')}")
    RepairedPipeline(pipeline_id, built, PROJECT).reconcile()
    assert "1 rows are no longer in the source, and were left" in problem(built)
    query(built, "update orchestrator.pipeline_definitions set on_delete = 'apply'")
    RepairedPipeline(pipeline_id, built, PROJECT).reconcile()
    run_all(built)
    assert problem(built) == ""


@pytest.mark.parametrize("word", ["lookback", "best_effort"])
def test_less_than_settled_is_not_good(built: Database, word: str) -> None:
    query(
        built,
        "update orchestrator.runs set guarantee = %(word)s, guarantee_note = 'so'"
        " where guarantee is not null",
        word=word,
    )
    assert f"guarantee is only {word}: so" in problem(built)


def test_a_pipeline_that_scripts_need_and_that_is_disabled_is_not_good(built: Database) -> None:
    query(built, f"update orchestrator.pipeline_definitions set is_enabled = false where pipeline_id"
          f" = {PIPELINE.format('event_stream')}")  # fmt: skip
    assert "pipeline event_stream: scripts need it, but it is disabled" in problem(built)


def test_a_pipeline_that_no_script_needs_is_told_and_does_not_count(built: Database) -> None:
    query(
        built,
        "create table public.partners (id int primary key, at timestamptz not null default now());"
        " insert into public.partners values (1);"
        " insert into orchestrator.pipeline_definitions"
        " (pipeline_name, source_relation, cursor_column, key_columns)"
        " values ('partners', 'public.partners', 'at', '{id}')",
    )
    assert [row["problem"] for row in looked(built).notes] == ["has never succeeded"]
    ingest(built)
    run_all(built)
    assert (problem(built), looked(built).notes) == ("", ())
    assert command("status", database=built).returncode == 0


# --- how new the data are -------------------------------------------------------------------------


def freshness(database: Database, name: str = "event_stream") -> dict[str, Any]:
    return query(
        database, "select * from reporting.freshness where pipeline_name = %(name)s", name=name
    )[0]


@with_examples(
    3,
    8,
    rounds=st.lists(
        st.lists(st.tuples(st.integers(-900, 40), st.integers(0, 400)), max_size=4), max_size=3
    ),
)
def test_the_newest_row_is_the_newest_that_runs_have_read(
    database: Database, no_margin: None, rounds: list[list[tuple[int, int]]]
) -> None:
    """Days from now of the event, and days ago of the arrival, against the newest in plain Python."""
    query(database, "truncate public.event_stream, warehouse.raw_event_stream,"
          " orchestrator.runs cascade")  # fmt: skip
    rows: list[tuple[datetime, datetime]] = []
    for each in rounds:
        fresh = [(NOW + timedelta(days=a, hours=-1), NOW - timedelta(days=b)) for a, b in each]
        insert_events(
            database,
            [
                {"event_time": event, "created_at": arrival, "user_id": "u"}
                for event, arrival in fresh
            ],
        )
        ingest(database, "event_stream")
        rows += fresh
    events = [event for event, _ in rows if event < NOW + timedelta(days=1)]
    found = freshness(database)
    assert found["newest_event"] == max(events, default=None)
    assert found["newest_arrival"] == max((arrival for _, arrival in rows), default=None)


def arrivals(database: Database, *days_ago: float) -> None:
    """A run for each arrival that many days ago."""
    for days in days_ago:
        query(
            database,
            "insert into orchestrator.runs"
            " (kind, status, pipeline_id, low, high, finished_at, newest_arrival)"
            f" values ('sweep', 'succeeded', {PIPELINE.format('event_stream')}, '-infinity', now(),"
            " now(), now() - make_interval(secs => %(seconds)s))",
            seconds=days * 86_400,
        )


def test_a_feed_that_died_is_late_by_its_usual_gap(built: Database) -> None:
    query(built, "update orchestrator.runs set newest_arrival = null, newest_event = null")
    arrivals(built, *(400 + day for day in range(10)))
    assert round(freshness(built)["usual_gap"] / timedelta(days=1), 3) == 1
    assert freshness(built)["status"] == "late"
    assert "over 3 times the usual gap of 1 day" in problem(built)
    assert "check what writes public.event_stream" in looked(built).problems[0]["remedy"]
    query(built, "update orchestrator.pipeline_definitions set quiet_gaps = null")
    assert problem(built) == ""


def test_a_feed_that_rests_at_nights_is_not_late_in_the_morning(built: Database) -> None:
    query(built, "update orchestrator.runs set newest_arrival = null, newest_event = null")
    arrivals(built, *(day + hour / 24 for day in range(10) for hour in range(10, 18)))
    assert freshness(built)["status"] == "fresh"


@pytest.mark.parametrize(("column", "word"), [("warn", "late"), ("fail", "stale")])
def test_limits_on_the_newest_row(built: Database, column: str, word: str) -> None:
    query(built, f"update orchestrator.pipeline_definitions set data_{column}_after = '2 days'")
    assert freshness(built)["status"] == word
    assert "its newest row is from 2026-01-30 12:00, older than 2 days" in problem(built)
    insert_events(built, [{**earn(0, "u_1", 1), "event_time": NOW}])
    run_all(built)
    assert freshness(built)["status"] == "fresh"


def test_an_emptied_replica_is_not_good(built: Database) -> None:
    query(built, "truncate warehouse.raw_event_stream")
    assert "raw_event_stream was emptied" in problem(built)
    run_all(built)
    assert problem(built) == ""
    query(built, "do $$ begin execute 'cluster warehouse.raw_event_stream using '"
          " || (select relname from pg_class join pg_index on pg_class.oid = indexrelid"
          " where indrelid = 'warehouse.raw_event_stream'::regclass and indisprimary); end $$;"
          " select 1")  # fmt: skip
    assert problem(built) == ""  # rewritten, with every row


def test_a_feed_that_came_in_one_load_and_died_is_late(built: Database) -> None:
    """Thirty days with an event each, loaded at once: the usual gap is that between them."""
    freshness = "select usual_gap from orchestrator.pipeline_freshness where pipeline_name = '{}'"
    assert scalar(built, freshness.format("event_stream")) == timedelta(days=1)
    assert problem(built) == ""
    query(built, "update orchestrator.runs set newest_arrival = now() - interval '4 days'"
          " where newest_arrival is not null returning 1")  # fmt: skip
    assert "over 3 times the usual gap of 1 day" in problem(built)


def test_where_no_gap_is_known_a_good_status_says_so(built: Database) -> None:
    query(built, "update orchestrator.runs set day_gap = null returning 1")
    assert problem(built) == ""
    words = "no usual gap between rows is known yet for event_stream"
    assert words in looked(built).rests_on
    query(built, "update orchestrator.pipeline_definitions set data_warn_after = '400 days'"
          " where pipeline_name = 'event_stream' returning 1")  # fmt: skip
    assert words not in looked(built).rests_on


def test_the_day_gap_is_what_plain_python_finds(database: Database) -> None:
    chance = random.Random(7)
    days = sorted(chance.sample(range(60), 25))
    insert_events(database, [earn(day, "u_1", 5) for day in days for _ in range(2)])
    ingest(database)
    near = [day for day in days if day > days[-1] - 30]
    wanted = max(b - a for a, b in pairwise(near))
    gap = "select day_gap from orchestrator.runs where day_gap is not null"
    assert scalar(database, gap) == timedelta(days=wanted)
