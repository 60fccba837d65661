"""A fingerprint has a hash for each thing that decides the content of a script's tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.build.fingerprint import changed_since, fingerprint, functions_of
from tests.support.manifests import declare, write

SQL, DDL = Path("sql/warehouse/fact.sql"), Path("schema/warehouse/fact.sql")
LAYER = Path("schema/warehouse.depth.sql")


def hashes(project: Path) -> dict[str, str]:
    manifest = declare({"warehouse.fact": []}, project, variables={"zone": "UTC", "days": 7})
    found: dict[str, str] = json.loads(fingerprint(manifest, manifest.scripts["warehouse.fact"]))
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, SQL, "select {{ zone }}, {{ warehouse }}.depth('a');\n")
    write(tmp_path, DDL, "create table a;\n")
    function = "create or replace function {{ warehouse }}.depth(text) returns int\n"
    write(tmp_path, LAYER, function)
    return tmp_path


def test_each_thing_that_is_used_has_its_hash(project: Path) -> None:
    assert set(hashes(project)) == {
        "its SQL",
        "its table in schema/",
        "its check",
        "its needs",
        "variable zone",
        functions_of(LAYER),
    }


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (SQL, "-- why\n", ()),
        (SQL, "select 1;\n", ("its SQL",)),
        (DDL, "create index a;\n", ("its table in schema/",)),
        (LAYER, "select 2;\n", (functions_of(LAYER),)),
    ],
)
def test_only_what_changed_has_another_hash(
    project: Path, path: Path, text: str, expected: tuple[str, ...]
) -> None:
    before = hashes(project)
    with (project / path).open("a") as file:
        file.write(text)
    assert changed_since(json.dumps(before), json.dumps(hashes(project))) == expected


def test_fingerprint_of_an_older_form_has_changed() -> None:
    assert changed_since("5f2a", "{}") == ("the form of fingerprints",)
