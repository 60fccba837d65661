"""The embedded server, driven for real, as whoever runs the tests: root or an ordinary user."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from runner.database import embedded
from runner.database.embedded import binaries
from runner.errors import StartError
from tests.support.throwaway import ThrowawayServer
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[3]

START = """
import sys
from pathlib import Path
from runner.database.embedded import Server
server = Server(Path(sys.argv[1])).start()
print((server.data / "postmaster.pid").read_text().split()[0])
"""

CHILD = """
import sys, time
from pathlib import Path
from tests.support.throwaway import ThrowawayServer
server = ThrowawayServer(Path(sys.argv[1])).start()
print(server.uri, flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the server's user can enter, unlike pytest's own when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[embedded.Server]:
    """A server that stays; the tests here start, stop and kill it in turn."""
    server = embedded.Server(folder / "kept" / "18")
    yield server
    server.delete()


def test_several_processes_start_one_server_at_once(server: embedded.Server) -> None:
    started = [run_python(START, server.data) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert {read_line(process) for process in started} == {str(process_id(server))}


def test_second_start_finds_the_server_without_a_subprocess(
    server: embedded.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = process_id(server.start())
    monkeypatch.setattr(subprocess, "run", None)
    monkeypatch.setattr(subprocess, "Popen", None)
    assert process_id(embedded.Server(server.data).start()) == first


def test_stop_says_whether_the_server_ran(server: embedded.Server) -> None:
    server.start()
    assert server.is_running()
    assert server.stop() is True
    assert not server.is_running()
    assert server.stop() is False


def test_start_works_after_the_server_was_killed(server: embedded.Server) -> None:
    server.start()
    execute(server, "create table kept as select 1 as one; checkpoint")
    kill(process_id(server))
    assert (server.socket / ".s.PGSQL.5432").exists()
    wait_until(lambda: not server.is_running())
    server.start()
    assert execute(server, "drop table kept; select 'still there'") == "still there"


def test_start_works_when_the_process_number_is_another_programs(server: embedded.Server) -> None:
    server.start()
    kill(process_id(server))
    other = subprocess.Popen(["sleep", "60"], user=server.data.stat().st_uid)
    try:
        pid_file = server.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        assert server.stop() is False
        server.start()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_start_works_after_the_socket_was_removed(server: embedded.Server) -> None:
    first = process_id(server.start())
    (server.socket / ".s.PGSQL.5432").unlink()
    assert server.is_running()
    assert process_id(server.start()) != first
    assert execute(server, "select 'reachable'") == "reachable"


def test_environment_of_another_server_does_not_matter(
    server: embedded.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")
    server.start()
    assert execute(server, "show listen_addresses") == ""


def test_killed_initdb_leaves_nothing_that_is_taken_for_data(folder: Path) -> None:
    server = ThrowawayServer(folder / "killed")
    partial = folder / "killed.partial"
    partial.mkdir()
    (partial / "PG_VERSION").write_text("18\n")
    server.start()
    assert execute(server, "select 'whole'") == "whole"
    server.close()
    assert not partial.exists()


def test_child_ends_with_its_killed_parent_and_takes_its_data_along(folder: Path) -> None:
    data = folder / "child"
    parent = run_python(CHILD, data)
    uri = read_line(parent)
    with psycopg.connect(uri) as connection:
        assert connection.execute("show fsync").fetchone() == ("off",)
    parent.kill()
    parent.wait()
    wait_until(lambda: not data.exists() or not any(data.iterdir()))


def test_child_closes_and_takes_its_data_along(folder: Path) -> None:
    """A path too long for a socket, with characters that shells and URLs know."""
    data = folder / ("it's a, $long " * 7) / "18"
    server = ThrowawayServer(data).start()
    assert quote(str(server.socket)) in server.uri
    assert execute(server, "show max_prepared_transactions") == "10"
    server.close()
    assert not data.exists()
    assert not server.socket.exists()
    assert not server.is_running()


def test_failed_start_quotes_the_servers_reason(server: embedded.Server) -> None:
    server.stop()
    with pytest.raises(
        StartError, match='invalid value for parameter "work_mem": "plenty"'
    ) as told:
        embedded.Server(server.data, {"work_mem": "plenty"}).start()
    assert str(server.log) in (told.value.hint or "")


def test_failed_child_quotes_the_servers_reason(folder: Path) -> None:
    with pytest.raises(StartError, match='invalid value for parameter "work_mem": "plenty"'):
        ThrowawayServer(folder / "plenty", {"fsync": "off", "work_mem": "plenty"}).start()
    assert not (folder / "plenty").exists()


def test_data_of_another_major_version_are_refused(folder: Path) -> None:
    data = folder / "old" / "18"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(StartError, match="holds data of PostgreSQL 15, the embedded server is 18"):
        embedded.Server(data).start()


def test_folder_of_something_else_is_neither_used_nor_deleted(folder: Path) -> None:
    data = folder / "letters"
    data.mkdir()
    (data / "to-grandmother").touch()
    for act in (embedded.Server(data).start, embedded.Server(data).delete):
        with pytest.raises(StartError, match="not a PostgreSQL data folder"):
            act()
    assert (data / "to-grandmother").exists()


def test_missing_binaries_are_told_with_a_way_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StartError, match="embedded server is not installed") as told:
        embedded.Server(folder / "none").start()
    assert "DATABASE_URL" in (told.value.hint or "")
    assert told.value.exit_code == 3


def test_unusable_folder_is_told_in_one_line(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(StartError, match="Not a directory") as told:
        embedded.Server(folder / "file" / "18").start()
    assert "\n" not in told.value.message


@pytest.mark.parametrize(("major", "chosen"), [(15, False), (18, True), (99, True)])
def test_psql_of_the_path_is_taken_unless_it_is_older_than_the_server(
    major: int, chosen: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = folder / f"psql-{major}" / "psql"
    own.parent.mkdir()
    own.write_text(f"#!/bin/sh\necho 'psql (PostgreSQL) {major}.1'\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(own.parent), prepend=os.pathsep)
    assert (binaries.psql_path(18) == own) is chosen


def run_python(code: str, data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(data)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with process.stdout:
        return process.stdout.readline().strip()


def process_id(server: embedded.Server) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def execute(server: embedded.Server, statements: str) -> str:
    """Run statements, each in its own transaction, and return the one value of the last."""
    with psycopg.connect(server.uri, autocommit=True) as connection:
        cursor = None
        for statement in statements.split(";"):
            cursor = connection.execute(statement)  # type: ignore[arg-type]
        assert cursor is not None
        row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""
