"""The first build of many rows: filled by workers where nobody reads, published by name."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.build import build as build_module
from runner.build import publish
from runner.build.build import build
from runner.build.transaction import BuildResult, CheckFailed
from runner.database.session import PIPELINE_LOCK, Database, LockHeld
from runner.errors import RunnerError, StartError
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import (
    PROJECT,
    assert_equals_rebuild,
    assert_reports_equal_oracle,
    differences,
    earn,
    edit,
    event,
    ingest,
    insert_events,
    query,
    run_all,
    scalar,
)
from tests.support.databases import Moulds, apply_schema
from tests.support.listeners import Hearing
from tests.support.sweeps import slow_but
from tests.support.waiting import wait_for

SHIPPED = load(PROJECT)
TABLES = [
    f"{script.layer}.{table}"
    for script in SHIPPED.scripts.values()
    if not script.is_view
    for table in script.tables
]
OID = "select %(table)s::regclass::oid"


@pytest.fixture(autouse=True)
def _every_first_build_is_large(monkeypatch: pytest.MonkeyPatch, no_margin: None) -> None:
    monkeypatch.setattr(build_module, "WORKERS_FROM", 1)


def _load(database: Database) -> None:
    insert_events(
        database,
        [earn(day, f"u_{day % 7}", miles=10 * day) for day in range(60)]
        + [event(day, f"u_{day % 5}", "share") for day in range(0, 60, 3)],
    )
    ingest(database)


@pytest.fixture
def full(moulds: Moulds) -> Iterator[Database]:
    """A database with ingested rows, before the first build."""
    with moulds.clone(apply_schema, _load) as database:
        yield database


def first(database: Database, target: str = "live", jobs: int = 2, **more: Any) -> BuildResult:
    return build(database, SHIPPED, Target(target), jobs=jobs, **more)


def oids(database: Database, prefix: str = "") -> dict[str, int]:
    rows = query(
        database,
        "select name, (%(prefix)s::text || name)::regclass::oid as oid"
        " from unnest(%(tables)s::text[]) as names (name)",
        prefix=prefix,
        tables=TABLES,
    )
    return {row["name"]: row["oid"] for row in rows}


def scratch_schemas(database: Database) -> int:
    return int(scalar(database, "select count(*) from pg_namespace where nspname ~ 'scratch'"))


def rows_of(database: Database) -> int:
    counts = " + ".join(f"(select count(*) from {table})" for table in TABLES)
    return int(scalar(database, f"select {counts}"))


@pytest.mark.parametrize("jobs", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_workers_fill_what_one_transaction_would(full: Database, jobs: int) -> None:
    before = oids(full)
    alone = first(full, "alone", jobs=1)
    done = first(full, jobs=jobs)
    assert {r.step.script.key: (r.step.mode, r.changes) for r in done.results} == {
        r.step.script.key: (r.step.mode, r.changes) for r in alone.results
    }
    assert differences(full, "live", "alone", TABLES) == {}
    assert_reports_equal_oracle(full)
    assert_equals_rebuild(full)
    # By name, wherever there was a row to write.
    stayed = [table for table, oid in oids(full).items() if oid == before[table]]
    assert stayed == []
    assert scratch_schemas(full) == 0
    assert first(full).run_id is None
    insert_events(full, [earn(50, "u_2", 8)])
    assert {r.step.mode for r in run_all(full).results} == {"incremental"}
    assert_equals_rebuild(full)


def test_readers_see_nothing_before_all_of_it(full: Database) -> None:
    seen: list[int] = []
    told: list[str] = []
    hears = Hearing(
        starting=lambda step, index, count: seen.append(rows_of(full)),
        result=lambda done: told.append(done.step.script.key),
    )
    done = first(full, listener=hears)
    assert seen == [0] * len(SHIPPED.scripts)
    assert sorted(told) == sorted(SHIPPED.scripts)
    assert [r.step.script.key for r in done.results] == told
    assert rows_of(full) > 0


# What a table was given by somebody, and how to see that it still has it.
THINGS = {
    "view": (
        "create view public.mine as select dau from reporting.kpi_daily",
        "exists (select from public.mine)",
    ),
    "view of a view": (
        "create view public.mine as select event_id from warehouse.counted_events",
        "exists (select from public.mine)",
    ),
    "policy": (
        "create policy mine on reporting.kpi_daily using (true)",
        "exists (select from pg_policy where polrelid = 'reporting.kpi_daily'::regclass)",
    ),
    "row security": (
        "alter table reporting.kpi_daily enable row level security",
        "(select relrowsecurity from pg_class where oid = 'reporting.kpi_daily'::regclass)",
    ),
    "trigger": (
        "create trigger mine before update on reporting.kpi_daily for each row"
        " execute function suppress_redundant_updates_trigger()",
        "exists (select from pg_trigger where tgrelid = 'reporting.kpi_daily'::regclass)",
    ),
    "rule": (
        "create rule mine as on delete to reporting.kpi_daily where old.dau < 0 do instead nothing",
        "exists (select from pg_rewrite where ev_class = 'reporting.kpi_daily'::regclass)",
    ),
    "publication": (
        "create publication mine for table reporting.kpi_daily",
        "exists (select from pg_publication_rel where prrelid = 'reporting.kpi_daily'::regclass)",
    ),
    "statistics": (
        "create statistics mine on dau, wau from reporting.kpi_daily",
        "exists (select from pg_statistic_ext where stxrelid = 'reporting.kpi_daily'::regclass)",
    ),
    "target of statistics": (
        "alter table reporting.kpi_daily alter dau set statistics 1000",
        "(select attstattarget = 1000 from pg_attribute"
        " where attrelid = 'reporting.kpi_daily'::regclass and attname = 'dau')",
    ),
    "child": (
        "create table public.mine () inherits (reporting.kpi_daily)",
        "exists (select from pg_inherits where inhparent = 'reporting.kpi_daily'::regclass)",
    ),
    "foreign key": (
        "create table public.notes (day date, slice text, slice_value text,"
        " foreign key (day, slice, slice_value) references reporting.kpi_daily)",
        "exists (select from pg_constraint"
        " where confrelid = 'reporting.kpi_daily'::regclass and contype = 'f')",
    ),
    "function": (
        "create function public.mine() returns bigint begin atomic"
        " select max(dau) from reporting.kpi_daily; end",
        "public.mine() > 0",
    ),
    "index": (
        "create index mine on reporting.kpi_daily (dau)",
        "'reporting.mine'::regclass is not null",
    ),
    # The DDL comments on columns in every build, but not on keys.
    "comment": (
        "comment on constraint kpi_daily_key on reporting.kpi_daily is 'mine'",
        "(select obj_description(oid, 'pg_constraint') = 'mine' from pg_constraint"
        " where conrelid = 'reporting.kpi_daily'::regclass and contype = 'p')",
    ),
    "parameter": (
        "alter table reporting.kpi_daily set (autovacuum_enabled = false)",
        "(select reloptions is not null from pg_class where oid = 'reporting.kpi_daily'::regclass)",
    ),
    "identity of replicas": (
        "alter table reporting.kpi_daily replica identity full",
        "(select relreplident = 'f' from pg_class where oid = 'reporting.kpi_daily'::regclass)",
    ),
}


# It points to the table, so the table can be neither dropped nor emptied.
QUICK = ("foreign key",)


@pytest.mark.parametrize("thing", slow_but(THINGS, *QUICK))
def test_what_somebody_gave_a_table_stays_with_it(full: Database, thing: str) -> None:
    make, is_there = THINGS[thing]
    query(full, make)
    first(full)
    assert scalar(full, f"select {is_there}")
    assert_equals_rebuild(full)
    # Only what it hangs on is written twice.
    assert scalar(full, OID, table="reporting.retention") > scalar(
        full, OID, table="public.event_stream"
    )


@pytest.mark.slow
def test_owner_and_grants_stay(full: Database) -> None:
    name = f"reader_{scalar(full, 'select current_database()')}"
    query(full, f"create role {name}")
    try:
        query(full, f"grant select on reporting.kpi_daily, warehouse.counted_events to {name}")
        query(full, f"grant select (user_id) on warehouse.dim_users to {name} with grant option")
        query(full, f"alter table reporting.retention owner to {name}")
        first(full)
        for right in (
            "has_table_privilege(%(name)s, 'reporting.kpi_daily', 'select')",
            "has_table_privilege(%(name)s, 'warehouse.counted_events', 'select')",
            "has_column_privilege("
            "%(name)s, 'warehouse.dim_users', 'user_id', 'select with grant option')",
            "not has_table_privilege(%(name)s, 'warehouse.dim_users', 'select')",
            "(select pg_get_userbyid(relowner) = %(name)s from pg_class"
            " where oid = 'reporting.retention'::regclass)",
        ):
            assert scalar(full, f"select {right}", name=name), right
        assert_equals_rebuild(full)
    finally:
        query(full, f"drop owned by {name}; drop role {name}")


@pytest.mark.slow
def test_who_reads_an_empty_table_sees_it_empty_to_the_end_and_keeps_nobody_waiting(
    full: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "FIRST_ATTEMPTS", 2)
    before = oids(full)
    count = "select count(*) from reporting.kpi_daily"
    with psycopg.connect(full.conninfo) as staying, psycopg.connect(full.conninfo) as older:
        for reader in (staying, older):
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("select 1 from orchestrator.runs")
        assert staying.execute(count).fetchone() == (0,)
        first(full)
        for reader in (staying, older):
            assert reader.execute(count).fetchone() == (0,)
    assert oids(full) == before
    assert scalar(full, count) > 0
    assert_equals_rebuild(full)
    assert first(full).run_id is None


def test_who_began_before_and_reads_after_sees_an_empty_table(full: Database) -> None:
    with psycopg.connect(full.conninfo) as older:
        older.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        older.execute("select 1 from orchestrator.runs")
        first(full)
        assert older.execute("select count(*) from reporting.kpi_daily").fetchone() == (0,)


@pytest.mark.slow
def test_rows_that_are_there_already_are_brought_to_what_they_should_be(full: Database) -> None:
    query(
        full,
        "insert into warehouse.dim_countries (country, first_seen_date) values ('XX', '2026-01-01')",
    )
    before = oids(full)
    first(full)
    assert oids(full) == before  # it is not empty, so it is no first build
    assert_equals_rebuild(full)


@pytest.mark.slow
def test_a_check_that_fails_leaves_nothing_and_the_next_build_is_whole(
    full: Database, project: Path
) -> None:
    check = "sql/reporting/kpi_daily.check.sql"
    broken = edit(project, check, (project / check).read_text(encoding="utf-8"), "select 1 as bad")
    before = oids(full)
    with pytest.raises(CheckFailed):
        build(full, broken, Target(), jobs=2)
    assert_untouched(full, before)
    failed = query(
        full,
        "select script from orchestrator.runs where kind = 'script' and status = 'failed'"
        " and sqlstate is null",  # what ran beside it was cancelled
    )
    assert failed == [{"script": "reporting.kpi_daily"}]
    first(full)
    assert_equals_rebuild(full)


@pytest.mark.slow
def test_a_publication_that_fails_leaves_nothing(
    full: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any) -> None:
        raise RunnerError("as if")

    before = oids(full)
    with monkeypatch.context() as patch:
        patch.setattr(publish.Publisher, "swap", fail)
        with pytest.raises(RunnerError, match="as if"):
            first(full)
    assert_untouched(full, before)
    states = query(full, "select distinct status from orchestrator.runs where kind = 'script'")
    assert states == [{"status": "rolled_back"}]
    first(full)
    assert_equals_rebuild(full)


def assert_untouched(database: Database, before: dict[str, int]) -> None:
    assert oids(database) == before
    assert rows_of(database) == 0
    assert scratch_schemas(database) == 0
    assert scalar(database, "select count(*) from orchestrator.build_inputs") == 0


@pytest.mark.parametrize("at", slow_but([0, 20, 40], 20))
def test_a_first_build_that_is_killed_leaves_nothing_and_the_next_clears_it(
    full: Database, at: int
) -> None:
    text = f"""
import os, signal
from pathlib import Path
from runner.build import build as module
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from tests.support.listeners import Hearing

def starting(step, index, count):
    if index == {at}:
        os.kill(os.getpid(), signal.SIGKILL)

module.WORKERS_FROM = 1
hears = Hearing(starting)
module.build(Database({full.conninfo!r}), load(Path({str(PROJECT)!r})), Target(), jobs=2, listener=hears)
"""
    before = oids(full)
    done = subprocess.run([sys.executable, "-c", text], cwd=PROJECT, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_for(
        full,
        "select not exists (select from pg_stat_activity where application_name like 'milepost b%'"
        " and datname = current_database())",
    )
    assert scratch_schemas(full) > 0
    assert oids(full) == before
    assert rows_of(full) == 0
    first(full)
    assert scratch_schemas(full) == 0
    assert_equals_rebuild(full)
    states = query(
        full,
        "select status from orchestrator.runs where kind = 'build' and target = 'live' order by run_id",
    )
    assert [state["status"] for state in states] == ["abandoned", "succeeded"]


@pytest.mark.slow
def test_nobody_ingests_meanwhile(full: Database) -> None:
    refused = []

    def try_it(*values: Any) -> None:
        with pytest.raises(LockHeld) as error:
            ingest(full)
        refused.append(error.value)

    first(full, listener=Hearing(try_it))
    assert len(refused) == len(SHIPPED.scripts)


def test_beside_an_ingest_it_is_one_transaction(full: Database) -> None:
    before = oids(full)
    with psycopg.connect(full.conninfo, autocommit=True) as other:
        number = scalar(full, "select min(pipeline_id) from orchestrator.pipeline_definitions")
        other.execute("select pg_advisory_lock(%s, %s)", [PIPELINE_LOCK, number])
        first(full)
    assert oids(full) == before
    assert_equals_rebuild(full)


@pytest.mark.slow
def test_a_part_that_is_asked_for_or_missing_is_built_where_it_is(full: Database) -> None:
    before = oids(full)
    build(full, SHIPPED, Target(), ["kpi_daily"], jobs=2)
    assert oids(full) == before
    query(full, "delete from orchestrator.built_scripts where script = 'reporting.kpi_daily'")
    first(full)
    assert oids(full) == before
    assert_equals_rebuild(full)


def test_few_rows_are_not_worth_workers(full: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = scalar(full, "select count(*) from warehouse.raw_event_stream")
    before = oids(full)
    monkeypatch.setattr(build_module, "WORKERS_FROM", replicas + 1)
    first(full)
    assert oids(full) == before


@pytest.mark.slow
def test_tables_that_were_emptied_are_filled_by_workers_too(full: Database) -> None:
    first(full)
    query(full, f"truncate {', '.join(TABLES)}")
    insert_events(full, [earn(50, "u_2", 8)])
    ingest(full)
    before = oids(full)
    first(full)
    assert oids(full) != before
    assert_reports_equal_oracle(full)
    assert_equals_rebuild(full)


@pytest.mark.slow
def test_a_server_that_takes_no_more_sessions_is_content_with_one(
    full: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    opened = Database.session

    def refusing(self: Database, name: str = "milepost") -> Any:
        nonlocal count
        count += name.endswith("worker")
        if name.endswith("worker") and count > 1:
            raise StartError("cannot connect: sorry, too many clients already", "")
        return opened(self, name)

    monkeypatch.setattr(Database, "session", refusing)
    first(full, jobs=3)
    monkeypatch.undo()
    assert count == 3
    assert_equals_rebuild(full)
