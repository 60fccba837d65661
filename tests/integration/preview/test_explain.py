"""`plan --explain` shows what a build would change, lock and cost, and rolls it back."""

from __future__ import annotations

import json

import psycopg
from psycopg.conninfo import make_conninfo

from runner.database.session import BUILD_LOCK, Database, lock_number
from runner.preview.explain import explain
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import PROJECT, earn, ingest, insert_events, query, run_all, scalar
from tests.support.commands import assert_refused, command


def test_what_would_change_is_told_and_nothing_does(built: Database) -> None:
    insert_events(built, [earn(31, "late riser", 70), earn(31, "early bird", 30)])
    ingest(built)
    runs = "select run_id, status from orchestrator.runs order by run_id"
    before = query(built, runs)

    found = {each.tried.step.script.name: each for each in explain(built, load(PROJECT), Target())}

    assert found["changed_users"].tried.changes.inserted == 2
    assert found["fact_miles_earned"].tried.changes.inserted == 2
    assert found["fact_miles_earned"].lock == "row exclusive lock"
    assert (
        scalar(
            built, "select count(*) from warehouse.fact_miles_earned where user_id = 'late riser'"
        )
        == 0
    )
    assert query(built, runs) == before
    done = {each.step.script.name: each.changes for each in run_all(built).results}
    assert {name: each.tried.changes for name, each in found.items()} == done


def test_the_plans_are_those_of_the_server(built: Database) -> None:
    insert_events(built, [earn(31, "late riser", 70)])
    ingest(built)
    done = command("plan", "--explain", "--json", database=built)
    found = {row["script"]: row for row in json.loads(done.stdout)}
    plans = found["warehouse.fact_miles_earned"]["plans"]
    assert any(plan["text"].startswith("Insert on fact_miles_earned") for plan in plans)
    assert all(plan["cost"] >= 0 for plan in plans)
    said = command("plan", "--explain", database=built).stdout
    assert "row exclusive lock" in said
    assert "(cost=" in said


def test_a_role_that_may_not_load_the_module_gets_the_rest(built: Database) -> None:
    insert_events(built, [earn(31, "late riser", 70)])
    ingest(built)
    query(built, "create role explain_only login")
    try:
        name = scalar(built, "select current_user")
        query(built, f'grant "{name}" to explain_only')
        database = Database(make_conninfo(built.conninfo, user="explain_only"))
        done = command("plan", "--explain", database=database)
        assert done.returncode == 0, done.stderr
        assert "warning: no plans: this role may not load auto_explain" in done.stderr
        assert "warehouse.fact_miles_earned" in done.stdout
    finally:
        query(built, "drop role explain_only")


def test_nothing_is_tried_while_a_build_runs(built: Database) -> None:
    with psycopg.connect(built.conninfo) as other:
        other.execute("select pg_advisory_lock(%s, %s)", (BUILD_LOCK, lock_number("live")))
        done = command("plan", "--explain", database=built)
    assert_refused(done, 3, "a build of live is already running")


def test_nothing_new_is_nothing_to_explain(built: Database) -> None:
    assert "up to date" in command("plan", "--explain", database=built).stdout


def test_plans_of_slow_statements_are_kept_with_the_build(built: Database) -> None:
    insert_events(built, [earn(31, "late riser", 70)])
    done = command("run-all", "--json", database=built, MILEPOST_KEEP_PLANS="0")
    run = str(json.loads(done.stdout)["build"]["run"])
    said = command("runs", "show", run, "--plans", database=built).stdout
    assert "slow statement: Insert on fact_miles_earned" in said
    assert "(cost=" in said
    insert_events(built, [earn(32, "late riser", 70)])
    done = command("run-all", "--json", database=built, MILEPOST_KEEP_PLANS="1000")
    run = str(json.loads(done.stdout)["build"]["run"])
    assert "no plans were kept" in command("runs", "show", run, "--plans", database=built).stdout


def test_a_limit_that_is_no_number_is_refused_and_recorded(built: Database) -> None:
    insert_events(built, [earn(31, "late riser", 70)])
    done = command("run-all", database=built, MILEPOST_KEEP_PLANS="5s")
    assert_refused(done, 2, "MILEPOST_KEEP_PLANS=5s: not a number of seconds")
