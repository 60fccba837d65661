"""Which scripts run, and why, follows from the manifest, the files and the new rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.build.fingerprint import fingerprint
from runner.build.plan import Step, decide
from runner.database.ledger import Position
from runner.project.graph import order
from runner.project.manifest import Manifest
from tests.support.manifests import NEEDS, declare, write

NEW = Position(pipeline_id=1, after=3, through=5)
NOTHING_NEW = Position(pipeline_id=1, after=5, through=5)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the files of NEEDS; warehouse.fact has a check."""
    for script in declare(NEEDS).scripts.values():
        for path in (script.path, *script.definitions):
            write(tmp_path, path, f"-- {script.key}\nselect 1;\n")
    write(tmp_path, Path("sql/warehouse/fact.check.sql"), "select 1 where false\n")
    return tmp_path


def fingerprints(manifest: Manifest) -> dict[str, str]:
    return {key: fingerprint(manifest, script) for key, script in manifest.scripts.items()}


def verdicts(steps: list[Step]) -> dict[str, tuple[str, str]]:
    return {step.script.name: (step.mode, step.reason) for step in steps}


def modes(steps: list[Step]) -> dict[str, str]:
    return {step.script.name: step.mode for step in steps}


def test_nothing_new_is_skipped(project: Path) -> None:
    manifest = declare(NEEDS, project)
    steps = decide(manifest, fingerprints(manifest), {"events": NOTHING_NEW})
    assert [step.script for step in steps] == order(manifest)
    assert {(step.mode, step.reason) for step in steps} == {("skip", "nothing new")}


def test_what_was_never_built_is_built_in_full(project: Path) -> None:
    steps = decide(declare(NEEDS, project), {}, {"events": NEW})
    assert {(step.mode, step.reason) for step in steps} == {("full", "never built")}


def test_what_follows_from_a_new_script_is_built_in_full(project: Path) -> None:
    manifest = declare(NEEDS, project)
    built = fingerprints(manifest)
    del built["warehouse.dim"]
    assert verdicts(decide(manifest, built, {})) == {
        "changed": ("skip", "nothing new"),
        "fact": ("skip", "nothing new"),
        "dim": ("full", "never built"),
        "growth": ("skip", "nothing new"),
        "costs": ("full", "follows dim"),
    }


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("sql/warehouse/fact.sql", "its SQL"),
        ("schema/warehouse/fact.sql", "its table in schema/"),
        ("sql/warehouse/fact.check.sql", "its check"),
    ],
)
def test_changed_file_builds_its_script_and_what_follows_in_full(
    project: Path, file: str, what: str
) -> None:
    manifest = declare(NEEDS, project)
    built = fingerprints(manifest)
    write(project, Path(file), "select 2;\n")
    assert verdicts(decide(declare(NEEDS, project), built, {"events": NEW})) == {
        "changed": ("incremental", "new rows in raw.events"),
        "fact": ("full", f"{what} changed"),
        "dim": ("skip", "nothing new"),
        "growth": ("full", "follows fact"),
        "costs": ("full", "follows fact"),
    }


def test_changed_comment_builds_nothing(project: Path) -> None:
    manifest = declare(NEEDS, project)
    built = fingerprints(manifest)
    write(project, Path("sql/warehouse/fact.sql"), "-- Grain: other words.\nselect 1;\n")
    assert set(modes(decide(declare(NEEDS, project), built, {})).values()) == {"skip"}


def test_changed_line_of_the_change_set_is_no_comment(project: Path) -> None:
    manifest = declare(NEEDS, project)
    write(project, Path("sql/warehouse/fact.sql"), "select 1\n{{ incremental }} where true;\n")
    built = fingerprints(manifest)
    write(project, Path("sql/warehouse/fact.sql"), "select 1\n{{ incremental }} where false;\n")
    assert modes(decide(declare(NEEDS, project), built, {}))["fact"] == "full"


def test_new_check_builds_its_script_in_full(project: Path) -> None:
    built = fingerprints(declare(NEEDS, project))
    write(project, Path("sql/reporting/growth.check.sql"), "select 1 where false\n")
    assert modes(decide(declare(NEEDS, project), built, {}))["growth"] == "full"


def test_changed_definition_of_a_state_table_builds_its_script_in_full(project: Path) -> None:
    write(project, Path("schema/warehouse/totals.sql"), "create table a;\n")
    manifest = declare(NEEDS, project, states={"warehouse.fact": "totals"})
    built = fingerprints(manifest)
    write(project, Path("schema/warehouse/totals.sql"), "create table b;\n")
    again = declare(NEEDS, project, states={"warehouse.fact": "totals"})
    assert modes(decide(again, built, {}))["fact"] == "full"


def test_changed_variable_builds_in_full_what_uses_it(project: Path) -> None:
    write(project, Path("sql/reporting/growth.sql"), "select {{ zone }}, {{ zones }};\n")
    before = declare(NEEDS, project, variables={"zone": "UTC", "unused": 1})
    after = declare(NEEDS, project, variables={"zone": "Asia/Singapore", "unused": 2})
    steps = decide(after, fingerprints(before), {})
    assert [step.script.name for step in steps if step.mode == "full"] == ["growth"]


def test_variable_of_a_check_and_of_a_definition_counts(project: Path) -> None:
    write(project, Path("sql/warehouse/fact.check.sql"), "select {{ limit_a }}\n")
    write(project, Path("schema/warehouse/dim.sql"), "select {{ limit_b }}\n")
    before = declare(NEEDS, project, variables={"limit_a": 1, "limit_b": 1})
    for changed, script in (("limit_a", "fact"), ("limit_b", "dim")):
        after = declare(NEEDS, project, variables={"limit_a": 1, "limit_b": 1, changed: 2})
        steps = verdicts(decide(after, fingerprints(before), {}))
        assert steps[script] == ("full", f"variable {changed} changed")


def test_column_with_the_name_of_a_variable_is_no_use_of_it(project: Path) -> None:
    write(project, Path("sql/reporting/growth.sql"), "select {{ zone }} as new_days;\n")
    before = declare(NEEDS, project, variables={"zone": "UTC", "new_days": 14})
    after = declare(NEEDS, project, variables={"zone": "UTC", "new_days": 7})
    assert modes(decide(after, fingerprints(before), {}))["growth"] == "skip"


def test_variable_of_another_type_is_another_value(project: Path) -> None:
    write(project, Path("sql/warehouse/dim.sql"), "select {{ days }};\n")
    before = declare(NEEDS, project, variables={"days": 1})
    after = declare(NEEDS, project, variables={"days": "1"})
    assert modes(decide(after, fingerprints(before), {}))["dim"] == "full"


def test_what_is_forced_and_all_that_follows_is_built_in_full(project: Path) -> None:
    manifest = declare(NEEDS, project)
    steps = decide(
        manifest, fingerprints(manifest), {"events": NEW}, forced=frozenset({"warehouse.fact"})
    )
    assert verdicts(steps) == {
        "changed": ("incremental", "new rows in raw.events"),
        "fact": ("full", "forced"),
        "dim": ("skip", "nothing new"),
        "growth": ("full", "follows fact"),
        "costs": ("full", "follows fact"),
    }


def test_full_reaches_through_everything_in_between(project: Path) -> None:
    manifest = declare(NEEDS, project)
    steps = decide(manifest, fingerprints(manifest), {}, forced=frozenset({"warehouse.changed"}))
    assert modes(steps) == {
        "changed": "full",
        "fact": "full",
        "dim": "skip",
        "growth": "full",
        "costs": "full",
    }


def test_new_rows_go_along_the_needs_only(project: Path) -> None:
    manifest = declare(NEEDS, project)
    built = fingerprints(manifest)
    assert verdicts(decide(manifest, built, {"events": NEW, "campaigns": NOTHING_NEW})) == {
        "changed": ("incremental", "new rows in raw.events"),
        "fact": ("incremental", "new rows in changed"),
        "dim": ("skip", "nothing new"),
        "growth": ("incremental", "new rows in fact"),
        "costs": ("incremental", "new rows in fact"),
    }
    assert verdicts(decide(manifest, built, {"events": NOTHING_NEW, "campaigns": NEW})) == {
        "changed": ("skip", "nothing new"),
        "fact": ("skip", "nothing new"),
        "dim": ("incremental", "new rows in raw.campaigns"),
        "growth": ("skip", "nothing new"),
        "costs": ("incremental", "new rows in dim"),
    }


def test_new_rows_go_through_state_tables(project: Path) -> None:
    write(project, Path("schema/warehouse/totals.sql"), "create table a;\n")
    needs = {**NEEDS, "reporting.growth": ["warehouse.totals"]}
    manifest = declare(needs, project, states={"warehouse.fact": "totals"})
    steps = decide(manifest, fingerprints(manifest), {"events": NEW})
    assert verdicts(steps)["growth"] == ("incremental", "new rows in fact")


def test_full_goes_before_incremental(project: Path) -> None:
    manifest = declare(NEEDS, project)
    steps = decide(
        manifest, fingerprints(manifest), {"events": NEW}, forced=frozenset({"warehouse.dim"})
    )
    assert verdicts(steps)["costs"] == ("full", "follows dim")
    assert verdicts(steps)["growth"] == ("incremental", "new rows in fact")


def test_rows_of_a_replica_that_nobody_reads_change_nothing(project: Path) -> None:
    manifest = declare(NEEDS, project)
    steps = decide(manifest, fingerprints(manifest), {"orders": NEW})
    assert set(modes(steps).values()) == {"skip"}


def test_what_is_edited_while_a_build_runs_is_for_the_next_one(project: Path) -> None:
    manifest = declare(NEEDS, project)
    built = fingerprints(manifest)
    write(project, Path("sql/warehouse/fact.sql"), "select 2;\n")
    assert fingerprints(manifest) == built
    assert fingerprints(declare(NEEDS, project)) != built
