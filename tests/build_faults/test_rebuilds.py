"""What blocks a rebuild, and what follows from a change of shared functions."""

from __future__ import annotations

import contextlib
import threading

import psycopg
import pytest

from runner.compare.rebuild import rebuild
from runner.database.session import LockHeld
from runner.project.target import Target
from runner.setup import schema
from tests.build_faults.publications import moved
from tests.build_faults.test_readers import reader
from tests.build_faults.world import World, earn, event
from tests.support.listeners import Hearing
from tests.support.sweeps import slow_but


@pytest.mark.parametrize("is_enabled", slow_but([True, False], True))
def test_no_pipeline_brings_rows_into_the_midst_of_a_rebuild(
    world: World, is_enabled: bool
) -> None:
    """Not even one that is only called by name."""
    world.all(
        "update orchestrator.pipeline_definitions set is_enabled = %(is_enabled)s",
        is_enabled=is_enabled,
    )

    def starting(step: object, index: int, count: int) -> None:
        if index == 12:
            world.insert(earn(2, "eve"), event(2, "gus", "share"))
            with contextlib.suppress(LockHeld):
                world.ingest()

    rebuild(world.database, world.manifest, Target(), listener=Hearing(starting))
    world.build()
    world.assert_exact()


def test_a_rebuild_does_not_wait_for_whoever_reads_what_it_fills(world: World) -> None:
    """A dump of the whole database, begun meanwhile, locks all tables until it ends."""
    with reader(world, psycopg.IsolationLevel.REPEATABLE_READ) as dump:

        def starting(step: object, index: int, count: int) -> None:
            if index == count - 1:
                tables = dump.execute(
                    "select format('%I.%I', table_schema, table_name) as name"
                    " from information_schema.tables where table_schema like '%scratch%'"
                ).fetchall()
                for table in tables:
                    dump.execute(f"lock table {table['name']} in access share mode".encode())

        work = threading.Thread(
            target=rebuild,
            args=(world.database, world.manifest, Target()),
            kwargs={"listener": Hearing(starting)},
        )
        work.start()
        work.join(timeout=15)
        is_done = not work.is_alive()
        dump.rollback()
        work.join()
    assert is_done
    world.build()
    left = "select count(*) from pg_namespace where nspname like '%%scratch%%'"
    assert world.one(left) == 0


@pytest.mark.slow
def test_an_empty_table_that_somebody_reads_is_filled_all_the_same(world: World) -> None:
    world.all("delete from reporting.retention")
    with reader(world, psycopg.IsolationLevel.REPEATABLE_READ) as staying:
        staying.execute("select count(*) from reporting.retention")
        rebuild(world.database, world.manifest, Target())
    world.assert_exact()


def test_rights_on_a_view_survive_another_text_of_it(world: World) -> None:
    name = f"looker_{world.connection.info.dbname}"
    world.all(f"create role {name}; grant select on warehouse.classified_events to {name}")
    try:
        moved(world)
        may = "select has_table_privilege(%(name)s, 'warehouse.classified_events', 'select')"
        assert world.one(may, name=name)
    finally:
        world.all(f"drop owned by {name}; drop role {name}")


@pytest.mark.slow
def test_another_rule_for_members_is_built_in_full(world: World) -> None:
    """A function in the file of a layer decides the content of its tables."""
    world.insert(event(3, "x" * 190))
    world.run_all()
    world.edit("schema/warehouse.sql", "length(value) > 200", "length(value) > 180")
    schema.apply(world.database, world.manifest, Target())
    world.build()
    world.assert_equals_rebuild()
