"""annotations and goals: tables that people fill, and no build, rebuild or repair touches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from runner.compare.rebuild import rebuild as rebuild_all
from runner.compare.rebuild import verify
from runner.database.session import Database, QueryFailed
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, earn, edit, insert_events, query, rebuild, run_all, scalar

NOTES = "select day::text, slice, slice_value, text from reporting.annotations"
GOALS = "select figure, from_day::text, value from reporting.goals"


@pytest.fixture
def filled(built: Database) -> Database:
    query(built, "insert into reporting.annotations (day, text) values ('2026-01-03', 'Release')")
    query(built, "insert into reporting.goals values ('kpi_daily.dau', '2026-01-01', 3.50)")
    return built


def _assert_kept(database: Database) -> None:
    assert query(database, NOTES) == [
        {"day": "2026-01-03", "slice": "all", "slice_value": "all", "text": "Release"}
    ]
    [goal] = query(database, GOALS)
    assert (goal["figure"], goal["from_day"], str(goal["value"])) == (
        "kpi_daily.dau",
        "2026-01-01",
        "3.50",
    )


def test_new_rows_and_a_repair_leave_them_alone(filled: Database) -> None:
    insert_events(filled, [earn(31, "u_1", miles=5)])
    run_all(filled)
    _assert_kept(filled)
    query(filled, "update reporting.kpi_daily set events = events + 1")
    assert verify(filled, load(PROJECT), Target(), repair=True).repair
    _assert_kept(filled)


@pytest.mark.slow
def test_builds_of_all_kinds_leave_them_alone(filled: Database, project: Path) -> None:
    rebuild(filled, select=["kpi_daily"])
    _assert_kept(filled)
    rebuild_all(filled, load(PROJECT), Target())
    _assert_kept(filled)
    schema.apply(filled, load(PROJECT), Target())
    _assert_kept(filled)
    # A function that changed brings the files of the layers anew.
    file = "schema/warehouse.sql"
    rebuild(
        filled, manifest=edit(project, file, "then period_start - 1\n", "then period_start-1\n")
    )
    _assert_kept(filled)


@pytest.mark.slow
def test_a_move_to_another_time_zone_leaves_them_alone(filled: Database) -> None:
    manifest = load(PROJECT)
    variables = {**manifest.variables, "reporting_timezone": "Asia/Singapore"}
    rebuild(filled, manifest=dataclasses.replace(manifest, variables=variables))
    _assert_kept(filled)


def test_another_target_has_its_own(filled: Database) -> None:
    rebuild(filled, target="dev")
    assert scalar(filled, "select count(*) from dev_reporting.annotations") == 0
    query(filled, "insert into dev_reporting.goals values ('kpi_daily.dau', '2026-02-01', 1)")
    rebuild(filled, target="dev", select=["kpi_daily"])
    assert scalar(filled, "select count(*) from dev_reporting.goals") == 1
    _assert_kept(filled)


@pytest.mark.parametrize(
    "values",
    [
        "(day, text) values ('2026-01-03', '')",
        "(day, slice, slice_value, text) values ('2026-01-03', 'city', 'Lima', 'Rain')",
        "(day, slice, slice_value, text) values ('2026-01-03', 'all', 'SG', 'Rain')",
    ],
)
def test_a_note_of_nothing_or_of_nobody_is_refused(filled: Database, values: str) -> None:
    with pytest.raises(QueryFailed):
        query(filled, f"insert into reporting.annotations {values}")
    _assert_kept(filled)


@pytest.mark.parametrize("value", ["'NaN'", "'infinity'", "'-infinity'", "null"])
def test_a_goal_is_a_number(filled: Database, value: str) -> None:
    with pytest.raises(QueryFailed):
        query(
            filled, f"insert into reporting.goals values ('kpi_daily.mau', '2026-01-01', {value})"
        )
    _assert_kept(filled)
