"""Readers of several tables while versions are published: none waits for a lock, none has an error,
and nobody ever sees two versions, or half of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from runner.database.embedded.binaries import find_binaries
from runner.database.session import Database
from tests.build_faults.publications import PLAIN, SWAPPING, Publish, bring_rows
from tests.build_faults.world import World, opened, versions
from tests.support.sweeps import slow_but

# Longer than it takes to find that a lock is free; whoever waits longer has an error.
PATIENCE = "100ms"
VERSION = "select max(run_id) as version from orchestrator.build_inputs"
VIEWS = ("warehouse.classified_events", "reporting.data_checks", "reporting.freshness")
Version = dict[str, str]


@contextlib.contextmanager
def reader(world: World, level: IsolationLevel) -> Iterator[psycopg.Connection[Any]]:
    conninfo = make_conninfo(
        world.database.conninfo, options=f"-c lock_timeout={PATIENCE} -c timezone=UTC"
    )
    with psycopg.connect(conninfo, row_factory=dict_row) as connection:
        connection.isolation_level = level
        yield connection


@dataclass
class Crowd:
    """Readers in threads of their own, and what each has read: a version, and its rows."""

    world: World
    tables: list[str]
    seen: list[tuple[int, Version]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def reading(self, *readers: Callable[[Crowd], None]) -> Iterator[None]:
        threads = [threading.Thread(target=self._keep, args=(each,)) for each in readers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join()
        assert self.errors == []

    def _keep(self, look: Callable[[Crowd], None]) -> None:
        try:
            look(self)
        except BaseException as error:
            self.errors.append(error)


def in_one_statement(crowd: Crowd) -> None:
    """Read everything in one statement, from one snapshot."""
    tables = crowd.tables
    with reader(crowd.world, IsolationLevel.READ_COMMITTED) as connection:
        while not crowd.is_over.is_set():
            with connection.transaction():
                # What is joined to it is of the same snapshot.
                found = versions(connection, tables, version=f"({VERSION})::text")
            crowd.seen.append((int(found.pop("version")), found))


def table_by_table(crowd: Crowd) -> None:
    """Read one table after another from one snapshot, in any order, while versions change."""
    rng = random.Random(7)
    with reader(crowd.world, IsolationLevel.REPEATABLE_READ) as connection:
        while not crowd.is_over.is_set():
            with connection.transaction():
                (number,) = (row["version"] for row in connection.execute(VERSION))
                tables = rng.sample(crowd.tables, len(crowd.tables))
                found: Version = {}
                for table in tables:
                    found |= versions(connection, [table])
                    time.sleep(rng.random() * 0.03)
                crowd.seen.append((number, found))


def one_after_another(crowd: Crowd) -> None:
    """Read each table and view in its own transaction, as a dashboard does: it must not wait or fail."""
    relations = [*crowd.tables, *VIEWS]
    with reader(crowd.world, IsolationLevel.READ_COMMITTED) as connection:
        while not crowd.is_over.is_set():
            for relation in relations:
                with connection.transaction():
                    connection.execute(f"select count(*) from {relation}".encode())


def watch(world: World, publish: Sequence[Publish]) -> None:
    """Publish, and compare what readers saw with the versions that there were."""
    crowd = Crowd(world, world.every_table())
    published: dict[int, Version] = {}

    def remember() -> None:
        published[world.one(VERSION)] = world.version()

    remember()
    with crowd.reading(in_one_statement, table_by_table, one_after_another):
        for each in publish:
            bring_rows(world)
            each(world)
            remember()
            assert crowd.errors == []
    assert len(published) == len(publish) + 1
    kpis = [version["reporting.kpi_daily"] for version in published.values()]
    assert len(set(kpis)) == len(kpis)  # one version cannot be taken for another
    assert {number for number, _ in crowd.seen} >= set(sorted(published)[1:-1])
    for number, found in crowd.seen:
        assert found == published[number]


@pytest.mark.parametrize("kind", slow_but(PLAIN, "new rows"))
def test_readers_of_many_tables_never_wait_and_never_see_two_versions(
    busy: World, kind: str
) -> None:
    watch(busy, [PLAIN[kind]] * 2)


@pytest.mark.slow
def test_readers_never_wait_and_never_see_two_versions_for_minutes(busy: World) -> None:
    watch(busy, list(PLAIN.values()) * 12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*PLAIN, "another time zone"])
def test_who_comes_before_a_version_and_reads_after_it_sees_the_old_one_whole(
    world: World, kind: str
) -> None:
    bring_rows(world)
    before = world.version()
    with reader(world, IsolationLevel.REPEATABLE_READ) as early:
        early.execute("select 1 from pg_class limit 1")  # its snapshot, and no lock
        {**PLAIN, **SWAPPING}[kind](world)
        assert versions(early, world.every_table()) == before
    assert world.version() != before
    world.assert_exact()


@pytest.mark.parametrize("kind", slow_but(PLAIN, "all scripts forced"))
def test_a_version_is_published_beside_a_reader_that_stays(world: World, kind: str) -> None:
    bring_rows(world)
    before = world.version()
    with reader(world, IsolationLevel.REPEATABLE_READ) as staying:
        versions(staying, world.every_table())
        for view in VIEWS:
            staying.execute(f"select count(*) from {view}".encode())
        conninfo = make_conninfo(world.database.conninfo, options=f"-c lock_timeout={PATIENCE}")
        with opened(Database(conninfo), world.project) as hasty:
            PLAIN[kind](hasty)
        assert versions(staying, world.every_table()) == before
    world.assert_exact()


# --- dumps ------------------------------------------------------------------------------------------


def lines_of(world: World, tables: Sequence[str]) -> Version:
    """The rows of each table, as pg_dump writes them."""
    found = {}
    with psycopg.connect(world.database.conninfo) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        for table in tables:
            with connection.cursor().copy(f"copy {table} to stdout".encode()) as copy:
                found[table] = _hashed(b"".join(copy).splitlines())
    return found


def _hashed(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()


def dumped(text: bytes) -> Version:
    """The same, from a dump."""
    found = {}
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(b"COPY "):
            rows = list(iter(lambda: next(lines), b"\\."))
            found[line.split()[1].decode()] = _hashed(rows)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*PLAIN, *SWAPPING])
def test_a_dump_beside_publications_is_one_version(world: World, kind: str) -> None:
    """What a rebuild fills beside is no part of it. While tables are put in the place of others a
    dump may fail, and says so.
    """
    tables = world.every_table()
    published: list[Version] = [lines_of(world, tables)]
    dumps: list[Version] = []
    command = [
        str(find_binaries() / "pg_dump"),
        *("--exclude-schema=*_scratch_*", "--dbname", world.database.conninfo),
    ]
    if kind in PLAIN:
        command.append("--lock-wait-timeout=100")

    def dump(crowd: Crowd) -> None:
        while not crowd.is_over.is_set():
            ended = subprocess.run(command, capture_output=True, check=False)
            if ended.returncode == 0:
                dumps.append(dumped(ended.stdout))
            elif kind != "other columns":
                raise AssertionError(ended.stderr.decode())

    crowd = Crowd(world, tables)
    with crowd.reading(dump):
        for _ in range(4):
            bring_rows(world)
            {**PLAIN, **SWAPPING}[kind](world)
            published.append(lines_of(world, tables))
            assert crowd.errors == []
    assert dumps
    for found in dumps:
        assert {table: found[table] for table in tables} in published
