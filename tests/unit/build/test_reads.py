"""A build refuses a changed script that reads what it does not declare. Needs no server."""

from __future__ import annotations

import builtins
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.build import reads
from runner.errors import StartError
from runner.project.manifest import Manifest, load
from tests.support import PROJECT

MANIFEST = load(PROJECT)
NEEDS = [(script, need) for script in MANIFEST.scripts.values() for need in script.needs]


def manifest_but(key: str, *needs: str) -> Manifest:
    scripts = dict(MANIFEST.scripts)
    scripts[key] = replace(scripts[key], needs=needs)
    return replace(MANIFEST, scripts=scripts)


def test_the_scripts_that_ship_declare_what_they_read() -> None:
    assert reads.check(MANIFEST, MANIFEST.scripts.values()) == []


@settings(max_examples=60, deadline=None, database=None)
@given(forgotten=st.sampled_from(NEEDS))
def test_whatever_need_is_forgotten_is_named(forgotten: Any) -> None:
    script, need = forgotten
    manifest = manifest_but(script.key, *(each for each in script.needs if each != need))
    # Where no script needs a replica any more, the text that names it cannot be rendered either.
    if need.startswith("raw.") and not manifest.raw_needs():
        return
    with pytest.raises(StartError, match=f"{script.path}: reads {need}"):
        reads.check(manifest, [manifest.scripts[script.key]])


def test_a_need_too_many_is_a_warning() -> None:
    script = MANIFEST.scripts["warehouse.dim_dates"]
    manifest = manifest_but(script.key, *script.needs, "warehouse.dim_countries")
    (warning,) = reads.check(manifest, [manifest.scripts[script.key]])
    assert "does not read warehouse.dim_countries" in warning


def test_what_the_parser_does_not_know_is_a_warning_not_a_failure() -> None:
    script = MANIFEST.scripts["warehouse.dim_dates"]
    manifest = replace(MANIFEST, texts={script.path: "select from (;"})
    (warning,) = reads.check(manifest, [script])
    assert warning.startswith("whether it declares what it reads is not known: ")


def test_without_the_parser_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "sqlglot":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    reads._tables.cache_clear()
    (warning,) = reads.check(MANIFEST, MANIFEST.scripts.values())
    assert "without the extra [lint]" in warning
