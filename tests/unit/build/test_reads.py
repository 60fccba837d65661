"""A build refuses a changed script that reads what it does not declare. Needs no server."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.build.build import check_changes
from runner.build.inspect import reads
from runner.build.plan import NEVER_BUILT, Step
from runner.errors import StartError
from runner.project.files import find
from runner.project.manifest import Manifest, Script, load
from runner.project.target import Target
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


BODIES = {
    "atomic": "returns bigint language sql begin atomic select count(*) from {table}; end",
    "return": "returns bigint language sql return (select count(*) from {table})",
    "text": "returns bigint language sql as $$ select count(*) from {table} as t $$",
    "plpgsql": "returns bigint language plpgsql as $f$ declare n bigint; begin"
    " select count(*) into n from {table}; return n; end $f$",
    "executed": "returns bigint language plpgsql as $f$ declare n bigint; begin"
    " execute 'select count(*) from {table}' into n; return n; end $f$",
}
TABLES = {
    "warehouse.dim_countries": "{{ warehouse }}.dim_countries",
    "raw.utm_campaigns": "{{ raw }}.raw_utm_campaigns",
    "orchestrator.replaced_rows": "orchestrator.replaced_rows",
}


def calling(body: str, table: str) -> tuple[Manifest, Script]:
    """A script that calls a function which calls another, which reads a table."""
    script = MANIFEST.scripts["warehouse.dim_dates"]
    functions = (
        "create or replace function {{ warehouse }}.inner_one() "
        + BODIES[body].replace("{table}", TABLES[table])
        + ";\n\ncomment on function {{ warehouse }}.inner_one() is 'Reads warehouse.dim_users.';"
        "\n\ncreate function {{ reporting }}.outer_one() returns bigint language sql"
        "\nreturn {{ warehouse }}.inner_one() + {{ reporting }}.outer_one();\n"
        "-- Of reporting.retention nothing is read.\n"
    )
    path = find(PROJECT, Path("schema/warehouse.sql"))
    texts = {
        path: MANIFEST.read(path) + functions,
        script.path: MANIFEST.read(script.path) + "\nselect {{ reporting }}.outer_one ();\n",
    }
    return replace(MANIFEST, texts=texts), script


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("body", BODIES)
def test_what_the_functions_read_that_a_script_calls_is_read_by_it(body: str, table: str) -> None:
    manifest, script = calling(body, table)
    with pytest.raises(
        StartError, match=rf"{script.path}: reads {table} in warehouse.inner_one\(\), which"
    ):
        reads.check(manifest, [script])
    assert reads.check(manifest, [replace(script, needs=(*script.needs, table))]) == []


def test_a_need_too_many_is_a_warning() -> None:
    script = MANIFEST.scripts["warehouse.dim_dates"]
    manifest = manifest_but(script.key, *script.needs, "warehouse.dim_countries")
    (warning,) = reads.check(manifest, [manifest.scripts[script.key]])
    assert "does not read warehouse.dim_countries" in warning


def test_what_the_parser_does_not_know_is_a_warning_not_a_failure() -> None:
    script = MANIFEST.scripts["warehouse.dim_dates"]
    manifest = replace(MANIFEST, texts={script.path: "select from (;"})
    (warning,) = reads.check(manifest, [script])
    assert warning.startswith("cannot check that it declares what it reads: ")


@pytest.mark.parametrize("missing", ["sqlglot", "runner.build.inspect"])
def test_without_the_parser_it_is_said_once(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("sqlglot", "runner.build.inspect"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    steps = [Step(script, "full", NEVER_BUILT) for script in MANIFEST.scripts.values()]
    (warning,) = check_changes(MANIFEST, Target(), steps)
    assert "without the extra [lint]" in warning
