"""Writers beside an ingest, with the margin that it has in earnest."""

from __future__ import annotations

import threading

import psycopg

from runner.database.session import Database
from runner.ingest.pipeline import IngestionPipeline
from tests.support import PROJECT, ingest, query, scalar


def test_writers_that_commit_out_of_order_lose_no_row(database: Database) -> None:
    """Eight writers hold transactions open for random times while ingest runs again and again."""
    stop = threading.Event()

    def write(number: int) -> None:
        with psycopg.connect(database.conninfo) as connection:
            turn = 0
            while not stop.is_set():
                connection.execute(
                    "insert into public.event_stream (event_time, user_id) values (now(), %s)",
                    [f"{number}:{turn}"],
                )
                stop.wait(0.001 * ((number * 7 + turn * 13) % 40))
                connection.rollback() if turn % 9 == 0 else connection.commit()
                turn += 1

    threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            IngestionPipeline(1, database, PROJECT).run(wait_seconds=0.0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    ingest(database)
    assert scalar(database, "select count(*) from public.event_stream") > 100
    columns = "event_id, event_time, user_id, event_type, created_at"
    source = f"select {columns} from public.event_stream"
    replica = f"select {columns} from warehouse.raw_event_stream"
    differing = f"({source} except all {replica}) union all ({replica} except all {source})"
    assert query(database, differing) == []
