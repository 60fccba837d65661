"""Everything at once: ingests beside builds beside other pipelines; clusters that wrap around, are
moved, or lose a replica.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runner.database.embedded import FAST, Server
from runner.database.session import Database, LockHeld
from runner.errors import RunnerError
from runner.ingest.pipeline import IngestionPipeline
from tests.ingest_faults.arena import Arena
from tests.ingest_faults.test_odd_values import MODES
from tests.support import (
    PROJECT,
    assert_equals_rebuild,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    rebuild,
)
from tests.support.databases import apply_schema

# Together.


def write_events(database: Database, stop: threading.Event, number: int) -> None:
    """An application that commits late, takes back, and dates some rows back."""
    with psycopg.connect(database.conninfo) as connection:
        turn = 0
        while not stop.is_set():
            connection.execute(
                "insert into public.event_stream (event_time, user_id, event_type, created_at)"
                " select now() - n * interval '1 day', 'u_' || %s, 'like',"
                " now() - (n %% 3) * interval '4 hours' from generate_series(0, 3) as n",
                [number],
            )
            if turn % 5 == 0:
                connection.execute(
                    "update public.event_stream set event_type = 'share' where event_id in"
                    " (select event_id from public.event_stream where user_id = %s"
                    " order by event_id limit 1)",
                    [f"u_{number}"],
                )
            stop.wait(0.01 * (turn % 4))
            connection.rollback() if turn % 7 == 3 else connection.commit()
            turn += 1


def ingest_on(database: Database, stop: threading.Event, pipeline_id: int) -> None:
    while not stop.is_set():
        IngestionPipeline(pipeline_id, database, PROJECT).run(wait_seconds=0)


def build_on(database: Database, stop: threading.Event) -> None:
    while not stop.is_set():
        rebuild(database)


def run_together(arena: Arena, seconds: float) -> None:
    database = arena.make("upsert", has_clock=False).database
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: object, *values: object) -> None:
        try:
            work(database, stop, *values)  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)
            stop.set()

    jobs = [
        *((write_events, number) for number in range(3)),
        (ingest_on, 1),
        (ingest_on, 2),
        (ingest_on, arena.pipeline_id),
        (build_on,),
    ]
    threads = [threading.Thread(target=guarded, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not stop.is_set():
        arena.run_text(
            "insert into public.utm_campaigns as known (utm_source, monthly_cost)"
            " values ('google', 1) on conflict (utm_source) do update"
            " set monthly_cost = known.monthly_cost + 1, updated_at = now()"
        )
        arena.last_id += 1
        arena.all("insert into fire.goods values (%s, 'new', now())", arena.last_id)
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    for pipeline_id in (1, 2, arena.pipeline_id):
        IngestionPipeline(pipeline_id, database, PROJECT).run(wait_seconds=10)
    arena.assert_exact()
    rebuild(database)
    assert_facts_equal_oracle(database)
    assert_reports_equal_oracle(database)
    assert_equals_rebuild(database)


@pytest.mark.slow
def test_ingests_beside_builds_beside_other_pipelines(arena: Arena) -> None:
    run_together(arena, 30)


def test_two_runners_at_once_again_and_again(arena: Arena) -> None:
    """One works; the other works too, or says that somebody does."""
    arena.make("append")
    start = threading.Barrier(2)
    seen: list[str] = []

    def ingest() -> None:
        for _ in range(25):
            start.wait()
            try:
                arena.ingest()
                seen.append("worked")
            except LockHeld:
                seen.append("held")
            except RunnerError as error:
                seen.append(str(error))
            start.wait()

    threads = [threading.Thread(target=ingest) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) <= {"worked", "held"}
    assert seen.count("worked") >= 25
    arena.assert_sound()


# What happens to a replica.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "mishap", ["truncate warehouse.raw_goods", "drop table warehouse.raw_goods"]
)
def test_a_replica_that_is_emptied_heals_by_itself(arena: Arena, mode: str, mishap: str) -> None:
    arena.make(mode, window_size="1 day")
    arena.insert("2025-01-01", "2025-06-01", "2025-12-31", None, "infinity")
    arena.ingest()
    arena.run_text(mishap)
    arena.was_remade = True
    arena.set_clock("2026-01-02")
    arena.insert("2026-01-01 12:00:00+00")
    arena.ingest()
    arena.assert_exact(ahead=[5])  # infinity never comes


def test_a_replica_without_a_key_that_is_dropped_is_said_not_to_heal(arena: Arena) -> None:
    arena.make("append", key="{}")
    arena.insert("2025-01-01")
    arena.ingest()
    arena.run_text("drop table warehouse.raw_goods")
    for _ in range(2):
        with pytest.raises(RunnerError, match="without a key"):
            arena.ingest()


def test_a_replica_without_a_key_that_is_truncated_is_said_not_to_heal(arena: Arena) -> None:
    arena.make("append", key="{}")
    arena.insert("2025-01-01")
    arena.ingest()
    arena.run_text("truncate warehouse.raw_goods")
    try:
        runs = arena.ingest()
    except RunnerError:
        return
    assert {run.guarantee for run in runs} == {"best_effort"} or arena.one(
        "select count(*) from orchestrator.logs where level = 'warning'"
    )


# Clusters of their own.


@pytest.fixture
def cluster(open_folder: Path) -> Iterator[Server]:
    server = Server(open_folder / "cluster", FAST).start()
    yield server
    server.delete()


@contextlib.contextmanager
def arena_on(server: Server) -> Iterator[Arena]:
    with psycopg.connect(server.uri, autocommit=True) as connection:
        arena = Arena(Database(server.uri), connection)
        try:
            yield arena
        finally:
            arena.connection.close()


def again(server: Server, arena: Arena) -> None:
    """A new connection to a server that was started again."""
    server.start()
    arena.connection = psycopg.connect(server.uri, autocommit=True)
    arena.run_text("set timezone = 'UTC'")


def resetwal(server: Server, arena: Arena, *options: str) -> None:
    arena.connection.close()
    server.stop()
    done = server.programs.run("pg_resetwal", *options, str(server.data))
    assert done.returncode == 0, done.stdout


# Each less than half of the way round from the one before, as for any cluster that is vacuumed.
JUMPS = ((0, 2**31 - 40), (0, 2**32 - 60), (1, 2**30), (1, 2**31 - 40), (3, 2**32 - 60))


def jump_to(server: Server, arena: Arena, epoch: int, xid: int) -> None:
    """The next transaction has this number; the commit log gets pages for it."""
    arena.run_text("vacuum freeze")
    arena.run_text("checkpoint")
    resetwal(server, arena, "-e", str(epoch), "-x", str(xid), "-u", str(max(3, xid - 10_000_000)))
    segment = server.data / "pg_xact" / f"{xid // (8192 * 4 * 32):04X}"
    if not segment.exists():
        segment.write_bytes(bytes(8192 * 32))
        server.programs.hand_over(segment)
    again(server, arena)
    assert arena.one("select pg_current_xact_id()::text::bigint") >= (epoch << 32) + xid


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_horizons_hold_through_the_wraparound_of_transaction_numbers(
    cluster: Server, mode: str
) -> None:
    apply_schema(Database(cluster.uri))
    with arena_on(cluster) as arena:
        arena.make(mode)
        for epoch, xid in JUMPS:
            jump_to(cluster, arena, epoch, xid)
            for turn in range(30):
                arena.run_text("update fire.now_there set clock = clock + interval '1 hour'")
                moments = [
                    arena.one("select (clock - %s::interval)::text from fire.now_there", ago)
                    for ago in ("30 minutes", "90 minutes", "5 hours")
                ]
                arena.insert(*moments, None)
                arena.change(max(1, arena.last_id - 12), f"in silence {epoch} {turn}")
                assert arena.ingest()[-1].guarantee == "exact"
                arena.assert_exact()


@pytest.mark.slow
def test_a_horizon_from_before_the_wraparound_is_too_old(cluster: Server) -> None:
    apply_schema(Database(cluster.uri))
    with arena_on(cluster) as arena:
        arena.make("append")
        arena.insert("2025-12-31 12:00:00+00")
        arena.ingest()
        arena.change(1, "in silence")
        jump_to(cluster, arena, 1, 5_000)
        arena.insert("2025-12-31 13:00:00+00")
        arena.ingest()
        arena.assert_exact()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_dump_restored_into_another_cluster_is_compared_in_full(
    cluster: Server, open_folder: Path, mode: str
) -> None:
    """Numbers of transactions begin anew there, below those that the ledger knows."""
    apply_schema(Database(cluster.uri))
    with arena_on(cluster) as arena:
        arena.make(mode, has_clock=False)
        arena.run_text(
            "do $$ begin for i in 1..3000 loop perform pg_current_xact_id(); commit; end loop;"
            " end $$"
        )
        arena.run_text(
            "insert into fire.goods values (1, 'new', '2025-01-01'),"
            " (2, 'new', now() - interval '1 hour')"
        )
        arena.ingest()
        arena.run_text("insert into fire.goods values (3, 'late', now() - interval '30 days')")
        arena.change(1, "in silence")
    dump = cluster.programs.run("pg_dump", cluster.uri).stdout
    other = Server(open_folder / "other", FAST).start()
    try:
        subprocess.run(
            [
                other.programs.bin / "psql",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-o",
                "/dev/null",
                other.uri,
            ],
            input=dump,
            text=True,
            check=True,
        )
        with arena_on(other) as there:
            there.pipeline_id = arena.pipeline_id
            there.ingest(wait_seconds=5)
            there.assert_exact()
    finally:
        other.delete()
