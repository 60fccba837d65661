"""`test`: cases as data go through the real build, say what differs, and leave nothing behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from runner.database.session import BUILD_LOCK, Database
from runner.project.graph import change_sets
from runner.project.manifest import load
from runner.setup.new_project import ORDERS, write
from runner.testing.cases import choose, collect
from runner.testing.run import CaseResult, run_cases
from tests.support import PROJECT, earn, insert_events, query, rebuild, run_all, scalar
from tests.support.commands import assert_refused, command
from tests.support.sweeps import slow_but

FACT = "tests/sql/warehouse/fact_orders/an_evening_in_utc_is_the_next_day_in_singapore"
REPORT = "tests/sql/reporting/orders_daily/a_row_counts_on_the_day_of_its_last_change"
DAYS = "tests/sql/reporting/orders_daily/days"
THREE_DAYS = (
    "order_id,updated_at\n1,2026-01-05 10:00+00\n2,2026-01-06 10:00+00\n3,2026-01-07 10:00+00\n"
)
# One after the other the cases take half a minute, for which no other worker could help. One part
# stands for the others in the quick tests; `python -m runner test` runs them all.
PARTS = 10
ONE_EACH = "day,row_count\n2026-01-05,1\n2026-01-06,1\n2026-01-07,1\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The starter project, with its cases."""
    write(tmp_path, ORDERS, is_example=True)
    return tmp_path


@pytest.fixture
def test(shop: Path, empty_database: Database) -> Callable[..., Any]:
    """Call the command in that project, on a database with nothing in it."""
    return lambda *arguments: command("test", *arguments, database=empty_database, project=shop)


def put(project: Path, path: str, text: str) -> None:
    file = project / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def edit(project: Path, path: str, old: str, new: str) -> None:
    text = (project / path).read_text(encoding="utf-8")
    assert text.count(old) >= 1
    put(project, path, text.replace(old, new))


def catalogue(database: Database) -> list[str]:
    rows = query(
        database,
        "select nspname as name from pg_namespace"
        " union all select oid::regclass::text from pg_class"
        " union all select oid::regprocedure::text from pg_proc where oid >= 16384 order by 1",
    )
    return [row["name"] for row in rows]


# --- the cases that ship --------------------------------------------------------------------------


@pytest.mark.parametrize("part", slow_but(range(PARTS), 2))
def test_the_cases_that_ship_pass_in_a_new_database_and_leave_nothing(
    empty_database: Database, part: int
) -> None:
    before = catalogue(empty_database)
    # Those with the same variables together: they share the tables that they begin with.
    cases = sorted(collect(load(PROJECT)), key=lambda case: (str(case.variables), case.name))
    names = [case.name for case in cases]
    names = names[len(names) * part // PARTS : len(names) * (part + 1) // PARTS]
    done = command("test", "--json", *names, database=empty_database)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert len(found) == len(names)
    assert {case["status"] for case in found} == {"passed"}
    assert catalogue(empty_database) == before


def test_each_script_has_a_case() -> None:
    manifest = load(PROJECT)
    assert {case.script.key for case in collect(manifest)} == set(manifest.scripts)


def test_the_change_sets_are_known_by_what_they_read() -> None:
    names = {"changed_events", "changed_user_categories", "changed_user_days", "changed_users"}
    names |= {"changed_slices", "changed_user_days_basis"}
    assert change_sets(load(PROJECT)) == {f"warehouse.{name}" for name in names}


def test_the_rows_of_the_live_tables_are_neither_read_nor_touched(database: Database) -> None:
    insert_events(database, [earn(day, f"u_{day % 3}", 5) for day in range(9)])
    run_all(database)
    seen = [
        "select to_jsonb(runs) as row from orchestrator.runs order by run_id",
        "select last_value from orchestrator.runs_run_id_seq",
        "select to_jsonb(built) as row from orchestrator.built_scripts as built order by script",
        "select to_jsonb(days) as row from reporting.kpi_daily as days order by day",
        "select to_jsonb(events) as row from warehouse.raw_event_stream as events order by event_id",
    ]
    before = [query(database, text) for text in seen]
    names = catalogue(database)
    done = command("test", "-s", "kpi_daily", database=database)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [query(database, text) for text in seen] == before
    assert catalogue(database) == names
    locks = (
        "select count(*) from pg_locks inner join pg_database on pg_database.oid = database"
        " where classid = %(kind)s and datname = current_database()"
    )
    assert scalar(database, locks, kind=BUILD_LOCK) == 0


@pytest.mark.usefixtures("no_margin")
def test_neither_an_ingest_nor_a_build_waits_for_a_test(database: Database) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    run_all(database)
    insert_events(database, [earn(day, "u_2", 5) for day in range(3)])
    beside = Database(make_conninfo(database.conninfo, options="-c lock_timeout=5s"))
    seen = []

    def look(tried: CaseResult) -> None:
        run_all(beside)
        rebuild(beside, select=["kpi_daily"])
        seen.append(scalar(beside, "select count(*) from warehouse.fact_miles_earned"))

    manifest = load(PROJECT)
    cases = choose(manifest, collect(manifest), ["kpi_daily"], [])
    run_cases(database, manifest, cases, look)
    assert seen == [6, 6]


# --- what people see ------------------------------------------------------------------------------


def test_the_cases_of_a_new_project_pass(test: Callable[..., Any]) -> None:
    done = test()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "ok", "test:"]
    assert re.fullmatch(r"test: 2 cases passed, \d+\.\ds", lines[-1])


def test_a_case_that_fails_shows_the_rows_that_differ(shop: Path, test: Callable[..., Any]) -> None:
    put(shop, f"{REPORT}/expected/reporting.orders_daily.csv", "day,row_count\n2026-01-05,3\n")
    done = test()
    assert_refused(done, 1, "1 of 2 cases failed")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0].startswith(f"failed  {REPORT.removeprefix('tests/sql/')}")
    assert lines[1:7] == [
        "    after a full build",
        "    reporting.orders_daily",
        "       day         row_count",
        "    -  2026-01-05  3",
        "    +  2026-01-05  2",
        "    +  2026-01-06  1",
    ]


def test_columns_may_be_called_as_the_queries_of_a_test_call_their_own(
    shop: Path, test: Callable[..., Any]
) -> None:
    edit(
        shop,
        "schema/reporting/orders_daily.sql",
        "day date not null,",
        "day date not null, held integer default 1, surplus integer default 1, name text,",
    )
    put(
        shop,
        f"{REPORT}/expected/reporting.orders_daily.csv",
        "day,held,surplus\n2026-01-05,1,1\n2026-01-06,1,1\n",
    )
    done = test()
    assert done.returncode == 0, done.stdout
    put(shop, f"{REPORT}/expected/reporting.orders_daily.csv", "day,held,surplus\n2026-01-05,2,1\n")
    assert "    -  2026-01-05  2     1" in test().stdout


def test_a_program_gets_the_differences_as_json(shop: Path, test: Callable[..., Any]) -> None:
    put(shop, f"{REPORT}/expected/reporting.orders_daily.csv", "row_count\n1\n")
    done = test(REPORT, "--json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    assert found["status"] == "failed"
    assert found["differences"] == [
        {
            "table": "reporting.orders_daily",
            "columns": ["row_count"],
            "missing": [],
            "unexpected": [{"row_count": 2}],
        }
    ]


def test_the_database_says_which_values_are_the_same(shop: Path, test: Callable[..., Any]) -> None:
    put(
        shop,
        f"{REPORT}/expected/reporting.orders_daily.csv",
        'row_count,day\n01,"Jan 6, 2026"\n2,20260105\n',
    )
    assert test().returncode == 0


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["-s", "orders_daily"], 1),
        (["-s", "+orders_daily"], 2),
        ([f"{FACT}/"], 1),
        (["an_evening_*"], 1),
        (["warehouse/fact_orders", REPORT], 2),
    ],
)
def test_cases_are_chosen_by_script_folder_or_glob(
    test: Callable[..., Any], arguments: list[str], count: int
) -> None:
    cases = "1 case" if count == 1 else f"{count} cases"
    assert f"test: {cases} passed" in test(*arguments).stdout


def test_what_chooses_no_case_is_refused(shop: Path, test: Callable[..., Any]) -> None:
    assert_refused(test("a_row_counts_on_the_day"), 2, "no case is called", "did you mean")
    assert_refused(
        test("-s", "changed_orders"), 2, "there are no cases for warehouse.changed_orders"
    )
    (shop / "tests").rename(shop / "elsewhere")
    assert_refused(test(), 2, "there are no cases in tests/sql", "LAYER/SCRIPT/CASE")


# --- what is wrong with a case --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        (
            f"{REPORT}/given/warehouse.fact_orders.csv",
            "order_id,updated_at_dya\n1,2026-01-05\n",
            "fact_orders.csv:1: warehouse.fact_orders has no column updated_at_dya",
        ),
        (
            f"{REPORT}/given/warehouse.fact_orders.csv",
            "order_id,updated_at_day\n1,2026-01-05\n2,soon\n",
            "fact_orders.csv:3: column updated_at_day: invalid input syntax for type date",
        ),
        (
            f"{REPORT}/expected/reporting.orders_daily.csv",
            "day,row_count\n2026-01-05,2,3\n",
            "orders_daily.csv:2: extra data after last expected column",
        ),
        (
            f"{REPORT}/expected/reporting.orders_daily.csv",
            'day,row_count\n2026-01-05,2\n"2026-01-06"x,2\n',
            "orders_daily.csv:3: ",
        ),
        (
            f"{REPORT}/given/warehouse.fact_orders.csv",
            "updated_at_day\n2026-01-05\n",
            "fact_orders.csv:1: column order_id is missing",
        ),
        (
            f"{REPORT}/given/warehouse.fact_orders.csv",
            "updated_at_day,order_id\n2026-01-05,1\n2026-01-05,1\n",
            "fact_orders.csv:3: duplicate key value",
        ),
        (f"{REPORT}/given/raw.orders.csv", "", "raw.orders.csv is empty"),
        (
            f"{REPORT}/given/raw.orders.csv",
            "order_id,_run_id\n1,1\n",
            ":1: _run_id is filled in by the test",
        ),
        (f"{REPORT}/given/raw.order.csv", "order_id\n1\n", "there is no table raw.order"),
        (
            f"{REPORT}/given/reporting.orders_daily.csv",
            "day\n2026-01-05\n",
            "reporting.orders_daily is both given and expected",
        ),
        (f"{REPORT}/variables.toml", 'reporting_timezon = "UTC"\n', "is not a variable"),
        (f"{REPORT}/variables.toml", "reporting_timezone = [1]\n", "is a list"),
        (f"{REPORT}/variables.toml", "reporting_timezone =\n", "variables.toml: "),
        (f"{REPORT}/expect/reporting.orders_daily.csv", "day\n", "is not a part of a case"),
        (f"{FACT}2/given/raw.orders.csv", "order_id\n1\n", "has no expected rows"),
        ("tests/sql/reporting/order_daily/a/expected/x.csv", "", "there is no script"),
        ("tests/sql/reporting/orders_daily/x.csv", "", "x.csv is a file"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(
    shop: Path, test: Callable[..., Any], path: str, text: str, said: str
) -> None:
    put(shop, path, text)
    assert_refused(test(), 3, "tests/sql/", said)


def test_what_has_to_run_cannot_be_given(shop: Path, test: Callable[..., Any]) -> None:
    put(shop, f"{FACT}/given/warehouse.fact_orders.csv", "order_id,updated_at_day\n1,2026-01-05\n")
    (shop / f"{FACT}/expected/warehouse.fact_orders.csv").unlink()
    put(shop, f"{FACT}/expected/reporting.orders_daily.csv", "day\n2026-01-05\n")
    assert_refused(test(), 3, "warehouse.fact_orders is given, but sql/warehouse/fact_orders.sql")


def test_a_source_that_is_nowhere_is_said(tmp_path: Path, empty_database: Database) -> None:
    write(tmp_path, ORDERS, is_example=True)
    (tmp_path / "schema/source.sql").unlink()
    done = command("test", database=empty_database, project=tmp_path)
    assert_refused(done, 3, "raw.orders has neither a replica nor a source")


# --- what is wrong with a script ------------------------------------------------------------------


@pytest.fixture
def days(shop: Path) -> Path:
    """The project with a case whose rows arrive."""
    put(shop, f"{DAYS}/given/raw.orders.csv", THREE_DAYS)
    put(shop, f"{DAYS}/expected/reporting.orders_daily.csv", ONE_EACH)
    return shop


def test_rows_that_arrive_in_runs_make_what_a_full_build_makes(
    days: Path, test: Callable[..., Any]
) -> None:
    assert test("days").returncode == 0


def test_an_error_of_a_script_has_its_file_and_line_and_the_other_cases_are_tried(
    days: Path, test: Callable[..., Any]
) -> None:
    edit(days, "sql/reporting/orders_daily.sql", "count(*) as", "count(*) / (1 - 1) + nothing as")
    done = test()
    assert_refused(done, 1, "2 of 3 cases failed")
    assert "sql/reporting/orders_daily.sql:14: column" in done.stdout
    assert f"ok      {FACT.removeprefix('tests/sql/')}" in done.stdout


def test_a_check_that_finds_rows_fails_the_case(days: Path, test: Callable[..., Any]) -> None:
    edit(
        days,
        "sql/warehouse/fact_orders.sql",
        "order by updated_at_day",
        "{{ incremental }}     and source.order_id <> 2\norder by updated_at_day",
    )
    done = test("days")
    assert_refused(done, 1)
    assert "fact_orders.check.sql: 1 bad rows" in done.stdout


def test_a_script_that_reads_what_it_wrote_is_caught_by_the_second_build(
    days: Path, test: Callable[..., Any]
) -> None:
    edit(
        days,
        "sql/reporting/orders_daily.sql",
        "count(*) as",
        "count(*) + (select count(*) from {{ reporting }}.orders_daily) as",
    )
    done = test("days")
    assert_refused(done, 1)
    assert "after the same build again" in done.stdout
    assert "-  2026-01-05  1" in done.stdout
    assert "+  2026-01-05  4" in done.stdout


def test_counts_that_are_added_blindly_are_caught_by_the_second_build(
    days: Path, test: Callable[..., Any]
) -> None:
    """Each run adds its rows, so the sum is right, until a build is run again."""
    put(
        days,
        "sql/reporting/orders_daily.sql",
        """
        delete from {{ this }} as daily where true {{ incremental }} and false
        ;
        insert into {{ this }} as daily (day, row_count)
        select changed.updated_at_day as day, count(*) as row_count
        from {{ warehouse }}.changed_orders as changed
        group by changed.updated_at_day
        on conflict (day) do update set row_count = daily.row_count + excluded.row_count;
        """,
    )
    done = test("days")
    assert_refused(done, 1)
    assert "come late, and the same build again" in done.stdout or (
        "last rows, and the same build again" in done.stdout
    )


def test_an_incremental_build_that_looks_at_the_newest_day_only_is_caught(
    days: Path, test: Callable[..., Any]
) -> None:
    edit(
        days,
        "sql/reporting/orders_daily.sql",
        "select changed.updated_at_day",
        "select max(changed.updated_at_day)",
    )
    done = test("days")
    assert_refused(done, 1)
    assert "after two incremental builds" in done.stdout
    assert "-  2026-01-05" in done.stdout
