"""Death before every statement of whatever brings rows: nothing is lost, doubled or left half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.database.embedded import FAST, Server
from runner.database.session import Database
from runner.errors import RunnerError
from tests.ingest_faults.arena import Arena
from tests.ingest_faults.death import Boundary, terminate, watched
from tests.support import PROJECT
from tests.support.databases import apply_schema

MOST_STATEMENTS = 1000
# A method of IngestionPipeline and its arguments.
Order = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Story:
    """What is done to a source before each death, what the runner is told to do then, and what it
    is told afterwards if it could not finish.
    """

    definition: dict[str, Any]
    prepare: Callable[[Arena], None]
    order: Callable[[Arena], Order]
    finish: Callable[[Arena, Order], None] = lambda arena, order: None


def follow(arena: Arena, order: Order) -> None:
    method, arguments = order
    getattr(arena.pipeline, method)(**arguments)


def pass_an_hour(arena: Arena) -> None:
    arena.run_text("update fire.now_there set clock = clock + interval '1 hour'")


def moment(arena: Arena, ago: str) -> str:
    return str(arena.one("select (clock - %s::interval)::text from fire.now_there", ago))


def write(arena: Arena) -> None:
    """New rows, and some behind the watermark: late, null, changed with and without a word."""
    pass_an_hour(arena)
    arena.insert(*[moment(arena, f"{minutes} minutes") for minutes in (50, 30, 10)])
    arena.insert(moment(arena, "3 hours"), None)
    if arena.last_id > 10:
        arena.change(arena.last_id - 9, "changed", moment(arena, "20 minutes"))
        arena.change(arena.last_id - 8, f"changed in silence {arena.last_id}")


def write_only_new(arena: Arena) -> None:
    pass_an_hour(arena)
    arena.insert(*[moment(arena, f"{minutes} minutes") for minutes in (50, 30, 10)])


def run(arena: Arena) -> Order:
    return "run", {"wait_seconds": 0}


def sweep(arena: Arena) -> Order:
    return "run", {"wait_seconds": 0, "sweep": True}


def backfill(arena: Arena) -> Order:
    return "backfill", {"low": "-infinity", "high": "infinity"}


def reconcile(arena: Arena) -> Order:
    return "reconcile", {}


def write_long_ago(arena: Arena) -> None:
    write(arena)
    arena.insert(moment(arena, "40 days"))
    arena.all("update fire.goods set value = value || '!' where id % 5 = 1")


def change_in_range(arena: Arena) -> None:
    write(arena)
    arena.ingest()
    arena.insert(moment(arena, "40 days"))
    arena.all("update fire.goods set value = value || '.' where id = 1")


def delete_some(arena: Arena) -> None:
    write_long_ago(arena)
    arena.ingest()
    arena.all("delete from fire.goods where id in (select id from fire.goods where id > 1 limit 2)")


def ingest_what_is_new(arena: Arena) -> None:
    write_only_new(arena)
    arena.ingest()


def ingest_it(arena: Arena) -> None:
    write(arena)
    arena.ingest()


def undo(arena: Arena) -> Order:
    last = arena.one(
        "select max(run_id) from orchestrator.runs where kind = 'window' and status = 'succeeded'"
    )
    return "undo", {"run_id": last}


def finish_undo(arena: Arena, order: Order) -> None:
    """Whoever was told that it had been done, now it is."""
    run_id = order[1]["run_id"]
    if arena.one("select status from orchestrator.runs where run_id = %s", run_id) == "succeeded":
        follow(arena, order)
    assert len(arena.gaps()) == 1
    arena.fill_gaps()


def undo_two_windows(arena: Arena) -> None:
    """A gap that takes more than one window."""
    for _ in range(2):
        write_only_new(arena)
    for loaded in arena.ingest():
        arena.pipeline.undo(loaded.run_id)


def fill_the_gap(arena: Arena) -> Order:
    low, high = arena.gaps()[0]
    return "backfill", {"low": low, "high": high}


def fill_what_is_left(arena: Arena, order: Order) -> None:
    arena.fill_gaps()


def forget_everything(arena: Arena) -> None:
    """As on the first day."""
    write_only_new(arena)
    arena.run_text(
        "drop table if exists warehouse.raw_goods; truncate orchestrator.replaced_rows,"
        " orchestrator.rejected_rows, orchestrator.runs cascade"
    )


def add_a_column(arena: Arena) -> None:
    write(arena)
    arena.run_text(f"alter table fire.goods add column extra_{arena.last_id} integer default 5")


def write_what_cannot_be_stored(arena: Arena) -> None:
    write(arena)
    arena.insert(moment(arena, "5 minutes"), moment(arena, "2 hours"), value="bad")
    arena.run_text(
        "create schema if not exists warehouse;"
        " alter table if exists warehouse.raw_goods drop constraint if exists nothing_bad;"
        " alter table if exists warehouse.raw_goods add constraint nothing_bad"
        " check (value <> 'bad')"
    )


def mend(arena: Arena, order: Order) -> None:
    arena.all("update fire.goods set value = 'mended' where value = 'bad'")
    arena.ingest()
    waiting = "select count(*) from orchestrator.rejected_rows where resolved_run_id is null"
    assert arena.one(waiting) == 0


APPEND = {"mode": "append"}
UPSERT = {"mode": "upsert"}
KEYLESS = {"mode": "append", "key": "{}", "window_size": "30 minutes"}

STORIES = {
    "append": Story(APPEND, write, run),
    "upsert": Story(UPSERT, write, run),
    "first": Story({**APPEND, "window_size": "15 minutes"}, forget_everything, run),
    "drift": Story(APPEND, add_a_column, run),
    "rejects": Story(APPEND, write_what_cannot_be_stored, run, mend),
    "windows": Story({**APPEND, "window_size": "15 minutes"}, write, run),
    "keyless": Story(KEYLESS, write_only_new, run),
    "sweep": Story(UPSERT, write_long_ago, sweep, follow),
    "backfill": Story(UPSERT, change_in_range, backfill, follow),
    "reconcile": Story({**UPSERT, "on_delete": "apply"}, delete_some, reconcile, follow),
    "undo": Story(UPSERT, ingest_it, undo, finish_undo),
    "keyless undo": Story(KEYLESS, ingest_what_is_new, undo, finish_undo),
    "gap": Story(UPSERT, undo_two_windows, fill_the_gap, fill_what_is_left),
    "keyless gap": Story(KEYLESS, undo_two_windows, fill_the_gap, fill_what_is_left),
}


def die_everywhere(
    arena: Arena,
    story: Story,
    die: Callable[[Order, int], bool],
    first: int = 1,
    step: int = 1,
) -> int:
    """`die` follows the order, with a death before the statement of that number, and says whether
    it came to that; so it goes on until there is no such statement. How many deaths there were.
    """
    arena.make(**story.definition)
    write_only_new(arena)
    arena.ingest()
    for deaths, at in enumerate(range(first, MOST_STATEMENTS, step)):
        story.prepare(arena)
        order = story.order(arena)
        has_died = die(order, at)
        story.finish(arena, order)
        arena.ingest()
        try:
            arena.assert_exact()
        except AssertionError as error:
            error.add_note(f"death before statement {at} of {order}")
            raise
        if not has_died:
            return deaths
    raise AssertionError("it never ended")


def lose_a_session(arena: Arena, victim: str, order: Order, at: int) -> bool:
    """The server ends one of the two sessions; the runner is not told to try again."""

    def strike(boundary: Boundary) -> None:
        if pid := getattr(boundary, victim):
            terminate(arena.database.conninfo, pid)

    boundary = Boundary(at, strike)
    with watched(boundary):
        try:
            follow(arena, order)
        except RunnerError as error:
            error.add_note(f"death of {victim} before statement {at} of {order}")
            raise
    return boundary.has_struck


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(
    ("story", "victim"),
    [
        ("undo", "work"),
        pytest.param("append", "work", marks=pytest.mark.slow),
        pytest.param("keyless gap", "evidence", marks=pytest.mark.slow),
    ],
)
def test_a_session_that_is_lost_is_made_up_for(arena: Arena, story: str, victim: str) -> None:
    """A sample; all of it is below."""
    deaths = die_everywhere(
        arena,
        STORIES[story],
        lambda order, at: lose_a_session(arena, victim, order, at),
        step=11,
    )
    assert deaths > 2


@pytest.mark.usefixtures("no_patience")
def test_a_statement_that_takes_too_long_halves_the_window(arena: Arena) -> None:
    """Each row takes 10 ms, and no statement may take more than 150."""
    arena.make("append", window_size="40 hours")
    arena.ingest()
    arena.run_text(
        "create function fire.doze() returns trigger language plpgsql as"
        " 'begin perform pg_sleep(0.01); return new; end';"
        " create trigger doze before insert on warehouse.raw_goods"
        " for each row execute function fire.doze()"
    )
    arena.set_clock("2026-01-03 00:00:00+00")
    arena.insert(*[f"2026-01-0{day} {hour:02}:00:00+00" for day in (1, 2) for hour in range(20)])
    database = arena.connection.info.dbname
    arena.run_text(f"alter database {database} set statement_timeout = '150ms'")
    arena.ingest()
    arena.assert_exact()
    failed = "select distinct sqlstate from orchestrator.runs where status = 'failed'"
    assert arena.all(failed) == [("57014",)]


# Before the odd statements a session is lost, before the even ones the runner is killed: there is
# none before which nobody dies.


@pytest.mark.slow
@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(("victim", "step"), [("work", 2), ("evidence", 6)])
@pytest.mark.parametrize("story", STORIES)
def test_a_session_that_is_lost_before_any_statement_is_made_up_for(
    arena: Arena, story: str, victim: str, step: int
) -> None:
    deaths = die_everywhere(
        arena,
        STORIES[story],
        lambda order, at: lose_a_session(arena, victim, order, at),
        step=step,
    )
    assert deaths > 24 / step


def interrupt(arena: Arena, order: Order, at: int) -> bool:
    """Somebody at the keyboard has enough, and does not wait for long. What is said then may be that
    a transaction could not be ended in order.
    """
    is_stuck = threading.Event()

    def strike(boundary: Boundary) -> None:
        raise KeyboardInterrupt

    def free() -> None:
        is_stuck.set()
        terminate(arena.database.conninfo, boundary.evidence)

    boundary = Boundary(at, strike)
    patience = threading.Timer(20, free)
    patience.start()
    try:
        with watched(boundary):
            follow(arena, order)
    except (KeyboardInterrupt, RunnerError):
        assert not is_stuck.is_set(), f"stuck after an interrupt before statement {at} of {order}"
        return True
    finally:
        patience.cancel()
        patience.join()
    assert not boundary.has_struck
    return False


@pytest.mark.slow
@pytest.mark.parametrize("story", ["append", "reconcile", "undo", "keyless gap"])
def test_an_interrupt_before_any_statement_leaves_nothing_half(arena: Arena, story: str) -> None:
    deaths = die_everywhere(
        arena, STORIES[story], lambda order, at: interrupt(arena, order, at), step=3
    )
    assert deaths > 8


class Mortal:
    """Runners in processes of their own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def follow(self, arena: Arena, order: Order, at: int) -> int:
        """How it ended: 0, or less the number of the signal."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        method, arguments = order
        self.process.stdin.write(
            json.dumps(
                {
                    "pipeline_id": arena.pipeline_id,
                    "conninfo": arena.database.conninfo,
                    "project": str(arena.project),
                    "method": method,
                    "arguments": arguments,
                    "at": at,
                }
            )
            + "\n"
        )
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ingest_faults.driver"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Mortal(process)


def kill_the_runner(arena: Arena, mortal: Mortal, order: Order, at: int) -> bool:
    status = mortal.follow(arena, order, at)
    assert status in (0, -signal.SIGKILL)
    # The kernel closes what it had open, and the server sees that a moment later.
    query = "select count(*) from pg_stat_activity where application_name like 'milepost ingest%%'"
    while arena.one(query + " and datname = current_database()"):
        pass
    return status != 0


@pytest.mark.parametrize("story", ["append", "reconcile"])
def test_a_runner_that_is_killed_leaves_nothing_half(
    arena: Arena, mortal: Mortal, story: str
) -> None:
    """A sample; all of it is below."""
    deaths = die_everywhere(
        arena,
        STORIES[story],
        lambda order, at: kill_the_runner(arena, mortal, order, at),
        step=11,
    )
    assert deaths > 2


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_a_runner_that_is_killed_before_any_statement_leaves_nothing_half(
    arena: Arena, mortal: Mortal, story: str
) -> None:
    deaths = die_everywhere(
        arena,
        STORIES[story],
        lambda order, at: kill_the_runner(arena, mortal, order, at),
        first=2,
        step=2,
    )
    assert deaths > 12


@pytest.mark.slow
@pytest.mark.parametrize("story", ["append", "upsert", "undo", "reconcile"])
def test_a_server_that_stops_at_once_before_any_statement_keeps_all_of_a_run_or_nothing(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    """As after a power cut, but for the disk: it was told to write nothing more."""
    monkeypatch.setattr("runner.database.retry.FIRST_DELAY_SECONDS", 0.05)
    server = Server(open_folder / "data", FAST).start()
    try:
        apply_schema(Database(server.uri))
        with psycopg.connect(server.uri, autocommit=True) as connection:
            arena = Arena(Database(server.uri), connection)

            def cut(order: Order, at: int) -> bool:
                def strike(boundary: Boundary) -> None:
                    os.kill(server.postmaster.pid() or 0, signal.SIGQUIT)
                    while server.is_running():
                        pass
                    server.start()

                arena.run_text("checkpoint")  # what was before is on the disk
                boundary = Boundary(at, strike)
                with watched(boundary):
                    follow(arena, order)
                if boundary.has_struck:
                    arena.connection.close()
                    arena.connection = psycopg.connect(server.uri, autocommit=True)
                    arena.run_text("set timezone = 'UTC'")
                return boundary.has_struck

            try:
                assert die_everywhere(arena, STORIES[story], cut, step=3) > 10
            finally:
                arena.connection.close()
    finally:
        server.delete()
