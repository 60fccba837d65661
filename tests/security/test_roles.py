"""Four roles, and what each may do: everything that it is for, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.database.session import Database, QueryFailed
from runner.pages.dashboard.serve import NewestPage
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, earn, insert_events, query, roles, run_all, scalar
from tests.support.commands import assert_refused, command

# What a group may not do, by the words of whoever tries.
FORBIDDEN = {
    "runner": (
        "insert into public.event_stream (event_time) values (now())",
        "update public.event_stream set user_id = 'u_2'",
        "delete from public.event_stream",
        "truncate public.event_stream",
        "alter table public.event_stream add column mine text",
        "drop table public.event_stream",
        "insert into public.utm_campaigns (utm_source) values ('mine')",
        "create trigger mine before insert on public.event_stream"
        " for each row execute function suppress_redundant_updates_trigger()",
        "create table public.mine (a integer)",
        "create role mine",
        "create database mine",
        "alter role current_user superuser",
        "alter role current_user createrole",
        "grant {owner} to {runner}",
        "set role {owner}",
        "copy (select 1) to program 'true'",
        "copy (select 1) to '/tmp/mine'",
        "select pg_read_file('postgresql.conf')",
        "select rolpassword from pg_authid",
        "alter system set work_mem = '1MB'",
        "create extension file_fdw",
    ),
    "loader": (
        "update public.event_stream set user_id = 'u_2'",
        "delete from public.event_stream",
        "truncate public.event_stream",
        "alter table public.event_stream add column mine text",
        "create table public.mine (a integer)",
        "select from reporting.kpi_daily",
        "select from reporting.pipeline_runs",
        "select from warehouse.raw_event_stream",
        "select from warehouse.dim_users",
        "insert into warehouse.raw_event_stream (event_id) values (1)",
        "delete from warehouse.raw_event_stream",
        "create table warehouse.mine (a integer)",
        "create table orchestrator.mine (a integer)",
        "create schema mine",
        "select error from orchestrator.runs",
        "select from orchestrator.replaced_rows",
        "select from orchestrator.rejected_rows",
        "select from orchestrator.check_results",
        "select from orchestrator.logs",
        "insert into orchestrator.runs (kind, status) values ('window', 'running')",
        "update orchestrator.runs set status = 'failed'",
        "update orchestrator.pipeline_definitions set source_relation = 'public.mine'",
        "insert into orchestrator.pipeline_definitions (pipeline_name) values ('mine')",
        "delete from orchestrator.loaded_files",
        "set role {runner}",
        "create role mine",
    ),
    "reader": (
        "select from public.event_stream",
        "insert into public.event_stream (event_time) values (now())",
        "select from warehouse.raw_event_stream",
        "select from warehouse.dim_users",
        "select from warehouse.fact_miles_earned",
        "select from warehouse.agg_user_daily",
        "select from orchestrator.runs",
        "select from orchestrator.replaced_rows",
        "select from orchestrator.rejected_rows",
        "select from orchestrator.load_rejects",
        "select from orchestrator.logs",
        "select from orchestrator.pipeline_definitions",
        "update reporting.kpi_daily set dau = 0",
        "create table reporting.mine (a integer)",
        "create or replace view reporting.freshness as select 1 as a",
        "create schema mine",
        "set role {runner}",
        "create role mine",
    ),
    "owner": (
        "create role mine",
        "create database mine",
        "alter role current_user superuser",
        "copy (select 1) to program 'true'",
        "select rolpassword from pg_authid",
    ),
}


@pytest.fixture
def prepared(database: Database) -> Iterator[Database]:
    """A database with the four roles, and an event that happened before anybody ran anything."""
    with roles.dropped(database):
        schema.apply(database, load(PROJECT), Target(), roles=True)
        yield database


def succeed(database: Database, *words: str) -> str:
    done = command(*words, database=database)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def test_each_role_is_refused_what_it_is_not_for(prepared: Database, no_margin: None) -> None:
    insert_events(prepared, [earn(day, "u_1", 100) for day in range(3)])
    run_all(prepared)
    names = {name: f'"{roles.group(prepared, name)}"' for name in roles.SUFFIXES}
    for role, statements in FORBIDDEN.items():
        with roles.login(prepared, role).session("test") as them:
            for statement in statements:
                with pytest.raises(QueryFailed) as refused:
                    them.run(statement.format(**names))
                assert refused.value.sqlstate == "42501", (role, statement, refused.value.message)


# What a day needs, and what a person may want besides.
DAILY = (("ingest", "--sweep"), ("rebuild",), ("status",), ("dashboard", "-o", "page.html"))
REST = (
    ("plan",),
    ("build",),
    ("verify",),
    ("build", "--target", "dev"),
    ("diff", "live", "dev"),
    ("runs",),
    ("logs",),
    ("checks",),
    ("pipelines", "show", "event_stream"),
    ("test", "-s", "dim_users"),
    ("docs", "-o", "docs.html"),
    ("schema", "apply", "--yes"),
)


@pytest.mark.parametrize("more", [(), pytest.param(REST, marks=pytest.mark.slow)])
def test_everything_works_with_a_runner_that_owns_nothing_but_its_schemas(
    prepared: Database, tmp_path: Path, more: tuple[tuple[str, ...], ...]
) -> None:
    runner, loader = roles.login(prepared, "runner"), roles.login(prepared, "loader")
    file = tmp_path / "events.csv"
    lines = [
        f"2026-01-{day:02} 10:00:00,u_{day % 3},miles_earned,dining,100" for day in range(1, 29)
    ]
    header = "event_time,user_id,event_type,transaction_category,miles_amount"
    file.write_text("\n".join([header, *lines, "never,u_1,miles_earned,dining,1"]) + "\n")
    assert "28 rows" in succeed(loader, "load", str(file), "--as-history")
    assert scalar(loader, "select count(*) from orchestrator.load_rejects") == 1

    succeed(runner, "run-all", "--wait", "5")
    assert scalar(runner, "select count(*) from warehouse.fact_miles_earned") == 28
    insert_events(prepared, [earn(40, "u_9", 100)])
    for words in (*DAILY, *more, ("reconcile", "event_stream")):
        # Pages are written into a folder of the test's own.
        succeed(runner, *(str(tmp_path / word) if ".html" in word else word for word in words))
    run = scalar(
        runner,
        "select max(run_id) from orchestrator.runs where kind = 'window' and rows_inserted > 0",
    )
    succeed(runner, "runs", "undo", str(run), "--yes")
    succeed(runner, "backfill", "event_stream")
    succeed(runner, "run-all", "--wait", "5")
    assert "all" in succeed(runner, "verify")
    assert scalar(runner, "select count(*) from warehouse.fact_miles_earned") == 29


def test_who_reads_the_reports_alone_writes_checks_and_serves_the_page(
    prepared: Database, tmp_path: Path
) -> None:
    """Without a right in the ledger, its page is the one that the runner writes."""
    insert_events(prepared, [earn(day, f"u_{user}", 100) for day in range(9) for user in range(6)])
    run_all(prepared)
    reader = roles.login(prepared, "reader")
    assert "no problem" in succeed(reader, "dashboard", "--check")
    pages = {}
    for name, database in (("reader", reader), ("runner", prepared)):
        file = tmp_path / f"{name}.html"
        succeed(database, "dashboard", "-o", str(file))
        pages[name] = re.sub(r"File written.*?</div>", "", file.read_text())
    assert pages["reader"] == pages["runner"]
    served = NewestPage(reader, PROJECT)
    first = served.current()
    insert_events(prepared, [earn(20, "u_1", 100)])
    run_all(prepared)
    assert served.current().tag != first.tag
    refused = command("status", database=reader)
    assert refused.returncode == 1 and "permission denied for schema orchestrator" in refused.stderr


def test_who_may_read_nothing_is_told_whose_group_it_takes(
    prepared: Database, tmp_path: Path
) -> None:
    loader = roles.login(prepared, "loader")
    done = command("dashboard", "-o", str(tmp_path / "page.html"), database=loader)
    assert_refused(done, 1, "permission denied for schema reporting")
    nobody = roles.login(prepared, "reader")
    group = f'"{roles.group(prepared, "reader")}"'
    query(prepared, f"revoke usage on schema reporting from {group}")
    done = command("dashboard", "-o", str(tmp_path / "page.html"), database=nobody)
    assert_refused(done, 3, "this role may read neither the ledger nor the reports")


def test_what_a_runner_makes_belongs_to_all_runners(prepared: Database) -> None:
    insert_events(prepared, [earn(day, "u_1", 100) for day in range(3)])
    runner = roles.login(prepared, "runner")
    succeed(runner, "run-all", "--wait", "5")
    succeed(runner, "rebuild")
    query(runner, "drop table reporting.kpi_daily")
    succeed(runner, "build")
    owners = query(
        prepared,
        "select distinct relowner::regrole::text as name from pg_class"
        " where relnamespace::regnamespace::text in ('orchestrator', 'warehouse', 'reporting')",
    )
    assert owners == [{"name": roles.group(prepared, "runner")}]
    assert scalar(roles.login(prepared, "reader"), "select count(*) from reporting.kpi_daily") > 0


def test_who_owns_the_sources_may_change_them_and_apply_the_schema(prepared: Database) -> None:
    owner = roles.login(prepared, "owner")
    query(owner, "alter table public.event_stream add column note text")
    query(owner, "drop view reporting.freshness")
    shown = command("schema", "apply", database=owner).stdout
    assert "create view reporting.freshness" in shown
    succeed(owner, "schema", "apply", "--yes")
    succeed(owner, "schema", "apply", "--roles", "--yes")
    assert scalar(
        prepared, "select relowner::regrole::text from pg_class where relname = 'freshness'"
    ) == roles.group(prepared, "runner")


def test_a_table_that_somebody_else_applies_is_the_runners_too(prepared: Database) -> None:
    """A newer version's tables, by an administrator who does not say --roles again."""
    query(prepared, "drop table orchestrator.observations")
    runner = roles.group(prepared, "runner")
    changes = schema.rehearse(prepared, load(PROJECT), Target())
    assert "create table orchestrator.observations" in changes
    schema.apply(prepared, load(PROJECT), Target())
    found = "select relowner::regrole::text from pg_class where relname = 'observations'"
    assert scalar(prepared, found) == runner


def test_a_table_of_somebody_else_stays_theirs(database: Database) -> None:
    app = f"{roles.group(database, 'owner')}_app"
    with roles.dropped(database):
        query(database, f'create role "{app}"')
        query(database, f'alter table public.event_stream owner to "{app}"')
        schema.apply(database, load(PROJECT), Target(), roles=True)
        owner = "select relowner::regrole::text from pg_class where oid = %(name)s::regclass"
        assert scalar(database, owner, name="public.event_stream") == app
        assert scalar(database, owner, name="public.utm_campaigns") == roles.group(
            database, "owner"
        )


def test_who_may_load_does_not_see_why_a_run_failed(prepared: Database) -> None:
    """A login in two groups: the loader's rights open no column of the reports."""
    insert_events(prepared, [earn(1, "u_1", 100)])
    run_all(prepared)
    query(
        prepared,
        "insert into orchestrator.runs (kind, status, target, error, finished_at)"
        " values ('build', 'failed', 'live', 'a row of u_1', now())",
    )
    query(prepared, "update orchestrator.check_results set sample = '[\"u_1\"]'")
    both = roles.login(prepared, "reader")
    name = f"{roles.group(prepared, 'reader')}_login"
    query(prepared, f'alter role "{name}" reset role')
    query(prepared, f'grant "{roles.group(prepared, "loader")}" to "{name}"')
    assert query(both, "select from orchestrator.loaded_files") == []
    assert scalar(both, "select count(error) from reporting.pipeline_runs") == 0
    assert scalar(both, "select count(sample) from reporting.data_checks") == 0
    assert scalar(prepared, "select count(error) from reporting.pipeline_runs") == 1
