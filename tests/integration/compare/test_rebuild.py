"""Rebuilds in the scratch schemas, comparisons with a rebuild, and comparisons of targets."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.build.build import build
from runner.build.plan import Step
from runner.build.transaction import CheckFailed
from runner.build.workers import seconds_left
from runner.compare.diff import Comparison, diff
from runner.compare.rebuild import rebuild, verify
from runner.database.session import Database, LockHeld
from runner.errors import UsageError
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import (
    PROJECT,
    assert_equals_rebuild,
    assert_reports_equal_oracle,
    earn,
    edit,
    event,
    ingest,
    insert_events,
    query,
    run_all,
    scalar,
)
from tests.support import rebuild as build_again
from tests.support.commands import command
from tests.support.databases import Moulds, apply_schema, build_thirty_days
from tests.support.listeners import Hearing
from tests.support.waiting import PATIENCE_SECONDS

LIVE = Target()
SHIPPED = load(PROJECT)
INSERT = "insert into {{ this }}"


def scratch_schemas(database: Database) -> int:
    return int(scalar(database, "select count(*) from pg_namespace where nspname ~ 'scratch'"))


def last_run(database: Database) -> dict[str, Any]:
    return query(
        database,
        "select kind, status, error, run_id from orchestrator.runs"
        " where kind <> 'script' order by run_id desc limit 1",
    )[0]


def spoil(database: Database) -> None:
    """Change, delete and insert rows by hand, which no build notices."""
    query(
        database,
        "update reporting.kpi_daily set dau = 99 where day = '2026-01-05' and slice = 'all'",
    )
    query(database, "delete from warehouse.fact_miles_earned where event_id = 7")
    query(
        database,
        "insert into warehouse.dim_countries (country, first_seen_date) values ('XX', '2026-01-01')",
    )


# rebuild.


@pytest.mark.parametrize(
    "jobs", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)]
)
def test_a_rebuild_of_sound_tables_changes_nothing(built: Database, jobs: int) -> None:
    heard: list[Step] = []
    hears = Hearing(lambda step, *_: heard.append(step))
    done = rebuild(built, SHIPPED, LIVE, jobs, listener=hears)
    assert sorted(step.script.key for step in heard) == sorted(SHIPPED.scripts)
    assert len(done.results) == len(SHIPPED.scripts)
    assert not [
        result.step.script.key
        for result in done.results
        if result.changes.inserted or result.changes.updated or result.changes.deleted
        if not result.step.script.name.startswith("changed_")
    ]
    assert last_run(built)["kind"] == "rebuild"
    assert scratch_schemas(built) == 0
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built)


def test_a_rebuild_mends_what_was_spoilt(built: Database) -> None:
    spoil(built)
    done = rebuild(built, SHIPPED, LIVE, 2)
    changes = {r.step.script.name: r.changes for r in done.results}
    assert changes["kpi_daily"].updated == 1
    assert changes["fact_miles_earned"].inserted == 1
    assert changes["dim_countries"].deleted == 1
    assert_equals_rebuild(built)


@pytest.mark.slow
def test_a_rebuild_takes_what_is_ingested_and_leaves_nothing_to_build(built: Database) -> None:
    insert_events(built, [earn(3, "u_2", 8), event(44, "u_5", "like")])
    ingest(built)
    rebuild(built, SHIPPED, LIVE)
    assert build_again(built).run_id is None
    assert_reports_equal_oracle(built)
    insert_events(built, [earn(50, "u_2", 8)])
    run_all(built)
    assert_equals_rebuild(built)


@pytest.mark.slow
def test_empty_tables_are_filled_where_they_are(database: Database) -> None:
    insert_events(database, [earn(day, f"u_{day % 3}", 5) for day in range(10)])
    ingest(database)
    oid = "select 'warehouse.fact_miles_earned'::regclass::oid"
    before = scalar(database, oid)
    done = rebuild(database, SHIPPED, LIVE, 2)
    assert scalar(database, oid) == before
    assert done.notes == ()
    assert_reports_equal_oracle(database)
    assert_equals_rebuild(database)
    assert build_again(database).run_id is None


@pytest.mark.slow
def test_another_target_is_rebuilt_in_its_own_schemas(built: Database) -> None:
    rebuild(built, SHIPPED, Target("dev"), 2)
    assert scalar(built, "select count(*) from dev_warehouse.fact_miles_earned") == 30
    assert not [each for each in compared(built, "live", "dev").tables if not each.is_same]


@pytest.mark.slow
def test_nobody_ingests_or_builds_during_a_rebuild_or_a_verify(built: Database) -> None:
    refused: list[str] = []

    def try_both(*values: Any) -> None:
        attempts: tuple[Callable[[], object], ...] = (
            lambda: ingest(built),
            lambda: build_again(built),
        )
        for attempt in attempts:
            with pytest.raises(LockHeld) as error:
                attempt()
            refused.append(error.value.message)

    count = len(SHIPPED.scripts)
    rebuild(built, SHIPPED, LIVE, 2, listener=Hearing(try_both))
    verify(built, SHIPPED, LIVE, 2, listener=Hearing(try_both))
    assert len(refused) == 2 * 2 * count
    assert all("milepost rebuild" in text or "milepost verify" in text for text in refused)
    ingest(built)


def test_a_check_that_fails_in_a_rebuild_publishes_nothing(built: Database, project: Path) -> None:
    spoil(built)
    (project / "sql/reporting/retention.check.sql").write_text(
        "select grain from {{ reporting }}.retention\n"
    )
    with pytest.raises(CheckFailed, match="retention"):
        rebuild(built, load(project), LIVE, 2)
    assert (
        scalar(
            built, "select dau from reporting.kpi_daily where day = '2026-01-05' and slice = 'all'"
        )
        == 99
    )
    assert (last_run(built)["kind"], last_run(built)["status"]) == ("rebuild", "failed")
    assert scratch_schemas(built) == 0
    evidence = query(built, "select script, status from orchestrator.check_results")
    assert {"script": "reporting.retention", "status": "failed"} in evidence


def test_an_error_in_one_script_ends_the_others(built: Database, project: Path) -> None:
    edit(project, "sql/warehouse/dim_dates.sql", INSERT, f"select pg_sleep(300);\n{INSERT}")
    broken = edit(project, "sql/warehouse/dim_platforms.sql", INSERT, "selekt")
    started = time.monotonic()
    with pytest.raises(Exception, match=r"dim_platforms\.sql:\d+: syntax error"):
        rebuild(built, broken, LIVE, 3)
    assert time.monotonic() - started < 150
    assert scratch_schemas(built) == 0


REBUILD = """
import sys, time
from runner.database.session import Database
from runner.project.manifest import load
from runner.compare.rebuild import rebuild
from runner.project.target import Target
from pathlib import Path
from tests.support.commands import command
from tests.support.databases import Moulds, apply_schema, build_thirty_days
from tests.support.listeners import Hearing
count = 0
def starting(step, index, total):
    if index == int(sys.argv[3]):
        print("now", flush=True)
        time.sleep(60)
rebuild(Database(sys.argv[1]), load(Path(sys.argv[2])), Target(), 2, listener=Hearing(starting))
"""


@pytest.mark.parametrize(
    "at", [15, pytest.param(1, marks=pytest.mark.slow), pytest.param(27, marks=pytest.mark.slow)]
)
def test_a_rebuild_that_is_killed_is_cleared_away_by_the_next_build(
    built: Database, at: int
) -> None:
    insert_events(built, [earn(40, "u_2", 8)])
    ingest(built)
    process = subprocess.Popen(
        [sys.executable, "-c", REBUILD, built.conninfo, str(PROJECT), str(at)],
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"now\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert scratch_schemas(built) == 2
    assert scalar(built, "select count(*) from warehouse.fact_miles_earned") == 30
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            build_again(built)
            break
        except LockHeld:  # its server processes are just ending
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert scratch_schemas(built) == 0
    statuses = query(built, "select status from orchestrator.runs where kind = 'rebuild'")
    assert [row["status"] for row in statuses] == ["abandoned"]
    assert_reports_equal_oracle(built)


def test_the_longest_way_to_the_end_goes_first() -> None:
    needs: dict[str, set[str]] = {"a": set(), "b": set(), "c": {"a"}, "d": {"c", "b"}}
    left = seconds_left(needs, {"a": 1, "b": 5, "c": 3, "d": 2})
    assert left == {"a": 6, "b": 7, "c": 5, "d": 2}


# verify.


def test_verify_builds_what_is_due_first_and_then_sound_tables_are_what_a_rebuild_gives(
    built: Database,
) -> None:
    insert_events(built, [earn(31, "u_2", 8)])
    ingest(built)
    verdict = verify(built, SHIPPED, LIVE, 2)
    assert verdict.differences == ()
    assert verdict.tables > 20
    assert verdict.repair is None
    assert last_run(built)["status"] == "succeeded"
    assert scratch_schemas(built) == 0
    assert scalar(built, "select count(*) from warehouse.fact_miles_earned") == 31


@pytest.mark.slow
def test_verify_names_what_was_spoilt_and_repairs_it_when_asked(built: Database) -> None:
    spoil(built)
    found = {each.table: each for each in verify(built, SHIPPED, LIVE, 2).differences}
    assert set(found) == {
        "reporting.kpi_daily",
        "warehouse.dim_countries",
        "warehouse.fact_miles_earned",
    }
    kpi = found["reporting.kpi_daily"]
    assert (kpi.changed, kpi.columns, kpi.only_left, kpi.only_right) == (1, {"dau": 1}, 0, 0)
    assert kpi.sample[0]["key"]["day"] == "2026-01-05"
    assert (kpi.sample[0]["left"]["dau"], kpi.sample[0]["right"]["dau"]) == ("99", "1")
    assert found["warehouse.dim_countries"].only_left == 1
    assert found["warehouse.fact_miles_earned"].only_right == 1
    assert last_run(built)["status"] == "failed"
    assert "not what a rebuild gives: warehouse.fact_miles_earned" in last_run(built)["error"]
    repaired = verify(built, SHIPPED, LIVE, repair=True)
    assert repaired.repair is not None
    assert len(repaired.differences) == 3
    assert verify(built, SHIPPED, LIVE).differences == ()
    assert_equals_rebuild(built)


@pytest.mark.slow
def test_the_commands_say_what_differs_and_exit_accordingly(built: Database) -> None:
    spoil(built)
    told = command("verify", database=built)
    assert told.returncode == 1
    assert "2026-01-05 all all: dau 99 -> 1" in told.stdout
    assert "3 of" in told.stdout
    assert "verify --repair" in told.stdout
    status = command("status", database=built)
    assert status.returncode == 1
    assert "not what a rebuild gives" in status.stdout
    mended = command("verify", "--repair", "--json", database=built)
    assert mended.returncode == 0
    answer = json.loads(mended.stdout)
    assert answer["is_repaired"]
    assert len(answer["differences"]) == 3
    sound = command("verify", "-j", "2", database=built)
    assert sound.returncode == 0
    assert "tables equal a rebuild" in sound.stdout
    rebuilt = command("rebuild", "-j", "2", database=built)
    assert rebuilt.returncode == 0
    assert "0 rows changed" in rebuilt.stdout
    assert "not what a rebuild gives" not in command("status", database=built).stdout


# diff.


def _build_dev_too(database: Database) -> None:
    build_again(database, target="dev")


@pytest.fixture
def both(moulds: Moulds, no_margin: None) -> Iterator[Database]:
    """The same project, built in two targets."""
    with moulds.clone(apply_schema, build_thirty_days, _build_dev_too) as database:
        yield database


def compared(database: Database, left: str, right: str, *patterns: str) -> Comparison:
    return diff(database, SHIPPED, Target(left), Target(right), patterns)


def test_a_change_of_the_sql_is_seen_before_it_goes_live(built: Database, project: Path) -> None:
    changed = edit(
        project,
        "sql/reporting/kpi_daily.sql",
        "trim_scale(round(dau_7d / days_7d, 6)) as dau_7d_average",
        "trim_scale(round(dau_7d / days_7d, 6)) + 1 as dau_7d_average",
    )
    build(built, changed, Target("dev"))
    found = compared(built, "live", "dev")
    assert found.warnings == ()
    (kpi,) = [each for each in found.tables if not each.is_same]
    assert (kpi.table, kpi.left_rows, kpi.changed) == ("reporting.kpi_daily", 120, 120)
    assert kpi.columns == {"dau_7d_average": 120}
    assert len(kpi.sample) == 5
    told = command("diff", "live", "dev", "-s", "kpi_daily", database=built)
    assert told.returncode == 1
    assert "2026-01-01 all all: dau_7d_average 1 -> 2" in told.stdout
    same = command("diff", "live", "dev", "-s", "retention", database=built)
    assert same.returncode == 0
    assert "no difference" in same.stdout


def test_targets_that_were_built_from_other_rows_are_told_apart(built: Database) -> None:
    build_again(built, target="dev")
    insert_events(built, [earn(33, "u_1", 5)])
    run_all(built)
    found = compared(built, "dev", "live")
    assert found.warnings == (
        "dev and live were built from different runs of the pipelines: build both",
    )
    fact = next(each for each in found.tables if each.table == "warehouse.fact_miles_earned")
    assert (fact.only_left, fact.only_right, fact.changed) == (0, 1, 0)


@pytest.mark.slow
def test_tables_and_columns_that_only_one_target_has_are_named(
    built: Database, project: Path
) -> None:
    changed = edit(
        project,
        "schema/reporting/kpi_daily.sql",
        "    burn_rate numeric,",
        "    burn_rate numeric,\n    mood text,",
    )
    build(built, changed, Target("dev"))
    query(built, "drop table dev_reporting.retention")
    found = {each.table: each.problem for each in compared(built, "live", "dev").tables}
    assert found["reporting.kpi_daily"] == "other columns or constraints: mood"
    assert found["reporting.retention"] == "there is no dev_reporting.retention"
    assert command("diff", "live", "dev", database=built).returncode == 1


def test_a_target_that_was_never_built_cannot_be_compared(built: Database) -> None:
    with pytest.raises(UsageError, match="target dev was never built") as refused:
        compared(built, "live", "dev")
    assert refused.value.hint == "python -m runner build --target dev"


def test_rows_that_are_there_twice_count_twice(both: Database) -> None:
    """In a table without a key."""
    with psycopg.connect(both.conninfo, autocommit=True) as connection:
        connection.execute(
            "alter table dev_reporting.kpi_daily drop constraint kpi_daily_key;"
            " insert into dev_reporting.kpi_daily select * from dev_reporting.kpi_daily"
            " where day = '2026-01-02' and slice = 'all'"
        )
    (kpi,) = compared(both, "live", "dev", "kpi_daily").tables
    assert (kpi.only_left, kpi.only_right, kpi.changed) == (0, 1, 0)


def test_rows_are_paired_by_the_key_whatever_else_is_unique(both: Database) -> None:
    for schema in ("reporting", "dev_reporting"):
        query(both, f"create unique index on {schema}.kpi_daily (day, slice, slice_value, dau)")
    query(
        both,
        "update dev_reporting.kpi_daily set dau = dau + 5 where day = '2026-01-05' and slice = 'all'",
    )
    (kpi,) = compared(both, "live", "dev", "kpi_daily").tables
    assert (kpi.only_left, kpi.only_right, kpi.changed) == (0, 0, 1)
    assert kpi.sample[0]["key"] == {"day": "2026-01-05", "slice": "all", "slice_value": "all"}


# What a query of the runner might call its own tables and columns.
NAMES = ("difference", "side", "_side", "sides", "staged", "keys", "key", "content", "left_row")


def test_columns_may_be_called_as_the_query_calls_its_own(both: Database) -> None:
    for schema in ("reporting", "dev_reporting"):
        for name in NAMES:
            query(both, f"alter table {schema}.kpi_daily add column {name} integer default 1")
    query(both, "update dev_reporting.kpi_daily set difference = 2, _side = 2, keys = null"
                 " where day = '2026-01-05' and slice = 'all'")  # fmt: skip
    (kpi,) = compared(both, "live", "dev", "kpi_daily").tables
    assert (kpi.only_left, kpi.only_right, kpi.changed) == (0, 0, 1)
    assert kpi.columns == {"difference": 1, "_side": 1, "keys": 1}
    assert kpi.sample[0]["left"]["difference"] == "1"
    assert kpi.problem is None


def test_a_column_of_another_type_is_told_and_compared(both: Database) -> None:
    query(both, "alter table dev_reporting.kpi_daily alter dau type numeric, alter wau type text")
    query(
        both,
        "update dev_reporting.kpi_daily set dau = dau + 5 where day = '2026-01-05' and slice = 'all'",
    )
    (kpi,) = compared(both, "live", "dev", "kpi_daily").tables
    assert kpi.problem == "other columns or constraints: dau, wau"
    assert (kpi.changed, kpi.columns) == (120, {"dau": 1, "wau": 120})


@pytest.mark.slow
def test_a_report_about_what_has_changed_is_a_result(built: Database, project: Path) -> None:
    name = "reporting.changed_countries"
    (project / "schema/reporting/changed_countries.sql").write_text(
        "create table if not exists {{ reporting }}.changed_countries (country text primary key);\n"
    )
    (project / "sql/reporting/changed_countries.sql").write_text(
        "insert into {{ this }} (country) select country from {{ warehouse }}.dim_countries;\n"
    )
    with (project / "sql/manifest.toml").open("a") as file:
        file.write(f'\n[{name}]\nneeds = ["warehouse.dim_countries"]\n')
    manifest = load(project)
    build(built, manifest, LIVE)
    build(built, manifest, Target("dev"))
    query(built, "delete from reporting.changed_countries")
    (found,) = diff(built, manifest, LIVE, Target("dev"), ["changed_countries"]).tables
    assert (found.table, found.only_right) == (name, 1)
    assert [each.table for each in verify(built, manifest, LIVE).differences] == [name]


@pytest.mark.slow
def test_verify_sees_a_lost_key_and_a_lost_index_and_mends_them(
    built: Database, project: Path
) -> None:
    with (project / "schema/warehouse/dim_users.sql").open("a") as file:
        file.write(
            "create index if not exists first_days on {{ warehouse }}.dim_users (first_day);"
        )
    manifest = load(project)
    build_again(built, manifest=manifest)
    query(built, "alter table reporting.kpi_daily drop constraint kpi_daily_key")
    query(built, "drop index warehouse.first_days")
    query(built, "create index mine on reporting.retention (grain)")
    found = {each.table: each for each in verify(built, manifest, LIVE).differences}
    assert {name: each.problem for name, each in found.items()} == {
        "reporting.kpi_daily": "other columns or constraints: kpi_daily_key",
        "warehouse.dim_users": "other columns or constraints: first_days",
    }
    told = command("verify", database=built)
    assert "kpi_daily_key" in told.stdout
    verify(built, manifest, LIVE, repair=True)
    assert verify(built, manifest, LIVE).differences == ()
    (key,) = query(built, "select conname from pg_constraint where contype = 'p'"
                          " and conrelid = 'reporting.kpi_daily'::regclass")  # fmt: skip
    assert key == {"conname": "kpi_daily_key"}
    assert_reports_equal_oracle(built)


@pytest.mark.slow
def test_a_view_that_was_replaced_by_hand_is_seen_and_repaired(built: Database) -> None:
    view = "warehouse.classified_events"
    build_again(built, target="dev")
    assert all(each.is_same for each in compared(built, "live", "dev").tables)
    (found,) = query(built, f"select pg_get_viewdef('{view}'::regclass) as text")
    text = found["text"].rstrip("; ")
    query(built, f"create or replace view {view} as select * from ({text}) as mine where true")
    for differing in (
        verify(built, SHIPPED, LIVE).differences,
        compared(built, "live", "dev", "classified_events").tables,
    ):
        assert [(each.table, each.problem) for each in differing] == [
            (view, "the view definitions differ")
        ]
    query(built, "drop view dev_warehouse.classified_events")
    (gone,) = compared(built, "live", "dev", "classified_events").tables
    assert gone.problem == "there is no dev_warehouse.classified_events"
    assert verify(built, SHIPPED, LIVE, repair=True).repair is not None
    assert verify(built, SHIPPED, LIVE).differences == ()


def test_views_are_the_same_whatever_the_search_path_of_the_role(both: Database) -> None:
    name = scalar(both, "select quote_ident(current_database())")
    query(both, f"alter database {name} set search_path = warehouse")
    assert all(each.is_same for each in compared(both, "live", "dev").tables)


def test_the_rows_of_each_side_are_shown(both: Database) -> None:
    query(both, "delete from dev_reporting.kpi_daily where day > '2026-01-20'")
    query(both, "update dev_reporting.retention set active_users = active_users + 1")
    told = command("diff", "live", "dev", database=both)
    lines = told.stdout.split("\n\n")[0].splitlines()
    assert lines[0].split() == [
        "table",
        "rows",
        "only",
        "live",
        "only",
        "dev",
        "changed",
        "columns",
    ]
    (kpi,) = [line for line in lines if line.startswith("reporting.kpi_daily")]
    assert kpi.split() == ["reporting.kpi_daily", "120", "->", "80", "40", "0", "0"]
    (retention,) = [line for line in lines if line.startswith("reporting.retention")]
    assert " -> " not in retention
    assert max(map(len, lines)) <= 100
