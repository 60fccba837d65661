"""The manifest is compared with the files; an error is one line that says what does not fit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from runner.errors import StartError
from runner.project.manifest import MANIFEST, load

SMALL = """
[variables]
reporting_timezone = "UTC"

[warehouse.changed_events]
needs = ["raw.event_stream", "orchestrator.replaced_rows"]

[warehouse.dim_users]
needs = ["warehouse.changed_events"]

[reporting.growth]
needs = ["warehouse.dim_users"]
"""


def make_project(
    folder: Path, manifest: str, add: Iterable[str] = (), leave_out: Iterable[str] = ()
) -> Path:
    """A project with the files that its manifest asks for, and some more or less."""
    files = set(add)
    for layer, entries in tomllib.loads(manifest).items():
        for name, entry in entries.items() if layer != "variables" else ():
            files.add(f"schema/{layer}/{name}.sql")
            if not entry.get("view"):
                files.add(f"sql/{layer}/{name}.sql")
            if "state" in entry:
                files.add(f"schema/{layer}/{entry['state']}.sql")
    for name in files - set(leave_out):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("select 1;\n")
    return only_manifest(folder, manifest)


def only_manifest(folder: Path, text: str) -> Path:
    path = folder / MANIFEST
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def refusal(project: Path) -> StartError:
    with pytest.raises(StartError) as raised:
        load(project)
    return raised.value


def test_scripts_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    manifest = load(make_project(tmp_path, SMALL))
    assert list(manifest.scripts) == [
        "warehouse.changed_events",
        "warehouse.dim_users",
        "reporting.growth",
    ]
    assert manifest.scripts["warehouse.dim_users"].needs == ("warehouse.changed_events",)
    assert manifest.variables == {"reporting_timezone": "UTC"}


def test_path_of_a_script_is_its_name(tmp_path: Path) -> None:
    script = load(make_project(tmp_path, SMALL)).scripts["reporting.growth"]
    assert script.path == Path("sql/reporting/growth.sql")
    assert script.definitions == (Path("schema/reporting/growth.sql"),)


def test_checks_beside_a_script_need_no_entry(tmp_path: Path) -> None:
    checks = ["sql/warehouse/dim_users.check.sql", "sql/warehouse/dim_users.keys.check.sql"]
    script = load(make_project(tmp_path, SMALL, add=checks)).scripts["warehouse.dim_users"]
    assert [path.as_posix() for path in script.checks] == checks


def test_observations_beside_a_script_need_no_entry(tmp_path: Path) -> None:
    files = ["sql/warehouse/dim_users.age.observe.sql", "sql/warehouse/dim_users.size.observe.sql"]
    manifest = load(make_project(tmp_path, SMALL, add=files))
    script = manifest.scripts["warehouse.dim_users"]
    assert [path.as_posix() for path in script.observations] == files
    assert script.checks == ()
    assert manifest.scripts["reporting.growth"].observations == ()


def test_script_is_restated_when_its_entry_says_so(tmp_path: Path) -> None:
    scripts = load(make_project(tmp_path, SMALL + "restated = true\n")).scripts
    assert {key for key, script in scripts.items() if script.is_restated} == {"reporting.growth"}


@pytest.mark.parametrize("value", ["1", '"yes"', "[]"])
def test_restated_is_true_or_false(tmp_path: Path, value: str) -> None:
    error = refusal(make_project(tmp_path, f"{SMALL}restated = {value}\n"))
    assert error.message == f"{MANIFEST}: [reporting.growth] restated is neither true nor false"


def test_misspelt_restated_is_named_with_the_nearest(tmp_path: Path) -> None:
    error = refusal(make_project(tmp_path, SMALL + "restate = true\n"))
    assert error.message == f"{MANIFEST}: [reporting.growth] restate is not known"
    assert error.hint == "did you mean restated?"


def test_view_is_not_restated(tmp_path: Path) -> None:
    text = "[warehouse.classified]\nview = true\nrestated = true\nneeds = []\n"
    error = refusal(make_project(tmp_path, text))
    assert error.message.startswith(f"{MANIFEST}: [warehouse.classified] is a view")


def test_script_that_replaces_rows_itself_is_not_restated(tmp_path: Path) -> None:
    project = make_project(tmp_path, SMALL + "restated = true\n")
    (project / "sql/reporting/growth.sql").write_text("delete from {{ this }} where true;\n")
    error = refusal(project)
    assert error.message.startswith(
        f"{MANIFEST}: [reporting.growth] is restated, but sql/reporting/growth.sql deletes rows"
    )


def test_state_table_is_defined_beside_the_table_and_found_behind_its_script(
    tmp_path: Path,
) -> None:
    text = '[warehouse.daily]\nneeds = []\nstate = "totals"\n'
    manifest = load(make_project(tmp_path, text))
    script = manifest.scripts["warehouse.daily"]
    assert script.definitions == (
        Path("schema/warehouse/daily.sql"),
        Path("schema/warehouse/totals.sql"),
    )
    assert manifest.fillers() == {"warehouse.daily": script, "warehouse.totals": script}


def test_what_a_state_table_holds_can_be_needed(tmp_path: Path) -> None:
    text = (
        '[warehouse.daily]\nneeds = []\nstate = "totals"\n'
        '[warehouse.dim_dates]\nneeds = ["warehouse.totals"]\n'
    )
    assert "warehouse.dim_dates" in load(make_project(tmp_path, text)).scripts


def test_view_has_its_definition_for_a_script(tmp_path: Path) -> None:
    text = '[warehouse.classified]\nview = true\nneeds = ["raw.event_stream"]\n'
    script = load(make_project(tmp_path, text)).scripts["warehouse.classified"]
    assert script.is_view
    assert script.path == Path("schema/warehouse/classified.sql")


def test_project_without_a_manifest_is_told_how_to_name_one(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert error.message == f"{MANIFEST} does not exist in {tmp_path}"
    assert error.hint is not None and "--project DIR" in error.hint
    assert error.exit_code == 3


def test_bad_toml_names_file_and_line(tmp_path: Path) -> None:
    error = refusal(only_manifest(tmp_path, "[warehouse.dim_users]\nneeds = [\n\n= 3\n"))
    assert error.message.startswith(f"{MANIFEST}: ")
    assert "line 4" in error.message


def test_script_declared_twice_is_bad_toml(tmp_path: Path) -> None:
    text = "[warehouse.dim_users]\nneeds = []\n[warehouse.dim_users]\nneeds = []\n"
    assert "line 3" in refusal(only_manifest(tmp_path, text)).message


def test_file_that_is_not_utf_8_is_bad_toml(tmp_path: Path) -> None:
    only_manifest(tmp_path, "")
    (tmp_path / MANIFEST).write_bytes(b'[variables]\ncity = "Z\xfcrich"\n')
    assert refusal(tmp_path).message.startswith(f"{MANIFEST}: ")


@pytest.mark.parametrize("value", ["[7]", "2025-03-07", '{ zone = "UTC" }'])
def test_variable_is_a_string_a_number_a_boolean_or_a_list_of_strings(
    tmp_path: Path, value: str
) -> None:
    error = refusal(only_manifest(tmp_path, f"[variables]\nzone = {value}\n"))
    assert "variable zone is a " in error.message
    assert error.hint == "a variable is a string, a number, a boolean or a list of strings"


def test_variables_that_are_no_table_are_refused(tmp_path: Path) -> None:
    assert "variables" in refusal(only_manifest(tmp_path, 'variables = "UTC"\n')).message


def test_an_engine_is_postgres_unless_the_manifest_says_citus(tmp_path: Path) -> None:
    assert load(only_manifest(tmp_path, "")).engine == "postgres"
    assert load(only_manifest(tmp_path, 'engine = "citus"\n')).engine == "citus"
    error = refusal(only_manifest(tmp_path, 'engine = "oracle"\n'))
    assert error.message == f"{MANIFEST}: engine 'oracle' is not known"
    assert error.hint == "known are postgres, citus"


def test_unknown_layer_is_named_with_the_nearest(tmp_path: Path) -> None:
    error = refusal(only_manifest(tmp_path, "[warehose.dim_users]\nneeds = []\n"))
    assert error.message == f"{MANIFEST}: [warehose] is not known"
    assert error.hint == "did you mean warehouse?"


def test_unknown_layer_like_no_other_is_told_the_others(tmp_path: Path) -> None:
    error = refusal(only_manifest(tmp_path, "[zzz.dim_users]\nneeds = []\n"))
    assert error.message == f"{MANIFEST}: [zzz] is not known"
    assert error.hint == "known are engine, name, reporting, source, variables, warehouse"


def test_replicas_are_no_layer_of_scripts(tmp_path: Path) -> None:
    error = refusal(only_manifest(tmp_path, "[raw.event_stream]\nneeds = []\n"))
    assert error.message == f"{MANIFEST}: [raw] is not known"


def test_layer_that_is_a_value_is_refused(tmp_path: Path) -> None:
    assert "[warehouse]" in refusal(only_manifest(tmp_path, "warehouse = 3\n")).message


def test_script_that_is_a_value_is_refused(tmp_path: Path) -> None:
    error = refusal(only_manifest(tmp_path, "[warehouse]\ndim_users = 3\n"))
    assert error.message == f"{MANIFEST}: warehouse.dim_users is not a table"
    assert error.hint == "write [warehouse.dim_users]"


@pytest.mark.parametrize("name", ["Dim_Users", "dim-users", "dim users; drop", "1st", "_users", ""])
def test_name_of_a_script_is_plain_and_lower_case(tmp_path: Path, name: str) -> None:
    error = refusal(only_manifest(tmp_path, f'[warehouse."{name}"]\nneeds = []\n'))
    assert error.message.endswith("is not a plain lower-case name")


def test_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    error = refusal(only_manifest(tmp_path, "[warehouse.dim_users]\nneed = []\n"))
    assert error.message == f"{MANIFEST}: [warehouse.dim_users] need is not known"
    assert error.hint == "did you mean needs?"


@pytest.mark.parametrize("entry", ["", 'needs = "raw.event_stream"', "needs = [1]"])
def test_script_has_a_list_of_needs(tmp_path: Path, entry: str) -> None:
    error = refusal(only_manifest(tmp_path, f"[warehouse.dim_users]\n{entry}\n"))
    assert error.message == f"{MANIFEST}: [warehouse.dim_users] has no list of needs"
    assert error.hint == 'needs = ["raw.event_stream"]'


@pytest.mark.parametrize("value", ['"no"', "0", "[]"])
def test_view_is_true_or_false(tmp_path: Path, value: str) -> None:
    text = f"[warehouse.dim_users]\nneeds = []\nview = {value}\n"
    project = make_project(tmp_path, text, add=["sql/warehouse/dim_users.sql"])
    assert "[warehouse.dim_users] view" in refusal(project).message


@pytest.mark.parametrize("value", ["3", '""', '"Totals; drop"', '["totals"]'])
def test_state_is_a_plain_lower_case_name(tmp_path: Path, value: str) -> None:
    text = f"[warehouse.daily]\nneeds = []\nstate = {value}\n"
    assert "[warehouse.daily] state" in refusal(make_project(tmp_path, text)).message


def test_table_has_one_script_that_fills_it(tmp_path: Path) -> None:
    text = '[warehouse.daily]\nneeds = []\nstate = "totals"\n[warehouse.totals]\nneeds = []\n'
    assert "warehouse.totals" in refusal(make_project(tmp_path, text)).message


def test_unknown_need_is_named_with_the_nearest(tmp_path: Path) -> None:
    text = SMALL.replace('["warehouse.dim_users"]', '["warehouse.dim_user"]')
    error = refusal(make_project(tmp_path, text))
    assert error.message == f"{MANIFEST}: [reporting.growth] needs warehouse.dim_user is not known"
    assert error.hint == "did you mean warehouse.dim_users?"


def test_need_without_its_layer_is_unknown(tmp_path: Path) -> None:
    text = SMALL.replace('["warehouse.dim_users"]', '["dim_users"]')
    error = refusal(make_project(tmp_path, text))
    assert error.message == f"{MANIFEST}: [reporting.growth] needs dim_users is not known"
    assert error.hint == "did you mean warehouse.dim_users?"


@pytest.mark.parametrize("need", ["raw.event_stream", "orchestrator.runs"])
def test_reporting_that_reads_behind_the_warehouse_is_refused(tmp_path: Path, need: str) -> None:
    text = SMALL.replace('["warehouse.dim_users"]', f'["{need}"]')
    error = refusal(make_project(tmp_path, text))
    assert error.message == (
        f"{MANIFEST}: [reporting.growth] needs {need}, but reports read the warehouse only"
    )
    assert error.hint == "bring it into a warehouse table first"


def test_warehouse_that_reads_reporting_is_refused(tmp_path: Path) -> None:
    text = SMALL.replace('["warehouse.changed_events"]', '["reporting.growth"]')
    assert refusal(make_project(tmp_path, text)).message == (
        f"{MANIFEST}: [warehouse.dim_users] needs reporting.growth,"
        " but the warehouse never reads reports"
    )


def test_report_may_read_another_report(tmp_path: Path) -> None:
    text = SMALL + '[reporting.kpi]\nneeds = ["reporting.growth"]\n'
    assert "reporting.kpi" in load(make_project(tmp_path, text)).scripts


@pytest.mark.parametrize(
    "file",
    ["sql/warehouse/dim_users.sql", "schema/warehouse/dim_users.sql", "sql/reporting/growth.sql"],
)
def test_missing_file_is_named(tmp_path: Path, file: str) -> None:
    error = refusal(make_project(tmp_path, SMALL, leave_out=[file]))
    assert error.message == f"{MANIFEST}: {file} does not exist"
    assert error.hint == "write it, or remove its entry"


def test_missing_ddl_of_a_state_table_is_named(tmp_path: Path) -> None:
    text = '[warehouse.daily]\nneeds = []\nstate = "totals"\n'
    error = refusal(make_project(tmp_path, text, leave_out=["schema/warehouse/totals.sql"]))
    assert error.message == f"{MANIFEST}: schema/warehouse/totals.sql does not exist"


def test_missing_definition_of_a_view_is_named(tmp_path: Path) -> None:
    text = "[warehouse.classified]\nview = true\nneeds = []\n"
    error = refusal(make_project(tmp_path, text, leave_out=["schema/warehouse/classified.sql"]))
    assert error.message == f"{MANIFEST}: schema/warehouse/classified.sql does not exist"


@pytest.mark.parametrize(
    ("file", "entry"),
    [
        ("sql/warehouse/fact_stray.sql", "[warehouse.fact_stray]"),
        ("sql/reporting/stray.sql", "[reporting.stray]"),
        ("schema/warehouse/stray_state.sql", "[warehouse.stray_state]"),
        ("schema/reporting/stray.sql", "[reporting.stray]"),
    ],
)
def test_undeclared_file_is_named_with_its_entry(tmp_path: Path, file: str, entry: str) -> None:
    error = refusal(make_project(tmp_path, SMALL, add=[file]))
    assert error.message == f"{file} is not in {MANIFEST}"
    assert error.hint == f"declare it: {entry}"


def test_check_of_no_script_is_undeclared(tmp_path: Path) -> None:
    error = refusal(make_project(tmp_path, SMALL, add=["sql/warehouse/dim_user.check.sql"]))
    assert error.message == f"sql/warehouse/dim_user.check.sql is not in {MANIFEST}"


@pytest.mark.parametrize(
    "name",
    [
        "dim_user.keys.observe",  # of no script
        "dim_users.observe",  # without a name
        "dim_users.keys.observation",
        "dim_users.keys.observes",
    ],
)
def test_observation_of_no_script_or_another_form_is_undeclared(tmp_path: Path, name: str) -> None:
    error = refusal(make_project(tmp_path, SMALL, add=[f"sql/warehouse/{name}.sql"]))
    assert error.message == f"sql/warehouse/{name}.sql is not in {MANIFEST}"
    assert error.hint == "beside a script: <script>.check.sql, <script>.x.observe.sql"


def test_view_with_a_script_too_is_undeclared(tmp_path: Path) -> None:
    text = "[warehouse.classified]\nview = true\nneeds = []\n"
    error = refusal(make_project(tmp_path, text, add=["sql/warehouse/classified.sql"]))
    assert error.message == f"sql/warehouse/classified.sql is not in {MANIFEST}"
