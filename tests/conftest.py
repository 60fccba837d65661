"""One PostgreSQL server for the whole test session, thrown away with its data at the end.

Set TEST_DATABASE_URL to use a server of your own instead. Tests never look at DATABASE_URL.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pytest_postgresql import factories

from runner.database.session import Database
from runner.errors import RunnerError
from runner.ingest import source
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, earn, insert_events, run_all
from tests.support.throwaway import ThrowawayServer

SERVER = pytest.StashKey[ThrowawayServer]()
FOLDER = pytest.StashKey[Path]()
MEMORY, ROOM = Path("/dev/shm"), 6 * 2**30


def pytest_configure(config: pytest.Config) -> None:
    """Start the server before pytest-xdist starts its workers, which find it in the environment."""
    _forget_other_servers()
    _hear_signals()
    if not os.environ.get("TEST_DATABASE_URL") and not config.option.collectonly:
        folder = Path(tempfile.mkdtemp(prefix="milepost-", dir=_in_memory()))
        folder.chmod(0o755)  # as root, the server's user has to pass; its data folder is private
        config.stash[FOLDER] = folder
        try:
            config.stash[SERVER] = ThrowawayServer(folder / "data").start()
        except RunnerError as error:
            raise pytest.UsageError(error.message, error.hint or "") from error
        os.environ["TEST_DATABASE_URL"] = config.stash[SERVER].uri
    if os.environ.get("TEST_DATABASE_URL"):
        _point_pytest_postgresql_to(os.environ["TEST_DATABASE_URL"], config)


def _in_memory() -> Path | None:
    """Where a thousand databases of a thousand small files each are cloned ten times as fast; None
    where there is no room, as in many containers.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM and os.access(MEMORY, os.W_OK):
        return MEMORY
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVER in config.stash:
        config.stash[SERVER].close()
        del os.environ["TEST_DATABASE_URL"]
    if FOLDER in config.stash:
        shutil.rmtree(config.stash[FOLDER])


def _hear_signals() -> None:
    """In the background of a script signals are ignored, and the commands under test would too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _forget_other_servers() -> None:
    for name in list(os.environ):
        if name == "DATABASE_URL" or name.startswith("PG"):
            del os.environ[name]


def _point_pytest_postgresql_to(url: str, config: pytest.Config) -> None:
    """Fill in the plugin's options; its databases are ours by name, so stale ones may go."""
    server = {"user": "postgres", "port": 5432, "dbname": "postgres", **conninfo_to_dict(url)}
    for name in ("host", "port", "user", "password"):
        setattr(config.option, f"postgresql_{name}", server.get(name))
    config.option.postgresql_maintenance_dbname = server["dbname"]
    config.option.postgresql_dbname = "milepost_test"
    config.option.postgresql_drop_test_database = True


@pytest.fixture(scope="session")
def server_uri() -> str:
    """The connection string of the test server, on its maintenance database."""
    return os.environ["TEST_DATABASE_URL"]


def load_schema(*, autocommit: bool = False, **server: Any) -> None:
    """Fill the template database: the schema as `schema apply` makes it."""
    database = Database(make_conninfo(**server))
    schema.apply(database, load(PROJECT), Target())


# Loaded once per session (and worker), then cloned for every test that asks.
template = factories.postgresql_noproc(load=[load_schema])
clone = factories.postgresql("template")
second_clone = factories.postgresql("template", dbname="milepost_test_second")
bare = factories.postgresql_noproc(dbname="milepost_bare")
bare_clone = factories.postgresql("bare")


@pytest.fixture
def database(clone: psycopg.Connection[Any]) -> Database:
    """A database of the test's own with the schema in it, and nothing else."""
    return Database(_address(clone))


@pytest.fixture
def other_database(second_clone: psycopg.Connection[Any]) -> Database:
    """A second such database."""
    return Database(_address(second_clone))


@pytest.fixture
def empty_database(bare_clone: psycopg.Connection[Any]) -> Database:
    """A database of the test's own with nothing in it."""
    return Database(_address(bare_clone))


@pytest.fixture
def no_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which nobody writes beside an ingest: a row is read as soon as it is committed."""
    real = source._clock_text

    def without_margin(*arguments: Any) -> str | None:
        text = real(*arguments)
        return text and text.replace("interval '1 second'", "interval '0'")

    monkeypatch.setattr(source, "_clock_text", without_margin)


@pytest.fixture
def mutable(database: Database) -> Database:
    """A source whose rows may also change: an upsert pipeline on a cursor of its own."""
    with database.session("test") as session:
        session.run(
            "alter table public.event_stream add column updated_at timestamptz not null"
            " default now();"
            " update orchestrator.pipeline_definitions"
            " set write_mode = 'upsert', cursor_column = 'updated_at'"
            " where pipeline_name = 'event_stream';"
            " drop view warehouse.classified_events; drop table warehouse.raw_event_stream"
        )
    return database


def _address(connection: psycopg.Connection[Any]) -> str:
    """Only what an older psql knows too."""
    info = connection.info
    values = {"host": info.host, "port": info.port, "user": info.user, "dbname": info.dbname}
    return make_conninfo(**values, **({"password": info.password} if info.password else {}))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be broken."""
    for folder in ("sql", "schema"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


@pytest.fixture
def built(database: Database, no_margin: None) -> Database:
    """Thirty days of three users, ingested and built."""
    insert_events(database, [earn(day, f"u_{day % 3}", miles=10 * day) for day in range(30)])
    run_all(database)
    return database
