"""A MariaDB as a source: its clock, its doubtful dates, and that nothing is lost on the way.

The server's own time zone is New York's; all that arrives is in UTC.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from runner.database.session import Database
from runner.ingest.pipeline import IngestionPipeline
from tests.integration.ingest.foreign.servers import PASSWORD, ROLE, Client, MariaDB
from tests.support import PROJECT, ingest, query, scalar
from tests.support.commands import command

pytestmark = pytest.mark.slow

ORDERS = ("--source", "shop.orders", "--cursor", "updated_at", "--key", "id", "--mode", "upsert")
MARGIN = timedelta(seconds=2)
SECONDS = 8


def add(warehouse: Database, maria: MariaDB, *arguments: str) -> str:
    """`pipelines add` as people type it; what it says."""
    done = command(
        *("pipelines", "add", "orders", "--from", maria.url, *(arguments or ORDERS), "--yes"),
        database=warehouse,
        MILEPOST_SOURCE_PASSWORD=PASSWORD,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def added(warehouse: Database, readable_maria: MariaDB) -> Database:
    add(warehouse, readable_maria)
    return warehouse


def clock(warehouse: Database) -> dict[str, object]:
    return query(
        warehouse,
        "select clock, settled::text, held_since, held_by, sees_all, horizon from from_shop.clock",
    )[0]


def settled(warehouse: Database) -> datetime:
    return datetime.fromisoformat(str(clock(warehouse)["settled"]))


def ids(warehouse: Database) -> list[int]:
    rows = query(warehouse, "select id::bigint as id from warehouse.raw_orders")
    return [row["id"] for row in rows]


def test_add_says_what_it_makes_and_that_the_other_side_searches(
    warehouse: Database, readable_maria: MariaDB
) -> None:
    said = add(warehouse, readable_maria)
    assert "+ server from_shop (mysql_fdw) host=127.0.0.1" in said
    assert "+ foreign table from_shop.orders of shop.orders, 7 columns" in said
    assert "+ foreign table from_shop.clock: the clock of shop" in said
    assert "`shop`.`orders` WHERE ((`updated_at` >= " in said
    assert "lookback: " in said
    assert "warning" not in said
    assert PASSWORD not in said
    [row] = query(warehouse, "select column_types from orchestrator.pipeline_definitions")
    assert row["column_types"] == {"made_on": "date", "seen_at": "timestamp without time zone"}


def test_replica_is_the_source(added: Database, maria: MariaDB) -> None:
    maria.run(
        "insert into orders (note, amount, kind, made_on, seen_at, updated_at)"
        " select concat('n', seq, ' Žluťoučký 🐎'), seq / 4, 'b', '2026-05-04', '2026-05-04 03:02:01',"
        " now(6) - interval seq hour from seq_1_to_2000"
    )
    ingest(added, "orders")
    rows = query(
        added, "select id::bigint, note, amount, kind, made_on, seen_at from warehouse.raw_orders"
    )
    assert len(rows) == 2000
    [first] = [row for row in rows if row["id"] == 1]
    assert first["note"] == "n1 Žluťoučký 🐎"
    assert str(first["amount"]) == "0.25"
    assert (str(first["made_on"]), str(first["seen_at"])) == ("2026-05-04", "2026-05-04 03:02:01")
    newest = scalar(added, "select max(updated_at) from warehouse.raw_orders")
    age = datetime.now(UTC).replace(tzinfo=None) - newest
    assert timedelta(hours=1) <= age < timedelta(hours=1, minutes=2)  # UTC, not New York


def test_a_date_that_is_none_is_set_aside_and_the_others_are_loaded(
    added: Database, maria: MariaDB
) -> None:
    maria.run(
        "set sql_mode = '';"
        "insert into orders (note, made_on, seen_at) values"
        " ('good', '2026-02-01', '2026-02-01 10:00:00'), ('empty', null, null),"
        " ('zero', '0000-00-00', now()), ('half', '2026-02-00', now()),"
        " ('zero time', '2026-02-01', '0000-00-00 00:00:00')"
    )
    time.sleep(3)  # its clock says what was two seconds ago
    ingest(added, "orders")
    assert {row["note"] for row in query(added, "select note from warehouse.raw_orders")} == {
        "good",
        "empty",
    }
    rejected = query(
        added, "select source_row ->> 'note' as note, reason from orchestrator.rejected_rows"
    )
    assert {row["note"] for row in rejected} == {"zero", "half", "zero time"}
    assert all("out of range" in row["reason"] for row in rejected)


# --- the clock --------------------------------------------------------------------------------------


def pipeline(warehouse: Database) -> IngestionPipeline:
    pipeline_id = scalar(warehouse, "select pipeline_id from orchestrator.pipeline_definitions")
    return IngestionPipeline(pipeline_id, warehouse, PROJECT)


def test_nobody_at_work_means_two_seconds_ago(added: Database) -> None:
    found = clock(added)
    now = datetime.now(UTC)
    assert abs(now - found["clock"]) < timedelta(seconds=2)  # type: ignore[operator]
    assert MARGIN <= now - settled(added) < MARGIN + timedelta(seconds=3)
    assert (found["sees_all"], found["held_by"], found["horizon"]) == (False, None, None)


def test_an_open_transaction_holds_the_clock(added: Database, maria: MariaDB) -> None:
    with maria.connect() as writer:
        writer.run("start transaction")
        writer.run("insert into orders (note) values ('slow')")
        [[cursor]] = writer.run(
            "select convert_tz(max(updated_at), 'SYSTEM', '+00:00') from orders"
        )
        time.sleep(3)
        written = datetime.fromisoformat(cursor).replace(tzinfo=UTC)
        assert timedelta(seconds=1) <= written - settled(added) <= timedelta(seconds=4)
        assert "in a transaction" in str(clock(added)["held_by"])
        writer.run("rollback")
    time.sleep(1)
    assert settled(added) > written - timedelta(seconds=1)


def test_a_statement_that_waits_holds_the_clock_before_it_has_a_transaction(
    added: Database, maria: MariaDB
) -> None:
    with maria.connect() as locker, maria.connect() as writer:
        locker.run("lock tables orders write")
        began = datetime.now(UTC)
        writer.send("insert into orders (note) values ('waits')")
        time.sleep(3)
        assert settled(added) <= began - timedelta(seconds=1)
        locker.run("unlock tables")
        writer.run("select 1")
    assert settled(added) > began


def test_a_prepared_transaction_that_nobody_holds_stops_the_clock(
    added: Database, maria: MariaDB
) -> None:
    maria.run("xa start 'x'; insert into orders (note) values ('x'); xa end 'x'; xa prepare 'x'")
    time.sleep(0.5)  # until the server has noticed that its client is gone
    try:
        assert clock(added)["settled"] == "-infinity"
        assert "prepared transaction" in str(clock(added)["held_by"])
    finally:
        maria.run("xa rollback 'x'")


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-07-01 12:00:00", "2026-07-01 16:00:00"),
        ("2026-11-01 00:59:59", "2026-11-01 04:59:59"),
        ("2026-11-01 01:30:00", "2026-11-01 05:30:00"),  # the first of two
        ("2026-11-01 02:00:00", "2026-11-01 07:00:00"),
        ("2026-12-01 12:00:00", "2026-12-01 17:00:00"),
    ],
)
def test_the_hour_that_comes_twice_is_taken_for_the_first(
    maria: MariaDB, local: str, utc: str
) -> None:
    """The conversion of the view, on times of our choice."""
    text = (PROJECT / "sql" / "ingest" / "on_mariadb.sql").read_text()
    outer = text[
        text.index("transactions.started\n") : text.index(" as started,\n        transactions")
    ]
    conversion = " ".join(
        line.strip() for line in outer.splitlines() if not line.strip().startswith("--")
    )
    with maria.connect() as client:
        [[found]] = client.run(
            f"select {conversion} from (select convert_tz('{local}', 'SYSTEM', '+00:00') as started,"
            f" timestamp '{local}' as local_started) as transactions"
        )
    assert found == utc


def test_who_may_not_see_all_gets_no_clock(warehouse: Database, maria: MariaDB) -> None:
    """A view of somebody without the right fails when it is read, and says so."""
    printed = command(
        "pipelines", "source-sql", "mariadb", "--source", "shop.orders", "--role", ROLE
    ).stdout
    maria.run("create or replace user plain@localhost; grant all on shop.* to plain@localhost")
    maria.run(printed.replace("sql security", "definer = plain@localhost sql security"))
    try:
        done = command(
            *("pipelines", "add", "orders", "--from", maria.url, *ORDERS, "--yes"),
            database=warehouse,
            MILEPOST_SOURCE_PASSWORD=PASSWORD,
        )
    finally:
        maria.run("drop user plain@localhost")
    assert (done.returncode, "PROCESS" in done.stderr) == (1, True)


def test_without_a_clock_less_is_promised_and_the_way_to_more_is_told(
    warehouse: Database, maria: MariaDB
) -> None:
    said = add(warehouse, maria)
    assert "lookback: " in said
    assert f"pipelines source-sql mariadb --source shop.orders --role {ROLE}" in said


# --- races ------------------------------------------------------------------------------------------


def write(maria: MariaDB, stop: threading.Event, seed: int, updates: bool) -> None:
    """An application: transactions that stay open for a while and end out of order, or not at all."""
    chance = random.Random(seed)
    with maria.connect() as client:
        while not stop.is_set():
            client.run("start transaction")
            for _ in range(chance.randint(1, 3)):
                client.run("insert into orders (note) values ('w')")
                time.sleep(chance.random() * 0.05)
            if updates:
                client.run(
                    "update orders set note = concat(note, 'u')"
                    f" where id = {chance.randint(1, 150)}"
                )
            time.sleep(chance.random() * 0.4)
            client.run("rollback" if chance.random() < 0.2 else "commit")


def race(warehouse: Database, maria: MariaDB, updates: bool) -> set[int]:
    """Writers and an ingest beside each other; the ids that a naive reader would have missed."""
    stop = threading.Event()
    writers = [
        threading.Thread(target=write, args=(maria, stop, seed, updates)) for seed in range(5)
    ]
    for writer in writers:
        writer.start()
    naive: set[int] = set()
    newest = "2000-01-01"
    deadline = time.monotonic() + SECONDS
    try:
        with maria.connect() as reader:
            while time.monotonic() < deadline:
                pipeline(warehouse).run(wait_seconds=0)
                rows = reader.run(
                    f"select id, updated_at from orders where updated_at > '{newest}'"
                )
                naive |= {int(row[0]) for row in rows}
                newest = max([newest, *(row[1] for row in rows)])
                time.sleep(0.1)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    pipeline(warehouse).run()
    with maria.connect() as reader:
        written = {int(row[0]) for row in reader.run("select id from orders")}
    assert len(written) > 50
    return written - naive


def assert_same_rows(warehouse: Database, maria: MariaDB) -> None:
    with maria.connect() as reader:
        source = reader.run("select id, note from orders order by id")
    replica = query(warehouse, "select id, note from warehouse.raw_orders order by id")
    assert [[str(row["id"]), row["note"]] for row in replica] == source


def test_the_bound_alone_loses_nothing_of_what_commits_out_of_order(
    warehouse: Database, readable_maria: MariaDB
) -> None:
    """Without a key there is no second look: whatever the bound let through is gone."""
    add(
        warehouse,
        readable_maria,
        *("--source", "shop.orders", "--cursor", "updated_at", "--mode", "append"),
    )
    missed = race(warehouse, readable_maria, updates=False)
    assert_same_rows(warehouse, readable_maria)
    assert missed, "the naive way lost nothing: this race proves nothing"
    runs = query(warehouse, "select distinct status, guarantee from orchestrator.runs")
    assert runs == [{"status": "succeeded", "guarantee": "best_effort"}]


def test_rows_that_change_while_they_are_read_are_read_again(
    added: Database, readable_maria: MariaDB
) -> None:
    race(added, readable_maria, updates=True)
    assert_same_rows(added, readable_maria)
    assert {row["status"] for row in query(added, "select status from orchestrator.runs")} == {
        "succeeded"
    }


def test_a_source_without_snapshots_that_changes_all_the_time_is_read_all_the_same(
    added: Database, readable_maria: MariaDB
) -> None:
    """Two statements never see the same rows there: rows are counted as they arrived."""
    readable_maria.run(
        "insert into orders (note, updated_at) select 'w', now(6) - interval 1 hour"
        " from seq_1_to_300"
    )
    stop = threading.Event()

    def hurry() -> None:
        chance = random.Random(1)
        with readable_maria.connect() as client:
            while not stop.is_set():
                number = chance.randint(1, 300)
                client.run(f"update orders set note = concat('n', rand()) where id = {number}")

    writer = threading.Thread(target=hurry)
    writer.start()
    try:
        deadline = time.monotonic() + SECONDS / 2
        while time.monotonic() < deadline:
            pipeline(added).run(wait_seconds=0)
    finally:
        stop.set()
        writer.join()
    pipeline(added).run()
    assert_same_rows(added, readable_maria)
    assert {row["status"] for row in query(added, "select status from orchestrator.runs")} == {
        "succeeded"
    }


def test_a_row_older_than_its_transaction_is_found_by_the_lookback(
    added: Database, readable_maria: MariaDB
) -> None:
    """The hole that the clock has: the row waited for a lock before it had a transaction."""
    with readable_maria.connect() as locker, readable_maria.connect() as waiting:
        locker.run("lock tables orders write")
        waiting.run("start transaction")
        waiting.send("insert into orders (note) values ('waited')")
        time.sleep(5)
        locker.run("unlock tables")
        [[cursor]] = waiting.run("select convert_tz(updated_at, 'SYSTEM', '+00:00') from orders")
        pipeline(added).run(wait_seconds=0)
        watermark = scalar(added, "select max(high) from orchestrator.runs")
        assert datetime.fromisoformat(cursor).replace(tzinfo=UTC) < watermark
        waiting.run("commit")
    ingest(added, "orders")
    assert len(ids(added)) == 1


def test_a_connection_is_a_client_of_its_own(maria: MariaDB) -> None:
    """Of the tests themselves: two clients are two connections."""
    with closing(Client(maria.address(), "shop")) as one, maria.connect() as other:
        assert one.run("select connection_id()") != other.run("select connection_id()")
