"""The public API: the same engines as the command line, with results instead of words."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner import Project, RunnerError, StartError, UsageError
from runner.database.session import Database
from tests.support import PROJECT, earn, insert_events, query, scalar


@pytest.fixture
def opened(database: Database, no_margin: None) -> Project:
    insert_events(database, [earn(day, f"u_{day % 3}", miles=10) for day in range(9)])
    return Project.open(PROJECT, database.conninfo)


def test_a_round_says_what_it_brought_in_and_built(opened: Project) -> None:
    done = opened.run_all()
    assert sum(run.counts.inserted for run in done.runs) == 9
    assert done.build.run_id is not None
    assert {step.mode for step in opened.plan()} == {"skip"}
    again = opened.run_all()
    assert again.build.run_id is None and not again.skipped


def test_ingest_and_build_are_the_two_halves_of_a_round(opened: Project) -> None:
    runs = opened.ingest("event_stream")
    assert [run.pipeline for run in runs] == ["event_stream"]
    assert {step.reason for step in opened.plan()} == {"never built"}
    built = opened.build()
    assert "fact_miles_earned" in {done.step.script.name for done in built.results}
    assert scalar(opened.database, "select count(*) from warehouse.fact_miles_earned") == 9


def test_verify_and_status_return_what_they_find(opened: Project) -> None:
    opened.run_all()
    assert opened.status().is_good
    query(opened.database, "update warehouse.fact_miles_earned set miles_earned = 1")
    verdict = opened.verify()
    assert "warehouse.fact_miles_earned" in {each.table for each in verdict.differences}
    assert not opened.status().is_good
    assert opened.verify(repair=True).repair is not None
    assert not opened.verify().differences


def test_results_are_frozen(opened: Project) -> None:
    done = opened.run_all()
    for result in (opened, done, done.build, done.runs[0], opened.status(), opened.plan()[0]):
        name = dataclasses.fields(result)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(result, name, None)


def test_two_projects_in_two_threads_do_not_meet(
    opened: Project, other_database: Database, tmp_path: Path
) -> None:
    for folder in ("sql", "schema"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    insert_events(other_database, [earn(day, "u_1", miles=20) for day in range(5)])
    other = Project.open(tmp_path, other_database.conninfo)
    with ThreadPoolExecutor(2) as pool:
        rounds = list(pool.map(Project.run_all, (opened, other)))
    assert [sum(run.counts.inserted for run in done.runs) for done in rounds] == [9, 5]
    for project, miles in ((opened, 90), (other, 100)):
        text = "select sum(miles_earned) from reporting.kpi_daily where slice = 'all'"
        assert scalar(project.database, text) == miles


def test_what_goes_wrong_is_an_exception_with_a_hint(opened: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        Project.open(tmp_path / "nowhere")
    with pytest.raises(StartError, match="manifest"):
        Project.open(tmp_path)
    with pytest.raises(UsageError, match="no pipeline") as caught:
        opened.ingest("nothing")
    assert isinstance(caught.value, RunnerError) and caught.value.hint
    with pytest.raises(StartError, match="cannot connect"):
        Project.open(PROJECT, "host=127.0.0.1 port=1 dbname=nowhere").status()


def test_importing_the_package_loads_neither_the_driver_nor_the_command_line() -> None:
    text = "import sys, runner; print({'psycopg', 'click', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_example_of_the_page_runs_as_it_stands(
    opened: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    url = "postgresql://me@db.example.com/analytics"
    assert url in example
    text = example.replace(f'url="{url}"', f"url={opened.database.conninfo!r}")
    exec(compile(text.replace('"."', repr(str(PROJECT))), "docs/api.md", "exec"), {})
    assert "runs, build" in capsys.readouterr().out
