"""A build that dies before any of its scripts leaves the old version whole, and says that it was
there; the next one is what it would have been.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.database.embedded import FAST, Server
from runner.errors import RunnerError
from tests.build_faults.conftest import HISTORY
from tests.build_faults.death import BuildBoundary
from tests.build_faults.publications import bring_rows, reshaped
from tests.build_faults.world import World, cloned, opened, prepare
from tests.ingest_faults.death import Boundary, terminate, watched
from tests.support import PROJECT
from tests.support.databases import created, name_of, new_name

Kill = Callable[[World, int, tuple[str, ...]], bool]
# What is forced, and how many boundaries there are: one before each script, and one at the end.
KINDS: dict[str, tuple[str, ...]] = {"incremental": (), "full": ("*",)}


@dataclass(frozen=True)
class Pending:
    """A database with rows that no build has consumed, and its state before and after a build."""

    mould: str
    before: dict[str, str]
    after: dict[str, str]
    scripts: int


@pytest.fixture(scope="module")
def pending(server_uri: str, mould: str) -> Iterator[dict[str, Pending]]:
    with created(server_uri, new_name("pending"), mould) as database:
        with opened(database, PROJECT) as world:
            bring_rows(world)
            world.set_campaign("google", 70)
            world.ingest()
            before = world.version()
        found = {}
        for kind, forced in KINDS.items():
            with cloned(server_uri, name_of(database)) as world:
                count = len(world.build(*forced).results)
                world.assert_exact()
                found[kind] = Pending(name_of(database), before, shown(world), count)
        yield found


def shown(world: World) -> dict[str, str]:
    """What readers see, without run IDs and times of the ledger."""
    return {name: hash for name, hash in world.version().items() if "orchestrator" not in name}


def die_before_a_script(server_uri: str, pending: Pending, kind: str, at: int, kill: Kill) -> None:
    with cloned(server_uri, pending.mould) as world:
        known = len(world.builds())
        has_died = kill(world, at, KINDS[kind])
        assert has_died
        assert world.version() == pending.before
        (dead,) = world.builds()[known:]
        assert dead["status"] in ("failed", "running")
        assert dead["succeeded"] + dead["rolled_back"] == at
        world.build(*KINDS[kind])
        assert shown(world) == pending.after
        dead, alive = world.builds()[known:]
        assert dead["status"] in ("failed", "abandoned")
        assert (dead["succeeded"], dead["rolled_back"]) == (0, at)
        assert alive["status"] == "succeeded"
        world.assert_sound()


def lose(victim: str) -> Kill:
    """One of the two sessions is ended before a script."""

    def kill(world: World, at: int, forced: tuple[str, ...]) -> bool:
        boundary = BuildBoundary(0, lambda boundary: None)

        def starting(index: int) -> None:
            if index == at:
                terminate(world.database.conninfo, getattr(boundary, victim))

        with watched(boundary):
            try:
                world.build(*forced, starting=starting)
            except RunnerError:
                return True
        return False

    return kill


@pytest.fixture(scope="module")
def murder() -> Iterator[Kill]:
    """The process of the runner is killed before a script."""
    command = [sys.executable, "-m", "tests.build_faults.driver"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as process:
        assert process.stdin and process.stdout

        def kill(world: World, at: int, forced: tuple[str, ...]) -> bool:
            assert process.stdin and process.stdout
            order = {
                "conninfo": world.database.conninfo,
                "project": str(world.project),
                "at": at,
                "forced": forced,
            }
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            status = int(process.stdout.readline())
            wait_for_its_sessions(world)
            return status == -signal.SIGKILL

        yield kill
        process.stdin.close()


def wait_for_its_sessions(world: World) -> None:
    """The kernel closes the connections, which the server notices a moment later."""
    while world.one(
        "select count(*) from pg_stat_activity"
        " where application_name like 'milepost build%%' and datname = current_database()"
    ):
        time.sleep(0.01)


@pytest.mark.parametrize("victim", ["work", "evidence"])
@pytest.mark.parametrize("at", [17])
def test_a_build_that_loses_a_session_leaves_the_old_version(
    server_uri: str, pending: dict[str, Pending], victim: str, at: int
) -> None:
    """A sample of the tests below."""
    die_before_a_script(server_uri, pending["incremental"], "incremental", at, lose(victim))


@pytest.mark.parametrize("at", [25])
def test_a_build_that_is_killed_leaves_the_old_version(
    server_uri: str, pending: dict[str, Pending], murder: Kill, at: int
) -> None:
    die_before_a_script(server_uri, pending["incremental"], "incremental", at, murder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("victim", ["work", "evidence"])
def test_a_build_that_loses_a_session_before_any_script_leaves_the_old_version(
    server_uri: str, pending: dict[str, Pending], kind: str, victim: str
) -> None:
    # One session every other time, the other between: each boundary is met in both kinds.
    for at in range(victim == "evidence", pending[kind].scripts, 2):
        die_before_a_script(server_uri, pending[kind], kind, at, lose(victim))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_build_that_is_killed_before_any_script_leaves_the_old_version(
    server_uri: str, pending: dict[str, Pending], murder: Kill, kind: str
) -> None:
    for at in range(kind == "full", pending[kind].scripts, 2):
        die_before_a_script(server_uri, pending[kind], kind, at, murder)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["work", "evidence"])
def test_a_reshaping_build_that_dies_before_any_statement_leaves_one_version_or_the_other(
    server_uri: str, pending: dict[str, Pending], victim: str
) -> None:
    """Some statements: before the swap, in it and after it."""
    at, has_struck = 1, True
    while has_struck:
        with cloned(server_uri, pending["incremental"].mould) as world:

            def strike(boundary: Boundary, world: World = world) -> None:
                if pid := getattr(boundary, victim):
                    terminate(world.database.conninfo, pid)

            before = world.version()
            boundary = BuildBoundary(at, strike)
            with watched(boundary):
                try:
                    reshaped(world)
                except RunnerError:
                    is_published = world.builds()[-1]["status"] == "succeeded"
                    assert is_published or world.version() == before
            has_struck = boundary.has_struck
            world.build()
            world.assert_exact()
            assert world.builds()[-1]["status"] == "succeeded"
        at += 29


@pytest.mark.slow
def test_a_server_that_stops_at_once_leaves_the_old_version() -> None:
    """As after a power failure, except that the disk has what it was told to write."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "data", FAST).start()
        try:
            with created(server.uri, new_name("power")) as database:
                prepare(database, *HISTORY)
                with opened(database, PROJECT) as world:
                    for at in (0, 5, 16, 25):
                        cut_the_power(server, world, at)
        finally:
            server.delete()


def cut_the_power(server: Server, world: World, at: int) -> None:
    with opened(world.database, world.project) as before_it:
        bring_rows(before_it)
        before = before_it.version()
        before_it.all("checkpoint")  # what was before is on the disk

    def starting(index: int) -> None:
        if index == at:
            os.kill(server.postmaster.pid() or 0, signal.SIGQUIT)
            while server.is_running():
                time.sleep(0.01)
            server.start()

    with pytest.raises(RunnerError):
        world.build(starting=starting)
    with opened(world.database, world.project) as after_it:
        assert after_it.version() == before
        after_it.build()
        after_it.assert_exact()
        # This server may forget the last half second: perhaps that the build had begun.
        statuses = [build["status"] for build in after_it.builds()]
        assert set(statuses) <= {"abandoned", "succeeded"}
        assert statuses[-1] == "succeeded"
