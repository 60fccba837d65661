"""A warehouse of four months of events, of which some are archived."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import ingest
from tests.support.databases import Moulds
from tests.support.months import in_months, monthly_project


@pytest.fixture
def monthly(moulds: Moulds, no_margin: None) -> Iterator[Database]:
    """Four months of events, ingested and built."""
    with moulds.clone(in_months) as database:
        # Which transactions wrote what is known of one database, and this is another.
        ingest(database, project=monthly_project())
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that also the user of a server may enter, if we are root."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
