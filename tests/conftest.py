"""A PostgreSQL server for each worker of the tests, thrown away with its data at the end.

Workers share none, because a transaction that is open in any database of a server holds back what
an ingest may read in all of them, and roles belong to all of them too.

Set TEST_DATABASE_URL to use a server of your own instead. Tests never look at DATABASE_URL.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.database.session import Database
from runner.errors import RunnerError
from runner.ingest import source
from tests.support import PROJECT, kept
from tests.support.databases import Moulds, apply_schema, build_thirty_days, let_rows_change
from tests.support.throwaway import ThrowawayServer

SERVER = pytest.StashKey[ThrowawayServer]()
FOLDER = pytest.StashKey[Path]()
MEMORY, ROOM = Path("/dev/shm"), 2 * 2**30


def pytest_configure(config: pytest.Config) -> None:
    _forget_other_servers()
    _hear_signals()
    if not os.environ.get("TEST_DATABASE_URL") and _runs_tests(config):
        folder = Path(tempfile.mkdtemp(prefix="milepost-", dir=_in_memory()))
        folder.chmod(0o755)  # as root, the server's user has to pass; its data folder is private
        config.stash[FOLDER] = folder
        try:
            config.stash[SERVER] = ThrowawayServer(folder / "data").start()
        except RunnerError as error:
            raise pytest.UsageError(error.message, error.hint or "") from error
        os.environ["TEST_DATABASE_URL"] = config.stash[SERVER].uri


def _runs_tests(config: pytest.Config) -> bool:
    """Whether this process does, and not only others that it starts."""
    is_worker = hasattr(config, "workerinput")
    return is_worker or not (config.option.collectonly or config.getoption("tx", None))


def _in_memory() -> Path | None:
    """Where a thousand databases of a thousand small files each are cloned ten times as fast; None
    where there is no room, as in many containers.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM and os.access(MEMORY, os.W_OK):
        return MEMORY
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    kept.close()
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


@pytest.fixture(scope="session")
def server_uri() -> str:
    """The connection string of the test server, on its maintenance database."""
    return os.environ["TEST_DATABASE_URL"]


@pytest.fixture(scope="session")
def moulds(server_uri: str) -> Iterator[Moulds]:
    moulds = Moulds(server_uri)
    yield moulds
    moulds.close()


@pytest.fixture
def database(moulds: Moulds) -> Iterator[Database]:
    """A database of the test's own with the schema in it, and nothing else."""
    with moulds.clone(apply_schema) as database:
        yield database


@pytest.fixture
def other_database(moulds: Moulds) -> Iterator[Database]:
    """A second such database."""
    with moulds.clone(apply_schema) as database:
        yield database


@pytest.fixture
def empty_database(moulds: Moulds) -> Iterator[Database]:
    """A database of the test's own with nothing in it."""
    with moulds.clone() as database:
        yield database


@contextlib.contextmanager
def without_margin() -> Iterator[None]:
    real = source._clock_text

    def shortened(*arguments: Any) -> str | None:
        text = real(*arguments)
        return text and text.replace("interval '1 second'", "interval '0'")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_clock_text", shortened)
        yield


@pytest.fixture
def no_margin() -> Iterator[None]:
    """For tests in which nobody writes beside an ingest: a row is read as soon as it is committed."""
    with without_margin():
        yield


@pytest.fixture
def mutable(moulds: Moulds) -> Iterator[Database]:
    """A source whose rows may also change: an upsert pipeline on a cursor of its own."""
    with moulds.clone(apply_schema, let_rows_change) as database:
        yield database


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be broken."""
    for folder in ("sql", "schema"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


@pytest.fixture
def built(moulds: Moulds, no_margin: None) -> Iterator[Database]:
    """Thirty days of three users, ingested and built."""
    with moulds.clone(apply_schema, build_thirty_days) as database:
        yield database


@pytest.fixture(scope="module")
def shared(moulds: Moulds) -> Iterator[Database]:
    """The same for all tests of a module that only look at it."""
    with without_margin(), moulds.clone(apply_schema, build_thirty_days) as database:
        yield database
