"""Ingestion under fire: what each of these tests shares."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runner.database import retry
from runner.database.session import Database
from runner.ingest import catch_up
from tests.ingest_faults.arena import Arena


@pytest.fixture
def arena(database: Database) -> Iterator[Arena]:
    # Nothing stays prepared, as the columns of its tables change.
    with psycopg.connect(database.conninfo, autocommit=True, prepare_threshold=None) as connection:
        yield Arena(database, connection)


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.002)
    monkeypatch.setattr(catch_up, "POLL_SECONDS", 0.005)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that also the user of a server may enter, if we are root."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
