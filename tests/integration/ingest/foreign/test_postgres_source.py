"""Another PostgreSQL as a source: what `pipelines add` makes, and that nothing is lost on the way."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta

import psycopg
import pytest

from runner.database.session import Database
from runner.ingest.pipeline import IngestionPipeline
from tests.integration.ingest.foreign.servers import PASSWORD, ROLE, SECRET, Cluster, run_source_sql
from tests.support import PROJECT, ingest, query, scalar
from tests.support.commands import command

pytestmark = pytest.mark.slow

COLUMNS = "id, note, amount, updated_at"
ORDERS = ("--source", "app.orders", "--cursor", "updated_at", "--key", "id", "--mode", "upsert")
SECONDS = 8


def add(
    warehouse: Database, shop: Cluster, *arguments: str, name: str = "orders", **environment: str
) -> str:
    """`pipelines add` as people type it; what it says."""
    done = command(
        "pipelines",
        "add",
        name,
        "--from",
        shop.url("shop"),
        *(arguments or ORDERS),
        "--yes",
        database=warehouse,
        **{"MILEPOST_SOURCE_PASSWORD": PASSWORD, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def pipeline(warehouse: Database, name: str = "orders") -> IngestionPipeline:
    pipeline_id = scalar(
        warehouse,
        "select pipeline_id from orchestrator.pipeline_definitions where pipeline_name = %(name)s",
        name=name,
    )
    return IngestionPipeline(pipeline_id, warehouse, PROJECT)


def assert_replica_is_exact(warehouse: Database, shop: Cluster) -> None:
    with shop.connect("shop") as connection:
        source = connection.execute(f"select {COLUMNS} from app.orders".encode()).fetchall()
    replica = [
        tuple(row.values())
        for row in query(warehouse, f"select {COLUMNS} from warehouse.raw_orders")
    ]
    assert sorted(replica, key=str) == sorted(source, key=str)


@pytest.fixture
def added(warehouse: Database, readable_shop: Cluster) -> Database:
    add(warehouse, readable_shop)
    return warehouse


def test_add_says_what_it_makes_and_that_the_other_side_searches(
    warehouse: Database, readable_shop: Cluster
) -> None:
    said = add(warehouse, readable_shop)
    assert "+ server from_shop (postgres_fdw) host=127.0.0.1" in said
    assert f"+ user mapping on from_shop: this role is {ROLE} there" in said
    assert "+ foreign table from_shop.clock: the clock of shop" in said
    assert "+ foreign table from_shop.orders of milepost.app_orders in shop" in said
    assert "milepost.app_orders WHERE ((updated_at >= " in said
    assert "exact: " in said
    assert "warning" not in said
    [row] = query(
        warehouse, "select source_relation, clock_relation from orchestrator.pipeline_definitions"
    )
    assert (row["source_relation"], row["clock_relation"]) == (
        "from_shop.orders",
        "from_shop.clock",
    )


def test_nothing_stays_of_what_nobody_wanted(warehouse: Database, readable_shop: Cluster) -> None:
    done = command(
        "pipelines",
        "add",
        "orders",
        "--from",
        readable_shop.url("shop"),
        *ORDERS,
        database=warehouse,
        MILEPOST_SOURCE_PASSWORD=PASSWORD,
    )
    assert (done.returncode, "this needs confirmation" in done.stderr) == (2, True)
    assert query(warehouse, "select * from orchestrator.pipeline_definitions") == []
    assert query(warehouse, "select * from pg_foreign_server") == []
    assert query(warehouse, "select * from pg_user_mappings") == []


def test_replica_is_the_source_and_its_runs_are_exact(added: Database, shop: Cluster) -> None:
    with shop.connect("shop") as connection:
        connection.execute(
            "insert into app.orders (note, amount, updated_at)"
            " select 'n' || n, n, now() - n * interval '1 hour' from generate_series(1, 3000) as n"
        )
    ingest(added, "orders")
    assert_replica_is_exact(added, shop)
    assert {
        row["guarantee"] for row in query(added, "select guarantee from orchestrator.runs")
    } == {"exact"}


def test_a_transaction_that_is_open_there_is_seen_from_here(added: Database, shop: Cluster) -> None:
    with psycopg.connect(shop.conninfo("shop"), application_name="checkout") as writer:
        writer.execute("insert into app.orders (note) values ('slow')")
        [clock] = query(added, "select * from from_shop.clock")
        [started] = writer.execute("select now()").fetchone()  # type: ignore[misc]
    assert clock["sees_all"]
    assert clock["held_since"] == started
    assert clock["settled"] == started - timedelta(seconds=1)
    assert "checkout" in clock["held_by"]


def test_a_transaction_prepared_there_stops_the_clock(added: Database, shop: Cluster) -> None:
    with shop.connect("shop") as connection:
        connection.execute("begin")
        connection.execute("insert into app.orders (note) values ('prepared')")
        connection.execute("prepare transaction 'halfway'")
        settled = scalar(added, "select settled::text from from_shop.clock")
        connection.execute("rollback prepared 'halfway'")
    assert settled == "-infinity"


def test_a_late_commit_and_a_silent_update_there_are_found(added: Database, shop: Cluster) -> None:
    with shop.connect("shop") as connection:
        connection.execute("insert into app.orders (note) select 'old' from generate_series(1, 9)")
        ingest(added, "orders")
        connection.execute("update app.orders set note = 'changed in silence' where id = 3")
        connection.execute(
            "insert into app.orders (note, updated_at) values ('dated back', now() - interval '2 h')"
        )
        connection.execute("insert into app.orders (note, updated_at) values ('undated', null)")
        ingest(added, "orders")
    assert_replica_is_exact(added, shop)
    chains = query(
        added,
        "select distinct horizon_chain from orchestrator.runs where horizon_scope <> 'window'",
    )
    assert len(chains) == 1
    assert scalar(added, "select count(*) from orchestrator.runs where kind = 'sweep'") == 0


def test_what_is_older_than_the_lookback_is_found_by_a_sweep(
    added: Database, shop: Cluster
) -> None:
    with shop.connect("shop") as connection:
        connection.execute("insert into app.orders (note) values ('new')")
        ingest(added, "orders")
        connection.execute(
            "insert into app.orders (note, updated_at) values ('ancient', now() - interval '9 days')"
        )
        ingest(added, "orders")
        assert scalar(added, "select count(*) from warehouse.raw_orders") == 1
        pipeline(added).run(sweep=True)
    assert_replica_is_exact(added, shop)


def write(shop: Cluster, stop: threading.Event, seed: int) -> None:
    """An application: transactions that stay open for a while and end out of order, or not at all,
    with savepoints, updates that forget the cursor, and rows that are dated back.
    """
    chance = random.Random(seed)
    with psycopg.connect(shop.conninfo("shop")) as connection:
        while not stop.is_set():
            for _ in range(chance.randint(1, 4)):
                connection.execute("insert into app.orders (note, amount) values ('w', random())")
            if chance.random() < 0.2:
                connection.execute("savepoint here")
                connection.execute("insert into app.orders (note) values ('taken back')")
                connection.execute("rollback to here")
            if chance.random() < 0.2:
                connection.execute(
                    "insert into app.orders (note, updated_at) values ('back', now() - interval '1 h')"
                )
            if chance.random() < 0.3:
                connection.execute(
                    "update app.orders set note = note || 'u' where id = ("
                    "select max(id) - 9 from app.orders) and pg_try_advisory_xact_lock(id)"
                )
            time.sleep(chance.random() * 0.2)
            if chance.random() < 0.2:
                connection.rollback()
            else:
                connection.commit()
            time.sleep(chance.random() * 0.01)


def test_writers_that_commit_out_of_order_lose_nothing(added: Database, shop: Cluster) -> None:
    """And the naive way, beside it on the same rows, loses some."""
    stop = threading.Event()
    writers = [threading.Thread(target=write, args=(shop, stop, seed)) for seed in range(6)]
    for writer in writers:
        writer.start()
    naive: set[int] = set()
    newest = None
    deadline = time.monotonic() + SECONDS
    with shop.connect("shop") as reader:
        while time.monotonic() < deadline:
            pipeline(added).run(wait_seconds=0)
            time.sleep(0.1)
            found = reader.execute(
                "select id, updated_at from app.orders where updated_at > coalesce(%s::timestamptz, '-infinity')",
                (newest,),
            ).fetchall()
            naive |= {row[0] for row in found}
            newest = max([row[1] for row in found], default=newest)
        stop.set()
        for writer in writers:
            writer.join()
        pipeline(added).run()
        written = {row[0] for row in reader.execute("select id from app.orders").fetchall()}
    assert_replica_is_exact(added, shop)
    assert len(written) > 100
    runs = query(
        added,
        """
        select status, guarantee, horizon_scope, count(*) as runs
        from orchestrator.runs
        group by status, guarantee, horizon_scope
        """,
    )
    assert {(row["status"], row["guarantee"]) for row in runs} == {("succeeded", "exact")}
    missed = written - naive
    assert missed, "the naive way lost nothing: this race proves nothing"


def test_without_the_right_to_see_others_no_bound_is_claimed(
    warehouse: Database, readable_shop: Cluster
) -> None:
    with readable_shop.connect() as connection:
        connection.execute(f"revoke pg_read_all_stats from {ROLE}".encode())
    add(warehouse, readable_shop)
    assert scalar(warehouse, "select sees_all from from_shop.clock") is False


def test_without_the_views_less_is_promised_and_the_way_to_more_is_told(
    warehouse: Database, shop: Cluster
) -> None:
    with shop.connect("shop") as connection:
        # A role for itself: the other tests of this server made it already, or will.
        connection.execute(
            f"do $$ begin if to_regrole('{ROLE}') is null then create role {ROLE} login; end if; end $$;"
            f" grant usage on schema app to {ROLE}; grant select on app.orders to {ROLE};".encode()
        )
        connection.execute(
            psycopg.sql.SQL("alter role {} password {}").format(
                psycopg.sql.Identifier(ROLE), psycopg.sql.Literal(PASSWORD)
            )
        )
        connection.execute("insert into app.orders (note) values ('seen')")
    said = add(warehouse, shop)
    assert "lookback: " in said
    assert f"pipelines source-sql postgres --source app.orders --role {ROLE}" in said.replace(
        "\n", " "
    )
    ingest(warehouse, "orders")
    assert_replica_is_exact(warehouse, shop)


def test_a_cursor_that_the_other_side_cannot_search_is_refused(
    warehouse: Database, readable_shop: Cluster
) -> None:
    """A foreign table whose cursor has another type than there: each window would fetch it all."""
    add(warehouse, readable_shop)
    query(
        warehouse,
        "create foreign table from_shop.slow (id bigint, updated_at timestamptz)"
        " server from_shop options (schema_name 'milepost', table_name 'app_orders')",
    )
    query(
        warehouse,
        "create view public.computed as"
        " select id, updated_at + interval '1 day' as updated_at from from_shop.slow",
    )
    done = command(
        "pipelines",
        "add",
        "slow",
        "--source",
        "public.computed",
        "--cursor",
        "updated_at",
        "--yes",
        database=warehouse,
    )
    assert (done.returncode, "cannot be searched by updated_at" in done.stderr) == (3, True)


def test_a_second_table_uses_the_server_and_the_clock_of_the_first(
    added: Database, readable_shop: Cluster
) -> None:
    with readable_shop.connect("shop") as connection:
        connection.execute(
            "create table app.refunds (id bigint primary key, at timestamptz not null)"
        )
    run_source_sql(readable_shop, "app.refunds")
    said = add(
        added,
        readable_shop,
        *("--source", "app.refunds", "--cursor", "at", "--key", "id"),
        name="refunds",
        MILEPOST_SOURCE_PASSWORD="",
    )
    assert "+ foreign table from_shop.refunds" in said
    assert "+ server" not in said
    assert "no index of app.refunds begins with at" in said
    ingest(added, "refunds")


def test_the_view_follows_its_table_when_the_script_runs_again(
    added: Database, readable_shop: Cluster
) -> None:
    with readable_shop.connect("shop") as connection:
        connection.execute("alter table app.orders add column paid boolean default true")
        connection.execute("insert into app.orders (note) values ('paid')")
    run_source_sql(readable_shop, "app.orders")
    query(added, "alter foreign table from_shop.orders add column paid boolean")
    ingest(added, "orders")
    assert scalar(added, "select paid from warehouse.raw_orders") is True


def test_the_embedded_server_is_a_warehouse_for_it_too(
    database: Database, readable_shop: Cluster
) -> None:
    with readable_shop.connect("shop") as connection:
        connection.execute("insert into app.orders (note) values ('from fifteen to eighteen')")
    add(database, readable_shop)
    ingest(database, "orders")
    assert_replica_is_exact(database, readable_shop)


def test_the_clock_there_is_the_clock_here(warehouse: Database, readable_shop: Cluster) -> None:
    """One text for both: the view is made of sql/ingest/clock.sql. No build is known there."""
    clock = (PROJECT / "sql" / "ingest" / "clock.sql").read_text()
    clock = clock.replace("{{ build_mark }}", "NULL::regclass")
    printed = command(
        "pipelines", "source-sql", "postgres", "--source", "app.orders", "--role", ROLE
    ).stdout
    assert clock.rstrip() in printed


def test_a_type_that_is_there_and_not_here_is_named(
    warehouse: Database, readable_shop: Cluster
) -> None:
    with readable_shop.connect("shop") as connection:
        connection.execute("create type app.mood as enum ('good', 'bad')")
        connection.execute("alter table app.orders add column mood app.mood")
    run_source_sql(readable_shop, "app.orders")
    done = command(
        *("pipelines", "add", "orders", "--from", readable_shop.url("shop"), *ORDERS, "--yes"),
        database=warehouse,
        MILEPOST_SOURCE_PASSWORD=PASSWORD,
    )
    assert done.returncode == 3
    assert 'a column whose type is missing here: schema "app" does not exist' in done.stderr
    query(warehouse, "create schema app")
    query(warehouse, "create type app.mood as enum ('good', 'bad')")
    add(warehouse, readable_shop)


# --- what goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "password", "said"),
    [
        ("app.orders", "wrong", "password authentication failed"),
        ("app.nothing", PASSWORD, "shop has no table app.nothing, or hides it"),
        ("nowhere.orders", PASSWORD, 'schema "nowhere" is not present'),
        ("orders", PASSWORD, "--source names a table with its schema"),
    ],
)
def test_a_mistake_ends_in_one_line_and_leaves_nothing(
    warehouse: Database, readable_shop: Cluster, source: str, password: str, said: str
) -> None:
    done = command(
        *("pipelines", "add", "orders", "--from", readable_shop.url("shop")),
        *("--source", source, "--cursor", "updated_at", "--yes"),
        database=warehouse,
        MILEPOST_SOURCE_PASSWORD=password,
    )
    assert done.returncode in (1, 2, 3)
    assert said in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert query(warehouse, "select * from pg_foreign_server") == []


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hush/hush@127.0.0.1/shop",
        "postgresql://me:hush@127.0.0.1:hush/shop",
        "oracle://me:hush@127.0.0.1/shop",
        "postgresql://me:hush@127.0.0.1",
        "postgresql://me:hush@127.0.0.1/shop?hush",
        "postgresql://me@127.0.0.1/shop?password=hush",
        "postgresql://127.0.0.1/hush",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(warehouse: Database, address: str) -> None:
    done = command(
        *("pipelines", "add", "orders", "--from", address, *ORDERS, "--yes"), database=warehouse
    )
    assert done.returncode == 2
    assert "error: --from " in done.stderr
    assert "hush" not in done.stdout + done.stderr


# --- secrets ----------------------------------------------------------------------------------------


def test_the_password_is_in_the_user_mapping_and_nowhere_else(
    warehouse: Database, warehouse_server: Cluster, readable_shop: Cluster
) -> None:
    query(warehouse, "create extension pg_stat_statements with schema public")
    said = add(warehouse, readable_shop)
    failed = command(  # the second time the name is taken: an error with --debug
        *(
            "pipelines",
            "add",
            "orders",
            "--from",
            readable_shop.url("shop", f":{'x' * 9}{SECRET}"),
        ),
        *ORDERS,
        "--yes",
        "--debug",
        database=warehouse,
        MILEPOST_SOURCE_PASSWORD=PASSWORD,
    )
    assert failed.returncode != 0
    ingest(warehouse, "orders")
    tables = query(
        warehouse,
        "select table_name as name from information_schema.tables where table_schema = 'orchestrator'",
    )
    rows = [
        str(query(warehouse, f"select row.*::text as row from orchestrator.{table['name']} as row"))
        for table in tables
    ]
    places = {
        "output": said,
        "output of a failure": failed.stdout + failed.stderr,
        "orchestrator": "".join(rows),
        "pipelines show": command("pipelines", "show", "orders", database=warehouse).stdout,
        "server options": str(query(warehouse, "select srvoptions from pg_foreign_server")),
        "log of the server": warehouse_server.log.read_text(),
        "statistics": str(query(warehouse, "select query from public.pg_stat_statements")),
    }
    assert [place for place, text in places.items() if SECRET in text] == []
    assert "milepost.password" in places["statistics"]  # the statement itself is there
    mapped = scalar(warehouse, "select umoptions from pg_user_mappings")
    assert f"password={PASSWORD}" in mapped
