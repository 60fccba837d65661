"""The package as people install it: a wheel, and a folder with nothing else of this repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import PROJECT
from tests.support.commands import Installed

BUILT_FROM = ("setup.cfg", "pyproject.toml", "LICENSE", "README.md", "runner", "schema", "sql")


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the sdist, built from a copy, since a build leaves files in its folder."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "milepost"
    copy.mkdir()
    for name in BUILT_FROM:
        if (PROJECT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".pgdata")
            shutil.copytree(PROJECT / name, copy / name, ignore=ignored)
        elif (PROJECT / name).is_file():
            shutil.copy(PROJECT / name, copy)
    pip("wheel", copy, "--no-deps", "--wheel-dir", folder, *_isolation())
    return next(folder.glob("milepost-*.whl"))


def _isolation() -> list[str]:
    """The development environment can build wheels by itself, without asking an index."""
    major = int(metadata.version("setuptools").split(".")[0])
    return ["--no-build-isolation"] if major >= 71 else []


@pytest.fixture(scope="session")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed; what it depends on comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", wheel, "--no-deps", "--target", folder)
    return folder


@pytest.fixture
def installed(site: Path, empty_database: Database) -> Installed:
    return Installed(site, empty_database)
