"""Scripts are chosen by name, by tag, by what changed and by what failed; and left out again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from runner.database.session import Database
from tests.support import PROJECT, earn, edit, insert_events
from tests.support.commands import assert_refused, command

GROWTH = "sql/reporting/growth_accounting.sql"


def listed(project: Path, *words: str, database: Database | None = None) -> list[str]:
    done = command("ls", "--json", *words, database=database, project=project)
    assert done.returncode == 0, done.stderr
    return [row["script"] for row in json.loads(done.stdout)]


def tag(project: Path, script: str, tags: str) -> None:
    edit(project, "sql/manifest.toml", f"[{script}]\n", f"[{script}]\ntags = {tags}\n")


def test_every_script_is_listed_in_the_order_of_the_manifest(project: Path) -> None:
    every = listed(project)
    assert every.index("warehouse.dim_dates") < every.index("reporting.kpi_daily")
    assert listed(project, "-s", "*") == every


def test_a_tag_chooses_its_scripts_and_what_follows(project: Path) -> None:
    tag(project, "reporting.retention", '["growth", "board"]')
    tag(project, "reporting.growth_accounting", '["growth"]')
    assert set(listed(project, "-s", "tag:growth")) == {
        "reporting.retention",
        "reporting.growth_accounting",
    }
    assert listed(project, "-s", "tag:board") == ["reporting.retention"]
    assert "warehouse.changed_events" in listed(project, "-s", "+tag:board")


def test_a_tag_that_nobody_has_is_refused_with_the_nearest(project: Path) -> None:
    tag(project, "reporting.retention", '["growth"]')
    done = command("ls", "-s", "tag:groth", project=project)
    assert_refused(done, 2, "no script matches tag:groth", "did you mean tag:growth?")


@pytest.mark.parametrize("tags", ['"growth"', '["Growth"]', "[1]", '["a:b"]'])
def test_tags_are_plain_names(tags: str, project: Path) -> None:
    (project / "sql/manifest.toml").write_text(
        (project / "sql/manifest.toml")
        .read_text()
        .replace("[reporting.retention]\n", f"[reporting.retention]\ntags = {tags}\n")
    )
    assert_refused(command("ls", project=project), 3, "[reporting.retention] tags")


def test_what_is_excluded_is_left_out_by_any_name(project: Path) -> None:
    facts = listed(project, "-s", "fact_*")
    assert set(listed(project, "-s", "fact_*", "--exclude", "fact_miles_*")) == {
        key for key in facts if "miles" not in key
    }
    done = command("ls", "--exclude", "fact_*", project=project)
    assert_refused(done, 2, "--exclude needs -s")


def test_changed_is_what_no_longer_is_what_was_built(built: Database, project: Path) -> None:
    chosen = ("-s", "state:changed")
    assert listed(project, *chosen, database=built) == []
    (project / GROWTH).write_text(
        (project / GROWTH).read_text() + "\n-- another comment\nselect 1;\n"
    )
    assert listed(project, *chosen, database=built) == ["reporting.growth_accounting"]
    follows = listed(project, "-s", "+state:changed", database=built)
    assert "warehouse.changed_events" in follows
    done = command("lint", *chosen, "--exclude", "growth_*", database=built, project=project)
    assert done.returncode == 0
    assert "state:changed selects no script" in done.stdout


def test_failed_is_what_failed_in_the_last_build_until_one_succeeds(
    built: Database, project: Path
) -> None:
    whole = (project / GROWTH).read_text()
    (project / GROWTH).write_text(whole + "\nselect 1 / 0;\n")
    insert_events(built, [earn(31, "late riser", 70)])
    assert command("run-all", database=built, project=project).returncode == 1
    chosen = ("-s", "result:failed")
    assert listed(project, *chosen, database=built) == ["reporting.growth_accounting"]
    (project / GROWTH).write_text(whole)
    done = command("build", *chosen, database=built, project=project)
    assert done.returncode == 0, done.stderr
    assert listed(project, *chosen, database=built) == []


def test_a_build_without_anything_chosen_does_nothing(built: Database, project: Path) -> None:
    done = command("build", "-s", "state:changed", database=built, project=project)
    assert done.returncode == 0
    assert "selects no script" in done.stdout


def test_results_of_cases_go_into_a_file_for_ci(
    database: Database, project: Path, tmp_path: Path
) -> None:
    file = tmp_path / "cases.xml"
    cases = "tests/sql/reporting/growth_accounting"
    shutil.copytree(PROJECT / cases, project / cases)
    words = ("test", "-s", "growth_accounting", "--junit", str(file))
    assert command(*words, database=database, project=project).returncode == 0
    suite = ElementTree.parse(file).getroot()
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) > 0
    assert suite.attrib["failures"] == "0"
    (project / GROWTH).write_text(
        (project / GROWTH).read_text() + "\nupdate {{ this }} set active_users = 77;\n"
    )
    assert command(*words, database=database, project=project).returncode == 1
    suite = ElementTree.parse(file).getroot()
    failures = suite.findall("testcase/failure")
    assert int(suite.attrib["failures"]) == len(failures) > 0
    assert all(each.attrib["message"].startswith("after a") for each in failures)
