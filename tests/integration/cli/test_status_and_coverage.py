"""What `status` and `pipelines show` say of gaps, holds, sweeps and rows that were set aside."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from runner.cli.show.coverage import Segment, bar, coverage
from runner.database.session import Database
from runner.ingest import blockers
from runner.repairs.pipeline import RepairedPipeline
from tests.support import PROJECT, ingest, insert_events, query, run_all, scalar
from tests.support.commands import command
from tests.support.databases import Moulds, apply_schema

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
UNDOES = "wait until it ends; or end it, which rolls back its work: "
ON_ITS_OWN = (
    "update orchestrator.pipeline_definitions set is_enabled = (pipeline_name = 'event_stream')"
)


def _load_fifty_hours(database: Database) -> None:
    query(database, "update orchestrator.pipeline_definitions set window_size = '10 hours'")
    events = [
        {"event_time": JANUARY, "user_id": "u", "created_at": JANUARY + timedelta(hours=hour)}
        for hour in range(50)
    ]
    insert_events(database, events)
    run_all(database)


@pytest.fixture
def loaded(moulds: Moulds) -> Iterator[Database]:
    """50 hours of events, read in windows of ten hours."""
    with moulds.clone(apply_schema, _load_fifty_hours) as database:
        yield database


def pipeline_id(database: Database) -> int:
    return int(
        scalar(
            database,
            "select pipeline_id from orchestrator.pipeline_definitions"
            " where pipeline_name = 'event_stream'",
        )
    )


def pipeline(database: Database) -> RepairedPipeline:
    return RepairedPipeline(pipeline_id(database), database, PROJECT)


def undo(database: Database, number: int) -> dict[str, Any]:
    """Undo the window of that number, from 0; returns its row."""
    window = query(
        database,
        "select run_id, low::text as low, high::text as high from orchestrator.runs"
        " where pipeline_id = %(id)s and kind = 'window' order by run_id",
        id=pipeline_id(database),
    )[number]
    pipeline(database).undo(window["run_id"])
    return window


def segments(database: Database) -> list[Segment]:
    with database.session("test") as session:
        return coverage(session, pipeline_id(database))


def shown(database: Database) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        command("pipelines", "show", "event_stream", "--json", database=database).stdout
    )
    return found


def problems(database: Database) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(command("status", "--json", database=database).stdout)[
        "problems"
    ]
    return found


def held_by(database: Database, who: str, since: str = "7 minutes 10 seconds") -> None:
    """A clock that says so, of an event that waits."""
    query(
        database,
        f"""
        create view public.clock as
        select
            now() as clock,
            now() - interval '{since}' as settled,
            now() - interval '{since}' as held_since,
            '{who}' as held_by,
            true as sees_all,
            null::numeric as horizon,
            null::numeric as next_xid,
            'here' as identity
        """,
    )
    query(
        database,
        "update orchestrator.pipeline_definitions set clock_relation = 'public.clock',"
        " is_enabled = (pipeline_name = 'event_stream')",
    )


def test_a_pipeline_that_was_never_run_covers_nothing(database: Database) -> None:
    assert segments(database) == []
    done = command("pipelines", "show", "event_stream", database=database)
    assert "it has not run yet" in done.stdout
    assert "█" not in done.stdout


def test_windows_cover_everything_up_to_the_watermark(loaded: Database) -> None:
    watermark = scalar(
        loaded,
        "select max(high)::text from orchestrator.runs where pipeline_id = %(id)s",
        id=pipeline_id(loaded),
    )
    (segment,) = segments(loaded)
    assert (segment.low, segment.high, segment.is_covered) == ("-infinity", watermark, True)
    assert (segment.begins, segment.ends) == (0, 1)


def test_an_undone_window_is_a_gap_with_its_reason_and_what_fills_it(loaded: Database) -> None:
    window = undo(loaded, 2)
    found = shown(loaded)
    fill = found["gaps"][0].pop("fill")
    assert found["gaps"] == [
        {
            "low": window["low"],
            "high": window["high"],
            "why": f"run {window['run_id']} was undone",
        }
    ]
    assert [part["low"] for part in found["coverage"]] == ["-infinity", window["high"]]
    name, _, edge, _, other = shlex.split(fill)[4:]
    pipeline(loaded).backfill(edge, other)
    assert name == "event_stream"
    assert shown(loaded)["gaps"] == []
    assert scalar(loaded, "select count(*) from warehouse.raw_event_stream") == 50


def test_neighbours_that_were_undone_are_one_gap_with_both_reasons(loaded: Database) -> None:
    first, second = undo(loaded, 1), undo(loaded, 2)
    (gap,) = shown(loaded)["gaps"]
    assert (gap["low"], gap["high"]) == (first["low"], second["high"])
    assert gap["why"] == f"2 runs were undone: {first['run_id']} to {second['run_id']}"


def test_the_first_and_the_last_window_can_be_gaps(loaded: Database) -> None:
    first, last = undo(loaded, 0), undo(loaded, -1)
    found = segments(loaded)
    assert [part.is_covered for part in found] == [False, True, False]
    assert found[0].low == first["low"] == "-infinity"
    assert found[-1].high == last["high"]
    assert (found[0].begins, found[-1].ends) == (0, 1)


def test_a_start_that_was_moved_back_is_a_gap_that_was_never_read(database: Database) -> None:
    insert_events(database, [{"event_time": JANUARY, "created_at": JANUARY}])
    query(database, "update orchestrator.pipeline_definitions set start_at = '2026-01-01 00:00+00'")
    ingest(database)
    assert [part.is_covered for part in segments(database)] == [True]
    query(database, "update orchestrator.pipeline_definitions set start_at = '2025-01-01 00:00+00'")
    (gap,) = shown(database)["gaps"]
    assert (gap["low"], gap["high"], gap["why"]) == (
        "2025-01-01 00:00:00+00",
        "2026-01-01 00:00:00+00",
        "never read",
    )


@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_fits_the_line(loaded: Database, columns: int) -> None:
    window = undo(loaded, 2)
    done = command(
        "pipelines", "show", "event_stream", database=loaded, COLUMNS=str(columns), LANG="C.UTF-8"
    )
    line = next(line for line in done.stdout.splitlines() if "█" in line)
    assert len(line) == columns
    assert line.count("░") == 1
    assert f"backfill event_stream --from {window['low'].replace(' ', 'T')}" in done.stdout


def test_the_bar_does_without_blocks_where_they_cannot_be_written(loaded: Database) -> None:
    done = command("pipelines", "show", "event_stream", database=loaded, PYTHONIOENCODING="ascii")
    assert "the beginning #####" in done.stdout, done.stderr


def test_the_smallest_gap_is_seen() -> None:
    parts = [
        Segment("", "", True, None, 0, 0.5),
        Segment("", "", False, "undone", 0.5, 0.5000001),
        Segment("", "", True, None, 0.5000001, 1),
    ]
    assert bar(parts, 10, "#", ".") == "#####.####"
    assert bar([Segment("", "", False, "undone", 0, 0)], 3, "#", ".") == ".##"
    assert bar([Segment("", "", False, "undone", 1, 1)], 3, "#", ".") == "##."


def test_an_undone_window_does_not_move_the_watermark(loaded: Database) -> None:
    before = shown(loaded)["loaded_through"]
    undo(loaded, -1)
    assert shown(loaded)["loaded_through"] == before
    listed = json.loads(command("pipelines", "list", "--json", database=loaded).stdout)
    fresh = json.loads(command("status", "--json", database=loaded).stdout)["freshness"]
    view = scalar(
        loaded,
        "select loaded_through::text from reporting.freshness where pipeline_name = 'event_stream'",
    )
    assert listed[0]["loaded_through"] == fresh[0]["loaded_through"] == before[:19] + "+00:00"
    assert view == before


def test_status_names_a_gap_and_what_fills_it(loaded: Database) -> None:
    window = undo(loaded, 2)
    run_all(loaded)
    (problem,) = problems(loaded)
    assert problem["what"] == "pipeline event_stream"
    assert problem["problem"].startswith("was undone and has a gap: ")
    assert problem["remedy"].startswith("run backfill event_stream --from ")
    pipeline(loaded).backfill(window["low"], window["high"])
    run_all(loaded)
    assert problems(loaded) == []


def test_status_names_a_sweep_that_is_overdue(loaded: Database) -> None:
    assert problems(loaded) == []
    query(
        loaded,
        "update orchestrator.runs set started_at = started_at - interval '49 hours',"
        " finished_at = finished_at - interval '49 hours' where pipeline_id = %(id)s",
        id=pipeline_id(loaded),
    )
    (problem,) = problems(loaded)
    assert problem["problem"].startswith("its last sweep was ")
    assert problem["remedy"] == "run ingest --sweep"
    query(loaded, "update orchestrator.pipeline_definitions set sweep_every = null")
    assert problems(loaded) == []


def test_status_names_rows_that_were_set_aside(loaded: Database) -> None:
    query(
        loaded,
        """
        insert into orchestrator.rejected_rows (run_id, pipeline_id, source_row, reason)
        select max(run_id), %(id)s, '{}', 'amount is too large'
        from orchestrator.runs
        where pipeline_id = %(id)s
        """,
        id=pipeline_id(loaded),
    )
    (problem,) = problems(loaded)
    assert problem["problem"] == "1 row is rejected: amount is too large"
    assert shown(loaded)["rejected_rows_waiting"] == 1


def test_rows_of_a_clock_that_runs_ahead_wait_and_status_names_them(database: Database) -> None:
    """One of 2052 would be 26 years of reports."""
    now = datetime.now(UTC)
    like = {"user_id": "ann", "event_type": "like"}
    insert_events(
        database,
        [
            {**like, "event_time": now, "created_at": now - timedelta(minutes=1)},
            {**like, "event_time": now, "created_at": now + timedelta(minutes=50)},
            {**like, "event_time": now, "created_at": now + timedelta(minutes=70)},
            {**like, "event_time": "2052-01-01", "created_at": "2052-01-01"},
            {**like, "event_time": now, "created_at": "infinity"},
        ],
    )
    ingest(database)
    run_all(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 1
    assert scalar(database, "select count(*) from reporting.kpi_daily where slice = 'all'") == 1
    found = [row for row in problems(database) if row["kind"] == "ahead"]
    assert found == [
        {
            "what": "pipeline event_stream",
            "kind": "ahead",
            "problem": "3 rows wait: created_at is more than an hour in the future, up to infinity",
            "remedy": "correct created_at in public.event_stream, or wait",
        }
    ]


def test_status_says_who_holds_rows_back_since_when_and_what_ends_it(loaded: Database) -> None:
    held_by(loaded, "server process 812, psql, idle in transaction")
    insert_events(loaded, [{"event_time": JANUARY}])
    found = [problem for problem in problems(loaded) if "wait" in problem["problem"]]
    assert len(found) == 1
    assert found[0]["what"] == "pipeline event_stream"
    assert found[0]["problem"].startswith("rows newer than ")
    assert found[0]["problem"].endswith(
        " wait: server process 812, psql, idle in transaction, for 7 min"
    )
    assert found[0]["remedy"] == UNDOES + "select pg_terminate_backend(812)"


@pytest.mark.parametrize(
    ("who", "remedy"),
    [
        (
            "prepared transaction it''s of me of postgres",
            "whoever prepared it has to end it: commit prepared 'it''s of me', or rollback prepared 'it''s of me'",
        ),
        ("connection 5, app, Query", UNDOES + "kill 5"),
        ("server process 7, milepost ingest (host:1), active", "wait for it to end"),
        ("somebody", "wait until it ends, or end it"),
    ],
)
def test_what_ends_a_hold_depends_on_who_holds(loaded: Database, who: str, remedy: str) -> None:
    held_by(loaded, who)
    insert_events(loaded, [{"event_time": JANUARY}])
    with loaded.session("test") as session:
        assert [found["remedy"] for found in blockers.blockers(session, PROJECT)] == [remedy]


def test_a_hold_that_is_short_or_because_of_which_nothing_waits_is_no_problem(
    loaded: Database,
) -> None:
    held_by(loaded, "server process 812, psql, active", "50 seconds")
    insert_events(loaded, [{"event_time": JANUARY}])
    with loaded.session("test") as session:
        assert blockers.blockers(session, PROJECT) == []
    query(loaded, "drop view public.clock")
    query(loaded, "delete from public.event_stream where created_at > now() - interval '1 day'")
    held_by(loaded, "server process 812, psql, active")
    with loaded.session("test") as session:
        assert blockers.blockers(session, PROJECT) == []


def test_a_transaction_of_somebody_elses_is_found_on_the_clock_of_this_server(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blockers, "MIN_HOLD", timedelta(0))
    query(database, ON_ITS_OWN)
    with psycopg.connect(database.conninfo, application_name="an application") as writer:
        writer.execute("select txid_current()")
        insert_events(database, [{"event_time": JANUARY}])
        with database.session("test") as session:
            (found,) = blockers.blockers(session, PROJECT)
        assert (
            f"server process {writer.info.backend_pid}, an application, idle in transaction, for 0"
            in found["problem"]
        )
        assert found["remedy"] == f"{UNDOES}select pg_terminate_backend({writer.info.backend_pid})"


def test_a_clock_that_cannot_be_asked_breaks_nothing_else(loaded: Database) -> None:
    held_by(loaded, "nobody")
    query(loaded, "drop view public.clock")
    query(loaded, "create view public.clock as select 1 / 0 as clock")
    problem = problems(loaded)[-1]
    assert problem["problem"].startswith("cannot find out what holds it back: ")
    assert problem["remedy"].startswith("repair public.clock")
