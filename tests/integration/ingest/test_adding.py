"""What `pipelines add` takes, and what it refuses with the way out; replicas that nobody else has."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from runner import run
from runner.database import locks
from runner.database.names import MAX_BYTES, shortened
from runner.database.session import Database, QueryFailed
from runner.errors import RunnerError, StartError, UsageError
from runner.ingest.columns import RESERVED_COLUMNS
from runner.ingest.foreign.postgres import view_of
from runner.setup import add_pipeline
from tests.support import PROJECT, ingest, query, rebuild, scalar

SETTINGS = settings(
    max_examples=30,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


def add(database: Database, name_: str, source: str, **values: Any) -> add_pipeline.Added:
    values = {
        "name": name_,
        "cursor_column": "written",
        "write_mode": "append",
        "window_size": None,
        "target_relation": None,
        "owner": None,
        "description": None,
        **values,
    }
    wanted = add_pipeline.read(
        None,
        source,
        None,
        values.pop("types", ()),
        values.pop("key_columns", ("id",)),
        **values,
    )
    with database.session("test") as session, session.transaction():
        return add_pipeline.add(session, wanted, PROJECT)


def make(database: Database, name: str, *columns: str) -> None:
    schema, _, table = name.partition(".")
    text = sql.SQL(
        "create schema if not exists {}; create table {} (id bigint primary key,"
        " written timestamptz not null default now(), {})"
    ).format(
        sql.Identifier(schema),
        sql.Identifier(schema, table),
        sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(each)) for each in columns)
        if columns
        else sql.SQL("value text"),
    )
    query(database, text.as_string(None))


# Names.


@SETTINGS
@given(
    names=st.lists(
        st.tuples(*[st.text("a_é1", min_size=1, max_size=70).map(lambda text: text[:63])] * 2),
        min_size=2,
        max_size=8,
        unique=True,
    )
)
def test_a_table_and_its_schema_joined_are_nobody_elses(names: list[tuple[str, str]]) -> None:
    """Long ones, and such as have several bytes to a letter, too."""
    both = [view_of(f"{schema}.{table}") for schema, table in names]
    assert len(set(both)) == len(both)
    assert all(len(name.encode()) <= MAX_BYTES for name in both)


def test_a_name_that_fits_stays_as_it_is() -> None:
    assert view_of("app.orders") == "app_orders"
    assert view_of("shop.eu_orders") != view_of("shop_eu.orders")
    assert shortened("x" * 63) == "x" * 63
    assert shortened("x" * 64) != shortened("x" * 65)


def test_tables_of_one_name_are_told_apart_by_the_replica(database: Database) -> None:
    make(database, "eu.customers")
    make(database, "us.customers")
    add(database, "eu_customers", "eu.customers")
    with pytest.raises(UsageError) as refused:
        add(database, "us_customers", "us.customers")
    assert "replica of pipeline eu_customers" in refused.value.message
    assert refused.value.hint == "choose another: --into warehouse.raw_us_customers"
    add(database, "us_customers", "us.customers", target_relation="warehouse.raw_us_customers")
    query(database, "insert into eu.customers (id, value) values (1, 'eu')")
    query(database, "insert into us.customers (id, value) values (1, 'us')")
    query(database, "select pg_sleep(1.1)")
    ingest(database, "eu_customers")
    ingest(database, "us_customers")
    assert query(database, "select value from warehouse.raw_customers") == [{"value": "eu"}]
    assert query(database, "select value from warehouse.raw_us_customers") == [{"value": "us"}]


@pytest.mark.parametrize("letter", ["x", "é"])
def test_names_that_would_be_cut_to_one_are_refused_with_another(
    database: Database, letter: str
) -> None:
    long = letter * (59 // len(letter.encode()))
    tables = [f"{long}{end}" for end in ("abc", "abd")]
    for number, table in enumerate(tables):
        make(database, f"shop.{table}")
        with pytest.raises(UsageError) as refused:
            add(database, f"p{number}", f"shop.{table}")
        target = str(refused.value.hint).partition("--into ")[2]
        add(database, f"p{number}", f"shop.{table}", target_relation=target)
        query(database, f"insert into shop.{table} (id, value) values (1, '{number}')")
    query(database, "select pg_sleep(1.1)")
    for number in range(2):
        ingest(database, f"p{number}")
    targets = query(
        database,
        "select target_relation as name from orchestrator.pipeline_definitions"
        " where pipeline_name in ('p0', 'p1') order by 1",
    )
    assert len({row["name"] for row in targets}) == 2
    found = [scalar(database, f"select value from {relation(row['name'])}") for row in targets]
    assert sorted(found) == ["0", "1"]


def relation(name: str) -> str:
    return sql.Identifier(*name.split(".")).as_string(None)


@pytest.mark.parametrize(
    "target",
    [None, "warehouse.raw_" + "x" * 60, "warehouse.facts", "public.raw_x", "orchestrator.runs"],
)
def test_the_database_itself_refuses_a_replica_that_cannot_be(
    database: Database, target: str | None
) -> None:
    source = "public." + "y" * 60 if target is None else "public.event_stream"
    with pytest.raises(QueryFailed, match="replica_"):
        query(
            database,
            "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
            " target_relation, cursor_column) values ('p', %(source)s, %(target)s, 'written')",
            source=source,
            target=target,
        )


# Replicas are new, or ours.


@pytest.mark.parametrize(
    "target",
    [
        "public.event_stream",
        "orchestrator.runs",
        "warehouse.fact_miles_earned",
        "warehouse.orders",
        "reporting.kpi_daily",
        "warehouse.raw_mine",
        "warehouse.raw_seen",
    ],
)
def test_a_target_is_new_or_a_replica_of_ours(database: Database, target: str) -> None:
    make(database, "shop.orders")
    query(database, "create table warehouse.raw_mine (id bigint, written timestamptz)")
    query(database, "create view warehouse.raw_seen as select 1 as id")
    with pytest.raises(RunnerError) as refused:
        add(database, "orders", "shop.orders", target_relation=target)
    assert "drop" not in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.hint
    assert scalar(database, "select count(*) from orchestrator.pipeline_definitions") == 3


def test_a_replica_of_ours_may_be_taken_up_again(database: Database) -> None:
    make(database, "shop.orders")
    add(database, "orders", "shop.orders")
    ingest(database, "orders")
    query(
        database,
        "with gone as (select pipeline_id from orchestrator.pipeline_definitions"
        " where pipeline_name = 'orders')"
        " delete from orchestrator.runs where pipeline_id in (select pipeline_id from gone)",
    )
    query(database, "delete from orchestrator.pipeline_definitions where pipeline_name = 'orders'")
    add(database, "orders", "shop.orders")
    ingest(database, "orders")


def test_a_table_that_is_no_replica_stays_as_it_is(database: Database) -> None:
    """Also where somebody wrote its name into the definition."""
    query(
        database,
        "alter table orchestrator.pipeline_definitions"
        " drop constraint replica_is_one_that_scripts_can_name",
    )
    query(
        database,
        "update orchestrator.pipeline_definitions set target_relation = 'warehouse.dim_dates'"
        " where pipeline_name = 'event_stream'",
    )
    with pytest.raises(StartError) as refused:
        ingest(database, "event_stream")
    assert "is not a replica" in refused.value.message
    assert "drop" not in str(refused.value.hint)


def test_a_replica_without_the_prefix_of_an_earlier_version_breaks_no_build(
    database: Database,
) -> None:
    query(
        database,
        "alter table orchestrator.pipeline_definitions"
        " drop constraint replica_is_one_that_scripts_can_name",
    )
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " target_relation, cursor_column, is_enabled)"
        " values ('odd', 'public.odd', 'warehouse.copy_of_odd', 'written', false)",
    )
    ingest(database, "event_stream")
    ingest(database, "utm_campaigns")
    assert rebuild(database).results


# Columns of our names.


@pytest.mark.parametrize("name", [name for name in RESERVED_COLUMNS if name.startswith("_")])
def test_a_column_of_a_name_of_ours_is_refused_with_the_way_out(
    database: Database, name: str
) -> None:
    make(database, "shop.orders", name)
    with pytest.raises(StartError) as refused:
        add(database, "orders", "shop.orders")
    assert name in refused.value.message
    assert "view" in str(refused.value.hint)
    query(
        database,
        f"create view shop.named as select id, written, {name} as other from shop.orders",
    )
    add(database, "orders", "shop.named")


def test_a_column_of_a_view_that_is_called_like_one_of_every_table_is_refused(
    database: Database,
) -> None:
    query(database, "create view public.odd as select 1 as id, now() as written, 1 as xmin")
    with pytest.raises(StartError, match="xmin"):
        add(database, "odd", "public.odd")


def test_a_column_that_comes_later_is_refused_too(database: Database) -> None:
    make(database, "shop.orders")
    add(database, "orders", "shop.orders")
    ingest(database, "orders")
    query(database, "alter table shop.orders add column _row text default 'mine'")
    with pytest.raises(StartError, match="_row"):
        ingest(database, "orders")


# Clear lines.


@pytest.mark.parametrize(
    ("source", "values", "said"),
    [
        ("shop.orders", {"window_size": "banana"}, "--window banana is not a positive interval"),
        ("shop.orders", {"window_size": "-1 day"}, "--window -1 day is not a positive interval"),
        ("shop.orders", {"window_size": "0"}, "--window 0 is not a positive interval"),
        ("shop.my.orders", {}, "a name with a dot in it"),
        ("shop.", {}, "SCHEMA.TABLE"),
        ("shop.orders", {"target_relation": "a.b.c"}, "a name with a dot in it"),
        ("shop." + "x" * 64, {}, "more than 63 bytes"),
        ("shop.orders", {"cursor_column": "WRITTEN"}, "has no column WRITTEN"),
        ("shop.orders", {"key_columns": ("ID",)}, "has no column ID"),
        ("shop.orders", {"key_columns": (), "write_mode": "upsert"}, "--mode upsert"),
        ("shop.orders", {"types": ("id=int; drop table x",)}, "there is no such type"),
        ("shop.orders", {"types": ("idd=bigint",)}, "has no such column"),
        ("shop.orders", {"types": ("nothing=bigint",)}, "has no such column"),
        ("shop.orders", {"key_columns": ("nothing",)}, "has no column nothing"),
        ("shop.orders", {"name": " "}, "the name of the pipeline is empty"),
    ],
)
def test_a_mistake_is_one_clear_line_with_a_hint(
    database: Database, source: str, values: dict[str, Any], said: str
) -> None:
    make(database, "shop.orders")
    with pytest.raises((UsageError, StartError)) as refused:
        add(database, "orders", source, **values)
    assert said in refused.value.message
    assert refused.value.hint or "SCHEMA.TABLE" in said
    if said.startswith("has no column") and "nothing" not in said:
        assert "did you mean" in str(refused.value.hint)


def test_a_unique_violation_of_a_users_table_has_a_hint(database: Database) -> None:
    query(database, "create table public.mine (id int primary key)")
    with pytest.raises(QueryFailed) as refused:
        query(database, "insert into public.mine values (1), (1)")
    assert refused.value.hint


# A replica that is read for long.


def test_a_replica_that_is_read_for_long_keeps_nobody_waiting_and_names_the_reader(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LONGEST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr("runner.database.retry.ATTEMPTS", 1)
    make(database, "shop.orders")
    add(database, "orders", "shop.orders")
    ingest(database, "orders")
    query(database, "alter table shop.orders add column more text default 'x'")
    with (
        psycopg.connect(database.conninfo, application_name="a long report") as reader,
        psycopg.connect(database.conninfo, autocommit=True) as other,
    ):
        reader.execute("select * from warehouse.raw_orders")
        with pytest.raises(RunnerError) as refused:
            ingest(database, "orders")
        other.execute("set statement_timeout = '2s'")
        other.execute("select * from warehouse.raw_orders")
    assert "a long report" in refused.value.message
    ingest(database, "orders")
    assert scalar(
        database,
        "select count(*) from pg_attribute where attrelid = 'warehouse.raw_orders'::regclass"
        " and attname = 'more'",
    )


@pytest.mark.parametrize("change", ["a column", "a mark"])
def test_who_is_waited_for_is_said_meanwhile(database: Database, change: str) -> None:
    make(database, "shop.orders")
    add(database, "orders", "shop.orders")
    ingest(database, "orders")
    if change == "a column":
        query(database, "alter table shop.orders add column more text default 'x'")
    else:
        query(database, "update orchestrator.pipeline_definitions set on_delete = 'mark'")
    said = []

    class Ending(run.Listener):
        def waiting(self, message: str) -> None:
            said.append(message)
            reader.rollback()

    with psycopg.connect(database.conninfo, application_name="a long report") as reader:
        pid = reader.info.backend_pid
        reader.execute("select * from warehouse.raw_orders")
        run.ingest(database, PROJECT, Ending(), pipeline="orders")
    (message,) = said
    assert message.startswith("pipeline orders: warehouse.raw_orders: waiting to ")
    assert f"in use by a long report (server process {pid}, idle" in message
    logged = query(database, "select message from orchestrator.logs where level = 'warning'")
    assert [f"pipeline orders: {row['message']}" for row in logged] == said
