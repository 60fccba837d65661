"""docs/examples: each file is what its tool reads, and what it asks of Milepost works."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from click.testing import CliRunner

from runner.cli.main import cli
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.new_project import ORDERS, write
from tests.support import PROJECT, query, scalar
from tests.support.commands import environ

EXAMPLES = PROJECT / "docs/examples"
WORKFLOW = EXAMPLES / "github-actions.yml"


@pytest.fixture
def project(tmp_path: Path, empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project whose schema is applied, where the examples look for one."""
    folder = tmp_path / "project"
    write(folder, ORDERS, is_example=True)
    schema.apply(empty_database, load(folder), Target())
    monkeypatch.setenv("DATABASE_URL", empty_database.conninfo)
    monkeypatch.setenv("MILEPOST_PROJECT", str(folder))
    return folder


def jobs() -> dict[str, dict[str, str]]:
    """The steps that call Milepost, by job and name."""
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return {
        name: {
            step["name"]: step["run"]
            for step in job["steps"]
            if "python -m runner" in step.get("run", "")
        }
        for name, job in workflow["jobs"].items()
    }


def step(text: str, database: Database, folder: Path) -> str:
    """Run a step as GitHub does: by bash, which ends at the first error."""
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", text.replace("python -m", f"{sys.executable} -m")],
        cwd=folder,
        env=environ(database, TARGET="pr_12"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_workflow_tests_in_an_empty_database(empty_database: Database, tmp_path: Path) -> None:
    write(tmp_path / "project", ORDERS, is_example=True)
    said = {
        name: step(text, empty_database, tmp_path / "project")
        for name, text in jobs()["test"].items()
    }
    assert list(said) == ["Lint", "Test"]
    assert "2 cases passed" in said["Test"]
    assert "<testsuite" in (tmp_path / "project/cases.xml").read_text(encoding="utf-8")


def test_the_workflow_tells_what_a_change_does_and_leaves_nothing_behind(
    project: Path, empty_database: Database
) -> None:
    subprocess.run(
        [sys.executable, "-m", "runner", "run-all"],
        cwd=project,
        env=environ(empty_database),
        capture_output=True,
        check=True,
    )
    script = project / "sql/reporting/orders_daily.sql"
    script.write_text(script.read_text().replace("count(*) as", "count(*) + 1 as"))
    steps = jobs()["diff"]
    assert list(steps) == ["Build", "Compare", "Drop the target"]
    for name in ("Build", "Compare"):
        step(steps[name], empty_database, project)
    comment = (project / "comment.md").read_text(encoding="utf-8")
    assert "reporting.orders_daily" in comment and comment.count("```") == 2
    step(steps["Drop the target"], empty_database, project)
    assert scalar(empty_database, "select to_regnamespace('pr_12_reporting') is null")


def test_the_command_of_the_container_is_one(project: Path) -> None:
    text = (EXAMPLES / "Containerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^CMD (.*)$", text, flags=re.MULTILINE)
    program, module, runner, *arguments = json.loads(command)
    assert (program, module, runner) == ("python", "-m", "runner")
    assert CliRunner().invoke(cli, [*arguments, "--help"]).exit_code == 0


@pytest.mark.filterwarnings("ignore")
def test_both_tasks_of_airflow(project: Path, empty_database: Database) -> None:
    pytest.importorskip("airflow.sdk")
    tasks = module("airflow_dag").warehouse().task_dict
    done = tasks["run_all"].python_callable()
    assert done["build"] and done["runs"]
    assert tasks["status"].upstream_task_ids == {"run_all"}
    _expect_a_report(empty_database)
    tasks["status"].python_callable()
    _break(empty_database)
    with pytest.raises(RuntimeError, match="orders"):
        tasks["status"].python_callable()


@pytest.mark.filterwarnings("ignore")
def test_the_asset_of_dagster_and_its_check(project: Path, empty_database: Database) -> None:
    dagster = pytest.importorskip("dagster")
    found = module("dagster_definitions")
    dagster.Definitions.validate_loadable(found.definitions)
    for is_good in (True, False):
        done = dagster.materialize([found.warehouse, found.numbers_are_good])
        assert done.success
        (check,) = done.get_asset_check_evaluations()
        assert check.passed == is_good
        _expect_a_report(empty_database)
        _break(empty_database)


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _expect_a_report(database: Database) -> None:
    assert scalar(database, "select sum(row_count) from reporting.orders_daily") == 20


def _break(database: Database) -> None:
    """Nobody reads the orders any more."""
    query(
        database,
        "update orchestrator.pipeline_definitions set is_enabled = false"
        " where pipeline_name = 'orders' returning 1",
    )


def test_each_example_says_what_was_tried() -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = {path for path in EXAMPLES.iterdir() if path.is_file()} - {EXAMPLES / "README.md"}
    assert len(files) == 4
    for file in files:
        assert "Tried: " in file.read_text(encoding="utf-8")
        assert f"[{file.name}]" in index
