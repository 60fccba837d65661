"""A small warehouse to change, and a project to break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import PROJECT, earn, insert_events, run_all


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
