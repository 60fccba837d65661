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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from runner.binaries import find_binaries
from runner.database import Database
from tests.proof.publications import PUBLICATIONS
from tests.proof.world import World, opened, versions

# Longer than it takes to find that a lock is free; whoever waits longer has an error.
PATIENCE = "100ms"
VERSION = "select max(run_id) as version from orchestrator.build_inputs"
VIEWS = ("warehouse.classified_events", "reporting.data_checks", "reporting.freshness")
Version = dict[str, str]


@pytest.fixture
def busy(world: World) -> World:
    """A warehouse with some thousand events."""
    world.all(
        """
        insert into public.event_stream (
            event_time, user_id, event_type, transaction_category, miles_amount, platform,
            utm_source, country
        )
        select
            timestamptz '2025-12-01 00:00+00' + number * interval '31 minutes',
            'user ' || number * 7919 % 97,
            (array['miles_earned', 'miles_redeemed', 'reward_search', 'share', 'like'])[
                number % 5 + 1
            ],
            case when number % 5 < 3 then 'category ' || number % 11 end,
            case when number % 5 < 2 then number % 100 end,
            'ios', 'google', 'SG'
        from generate_series(1, 3000) as numbers (number)
        """
    )
    world.run_all()
    return world


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
    """Readers in threads of their own, and what they have seen: a version, and what was in it."""

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
            raise


def in_one_statement(crowd: Crowd) -> None:
    """Everything, in a statement that has a snapshot of its own."""
    tables = crowd.tables
    with reader(crowd.world, IsolationLevel.READ_COMMITTED) as connection:
        while not crowd.is_over.is_set():
            with connection.transaction():
                # What is joined to it is of the same snapshot.
                found = versions(connection, tables, version=f"({VERSION})::text")
            crowd.seen.append((int(found.pop("version")), found))


def table_by_table(crowd: Crowd) -> None:
    """One table after another in one snapshot, in any order, while versions come and go."""
    rng = random.Random(7)
    with reader(crowd.world, IsolationLevel.REPEATABLE_READ) as connection:
        while not crowd.is_over.is_set():
            with connection.transaction():
                number = connection.execute(VERSION).fetchone()["version"]
                tables = rng.sample(crowd.tables, len(crowd.tables))
                found: Version = {}
                for table in tables:
                    found |= versions(connection, [table])
                    time.sleep(rng.random() * 0.03)
                crowd.seen.append((number, found))


def one_after_another(crowd: Crowd) -> None:
    """Each table and view in a transaction of its own, as a dashboard does: only that it may."""
    relations = [*crowd.tables, *VIEWS]
    with reader(crowd.world, IsolationLevel.READ_COMMITTED) as connection:
        while not crowd.is_over.is_set():
            for relation in relations:
                with connection.transaction():
                    connection.execute(f"select count(*) from {relation}".encode())


def watch(world: World, crowd: Crowd, publish: list[Callable[[World], None]]) -> None:
    """Publish, and hold what was seen against what there was."""
    published: dict[int, Version] = {}

    def remember() -> None:
        published[world.one(VERSION)] = world.version()

    remember()
    with crowd.reading(in_one_statement, table_by_table, table_by_table, one_after_another):
        for each in publish:
            each(world)
            remember()
            assert not crowd.is_over.is_set()
    assert len(published) == len(publish) + 1
    kpis = [version["reporting.kpi_daily"] for version in published.values()]
    assert len(set(kpis)) == len(kpis)  # one version cannot be taken for another
    assert len(crowd.seen) > len(published)
    for number, found in crowd.seen:
        assert found == published[number]


def test_readers_of_many_tables_never_wait_and_never_see_two_versions(busy: World) -> None:
    watch(busy, Crowd(busy, busy.every_table()), list(PUBLICATIONS.values()) * 2)


@pytest.mark.slow
def test_readers_never_wait_and_never_see_two_versions_for_minutes(busy: World) -> None:
    watch(busy, Crowd(busy, busy.every_table()), list(PUBLICATIONS.values()) * 25)


@pytest.mark.parametrize("kind", PUBLICATIONS)
def test_who_comes_before_a_version_and_reads_after_it_sees_the_old_one_whole(
    world: World, kind: str
) -> None:
    before = world.version()
    with reader(world, IsolationLevel.REPEATABLE_READ) as early:
        early.execute("select 1 from pg_class limit 1")  # its snapshot, and no lock
        PUBLICATIONS[kind](world)
        assert versions(early, world.every_table()) == before
    assert world.version() != before
    world.assert_exact()


@pytest.mark.parametrize("kind", PUBLICATIONS)
def test_a_version_is_published_beside_a_reader_that_stays(world: World, kind: str) -> None:
    before = world.version()
    with reader(world, IsolationLevel.REPEATABLE_READ) as staying:
        versions(staying, world.every_table())
        for view in VIEWS:
            staying.execute(f"select count(*) from {view}".encode())
        conninfo = make_conninfo(world.database.conninfo, options=f"-c lock_timeout={PATIENCE}")
        with opened(Database(conninfo), world.project) as hasty:
            PUBLICATIONS[kind](hasty)
            world.timezone = hasty.timezone
        assert versions(staying, world.every_table()) == before
    world.assert_exact()


# --- dumps ------------------------------------------------------------------------------------------


def lines_of(world: World) -> Version:
    """The rows of each table as a dump writes them."""
    found = {}
    with psycopg.connect(world.database.conninfo) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        for table in world.every_table():
            with connection.cursor().copy(f"copy {table} to stdout".encode()) as copy:
                found[table] = _hashed(b"".join(copy).splitlines())
    return found


def _hashed(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()


def dumped(text: bytes) -> Version:
    """The same from a dump."""
    found = {}
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(b"COPY "):
            rows = list(iter(lambda: next(lines), b"\\."))
            found[line.split()[1].decode()] = _hashed(rows)
    return found


def test_a_dump_beside_publications_is_one_version(busy: World) -> None:
    published: list[Version] = [lines_of(busy)]
    dumps: list[Version] = []
    command = [
        str(find_binaries() / "pg_dump"),
        *("--no-sync", "--lock-wait-timeout=100", "--dbname", busy.database.conninfo),
        *("--schema=warehouse", "--schema=reporting", "--schema=orchestrator"),
    ]

    def dump(crowd: Crowd) -> None:
        while not crowd.is_over.is_set():
            ended = subprocess.run(command, capture_output=True, check=False)
            assert ended.returncode == 0, ended.stderr.decode()
            dumps.append(dumped(ended.stdout))

    with Crowd(busy, busy.every_table()).reading(dump):
        for publish in PUBLICATIONS.values():
            publish(busy)
            published.append(lines_of(busy))
    assert len(dumps) > 1
    for found in dumps:
        assert {table: found[table] for table in published[0]} in published
