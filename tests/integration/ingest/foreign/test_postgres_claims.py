"""What another PostgreSQL does to its tables between two runs: the word of a run is true there too."""

from __future__ import annotations

import subprocess

import pytest

from runner.database.session import Database
from tests.integration.ingest.foreign.servers import PASSWORD, ROLE, Cluster, run_source_sql
from tests.integration.ingest.foreign.test_postgres_source import COLUMNS, add
from tests.support import ingest, query, scalar
from tests.support.commands import assert_refused, command

pytestmark = pytest.mark.slow

OLD_ROWS = (
    "insert into app.orders (note, amount, updated_at)"
    " select 'n' || n, n, now() - n * interval '10 days' from generate_series(1, 9) as n"
)


@pytest.fixture
def loaded(warehouse: Database, readable_shop: Cluster) -> Database:
    run(readable_shop, OLD_ROWS)
    add(warehouse, readable_shop)
    ingest(warehouse, "orders")
    return warehouse


def run(shop: Cluster, text: str) -> None:
    with shop.connect("shop") as connection:
        connection.execute(text.encode())


def rows_there(shop: Cluster, columns: str = COLUMNS) -> list[tuple[object, ...]]:
    with shop.connect("shop") as connection:
        query_text = f"select {columns} from app.orders order by id"
        return connection.execute(query_text.encode()).fetchall()


def rows_here(warehouse: Database, columns: str = COLUMNS) -> list[tuple[object, ...]]:
    rows = query(warehouse, f"select {columns} from warehouse.raw_orders order by id")
    return [tuple(row.values()) for row in rows]


def last_promise(warehouse: Database) -> tuple[str, str]:
    [row] = query(
        warehouse,
        "select guarantee, guarantee_note from orchestrator.runs where guarantee is not null"
        " order by run_id desc limit 1",
    )
    return row["guarantee"], row["guarantee_note"]


def test_a_column_that_came_back_with_another_default_is_followed(
    loaded: Database, shop: Cluster
) -> None:
    run(shop, "alter table app.orders add column c int default 1")
    run_source_sql(shop, "app.orders")
    query(loaded, "alter foreign table from_shop.orders add column c int")
    ingest(loaded, "orders")
    assert rows_here(loaded, "id, c") == rows_there(shop, "id, c")
    run(
        shop,
        "drop view milepost.app_orders; alter table app.orders drop column c;"
        " alter table app.orders add column c int default 2",
    )
    run_source_sql(shop, "app.orders")
    ingest(loaded, "orders")
    assert last_promise(loaded)[0] == "exact"
    assert rows_here(loaded, "id, c") == rows_there(shop, "id, c")


def test_rows_that_were_hidden_there_come_when_they_are_shown(
    warehouse: Database, readable_shop: Cluster
) -> None:
    shop = readable_shop
    run(shop, OLD_ROWS)
    run(
        shop,
        "create role seller; grant usage on schema app to seller;"
        " alter table app.orders owner to seller;"
        " alter table app.orders enable row level security;"
        " alter table app.orders force row level security;"
        " create policy half on app.orders using (id % 2 = 1);"
        " alter view milepost.app_orders owner to seller;"
        f" grant usage on schema milepost to seller; grant select on milepost.app_orders to {ROLE}",
    )
    try:
        add(warehouse, shop)
        ingest(warehouse, "orders")
        word, note = last_promise(warehouse)
        assert (word, "row security" in note) == ("best_effort", True)
        assert len(rows_here(warehouse)) == 5
        run(shop, "alter table app.orders disable row level security")
        ingest(warehouse, "orders")
        assert last_promise(warehouse)[0] == "exact"
        assert rows_here(warehouse) == rows_there(shop)
    finally:
        run(shop, "drop owned by seller cascade; drop role seller")


def test_a_key_that_got_wider_there_is_no_key(loaded: Database, shop: Cluster) -> None:
    assert last_promise(loaded)[0] == "exact"
    run(
        shop,
        "alter table app.orders drop constraint orders_pkey, add column region text default 'eu',"
        " add primary key (id, region)",
    )
    ingest(loaded, "orders")
    word, note = last_promise(loaded)
    assert (word, "no unique index" in note) == ("best_effort", True)


def test_a_clock_of_an_earlier_version_promises_less_and_says_what_to_do(
    loaded: Database, shop: Cluster
) -> None:
    with shop.connect("shop") as connection:
        text = connection.execute("select pg_get_viewdef('milepost.clock'::regclass)").fetchone()
        assert text
        body = str(text[0]).rstrip().removesuffix(";")
        connection.execute(
            (
                "create or replace view milepost.clock as select clock, settled, held_since,"
                " held_by, sees_all, horizon, next_xid, split_part(identity, ' ', 1) as identity"
                f" from ({body}) as former"
            ).encode()
        )
    ingest(loaded, "orders")
    word, note = last_promise(loaded)
    assert word == "settled"
    assert "source-sql postgres" in note


def test_tables_whose_names_joined_are_the_same_have_views_of_their_own(
    warehouse: Database, shop: Cluster
) -> None:
    """shop.eu_orders and shop_eu.orders."""
    names = {"one": "shop.eu_orders", "other": "shop_eu.orders"}
    for name, table in names.items():
        run(
            shop,
            f"create schema {table.partition('.')[0]}; create table {table}"
            " (id bigint primary key, value text, updated_at timestamptz default now());"
            f" create index on {table} (updated_at);"
            f" insert into {table} values (1, '{name}', now() - interval '1 hour')",
        )
        run_source_sql(shop, table)
    for name, table in names.items():
        add(warehouse, shop, "--source", table, "--cursor", "updated_at", "--key", "id", name=name)
        ingest(warehouse, name)
    for name, table in names.items():
        replica = scalar(
            warehouse,
            "select 'warehouse.raw_' || split_part(source_relation, '.', 2)"
            " from orchestrator.pipeline_definitions where pipeline_name = %(name)s",
            name=name,
        )
        assert scalar(warehouse, f"select string_agg(value, ',') from {replica}") == name, table


def test_several_tables_of_one_name_from_one_server_are_all_usable(
    warehouse: Database, shop: Cluster
) -> None:
    for schema in ("eu", "us"):
        run(
            shop,
            f"create schema {schema}; create table {schema}.customers"
            " (id bigint primary key, value text, updated_at timestamptz default now());"
            f" create index on {schema}.customers (updated_at);"
            f" insert into {schema}.customers values (1, '{schema}', now() - interval '1 hour')",
        )
        run_source_sql(shop, f"{schema}.customers")
        options = ("--source", f"{schema}.customers", "--cursor", "updated_at", "--key", "id")
        add(warehouse, shop, *options, name=schema)
        ingest(warehouse, schema)
    assert scalar(warehouse, "select value from warehouse.raw_customers") == "eu"
    assert scalar(warehouse, "select value from warehouse.raw_us_customers") == "us"
    done = command(
        "pipelines", "add", "again", "--from", shop.url("shop"), "--source", "us.customers",
        "--cursor", "updated_at", "--key", "id", "--yes",
        database=warehouse, MILEPOST_SOURCE_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert_refused(
        done, 2, "from_shop.us_customers exists already", "--source from_shop.us_customers"
    )


def test_the_view_of_an_earlier_version_is_left_to_its_table(shop: Cluster) -> None:
    """There shop_eu.orders had the view that shop.eu_orders has now."""
    run(
        shop,
        "create schema shop; create schema shop_eu; create schema milepost;"
        " create table shop.eu_orders (id int primary key, updated_at timestamptz);"
        " create table shop_eu.orders (id int primary key, updated_at timestamptz);"
        " create view milepost.shop_eu_orders as"
        " select source.*, age(source.xmin) as _row_age from shop_eu.orders as source",
    )
    with pytest.raises(subprocess.CalledProcessError):
        run_source_sql(shop, "shop.eu_orders")
    run(shop, "alter table shop_eu.orders add column more int")
    run_source_sql(shop, "shop_eu.orders")
    with shop.connect("shop") as connection:
        connection.execute("select more from milepost.shop_eu_orders")
        connection.execute('select more from milepost."shop_eu.orders"')
