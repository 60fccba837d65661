"""Ingestion under fire: what each of these tests shares."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from runner import pipeline, retry
from runner.database import Database
from tests.fire.arena import Arena


@pytest.fixture
def arena(database: Database) -> Iterator[Arena]:
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        yield Arena(database, connection)


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.002)
    monkeypatch.setattr(pipeline, "POLL_SECONDS", 0.005)
