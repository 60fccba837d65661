"""What is left to look at after a failure: logs, JSON, times with their zone, the true cause."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from runner.build.build import build
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import earn, edit, ingest, insert_events, query, scalar
from tests.support.commands import SLEEPS, assert_refused, command, environ
from tests.support.listeners import Hearing
from tests.support.sweeps import slow_but
from tests.support.waiting import wait_for

BROKEN = "\nselect 1 / 0;\n"


def break_script(project: Path, text: str = BROKEN) -> None:
    file = project / "sql/reporting/acquisition.sql"
    file.write_text(file.read_text() + text)


def test_logs_tell_of_a_build_that_failed(built: Database, project: Path) -> None:
    break_script(project)
    assert command("build", database=built, project=project).returncode == 1
    (row,) = json.loads(command("logs", "--level", "error", "--json", database=built).stdout)
    assert "acquisition.sql" in row["message"] and "division by zero" in row["message"]


def test_a_failure_is_json_too(built: Database, project: Path) -> None:
    insert_events(built, [earn(40, "u_1", 5)])
    break_script(project)
    done = command("run-all", "--json", database=built, project=project)
    found = json.loads(done.stdout)
    assert done.returncode == found["error"]["exit_code"] == 1
    assert "division by zero" in found["error"]["message"]
    assert found["build"] is None
    assert [row["inserted"] for row in found["ingest"]] == [1]


@pytest.mark.parametrize("arguments", [("build",), ("plan",), ("status",), ("ingest",)])
def test_what_cannot_start_is_json_too(arguments: tuple[str, ...], project: Path) -> None:
    nowhere = Database("host=127.0.0.1 port=1 dbname=none")
    done = command(*arguments, "--json", database=nowhere, project=project)
    assert json.loads(done.stdout)["error"]["exit_code"] == done.returncode == 3


MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")


def moments(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [each for item in value.values() for each in moments(item)]
    if isinstance(value, list):
        return [each for item in value for each in moments(item)]
    return [value] if isinstance(value, str) and MOMENT.match(value) else []


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("runs",),
        ("runs", "show", "1"),
        ("logs",),
        ("pipelines", "list"),
        ("pipelines", "show", "event_stream"),
    ],
)
def test_every_time_in_json_has_its_zone(built: Database, arguments: tuple[str, ...]) -> None:
    query(built, "insert into orchestrator.logs (run_id, level, message) values (1, 'info', 'x')")
    found = moments(json.loads(command(*arguments, "--json", database=built).stdout))
    assert found
    assert [each for each in found if datetime.fromisoformat(each).tzinfo is None] == []


@pytest.mark.slow
def test_a_build_that_a_signal_ended_is_told_as_such(built: Database, project: Path) -> None:
    break_script(project, "\nselect pg_sleep(300);\n")
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "build"], cwd=project, env=environ(built)
    ) as process:
        wait_for(built, SLEEPS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
    done = command("status", database=built, project=project)
    assert "the last build was interrupted" in done.stdout
    assert "fix the cause" not in done.stdout
    failed = query(built, "select distinct error from orchestrator.runs where status = 'failed'")
    assert failed == [{"error": "interrupted"}]
    (row,) = json.loads(command("logs", "--json", "--level", "warning", database=built).stdout)
    assert row["message"] == "build interrupted"


@pytest.mark.parametrize("while_in", slow_but(["the plan", "a script"], "a script"))
def test_a_lost_connection_is_tried_again(
    database: Database, project: Path, monkeypatch: pytest.MonkeyPatch, while_in: str
) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    ingest(database)
    lost = threading.Event()
    if while_in == "the plan":
        from runner.build import build as module

        real = module._check_time_zone

        def check(session: Any, manifest: Any) -> None:
            if not lost.is_set():
                lost.set()
                end(database, session.backend_pid)
            real(session, manifest)

        monkeypatch.setattr(module, "_check_time_zone", check)
        edit(project, "sql/manifest.toml", '"UTC"', '"Asia/Singapore"')
        done = build(database, load(project), Target())
    else:

        def starting(step: Any, index: int, count: int) -> None:
            if index == 3 and not lost.is_set():
                lost.set()
                end(database, scalar(database, BUILDER))

        done = build(database, load(project), Target(), listener=Hearing(starting))
    assert lost.is_set() and done.run_id is not None
    assert scalar(database, "select count(*) from warehouse.fact_miles_earned") == 1


BUILDER = """
select pid from pg_stat_activity
where datname = current_database() and application_name like 'milepost build (%'
"""


def end(database: Database, pid: int) -> None:
    query(database, "select pg_terminate_backend(%(pid)s, 2000)", pid=pid)


def test_a_column_that_goes_during_an_ingest_is_no_failure(
    database: Database, no_margin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the next statement is, the column is gone from it: the ingest looks again."""
    insert_events(database, [earn(1, "u_1", 5)])
    from runner.ingest import run as module

    real, gone = module.Conditions.newest, threading.Event()

    def newest(self: Any) -> Any:
        found = real(self)
        if not gone.is_set():
            gone.set()
            raise_undefined(self.session)
        return found

    monkeypatch.setattr(module.Conditions, "newest", newest)
    (run,) = [run for run in ingest(database, "event_stream") if run.counts.inserted]
    assert gone.is_set() and run.counts.inserted == 1


def raise_undefined(session: Any) -> None:
    session.rows("select no_such_column from public.event_stream")


ZONES = ("UTC+8", "+08", "GMT+8", "Banana8", "asia/singapore", "EST5EDT4x")


@pytest.mark.parametrize("zone", slow_but(ZONES, "UTC+8", "asia/singapore"))
def test_only_names_of_time_zones_are_taken(built: Database, project: Path, zone: str) -> None:
    edit(
        project, "sql/manifest.toml", 'reporting_timezone = "UTC"', f'reporting_timezone = "{zone}"'
    )
    done = command("build", database=built, project=project)
    assert done.returncode == 3
    assert f"reporting_timezone: there is no time zone {zone}" in done.stderr
    query(built, "create table public.local (id int primary key, at timestamp not null)")
    done = command(
        "pipelines", "add", "local", "--source", "public.local", "--cursor", "at", "--key", "id",
        "--timezone", zone, database=built,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"--timezone: there is no time zone {zone}" in done.stderr
    query(
        built,
        "insert into public.local values (1, now());"
        " insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " cursor_column, key_columns, cursor_timezone)"
        f" values ('local', 'public.local', 'at', '{{id}}', '{zone}')",
    )
    done = command("ingest", "local", database=built)
    assert_refused(done, 3, f"local: cursor_timezone: there is no time zone {zone}")
    assert f"there is no time zone {zone}" in command("status", database=built).stdout


def test_verify_stands_a_server_that_quotes_all_names(built: Database) -> None:
    name = scalar(built, "select current_database()")
    query(built, f"alter database {name} set quote_all_identifiers = on")
    done = command("verify", database=built)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_byte_order_mark_is_no_part_of_a_script(built: Database, project: Path) -> None:
    for path in ("sql/manifest.toml", "sql/reporting/kpi_daily.sql", "sql/ingest/append.sql"):
        file = project / path
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    insert_events(built, [earn(40, "u_1", 5)])
    done = command("run-all", database=built, project=project)
    assert done.returncode == 0, done.stderr
    file.write_bytes("select 1".encode("utf-16"))
    done = command("ingest", database=built, project=project)
    assert done.returncode == 3 and "append.sql: not UTF-8" in done.stderr
    (project / "sql/manifest.toml").write_bytes("x = 1".encode("utf-16"))
    assert "sql/manifest.toml: not UTF-8" in command("plan", database=built, project=project).stderr
