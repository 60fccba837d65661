"""One SQL text on two engines: the warehouse on a Citus cluster is that of a single node."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from runner.build.build import build, open_builder
from runner.build.transaction import Listener
from runner.compare.rebuild import rebuild, verify
from runner.database.session import Changes, Database
from runner.errors import RunnerError, StartError
from runner.ingest.pipelines import pipelines
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline
from runner.setup import schema
from runner.setup.demo import Demo, seed
from tests.citus.conftest import Cluster
from tests.citus.nodes import end_sessions, prepared, waiting_for_a_standby
from tests.support import (
    PROJECT,
    earn,
    edit,
    ingest,
    insert_events,
    query,
    scalar,
)
from tests.support import (
    rebuild as build_all,
)
from tests.support.databases import Moulds, apply_schema

pytestmark = [pytest.mark.citus, pytest.mark.slow]

SOURCES = ("event_stream", "utm_campaigns", "campaign_costs")
LATE_AND_CHANGED = """
    insert into public.event_stream (event_time, user_id, event_type, transaction_category, miles_amount, platform, country)
    select event_time - interval '9 days', user_id, event_type, transaction_category, miles_amount, platform, 'VN'
    from public.event_stream where event_id % 97 = 0;
    insert into public.event_stream (event_time, user_id, event_type, miles_amount)
    select event_time, case when event_id % 2 = 0 then 'odd user' end, 'no such type', 'NaN'
    from public.event_stream where event_id % 499 = 0;
    update public.event_stream set user_id = 'u_00001' where event_id % 211 = 0;
    update public.event_stream set country = 'SG', event_time = event_time - interval '30 days'
    where event_id % 307 = 5;
"""


@pytest.fixture(scope="module")
def single(moulds: Moulds) -> Iterator[Database]:
    """The same warehouse on one node."""
    with moulds.clone(apply_schema) as database:
        seed(database, PROJECT, Demo(2_000, 150, 40, seed=3, end=None, append=False))
        yield database


@pytest.fixture(scope="module")
def both(placed: Cluster, single: Database) -> tuple[Cluster, Database]:
    """Built in full, of the same events."""
    follow(placed, single)
    return placed, single


def follow(cluster: Cluster, single: Database) -> None:
    """The cluster's sources become those of the single node; both are built."""
    copy_sources(cluster, single)
    build_both(cluster, single)


def copy_sources(cluster: Cluster, single: Database) -> None:
    """The cluster's sources become those of the single node, row by changed row."""
    with (
        single.session("test") as one,
        cluster.database.session("test") as other,
        other.transaction(),
    ):
        for table in SOURCES:
            rows = [
                tuple(row.values()) for row in one.rows(f"select * from public.{table} order by 1")
            ]
            other.run(f"create temporary table fresh (like public.{table}) on commit drop")
            other.copy_rows("copy pg_temp.fresh from stdin", rows)
            other.run(
                f"delete from public.{table} as old"
                " where md5(old::text) not in (select md5(fresh::text) from pg_temp.fresh);"
                f" insert into public.{table} overriding system value"
                " select fresh.* from pg_temp.fresh where md5(fresh::text) not in"
                f" (select md5(old::text) from public.{table} as old) order by 1;"
                " drop table pg_temp.fresh"
            )
        other.run("alter table public.event_stream alter column event_id restart with 1000000")


def build_both(cluster: Cluster, single: Database) -> None:
    ingest(single)
    build_all(single)
    ingest(cluster.database, project=cluster.project)
    build_all(cluster.database, manifest=cluster.manifest)


def assert_alike(cluster: Cluster, single: Database) -> None:
    """Every table has the same rows; the numbers of runs are each engine's own."""
    for key, script in cluster.manifest.scripts.items():
        for name in script.tables if not script.is_view else ():
            text = f"select to_jsonb(t) - 'through_run_id' as row from {script.layer}.{name} as t"
            one, other = (
                Counter(str(each["row"]) for each in query(of, text))
                for of in (single, cluster.database)
            )
            assert one == other, (
                f"{key}: {list((one - other).items())[:2]}, {list((other - one).items())[:2]}"
            )


def test_apply_says_what_it_will_place_and_places_it_once(cluster: Cluster) -> None:
    changes = schema.rehearse(cluster.database, cluster.manifest, Target())
    assert "place warehouse.fact_miles_earned: distributed by user_id" in changes
    assert sum(each.startswith("place ") for each in changes) == len(declared(cluster.manifest))
    schema.apply(cluster.database, cluster.manifest, Target())
    assert placed_tables(cluster, "warehouse") == declared(cluster.manifest)
    assert (
        scalar(cluster.database, "select count(distinct colocationid) from pg_dist_partition") == 1
    )
    assert schema.rehearse(cluster.database, cluster.manifest, Target()) == []


def declared(manifest: Manifest) -> set[str]:
    return {
        table
        for script in manifest.scripts.values()
        for table, path in zip(script.tables, script.definitions, strict=True)
        if "-- Place: distributed by user_id" in manifest.read(path)
    }


def placed_tables(cluster: Cluster, schema_name: str) -> set[str]:
    rows = query(
        cluster.database,
        "select relname from pg_dist_partition inner join pg_class on pg_class.oid = logicalrelid"
        " where relnamespace::regnamespace::text = %(schema)s",
        schema=schema_name,
    )
    return {row["relname"] for row in rows}


def test_late_changed_and_undone_rows_give_the_rows_of_a_single_node(
    both: tuple[Cluster, Database], no_margin: None
) -> None:
    cluster, single = both
    assert_alike(cluster, single)
    with single.session("test") as session:
        session.run(LATE_AND_CHANGED)
    follow(cluster, single)
    assert_alike(cluster, single)
    undo(single, load(PROJECT))
    undo(cluster.database, cluster.manifest)
    build_all(single)
    build_all(cluster.database, manifest=cluster.manifest)
    assert_alike(cluster, single)
    assert verify(cluster.database, cluster.manifest, Target(), jobs=2).differences == ()
    rebuild(cluster.database, cluster.manifest, Target(), jobs=2)
    rebuild(single, load(PROJECT), Target(), jobs=2)
    assert_alike(cluster, single)
    assert placed_tables(cluster, "warehouse") == declared(cluster.manifest)


def undo(database: Database, manifest: Manifest) -> None:
    with database.session("test") as session:
        (pipeline,) = pipelines(session, "event_stream")
        run = session.value(
            "select max(run_id) from orchestrator.runs where kind = 'window' and rows_inserted > 0"
            f" and pipeline_id = {pipeline['pipeline_id']}"
        )
    RepairedPipeline(pipeline["pipeline_id"], database, manifest.project).undo(run)


def test_a_table_of_another_shape_and_another_target_are_placed_too(
    both: tuple[Cluster, Database], no_margin: None
) -> None:
    cluster, _ = both
    old = "    has_top_miles boolean not null,\n"
    manifest = edit(
        cluster.project, "schema/warehouse/agg_user_profiles.sql", old, f"{old}    note text,\n"
    )
    done = build(cluster.database, manifest, Target())
    assert any("agg_user_profiles was replaced" in note for note in done.notes)
    assert placed_tables(cluster, "warehouse") == declared(manifest)
    build(cluster.database, manifest, Target("dev"))
    assert placed_tables(cluster, "dev_warehouse") == declared(manifest)
    manifest = edit(
        cluster.project, "schema/warehouse/agg_user_profiles.sql", f"{old}    note text,\n", old
    )
    build(cluster.database, manifest, Target())


def test_rows_of_distributed_tables_are_counted(
    both: tuple[Cluster, Database], no_margin: None
) -> None:
    cluster, single = both
    follow(cluster, single)
    insert_events(single, [earn(day, "counted", miles=5) for day in range(3)])
    copy_sources(cluster, single)
    ingest(single)
    ingest(cluster.database, project=cluster.project)
    of_one, of_cluster = (
        {each.step.script.name: each.changes for each in done.results}
        for done in (build_all(single), build_all(cluster.database, manifest=cluster.manifest))
    )
    for name in ("fact_miles_earned", "agg_user_daily"):
        assert of_cluster[name] == of_one[name] == Changes(inserted=3)


def test_readers_of_reports_see_one_version_while_a_build_publishes(
    both: tuple[Cluster, Database], no_margin: None
) -> None:
    cluster, single = both
    text = (
        "select (select sum(events) from reporting.engagement_daily where slice = 'all') as detail,"
    )
    text += " (select sum(events) from reporting.kpi_daily where slice = 'all') as daily"
    insert_events(single, [earn(day, f"new_{day}", miles=7) for day in range(20)])
    copy_sources(cluster, single)
    ingest(cluster.database, project=cluster.project)
    seen: set[Any] = set()
    is_over = threading.Event()

    def read() -> None:
        with cluster.database.session("reader") as session:
            while not is_over.is_set():
                seen.add(tuple(session.row(text).values()))

    reader = threading.Thread(target=read)
    reader.start()
    build_all(cluster.database, manifest=cluster.manifest)
    is_over.set()
    reader.join()
    assert len(seen) <= 2, seen


def test_a_build_is_refused_while_a_worker_is_away_and_goes_on_when_it_is_back(
    both: tuple[Cluster, Database], no_margin: None
) -> None:
    cluster, single = both
    insert_events(single, [earn(1, "late", miles=1)])
    copy_sources(cluster, single)
    ingest(cluster.database, project=cluster.project)
    before = query(cluster.database, "table reporting.kpi_daily")
    host, port = cluster.workers[0]
    move = "select citus_update_node(nodeid, nodename, {0}) from pg_dist_node where nodeport = {1}"
    with cluster.database.session("test") as session:
        session.run(move.format(1, port))  # where nobody listens
        with pytest.raises(StartError, match=f"a worker does not answer: {host}:1; nothing"):
            build_all(cluster.database, manifest=cluster.manifest)
        assert query(cluster.database, "table reporting.kpi_daily") == before
        session.run(move.format(port, 1))
    build_all(cluster.database, manifest=cluster.manifest)
    assert query(cluster.database, "table reporting.kpi_daily") != before


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_worker_lost_between_the_two_phases_of_a_commit_leaves_one_version_and_the_next_round_ends_it(
    both: tuple[Cluster, Database], no_margin: None, is_committed: bool
) -> None:
    """A node whose standby does not exist waits in the middle of its commit. If it is the
    coordinator, the workers have prepared; if it is a worker, the coordinator is still undecided.
    """
    cluster, single = both
    insert_events(single, [earn(2, f"prepared_{is_committed}", miles=9)])
    copy_sources(cluster, single)
    ingest(single)
    ingest(cluster.database, project=cluster.project)
    before = query(cluster.database, "table reporting.kpi_daily order by 1, 2, 3")
    failures: list[RunnerError] = []

    def work() -> None:
        try:
            with open_builder(
                cluster.database, cluster.manifest, Target(), "build", Listener()
            ) as builder:
                if is_committed:  # other sessions of the coordinator wait for no standby
                    builder.work.run("set synchronous_commit = on")
                builder.bring_up_to_date()
        except RunnerError as error:
            failures.append(error)

    waits = "select exists (select from pg_stat_activity where wait_event = 'SyncRep')"
    first, second = (cluster.address(worker) for worker in cluster.workers[:2])
    held = cluster.database.conninfo if is_committed else second
    thread = threading.Thread(target=work)
    setting = "local" if is_committed else "on"
    with waiting_for_a_standby(cluster.database.conninfo, held, setting) as go_on:
        thread.start()
        while not scalar(Database(held), waits):
            assert thread.is_alive(), failures
            time.sleep(0.05)
        assert prepared(first) and prepared(second)
        assert query(cluster.database, "table reporting.kpi_daily order by 1, 2, 3") == before
        end_sessions(first)
        if not is_committed:
            end_sessions(second)
        go_on()
        thread.join()
        after = query(cluster.database, "table reporting.kpi_daily order by 1, 2, 3")
        assert (after != before) == is_committed == (not failures)
        assert prepared(first)
    if is_committed:
        build_all(single)
    insert_events(single, [earn(3, "next", miles=4)])
    follow(cluster, single)
    assert not prepared(first) and not prepared(second)
    assert_alike(cluster, single)


def test_a_table_that_was_moved_by_hand_is_found_before_a_build(placed: Cluster) -> None:
    with placed.database.session("test") as session:
        session.run("select undistribute_table('warehouse.dim_users')")
        with pytest.raises(StartError, match=r"dim_users is local, but .* says distributed"):
            build_all(placed.database, manifest=placed.manifest)
        schema.apply(placed.database, placed.manifest, Target())
        session.run("select create_distributed_table('warehouse.dim_countries', 'country')")
        with pytest.raises(StartError, match="dim_countries is distributed by country, and"):
            schema.apply(placed.database, placed.manifest, Target())
        session.run("select undistribute_table('warehouse.dim_countries')")
    build_all(placed.database, manifest=placed.manifest)


def test_a_distributed_source_is_refused(placed: Cluster) -> None:
    with placed.database.session("test") as session:
        session.run(
            "create table public.orders (order_id bigint primary key, created_at timestamptz not null);"
            " select create_distributed_table('public.orders', 'order_id');"
            " create view public.all_orders as select * from public.orders;"
            " insert into orchestrator.pipeline_definitions"
            " (pipeline_name, source_relation, target_relation, cursor_column, key_columns) values"
            " ('orders', 'public.all_orders', 'warehouse.raw_orders', 'created_at', '{order_id}')"
        )
        with pytest.raises(
            StartError, match=r"public\.all_orders is a distributed table, or reads one"
        ):
            ingest(placed.database, "orders", placed.project)


def test_a_database_without_citus_is_refused(database: Database, cluster_project: Any) -> None:
    with pytest.raises(
        StartError, match='says engine = "citus", but this database has no extension'
    ):
        schema.apply(database, load(cluster_project), Target())
