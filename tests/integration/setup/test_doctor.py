"""`doctor` names what can cause trouble, each with a fix, and changes nothing."""

from __future__ import annotations

import json
from collections import namedtuple

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from runner.database import disk
from runner.database.session import Database
from runner.project.manifest import load
from runner.setup import doctor
from runner.status import status
from tests.support import PROJECT, query, scalar
from tests.support.commands import command


def findings(database: Database, level: str) -> dict[str, str]:
    found = doctor.examine(database, load(PROJECT))
    return {each.what: each.finding for each in found if each.level == level}


def test_a_sound_database_has_no_problem(built: Database) -> None:
    done = command("doctor", database=built)
    unsafe = {line.split()[2] for line in done.stdout.splitlines() if line.startswith("problem ")}
    assert unsafe <= {"fsync:", "full_page_writes:", "autovacuum:"}  # off where only tests work
    assert done.returncode == bool(unsafe)
    assert "ok       schema: up to date" in done.stdout
    assert "schema warehouse" in findings(built, "ok")


def test_a_database_without_our_schema_is_told_how_to_get_it(empty_database: Database) -> None:
    done = command("doctor", database=empty_database)
    assert done.returncode == 1
    assert "problem  schema: this database has no orchestrator schema" in done.stdout
    assert "python -m runner schema apply" in done.stdout


def test_another_project_in_the_database_is_named(built: Database) -> None:
    query(built, "update orchestrator.targets set owner = 'somebody_else'")
    assert "somebody_else" in findings(built, "problem")["schema"]


def test_limits_on_the_time_of_a_statement_are_named(built: Database) -> None:
    name = scalar(built, "select current_database()")
    query(built, f"alter database \"{name}\" set statement_timeout = '30s'")
    found = findings(built, "warning")["setting statement_timeout"]
    assert found == "statement_timeout is 30000 ms for this role, and cancels longer work"


def test_a_database_that_may_only_be_read_is_a_problem(built: Database) -> None:
    name = scalar(built, "select current_database()")
    query(built, f'alter database "{name}" set default_transaction_read_only = on')
    assert (
        "nothing can be written"
        in findings(built, "problem")["setting default_transaction_read_only"]
    )


def test_a_role_without_rights_is_told_which(built: Database) -> None:
    query(built, "drop role if exists doctor_stranger; create role doctor_stranger login")
    try:
        stranger = Database(make_conninfo(built.conninfo, user="doctor_stranger"))
        found = doctor.examine(stranger, load(PROJECT))
        problems = {each.what: each for each in found if each.level == "problem"}
        assert problems["schema warehouse"].finding
        assert "role doctor_stranger" in {
            each.what for each in found if "cannot see the transactions" in each.finding
        }
    finally:
        query(built, "drop role doctor_stranger")


def test_an_index_that_lacks_on_a_cursor_is_named(built: Database) -> None:
    query(built, "drop index public.event_stream_created_at")
    assert "no index begins with created_at" in findings(built, "warning")["pipeline event_stream"]


def test_an_old_transaction_is_named_with_who_has_it(
    built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LONG", "0 s")
    with psycopg.connect(built.conninfo, application_name="forgotten") as idle:
        idle.execute("select 1")
        pid = idle.info.backend_pid
        found = findings(built, "warning")[f"transaction of process {pid}"]
    assert "forgotten" in found


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "level"),
    [(0.5, "problem"), (5, "warning"), (50, "ok")],
    ids=["none", "little", "much"],
)
def test_the_disk_is_judged_by_what_is_free(
    free: float, level: str, built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Usage(100 * disk.GIGABYTE, 0, free * disk.GIGABYTE)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: size)
    assert f"{free:.1f} GB of 100.0 GB are free" in findings(built, level)["disk"]


def test_a_disk_that_is_not_for_us_is_left_out(
    built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk.shutil, "disk_usage", refuse)
    assert not [row for row in status(built, PROJECT).problems if row["kind"] == "disk"]
    assert "disk" not in findings(built, "ok")


def test_findings_are_data_too_and_nothing_is_changed(built: Database) -> None:
    before = scalar(built, "select count(*) from orchestrator.runs")
    found = json.loads(command("doctor", "--json", database=built).stdout)
    assert {"level", "what", "finding", "cure"} == set(found[0])
    assert scalar(built, "select count(*) from orchestrator.runs") == before
    assert all(each["cure"] for each in found if each["level"] != "ok")


def test_status_says_when_the_disk_is_nearly_full(
    built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Usage(100 * disk.GIGABYTE, 0, disk.GIGABYTE)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: size)
    [found] = [row for row in status(built, PROJECT).problems if row["kind"] == "disk"]
    assert found["problem"] == "1.0 GB of 100.0 GB are free"
    assert "prune" in found["remedy"]
