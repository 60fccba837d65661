"""Each guard taken away on purpose: then a story that all these guards make true must be false.

A guard that nobody would miss is no guard, and a test that does not miss it is none.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from runner.database.queries import queries
from runner.database.session import Database, LockHeld, Session
from runner.errors import RunnerError
from runner.ingest import run as ingest_run
from runner.ingest.conditions import Conditions
from runner.ingest.run import RunTransaction
from runner.ingest.source import Source, read_clock
from runner.ingest.writer import ReplicaWriter
from tests.ingest_faults.arena import Arena
from tests.ingest_faults.death import Boundary, watched
from tests.support import PROJECT
from tests.support.databases import Moulds, apply_schema
from tests.support.throwaway import ThrowawayServer

SECOND = "- interval '1 second'"
MOMENT = "- interval '0 seconds'"


class Patches:
    """Where texts and functions are changed, for one test."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.monkeypatch = patch
        self.folder = folder
        (folder / "sql/ingest").mkdir(parents=True)
        self.file("clock", SECOND, MOMENT)  # nothing begins meanwhile

    def file(self, name: str, old: str, new: str) -> None:
        """In a statement that projects may replace."""
        own = self.folder / f"sql/ingest/{name}.sql"
        shipped = PROJECT / f"sql/ingest/{name}.sql"
        text = (own if own.exists() else shipped).read_text(encoding="utf-8")
        assert old in text
        own.write_text(text.replace(old, new), encoding="utf-8")

    def query(self, file: str, name: str, old: str, new: str) -> None:
        text = queries(file)[name]
        assert old in text
        self.monkeypatch.setitem(queries(file), name, text.replace(old, new))


# The stories. What is not true in them raises.


def open_transaction(arena: Arena) -> None:
    """Without a key nobody finds later what the window has passed."""
    arena.make("append", has_clock=False, key="{}", project=arena.project)
    with psycopg.connect(arena.database.conninfo) as writer:
        writer.execute("insert into fire.goods values (1, 'held', now())")
        arena.all("insert into fire.goods values (2, 'new', clock_timestamp())")
        arena.ingest()
    arena.ingest(wait_seconds=5)
    arena.assert_exact()


def end(writer: psycopg.Connection[Any], boundary: Boundary) -> None:
    writer.commit()


def commit_before_any_statement(arena: Arena) -> None:
    """A transaction that ends at the worst moment, whichever that is."""
    arena.make("append", has_clock=False, key="{}", project=arena.project)
    for at in range(1, 100):
        with psycopg.connect(arena.database.conninfo) as writer:
            writer.execute("insert into fire.goods values (%s, 'held', clock_timestamp())", [at])
            boundary = Boundary(at, partial(end, writer))
            with watched(boundary):
                arena.ingest()
        arena.ingest(wait_seconds=5)
        arena.assert_exact()
        if not boundary.has_struck:
            return


def prepared_transaction(arena: Arena) -> None:
    arena.make("append", has_clock=False, key="{}", project=arena.project)
    name = f"guard_{arena.connection.info.dbname}"
    with psycopg.connect(arena.database.conninfo) as writer:
        writer.execute("insert into fire.goods values (1, 'held', now())")
        writer.execute(sql.SQL(f"prepare transaction '{name}'"))
    try:
        arena.run_text("select pg_sleep(0.05)")
        arena.ingest()
    finally:
        arena.run_text(f"commit prepared '{name}'")
    arena.ingest(wait_seconds=5)
    arena.assert_exact()


def role_that_sees_little(arena: Arena) -> None:
    arena.make("append", has_clock=False, key="{}", project=arena.project)
    arena.run_text("alter table fire.goods alter written set not null")
    name = f"guard_{arena.connection.info.dbname}"
    arena.run_text(
        f"create role {name} login; grant create, usage on schema warehouse to {name};"
        f" grant usage on schema fire, orchestrator to {name};"
        f" grant all on all tables in schema fire, orchestrator to {name}"
    )
    mine = arena.database.conninfo
    try:
        arena.database = Database(mine.replace("user=postgres", f"user={name}"))
        assert arena.database.conninfo != mine
        assert {run.guarantee for run in arena.ingest()} == {"best_effort"}
    finally:
        arena.database = Database(mine)
        arena.run_text(f"drop owned by {name}; drop role {name}")


def oldest_open_transaction(arena: Arena) -> None:
    """The horizon is its very number: what it wrote is looked for from there on, and itself too."""
    arena.make("append", project=arena.project)
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    with psycopg.connect(arena.database.conninfo) as writer:
        writer.execute("insert into fire.goods values (2, 'late', '2025-12-31 02:00:00+00')")
        arena.ingest()
    arena.ingest()
    arena.assert_exact()


def late_row_before_a_catch_up_that_stops_halfway(arena: Arena) -> None:
    """What its first window has looked through is its window, and not what is behind it."""
    arena.make("append", window_size="1 hour", project=arena.project)
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.run_text("alter table warehouse.raw_goods add constraint c check (value <> 'bad')")
    arena.define(max_rejected_share=0)
    arena.insert("2025-12-31 20:00:00+00")
    arena.insert("2026-01-01 02:00:00+00")
    bad = arena.insert("2026-01-01 05:00:00+00", value="bad")
    arena.set_clock("2026-01-01 06:00:00+00")
    with pytest.raises(RunnerError):
        arena.ingest()
    assert arena.one("select count(*) from warehouse.raw_goods") == 2
    arena.change(*bad, "mended")
    arena.ingest()
    arena.assert_exact()


def late_row_of_an_undone_sweep(arena: Arena) -> None:
    arena.make("append", project=arena.project)
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.insert("2025-06-01")
    arena.pipeline.undo(arena.ingest(sweep=True)[-1].run_id)
    arena.ingest(sweep=True)
    arena.assert_exact()


def undone_window(arena: Arena) -> None:
    """What was taken back stays away until somebody asks for it."""
    arena.make("append", project=arena.project)
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.insert("2026-01-01 01:00:00+00")
    arena.pipeline.undo(arena.ingest()[0].run_id)
    arena.set_clock("2026-01-01 03:00:00+00")
    arena.ingest(sweep=True)
    assert [row[1] for row in arena.differences()] == [2]
    arena.fill_gaps()
    arena.assert_exact()


def undone_change(arena: Arena) -> None:
    arena.make("upsert", project=arena.project)
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.change(1, "changed", "2026-01-01 01:00:00+00")
    arena.pipeline.undo(arena.ingest()[0].run_id)
    assert arena.all("select id, value from warehouse.raw_goods") == [(1, "new")]


def row_that_disappears(arena: Arena) -> None:
    arena.make("append", project=arena.project)
    arena.ingest()
    arena.run_text(
        "create function fire.swallow() returns trigger language plpgsql as"
        " 'begin return null; end';"
        " create trigger swallow before insert on warehouse.raw_goods"
        " for each row execute function fire.swallow()"
    )
    arena.insert("2026-01-01 01:00:00+00")
    arena.set_clock("2026-01-01 02:00:00+00")
    with contextlib.suppress(RunnerError):
        arena.ingest()
        raise AssertionError("a row is gone, and the run succeeded")


def run_that_was_given_up(arena: Arena) -> None:
    """Somebody else was sure that it was dead; so it may not succeed."""
    arena.make("append", project=arena.project)
    given_up: list[int] = []

    def give_up(boundary: Boundary) -> None:
        rows = arena.all(
            "update orchestrator.runs set status = 'abandoned', finished_at = now()"
            " where status = 'running' returning run_id"
        )
        given_up.extend(run_id for (run_id,) in rows)

    at = 10
    while len(given_up) < 4:  # later ones would wait for its transaction
        at += 1
        with contextlib.suppress(RunnerError), watched(Boundary(at, give_up)):
            arena.ingest()
    statuses = "select distinct status from orchestrator.runs where run_id = any(%s)"
    assert arena.all(statuses, given_up) == [("abandoned",)]


def two_runners(arena: Arena) -> None:
    arena.make("append", project=arena.project)
    start = threading.Barrier(2)
    seen: list[str] = []

    def ingest() -> None:
        for _ in range(10):
            start.wait()
            try:
                arena.ingest()
            except LockHeld:
                pass
            except RunnerError as error:
                seen.append(str(error))

    threads = [threading.Thread(target=ingest) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == []
    arena.assert_sound()


def dead_runner(arena: Arena) -> None:
    arena.make("append", project=arena.project)
    arena.all(
        "insert into orchestrator.runs (kind, status, pipeline_id, low, high)"
        " values ('window', 'running', %s, '-infinity', now())",
        arena.pipeline_id,
    )
    arena.ingest()
    arena.assert_sound()


def truncated_replica(arena: Arena) -> None:
    arena.make("append", project=arena.project)
    arena.insert("2025-06-01", "2025-12-31 01:00:00+00")
    arena.ingest()
    arena.run_text("truncate warehouse.raw_goods")
    arena.was_remade = True
    arena.ingest()
    arena.assert_exact()


def new_column_with_a_default(arena: Arena) -> None:
    """The source's rows have it, and were not written anew."""
    arena.make("append", project=arena.project)
    arena.insert("2025-06-01", "2025-12-31 01:00:00+00")
    arena.ingest()
    arena.run_text("alter table fire.goods add column extra integer not null default 5")
    arena.ingest()
    arena.assert_exact()
    assert arena.all("select distinct extra from warehouse.raw_goods") == [(5,)]


def odd_rows(arena: Arena) -> None:
    arena.make("append", project=arena.project)
    arena.ingest()
    rows = arena.insert(None, "infinity", "-infinity", "2030-01-01")
    arena.ingest()
    arena.assert_exact(ahead=[rows[1], rows[3]])


def clock_that_goes_back(arena: Arena) -> None:
    arena.make("append", project=arena.project)
    arena.insert("2025-12-31 01:00:00+00")
    arena.ingest()
    arena.set_clock("2025-12-30 01:00:00+00")
    arena.insert("2025-12-29 01:00:00+00")
    arena.ingest()
    arena.ingest(sweep=True)
    arena.assert_exact()


def mended_row(arena: Arena) -> None:
    arena.make("append", project=arena.project, odd_cursors="quarantine")
    arena.insert(None)
    arena.ingest()
    arena.change(1, "mended", "2026-01-01 01:00:00+00")
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.ingest()
    query = "select count(*) from orchestrator.rejected_rows where resolved_run_id is null"
    assert arena.one(query) == 0


def restored_source(arena: Arena) -> None:
    """Its transactions are numbered again from an earlier one."""
    arena.make("append", project=arena.project)
    arena.run_text("update fire.now_there set horizon_shift = 100000, xid_shift = 100000")
    arena.ingest()
    arena.run_text("update fire.now_there set horizon_shift = 0, xid_shift = 0")
    arena.insert("2025-12-31 02:00:00+00")
    arena.ingest()
    arena.assert_exact()


# The guards, and how each is taken away.


def without_the_order(patches: Patches) -> None:
    """The bound is read after the snapshot that reads the rows."""
    load_window = RunTransaction.load

    def late(self: RunTransaction, window: Any) -> Any:
        work = self.writer.work
        definition = replace(self.source.definition, watermark=window.high)
        settled = read_clock(work, replace(self.source, definition=definition)).settled
        text = f"update orchestrator.runs set high = '{settled}' where run_id = %(run_id)s"
        # Over another connection, as the bound of a run is known before it begins.
        with psycopg.connect(work.connection.info.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(text), {"run_id": self.writer.values["run_id"]})
        return load_window(self, type(window)(window.low, settled, window.is_last, window.share))

    patches.monkeypatch.setattr(RunTransaction, "load", late)


def without_the_lock(patches: Patches) -> None:
    @contextlib.contextmanager
    def free(self: Session, *values: Any) -> Iterator[None]:
        yield

    patches.monkeypatch.setattr(Session, "lock", free)


def without_gaps(patches: Patches) -> None:
    patches.monkeypatch.setattr(ingest_run.ledger, "gaps", lambda session, pipeline_id: [])


def without_going_on(patches: Patches) -> None:
    """In both of the places that see to it."""
    settled = "greatest(now_there.settled, %(watermark)s::timestamptz)"
    patches.query("ingest/source.sql", "clock", settled, "now_there.settled")
    high = "greatest({{ low }}::timestamptz, {{ settled }}::timestamptz)"
    patches.query("ingest/windows.sql", "next_window", high, "{{ settled }}::timestamptz")


def chain_of(parts: slice) -> Callable[[Patches], None]:
    """Of server, file and terms only some."""

    def shorten(patches: Patches) -> None:
        chain = Source.chain

        def short(self: Source, *values: Any) -> str:
            return "/".join(chain(self, *values).split("/")[parts])

        patches.monkeypatch.setattr(Source, "chain", short)

    return shorten


GUARDS: dict[str, tuple[Callable[[Patches], None], Callable[[Arena], None]]] = {
    "the bound": (
        lambda patches: patches.file(
            "clock", "least(started.moment, active.xact_start)", "started.moment"
        ),
        open_transaction,
    ),
    "the bound before the snapshot": (without_the_order, commit_before_any_statement),
    "the look at prepared transactions": (
        lambda patches: patches.file(
            "clock", "when prepared.gid is not null then '-inf", "when false then '-inf"
        ),
        prepared_transaction,
    ),
    "the right to see others": (
        lambda patches: patches.file("clock", "pg_has_role('pg_read_all_stats', 'usage')", "true"),
        role_that_sees_little,
    ),
    "the oldest transaction itself": (
        lambda patches: patches.monkeypatch.setattr(
            Source,
            "is_recent",
            lambda self, age: sql.SQL("age(source.xmin) < {}").format(sql.Literal(age)),
        ),
        oldest_open_transaction,
    ),
    "the scope of a horizon": (
        lambda patches: patches.query(
            "database/ledger.sql",
            "horizons",
            "in ('lookback', 'table')",
            "in ('lookback', 'table', 'window')",
        ),
        late_row_before_a_catch_up_that_stops_halfway,
    ),
    "the horizons that an undo ends": (
        lambda patches: patches.query(
            "database/ledger.sql", "horizons", "and undos.parent_run_id <= runs.run_id", "and false"
        ),
        late_row_of_an_undone_sweep,
    ),
    "horizons from the future": (
        lambda patches: patches.query(
            "database/ledger.sql",
            "horizons",
            "<= %(next_xid)s::numeric, true)",
            "is not null, true)",
        ),
        restored_source,
    ),
    "gaps": (without_gaps, undone_window),
    "the balance": (
        lambda patches: patches.monkeypatch.setattr(
            ReplicaWriter, "_balance", lambda self, *values: None
        ),
        row_that_disappears,
    ),
    "the fence": (
        lambda patches: patches.query(
            "database/ledger.sql", "succeed", "and runs.status = 'running'", ""
        ),
        run_that_was_given_up,
    ),
    "the lock": (without_the_lock, two_runners),
    "the end of dead runs": (
        lambda patches: patches.query(
            "database/ledger.sql", "abandon_windows", "and status = 'running'", "and false"
        ),
        dead_runner,
    ),
    "what was replaced": (
        lambda patches: patches.file(
            "merge",
            "{{ is_same_key }} and {{ within }}\n    where fresh._differs",
            "{{ is_same_key }} and {{ within }}\n    where false",
        ),
        undone_change,
    ),
    "the file of the replica": (chain_of(slice(0, 1)), truncated_replica),
    "the terms of the source": (chain_of(slice(0, 2)), new_column_with_a_default),
    "odd cursors": (
        lambda patches: patches.monkeypatch.setattr(
            Conditions, "timeless", lambda self: sql.SQL("false").format()
        ),
        odd_rows,
    ),
    "the clock that may not go back": (
        without_going_on,
        clock_that_goes_back,
    ),
    "the end of a quarantine": (
        lambda patches: patches.query(
            "ingest/writer.sql", "resolve", "and rejected.resolved_run_id is null", "and false"
        ),
        mended_row,
    ),
}


@pytest.fixture(scope="module")
def own_moulds() -> Iterator[Moulds]:
    """On a server that nobody else writes to, also where all workers share one: an open transaction
    of another test would stand in for a guard that is gone.
    """
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    folder.chmod(0o755)
    server = ThrowawayServer(folder / "data").start()
    moulds = Moulds(server.uri)
    yield moulds
    moulds.close()
    server.close()
    shutil.rmtree(folder)


@pytest.fixture
def database(own_moulds: Moulds) -> Iterator[Database]:
    with own_moulds.clone(apply_schema) as database:
        yield database


@pytest.fixture
def patches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arena: Arena) -> Patches:
    patches = Patches(monkeypatch, tmp_path / "project")
    arena.project = patches.folder
    return patches


@pytest.mark.slow
@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("guard", GUARDS)
def test_with_its_guards_the_story_is_true(arena: Arena, patches: Patches, guard: str) -> None:
    _, story = GUARDS[guard]
    story(arena)


@pytest.mark.slow
@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("guard", GUARDS)
def test_without_its_guard_the_story_is_false(arena: Arena, patches: Patches, guard: str) -> None:
    take_away, story = GUARDS[guard]
    take_away(patches)
    with pytest.raises((AssertionError, RunnerError)):
        story(arena)
