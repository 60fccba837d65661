"""Files are written whole or not at all, where and for whom they were meant."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.database.session import Database
from runner.errors import RunnerError
from runner.pages.html import put
from tests.support import run_all
from tests.support.commands import command


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o7777


@pytest.mark.parametrize("before", [0o600, 0o640, 0o644, 0o664])
def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path, before: int) -> None:
    file = tmp_path / "page.html"
    file.write_text("old")
    file.chmod(before)
    put(file, "new", mode=0o640)
    assert (file.read_text(), mode(file)) == ("new", before)


def test_a_new_file_gets_the_mode_that_was_asked_for(database: Database, tmp_path: Path) -> None:
    run_all(database)
    for words, expected in (((), 0o640), (("--mode", "644"), 0o644), (("--mode", "600"), 0o600)):
        file = tmp_path / "page.html"
        file.unlink(missing_ok=True)
        done = command("dashboard", "-o", str(file), *words, database=database)
        assert not done.returncode, done.stderr
        assert mode(file) == expected
    assert command("dashboard", "--mode", "4755", database=database).returncode == 2
    assert command("dashboard", "--mode", "rw", database=database).returncode == 2


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="cannot be written"):
        put(tmp_path / "nonexist" / "x.html", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_symlink_is_not_followed_nor_replaced(tmp_path: Path, is_there: bool) -> None:
    other, link = tmp_path / "other", tmp_path / "page.html"
    if is_there:
        other.write_text("theirs")
    link.symlink_to(other)
    with pytest.raises(RunnerError, match="symbolic link"):
        put(link, "ours")
    assert link.is_symlink()
    assert other.exists() == is_there
    assert not is_there or other.read_text() == "theirs"


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond a thousand bytes, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("old")
    with pytest.raises(RunnerError, match="cannot be written"):
        put(file, "x" * 100_000)
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]
