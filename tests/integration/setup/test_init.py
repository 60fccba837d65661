"""A project of one's own, with the package as people install it and nothing else of this repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runner.build.transaction import CheckFailed
from runner.database.session import Database
from runner.project.files import SHARED
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.new_project import ORDERS, WORDS_OF_SQL, SourceNames, write
from tests.support import PROJECT, differences, ingest, query, rebuild, scalar
from tests.support.commands import Installed, assert_refused, environ

TABLES = ("warehouse.fact_orders", "reporting.orders_daily")


def test_the_wheel_has_all_of_the_package_and_of_the_rest_only_what_is_shared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(PROJECT).as_posix()
        for path in (PROJECT / "runner").rglob("*")
        if path.is_file() and not {"__pycache__", ".pgdata", "node_modules"} & set(path.parts)
    }
    assert packed == expected | {f"runner/shipped/{path.as_posix()}" for path in SHARED}


def test_a_new_project_works_at_once_and_follows_its_source(
    installed: Installed, tmp_path: Path
) -> None:
    database, shop = installed.database, tmp_path / "shop"
    where = "import runner; print(runner.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env=environ(database, PYTHONPATH=str(installed.site)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(installed.site)

    said = installed.run(tmp_path, "init", "shop")
    assert "sql/manifest.toml" in said
    assert "cd shop" in said
    assert "run-all" in said
    assert "test: 2 cases passed" in installed.run(shop, "test")
    installed.run(shop, "schema", "apply", "--yes")
    assert installed.run(shop, "schema", "apply", "--yes") == "schema: up to date\n"
    assert "lint: 3 scripts" in installed.run(shop, "lint")
    assert "never built" in installed.run(shop, "plan")
    assert "all checks passed" in installed.run(shop, "run-all")
    assert scalar(database, "select sum(row_count) from reporting.orders_daily") == 20
    assert scalar(database, "select count(*) from reporting.orders_daily") > 5
    for view in ("pipeline_runs", "freshness", "data_checks"):
        assert scalar(database, f"select count(*) from reporting.{view}") > 0
    again = installed.run(shop, "run-all")
    assert "ingest: nothing new" in again
    assert "build: up to date" in again

    (shop / "orders.csv").write_text("customer,amount\ndia,7\neve,much\n")
    assert "1 row from orders.csv into public.orders" in installed.run(shop, "load", "orders.csv")
    rejects = "select reason from orchestrator.load_rejects"
    assert scalar(database, rejects) == 'amount is not a number: "much"'
    query(database, "delete from public.orders where customer = 'dia' returning 1")

    _change_orders(database)
    assert "new rows in raw.orders" in installed.run(shop, "run-all")
    assert scalar(database, "select count(*) from orchestrator.replaced_rows") == 2
    assert _report(database) == _expected(database)
    installed.run(shop, "build", "--target", "scratch")
    assert differences(database, "live", "scratch", TABLES) == {}


def test_a_folder_in_use_and_names_that_are_not_plain_are_refused(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    assert_refused(installed.start(tmp_path, "init", "."), 2, ". is not empty: it has mine")
    wrong = ["init", "shop", "--source", "public.orders; --", "--key", "a", "--cursor", "b"]
    assert_refused(installed.start(tmp_path, *wrong), 2, "is not a plain name")
    assert not (tmp_path / "shop").exists()


# --- what was written, without a detour through processes -----------------------------------------


def test_a_table_of_ones_own_with_an_awkward_name_key_and_cursor(
    empty_database: Database, tmp_path: Path
) -> None:
    run(
        empty_database,
        """
        create schema crm;
        create table crm.items (
            code char(6) primary key, changed timestamp not null, label text
        );
        insert into crm.items
        select 'i' || numbers.number, now() - numbers.number * interval '9 hours', 'old'
        from generate_series(1, 9) as numbers (number);
        """,
    )
    make(empty_database, tmp_path, SourceNames("crm", "items", "code", "changed"), is_example=False)
    assert scalar(empty_database, "select to_regclass('public.orders') is null")
    assert scalar(empty_database, "select sum(row_count) from reporting.items_daily") == 9
    run(
        empty_database,
        "update crm.items set changed = clock_timestamp(), label = 'new' where code in ('i3', 'i7')",
    )
    go_on(empty_database, tmp_path)
    assert scalar(empty_database, "select count(*) from orchestrator.replaced_rows") == 2
    assert scalar(empty_database, "select sum(row_count) from reporting.items_daily") == 9
    rebuild(empty_database, target="scratch", manifest=load(tmp_path))
    tables = ("warehouse.fact_items", "reporting.items_daily")
    assert differences(empty_database, "live", "scratch", tables) == {}


@pytest.mark.parametrize(
    "mistake",
    [
        "delete from {{ this }} where order_id = '2'",
        "insert into {{ this }} values (date '2020-01-01', '2', now())",
    ],
)
def test_the_check_stops_a_fact_that_lost_a_row_or_has_one_too_many(
    empty_database: Database, tmp_path: Path, mistake: str
) -> None:
    make(empty_database, tmp_path, ORDERS, is_example=True)
    before = _report(empty_database)
    with (tmp_path / "sql/warehouse/fact_orders.sql").open("a") as script:
        script.write(f"\n{mistake};\n")
    with pytest.raises(CheckFailed, match=r"fact_orders\.check\.sql: 1 bad row"):
        rebuild(empty_database, manifest=load(tmp_path))
    assert _report(empty_database) == before


def test_an_orders_table_that_is_there_already_is_left_alone(
    empty_database: Database, tmp_path: Path
) -> None:
    run(
        empty_database,
        "create table public.orders (order_id int primary key, updated_at timestamptz)",
    )
    make(empty_database, tmp_path, ORDERS, is_example=True)
    assert scalar(empty_database, "select count(*) from public.orders") == 0
    assert _report(empty_database) == []


def test_the_words_that_a_column_cannot_be_are_those_of_the_server(database: Database) -> None:
    words = query(database, "select word from pg_get_keywords() where catcode in ('R', 'T')")
    assert {row["word"] for row in words} <= set(WORDS_OF_SQL.split())


def run(database: Database, text: str) -> None:
    with database.session("test") as session:
        session.run(text)


def make(database: Database, folder: Path, source: SourceNames, *, is_example: bool) -> None:
    write(folder, source, is_example=is_example)
    schema.apply(database, load(folder), Target())
    go_on(database, folder)


def go_on(database: Database, folder: Path) -> None:
    ingest(database, project=folder)
    rebuild(database, manifest=load(folder))


def _change_orders(database: Database) -> None:
    """A new order, one more on an old day, and an old one that changes."""
    query(database, "insert into public.orders (customer, amount) values ('dee', 5)")
    query(
        database,
        "update public.orders set amount = amount + 1, updated_at = clock_timestamp()"
        " where order_id in (2, 11)",
    )


def _report(database: Database) -> list[dict[str, object]]:
    return query(database, "select day, row_count from reporting.orders_daily order by day")


def _expected(database: Database) -> list[dict[str, object]]:
    return query(
        database,
        "select (updated_at at time zone 'UTC')::date as day, count(*) as row_count"
        " from public.orders group by 1 order by 1",
    )
