"""Two projects in one database: the second is refused, and the first keeps what it has built."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from runner.database.session import Database
from runner.project.manifest import load
from runner.status import status
from tests.support import PROJECT, earn, insert_events, modes, query, rebuild, run_all, scalar
from tests.support.commands import assert_refused, command

BUILT = "select count(*) from orchestrator.built_scripts where target = 'live'"
OWNER = "select owner from orchestrator.targets where target = 'live'"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A project with a script of its own over the same source."""
    folder = tmp_path / "other"
    for path, text in {
        "sql/manifest.toml": 'name = "shop"\n[warehouse.dim_shops]\nneeds = ["raw.event_stream"]\n',
        "sql/warehouse/dim_shops.sql": "insert into {{ this }} (country)"
        " select distinct country from {{ raw }}.raw_event_stream"
        " where country is not null;\n",
        "schema/warehouse/dim_shops.sql": "create table if not exists {{ warehouse }}.dim_shops"
        " (country text not null, constraint dim_shops_key primary key (country));\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def name(project: Path, text: str) -> None:
    file = project / "sql/manifest.toml"
    file.write_text(re.sub(r"(?m)^name = .*\n", text, file.read_text()))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("", None),
        ('name = "shop"\n', "miles"),
        pytest.param("", "miles", marks=pytest.mark.slow),
        pytest.param('name = "shop"\n', None, marks=pytest.mark.slow),
    ],
)
def test_another_project_is_refused_and_nothing_is_lost(
    built: Database, other: Path, ours: str, theirs: str | None
) -> None:
    assert scalar(built, OWNER) == "miles"
    query(built, "update orchestrator.targets set owner = %(owner)s", owner=theirs)
    name(other, ours)
    scripts = scalar(built, BUILT)
    for verb in ("build", "rebuild", "verify", "plan"):
        done = command(verb, database=built, project=other)
        assert_refused(done, 3, "target live belongs to", "database of its own")
    assert scalar(built, BUILT) == scripts
    assert any("belongs to" in row["problem"] for row in status(built, other).problems)
    insert_events(built, [earn(40, "u_1", 5)])
    assert set(modes(run_all(built)).values()) <= {"incremental", "skip", "full"}
    assert modes(rebuild(built)) == {}


def test_the_way_out_for_the_same_project_under_a_new_name_loses_nothing(
    built: Database, project: Path
) -> None:
    name(project, 'name = "rewards"\n')
    done = command("build", database=built, project=project)
    assert_refused(done, 3, "belongs to project miles; this is project rewards")
    statement = done.stderr.strip().rpartition("another name: ")[2]
    query(built, statement)
    assert "up to date" in command("build", database=built, project=project).stdout
    assert scalar(built, OWNER) == "rewards"


def test_a_manifest_without_a_name_keeps_working_and_may_be_named_later(
    database: Database, project: Path, no_margin: None
) -> None:
    name(project, "")
    insert_events(database, [earn(1, "u_1", 5)])
    for text, owner in (("", None), ('name = "mine"\n', "mine")):
        shutil.copy(PROJECT / "sql/manifest.toml", project / "sql/manifest.toml")
        name(project, text)
        assert command("run-all", database=database, project=project).returncode == 0
        rebuild(database, manifest=load(project), select=["dim_dates"])
        assert scalar(database, OWNER) == owner
    name(project, "")
    done = command("build", database=database, project=project)
    assert_refused(done, 3, 'write name = "mine"')


def test_a_name_is_plain(project: Path) -> None:
    name(project, 'name = "It\'s"\n')
    assert_refused(command("lineage", "dim_dates", project=project), 3, "name is not a plain")


def test_two_projects_without_a_name_that_share_a_script_are_told_apart(
    built: Database, other: Path, project: Path
) -> None:
    query(built, "update orchestrator.targets set owner = null returning 1")
    name(project, "")
    name(other, "")
    for folder, file in (("sql", "dim_dates.sql"), ("schema", "dim_dates.sql")):
        shutil.copy(PROJECT / folder / "warehouse" / file, other / folder / "warehouse" / file)
    manifest = other / "sql/manifest.toml"
    entry = '[variables]\nreporting_timezone = "UTC"\n[warehouse.dim_dates]\nneeds = []\n'
    manifest.write_text(manifest.read_text() + entry)
    scripts = scalar(built, BUILT)
    for verb in ("build", "rebuild", "verify", "plan"):
        done = command(verb, database=built, project=other)
        assert_refused(done, 3, "target live contains ", "database of its own", "write name = ")
    assert scalar(built, BUILT) == scripts
    assert "up to date" in command("build", database=built, project=project).stdout


def test_a_project_without_a_name_takes_one_before_it_drops_a_script(
    built: Database, project: Path
) -> None:
    query(built, "update orchestrator.targets set owner = null returning 1")
    name(project, "")
    text = (project / "sql/manifest.toml").read_text()
    entry = text[text.index("[reporting.cluster_quality]") :].partition("\n\n")[0]
    (project / "sql/manifest.toml").write_text(text.replace(entry, ""))
    for file in [*project.glob("*/reporting/cluster_quality*.sql")]:
        file.unlink()
    assert_refused(command("build", database=built, project=project), 3, "cluster_quality")
    text = (project / "sql/manifest.toml").read_text()
    (project / "sql/manifest.toml").write_text(f'name = "mine"\n{text}')
    assert command("build", "-s", "dim_dates", database=built, project=project).returncode == 0
    assert scalar(built, OWNER) == "mine"


def test_two_projects_without_a_name_and_with_the_same_scripts_are_told_apart_by_their_sql(
    built: Database, project: Path
) -> None:
    query(built, "update orchestrator.targets set owner = null returning 1")
    name(project, "")
    for script in load(project).scripts.values():
        with (project / script.path).open("a") as file:
            file.write("\nselect 1;\n")
    fingerprints = (
        "select string_agg(fingerprint, '' order by script) from orchestrator.built_scripts"
    )
    scripts = scalar(built, fingerprints)
    for verb in ("build", "rebuild", "verify", "plan"):
        done = command(verb, database=built, project=project)
        assert_refused(done, 3, "built from other SQL", "database of its own", "write name = ")
    assert scalar(built, fingerprints) == scripts


def test_a_project_without_a_name_hears_of_it_when_its_sql_changes(
    built: Database, project: Path
) -> None:
    query(built, "update orchestrator.targets set owner = null returning 1")
    for text, is_told in (("", True), ('name = "mine"\n', False)):
        shutil.copy(PROJECT / "sql/manifest.toml", project / "sql/manifest.toml")
        name(project, text)
        file = project / "sql/reporting/kpi_daily.sql"
        file.write_text(f"{file.read_text()}\nselect 1;\n")
        done = command("build", database=built, project=project)
        assert done.returncode == 0, done.stderr
        assert ("has no name" in done.stderr) == is_told
