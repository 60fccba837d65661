"""A standby takes over: what the old primary had committed and the new one has not is not missed,
and whoever asks a standby to write is told.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from runner.database.session import Database, QueryFailed
from tests.integration.ingest.foreign.servers import (
    PATIENCE,
    POSTGRES,
    Cluster,
    free_port,
    make_folder,
    new_cluster,
    run_server,
)
from tests.support import assert_equals_rebuild, earn, insert_events, query, run_all, scalar
from tests.support.commands import command
from tests.support.databases import apply_schema
from tests.support.throwaway import WATCHDOG

pytestmark = pytest.mark.slow


@contextmanager
def standby_of(primary: Cluster, folder: Path) -> Iterator[Cluster]:
    """A hot standby that follows the primary by streaming."""
    standby = Cluster(folder, free_port())
    user = make_folder(folder, "postgres")
    source = f"host={primary.folder} port={primary.port} user=postgres"
    words = [POSTGRES / "pg_basebackup", "-D", folder / "data", "-R", "-d", source, "-c", "fast"]
    subprocess.run(words, user=user, check=True, capture_output=True, timeout=PATIENCE)
    arguments = [str(POSTGRES / "postgres"), "-D", str(folder / "data")]
    for name, value in {
        "port": standby.port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "fsync": "off",
        "shared_buffers": "32MB",
        "max_prepared_transactions": 10,
    }.items():
        arguments += ["-c", f"{name}={value}"]
    with run_server(WATCHDOG, folder, arguments, user):
        wait(lambda: standby.connect().close(), standby)
        yield standby


def wait(step: object, cluster: Cluster) -> None:
    """Try until it works."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            assert callable(step)
            step()
            return
        except (psycopg.Error, AssertionError, QueryFailed):
            assert time.monotonic() < deadline, cluster.log.read_text()
            time.sleep(0.1)


@pytest.fixture
def primary(open_folder: Path) -> Iterator[Cluster]:
    with new_cluster(open_folder / "primary") as cluster:
        yield cluster


def rows(database: Database, table: str) -> set[str]:
    return {row["user_id"] for row in query(database, f"select user_id from {table}")}


def test_after_a_failover_nothing_is_missed_and_no_promise_was_false(
    primary: Cluster, open_folder: Path
) -> None:
    main = Database(primary.conninfo())
    apply_schema(main)
    insert_events(main, [earn(day, f"u_{day}", 5) for day in range(5)])
    run_all(main)
    with standby_of(primary, open_folder / "standby") as other:
        there = Database(other.conninfo())
        wait(lambda: scalar(there, "select 1 from orchestrator.runs where kind = 'build'"), other)

        # Nothing can be written there yet.
        done = command("ingest", database=there)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert "read-only" in done.stderr
        doctor = command("doctor", database=there)
        assert doctor.returncode == 1
        assert "it is a standby, where nothing can be written" in doctor.stdout

        # The stream is cut: the old primary goes on for a while, with rows that nobody else has.
        query(there, "alter system set primary_conninfo = ''")
        query(there, "select pg_reload_conf()")
        wait(lambda: query(main, "select 1 / (count(*) = 0)::int from pg_stat_replication"), other)
        insert_events(main, [earn(6, "lost with the primary", 5)])
        run_all(main)
        query(there, "select pg_promote()")
        wait(lambda: query(there, "create table public.is_primary ()"), other)

        assert "lost with the primary" in rows(main, "warehouse.raw_event_stream")
        assert "lost with the primary" not in rows(there, "public.event_stream")
        insert_events(there, [earn(7, "on the new primary", 5)])
        for _ in range(2):
            run_all(there)
        assert rows(there, "warehouse.raw_event_stream") == rows(there, "public.event_stream")
        assert "on the new primary" in rows(there, "warehouse.fact_miles_earned")
        # The horizon of the other timeline counts for nothing here: everything was compared again.
        swept = "select count(*) from orchestrator.runs where horizon_scope = 'table'"
        assert scalar(there, swept) >= 2
        assert (
            scalar(
                there,
                "select guarantee from orchestrator.runs where kind = 'window'"
                " order by run_id desc limit 1",
            )
            == "exact"
        )
        assert_equals_rebuild(there)
