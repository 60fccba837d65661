"""The clock of the server jumps, forwards and back, while rows come, transactions stay open and
pipelines run: no promise is false, and nothing is lost once the clock has passed the newest row.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from runner.database.session import Database
from tests.ingest_faults.arena import Arena
from tests.integration.ingest.foreign.servers import Cluster, new_cluster
from tests.support import assert_equals_rebuild, earn, insert_events, query, run_all
from tests.support.databases import apply_schema

pytestmark = pytest.mark.slow

HOUR = 3600
JUMPS = (1, 2 * 60, HOUR, 26 * HOUR, 400 * 24 * HOUR)


class Clock:
    """How far the server's clock is from that of the machine, in a file that it looks at."""

    def __init__(self, file: Path) -> None:
        self.file, self.seconds = file, 0
        self.jump(0)

    def jump(self, seconds: int) -> None:
        self.seconds += seconds
        # Replaced as a whole: the server may be reading it.
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.seconds:+d}\n")
        new.chmod(0o644)
        new.rename(self.file)

    @contextmanager
    def restless(self, chance: random.Random) -> Iterator[None]:
        """It jumps to and fro by up to an hour until this ends."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(chance.uniform(0.01, 0.1)):
                self.jump(chance.choice([-1, 1]) * chance.randrange(HOUR))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def clock(open_folder: Path) -> Clock:
    return Clock(open_folder / "offset")


@pytest.fixture
def server(open_folder: Path, clock: Clock) -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("faketime of Debian is not installed")
    environment = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock.file),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with new_cluster(open_folder / "server", **environment) as cluster:
        yield cluster


@pytest.fixture
def database(server: Cluster) -> Database:
    database = Database(server.conninfo())
    apply_schema(database)
    return database


def kept_promise(arena: Arena) -> None:
    """What was committed before the run, and lies below its end, is there as it is in the source."""
    missing = arena.all(
        "select id, value from seen where written < (select max(high) from orchestrator.runs"
        " where status = 'succeeded' and kind = 'window') except"
        " select id, value from warehouse.raw_goods"
    )
    assert missing == []


@pytest.mark.parametrize("seed", range(4))
def test_no_jump_of_the_clock_makes_a_promise_false(
    server: Cluster, database: Database, clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)
    with ExitStack() as stack:
        connection = stack.enter_context(server.connect())
        arena = Arena(database, connection).make("upsert", has_clock=False, sweep_every="1 day")
        arena.run_text("alter table fire.goods alter written set default now()")
        held: list[psycopg.Connection] = []
        add = "insert into fire.goods (id, value) values (%s, 'new')"
        exact = 0
        for _ in range(40):
            step = chance.choice(
                ["add", "add", "hold", "end", "jump", "change", "ingest", "ingest"]
            )
            if step == "jump":
                clock.jump(chance.choice([-1, 1]) * chance.choice(JUMPS))
            elif step == "change":
                arena.run_text("update fire.goods set value = value || '+' where random() < 0.3")
            elif step == "end" and held:
                other = held.pop(chance.randrange(len(held)))
                other.commit() if chance.random() < 0.8 else other.rollback()
                other.close()
            elif step in ("add", "hold"):
                arena.last_id += 1
                if step == "add" or len(held) == 3:
                    arena.all(add, arena.last_id)
                    continue
                other = psycopg.connect(server.conninfo())
                stack.callback(other.close)
                other.execute(add, [arena.last_id])
                held.append(other)
            else:
                arena.run_text(
                    "drop table if exists seen; create temp table seen as table fire.goods"
                )
                with clock.restless(chance) if chance.random() < 0.3 else ExitStack():
                    runs = arena.ingest(sweep=chance.random() < 0.2)
                assert all(run.guarantee == "exact" for run in runs)
                if runs:
                    exact += 1
                    kept_promise(arena)
        assert exact > 3
        off = arena.one("select extract(epoch from now())::float8") - time.time()
        assert abs(off - clock.seconds) < 5, "the server does not follow the file"
        for other in held:
            other.commit()
        ahead = arena.one(
            "select greatest(0, extract(epoch from max(moment) - now()))::int from ("
            "select max(written) as moment from fire.goods union all"
            " select max(high) from orchestrator.runs) as moments"
        )
        clock.jump(ahead + HOUR)
        arena.ingest()
        assert arena.differences() == []


def test_builds_go_on_over_jumps_and_equal_a_rebuild(database: Database, clock: Clock) -> None:
    chance = random.Random(7)
    for round_ in range(8):
        insert_events(database, [earn(round_, f"u_{round_}_{number}", 5) for number in range(3)])
        clock.jump(chance.choice([-1, 1]) * chance.choice(JUMPS[:-1]))
        with clock.restless(chance):
            run_all(database)
    # Rows that were ahead of the clock when it stood further back come now.
    clock.jump(40 * 24 * HOUR)
    run_all(database)
    source = query(database, "select event_id, user_id from public.event_stream order by 1")
    replica = "select event_id, user_id from warehouse.raw_event_stream order by 1"
    assert query(database, replica) == source
    assert_equals_rebuild(database)
