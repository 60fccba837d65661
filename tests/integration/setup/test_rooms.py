"""The core works without its rooms: they are deleted from an installed copy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import earn, insert_events, scalar
from tests.support.commands import Installed
from tests.support.rooms import COMMANDS, ROOMS


@pytest.fixture
def core(site: Path, tmp_path: Path, database: Database) -> Installed:
    """The installed package without its rooms."""
    copy = tmp_path.parent / f"{tmp_path.name}-site"
    shutil.copytree(site, copy)
    for room in ROOMS:
        _delete(copy / "runner" / room)
    return Installed(copy, database)


def _delete(place: Path) -> None:
    shutil.rmtree(place) if place.is_dir() else place.unlink()


@pytest.mark.parametrize("also", [COMMANDS, pytest.param((), marks=pytest.mark.slow)])
def test_without_its_rooms_the_core_ingests_builds_plans_and_tells_its_status(
    core: Installed, project: Path, no_margin: None, also: tuple[str, ...]
) -> None:
    for folder in also:
        _delete(core.site / "runner" / folder)
    insert_events(core.database, [earn(day, f"u_{day % 3}", miles=10) for day in range(9)])
    assert "run-all" in core.run(project, "--help")
    assert "event_stream" in core.run(project, "ingest")
    assert "scripts" in core.run(project, "build")
    assert "nothing new" in core.run(project, "run-all")
    assert "skip" in core.run(project, "plan")
    assert json.loads(core.run(project, "status", "--json"))["is_good"]
    assert scalar(core.database, "select count(*) from warehouse.fact_miles_earned") == 9


@pytest.mark.parametrize(
    ("command", "room"),
    [
        (("verify",), "compare"),
        (("diff", "live", "dev"), "compare"),
        (("dashboard",), "pages"),
        (("docs",), "pages"),
        (("lint",), "testing"),
        (("test",), "testing"),
        (("schema", "apply"), "setup"),
        (("torture",), "torture"),
        (("backfill", "event_stream"), "repairs"),
        (("reconcile", "event_stream"), "repairs"),
        (("runs", "undo", "1", "--yes"), "repairs"),
        (("render",), "preview"),
        (("plan", "--explain"), "preview"),
        (("pipelines", "remove", "event_stream"), "repairs"),
        (("forget", "event_stream", "--key", "1"), "erasure"),
        (("archive", "--before", "2026-01"), "archive"),
    ],
)
def test_a_command_of_a_missing_room_says_what_is_missing(
    core: Installed, project: Path, command: tuple[str, ...], room: str
) -> None:
    done = core.start(project, *command)
    assert done.returncode == 3
    lines = done.stderr.strip().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    assert room in lines[0]
