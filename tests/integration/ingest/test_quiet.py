"""Quiet pipelines: many that have nothing new cost little, and whatever is new is still found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from runner import run
from runner.database import ledger
from runner.database.session import PIPELINE_LOCK, Database, LockHeld
from runner.errors import RunnerError
from runner.ingest.pipeline import IngestionPipeline
from runner.ingest.quiet import record_quiet
from tests.ingest_faults.death import Boundary, terminate, watched
from tests.ingest_faults.test_model import project_in_a_hurry
from tests.support import PROJECT, query, scalar
from tests.support.databases import Moulds, apply_schema, name_of
from tests.support.roles import dropped
from tests.support.sweeps import slow_but

MANY = 52  # more than are looked at together
STATEMENTS = 1.0  # for each of them
KEYED = {"key_columns": "{id}"}
SHAPES = {
    "swept": KEYED,
    "unswept": {**KEYED, "sweep_every": None},
    "upsert": {**KEYED, "write_mode": "upsert"},
    "keyless": {"cursor": "timestamptz not null"},
    "local": {**KEYED, "cursor": "timestamp"},
    "strict": {**KEYED, "odd_cursors": "fail"},
}
# What happens to a source, or to what is known of it. A row that is long past is found by a sweep.
NEWS = {
    "new": "insert into {source} values (2, now())",
    "late": "insert into {source} values (2, now() - interval '10 minutes')",
    "long_past": "insert into {source} values (2, '2020-01-01')",
    "changed": "update {source} set what = 'y'",
    "timeless": "insert into {source} values (2, null)",
    "before_all": "insert into {source} values (2, '-infinity')",
    "emptied": "truncate {replica}",
    "another_column": "alter table {source} add column more integer default 5",
    "another_type": "alter table {source} alter column what type text",
    "another_lookback": "update orchestrator.pipeline_definitions set lookback = '2 days' {this}",
    "no_key": "alter table {source} drop constraint {source_name}_pkey",
    "child": "create table {source}_child () inherits ({source});"
    " insert into {source}_child values (2, now())",
    "marked": "update orchestrator.pipeline_definitions set on_delete = 'mark' {this}",
}
IN_LOOKBACK = ("new", "late", "timeless", "before_all", "emptied", "another_lookback")
UNSURE = {"no_key", "child"}
LATEST = """
    select distinct on (pipeline_name)
        pipeline_name, low::text, high::text, status, rows_read, guarantee, guarantee_note,
        horizon_scope, horizon_chain, started_at
    from orchestrator.runs inner join orchestrator.pipeline_definitions using (pipeline_id)
    where kind = 'window'
    order by pipeline_name, run_id desc
"""


def add(database: Database, name: str, cursor: str = "timestamptz", **values: str | None) -> None:
    """A table with a row, and its pipeline."""
    query(
        database,
        f"create table public.{name} (id int primary key, at {cursor}, what varchar(9) default 'x')",
    )
    query(database, f"create index on public.{name} (at)")
    query(database, f"insert into public.{name} values (1, '2026-01-01')")
    values = {
        "pipeline_name": name,
        "source_relation": f"public.{name}",
        "cursor_column": "at",
        **values,
    }
    places = ", ".join(f"%({column})s" for column in values)
    query(
        database,
        f"insert into orchestrator.pipeline_definitions ({', '.join(values)}) values ({places})",
        **values,
    )


def ingest(database: Database, wait_seconds: float = 5, project: Path = PROJECT) -> int:
    """A round; how many statements it took."""
    boundary = Boundary(0, lambda _: None)
    with watched(boundary):
        run.ingest(database, project, run.Listener(), wait_seconds=wait_seconds)
    return boundary.count


def latest(database: Database) -> dict[str, dict[str, object]]:
    return {row.pop("pipeline_name"): row for row in query(database, LATEST)}


@pytest.fixture
def quiet(moulds: Moulds) -> Iterator[Database]:
    """A database whose own pipelines are gone."""
    with moulds.clone(apply_schema) as database:
        query(database, "delete from orchestrator.pipeline_definitions")
        yield database


def test_an_idle_pipeline_among_many_takes_less_than_one_statement(quiet: Database) -> None:
    for number in range(MANY):
        add(quiet, f"many_{number}", **KEYED)
    first = ingest(quiet)
    assert first > 20 * MANY
    for _ in range(2):
        assert ingest(quiet) <= STATEMENTS * MANY
    assert scalar(quiet, "select count(*) from orchestrator.runs where rows_read = 0") == 2 * MANY


def test_a_quiet_pipeline_is_recorded_as_a_run_of_its_own_would_be(quiet: Database) -> None:
    for name, shape in SHAPES.items():
        add(quiet, name, **shape)
    for _ in range(3):  # after the second all that can be known is known
        ingest(quiet)
    together = latest(quiet)
    assert len({row.pop("started_at") for row in together.values()}) == 1
    for row in query(quiet, "select pipeline_id from orchestrator.pipeline_definitions"):
        IngestionPipeline(row["pipeline_id"], quiet, PROJECT).run()
    for name, alone in latest(quiet).items():
        del alone["started_at"]
        assert alone.pop("low") == together[name]["high"], name
        assert alone.pop("high") > together[name].pop("high"), name
        del together[name]["low"]
        assert alone == together[name], name
    assert {row["guarantee"] for row in together.values()} == {"exact", "settled"}


def test_whatever_is_new_is_found_after_any_number_of_quiet_rounds(quiet: Database) -> None:
    for news in NEWS:
        add(quiet, f"swept_{news}", **SHAPES["swept"])
    for news in IN_LOOKBACK:
        add(quiet, f"unswept_{news}", **SHAPES["unswept"])
    for _ in range(3):
        ingest(quiet)
    names = list(latest(quiet))
    assert len({row["started_at"] for row in latest(quiet).values()}) == 1
    for name in names:
        places = {
            "source": f"public.{name}",
            "source_name": name,
            "replica": f"warehouse.raw_{name}",
            "this": f"where pipeline_name = '{name}'",
        }
        for text in NEWS[name.partition("_")[2]].format(**places).split(";"):
            query(quiet, text)
    ingest(quiet)
    found = latest(quiet)
    for name in names:
        news = name.partition("_")[2]
        source, replica = (
            query(quiet, f"select id, at::text, what from {table} order by id")
            for table in (f"public.{name}", f"warehouse.raw_{name}")
        )
        assert replica == source, name
        assert found[name]["guarantee"] == ("best_effort" if news in UNSURE else "exact"), name
    columns = "select * from warehouse.raw_swept_"
    assert query(quiet, f"{columns}another_column")[0]["more"] == 5
    assert "_deleted_at" in query(quiet, f"{columns}marked")[0]


def test_what_a_transaction_holds_back_is_found_when_it_commits(quiet: Database) -> None:
    for name in ("swept", "unswept", "keyless"):
        add(quiet, name, **SHAPES[name])
    ingest(quiet)
    with psycopg.connect(quiet.conninfo) as writer:
        for name in ("swept", "unswept", "keyless"):
            writer.execute(f"insert into public.{name} values (2, now())".encode())
        for _ in range(2):
            ingest(quiet, wait_seconds=0)
    ingest(quiet)
    for name in ("swept", "unswept", "keyless"):
        assert scalar(quiet, f"select count(*) from warehouse.raw_{name}") == 2


@pytest.mark.parametrize("step", slow_but([1, 4], 4))
def test_a_row_that_is_committed_at_any_moment_of_a_quiet_round_is_not_lost(
    quiet: Database, tmp_path: Path, step: int
) -> None:
    project = project_in_a_hurry(tmp_path)
    names = ("swept", "unswept", "keyless")
    for name in names:
        add(quiet, name, **SHAPES[name])
    for _ in range(2):
        ingest(quiet, project=project)
    ids, at, has_struck = [1], 1, True
    while has_struck:  # until a round takes fewer statements
        at += step
        ids.append(at)
        with psycopg.connect(quiet.conninfo) as writer:
            for name in names:
                writer.execute(f"insert into public.{name} values ({at}, now())".encode())
            boundary = Boundary(at, lambda _, writer=writer: writer.commit())
            with watched(boundary):
                run.ingest(quiet, project, run.Listener(), wait_seconds=0)
        has_struck = boundary.has_struck
        ingest(quiet, project=project)
        for name in names:
            found = query(quiet, f"select id from warehouse.raw_{name} order by id")
            assert [row["id"] for row in found] == ids, at
    assert at > 15


def test_a_sweep_that_is_due_is_made(quiet: Database) -> None:
    add(quiet, "swept", **SHAPES["swept"])
    for _ in range(2):
        ingest(quiet)
    for age in ("0", "2 days"):  # of a table that is too large to be searched each time
        query(
            quiet,
            "update orchestrator.runs set search_elapsed = '0.7 s',"
            f" finished_at = finished_at - interval '{age}' where horizon_scope = 'table'",
        )
        ingest(quiet)
        swept = scalar(quiet, "select count(*) from orchestrator.runs where kind = 'sweep'")
        assert swept == (age != "0")


def test_a_pipeline_that_another_runs_is_left_to_it(quiet: Database) -> None:
    for number in range(3):
        add(quiet, f"many_{number}", **KEYED)
    ingest(quiet)
    before = latest(quiet)
    held = scalar(quiet, "select min(pipeline_id) from orchestrator.pipeline_definitions")
    with (
        quiet.session("another") as other,
        other.lock(PIPELINE_LOCK, held, "another"),
        pytest.raises(LockHeld),
    ):
        ingest(quiet)
    assert {name for name, row in latest(quiet).items() if row == before[name]} == {"many_0"}


def test_a_locked_source_is_told_of_as_it_makes_a_round_slower(quiet: Database) -> None:
    for number in range(3):
        add(quiet, f"many_{number}", **KEYED)
    ingest(quiet)
    said: list[str] = []
    with quiet.session("another") as other:

        class Unlocking(run.Listener):
            def warn(self, message: str, hint: str | None = None) -> None:
                said.append(message)
                other.run("commit")

        other.run("begin; lock table public.many_1 in access exclusive mode")
        run.ingest(quiet, PROJECT, Unlocking())
    assert said == [
        'could not obtain lock on relation "public.many_1": checking 3 pipelines one at a time'
    ]
    assert scalar(quiet, "select count(*) from orchestrator.runs where rows_read = 0") == 3


def test_what_a_run_of_its_own_could_not_do_or_would_time_is_left_to_it(quiet: Database) -> None:
    for name in ("plain", "unwritable", "grown", "shut"):
        add(quiet, name, **KEYED)
    query(quiet, "create schema shut")
    query(quiet, "alter table public.shut set schema shut")
    here = "where pipeline_name = 'shut'"
    set_source = "update orchestrator.pipeline_definitions set source_relation = 'shut.shut'"
    query(quiet, f"{set_source} {here}")
    for _ in range(2):
        ingest(quiet)
    names = query(quiet, "select pipeline_id, pipeline_name from orchestrator.pipeline_definitions")
    role = f"{name_of(quiet)}_role"
    layers = "orchestrator, warehouse, public"
    for text in (
        f"create role {role}",
        f"grant pg_read_all_stats to {role}",
        f"grant execute on function pg_control_system(), pg_control_checkpoint() to {role}",
        f"grant usage on schema {layers} to {role}",
        f"grant select, insert, update on all tables in schema {layers}, shut to {role}",
        f"revoke insert on warehouse.raw_unwritable from {role}",
        # How large it is, by what the server knows of it.
        "update pg_class set reltuples = 1e6 where oid = 'public.grown'::regclass",
    ):
        query(quiet, text)
    as_role = Database(make_conninfo(quiet.conninfo, options=f"-c role={role}"))
    with dropped(quiet), ledger.sessions(as_role, "milepost ingest") as (work, _):
        recorded = record_quiet(work, PROJECT, [row["pipeline_id"] for row in names])
    assert [run.pipeline for run in recorded.values()] == ["plain"]


@pytest.mark.parametrize("at", slow_but(range(1, 20, 2), 11))
def test_a_session_that_is_lost_in_a_quiet_round_loses_nothing(quiet: Database, at: int) -> None:
    for number in range(3):
        add(quiet, f"many_{number}", **KEYED)
    ingest(quiet)
    query(quiet, "insert into public.many_1 values (2, '2026-02-01')")
    boundary = Boundary(at, lambda struck: terminate(quiet.conninfo, struck.work))
    with watched(boundary), contextlib.suppress(RunnerError):
        run.ingest(quiet, PROJECT, run.Listener())
    assert boundary.has_struck
    ingest(quiet)
    assert scalar(quiet, "select count(*) from warehouse.raw_many_1") == 2
    runs = query(
        quiet,
        "select pipeline_id, low::text, high::text, status from orchestrator.runs order by 1, run_id",
    )
    assert {row["status"] for row in runs} <= {"succeeded", "failed", "abandoned"}
    done = [row for row in runs if row["status"] == "succeeded"]
    for before, after in pairwise(done):
        if before["pipeline_id"] == after["pipeline_id"]:
            assert before["high"] == after["low"]
