"""`run-all --every`: a process that runs for long, and what happens to it meanwhile."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runner.database.session import BUILD_LOCK, PIPELINE_LOCK, Database, lock_number
from tests.support import PROJECT, earn, insert_events, query, scalar
from tests.support.commands import (
    SLEEPS,
    assert_refused,
    command,
    environ,
)
from tests.support.waiting import PATIENCE_SECONDS, wait_for, wait_until, wait_until_asleep

# Makes a script sleep for as long as there is a table of this name.
PAUSE = "\nselect pg_sleep(300) where to_regclass('public.pause') is not null;\n"
INTERRUPTED = "error: interrupted; what was not committed is rolled back"
BUILDS = "select status, error from orchestrator.runs where kind = 'build' order by run_id"
IDLE = """
select exists (select from orchestrator.runs where kind = 'build' and status = 'succeeded')
and not exists (
    select from pg_stat_activity
    where datname = current_database() and application_name like 'milepost%'
)
"""


@contextmanager
def loop(
    database: Database, project: Path = PROJECT, every: str = "1s", **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A loop that is working. Ask it to stop with `stopped`; what still runs is killed."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "run-all", "--every", every],
        cwd=project,
        env=environ(database),
        text=True,
        **{**streams, **options},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped(
    process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM, times: int = 1
) -> list[str]:
    """Send a signal; what the loop complained of until it ended."""
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.02)
    said = process.communicate(timeout=60)[1] or ""
    assert "Traceback" not in said
    return [line for line in said.splitlines() if line]


def wait_until_idle(database: Database, process: subprocess.Popen[str]) -> None:
    """It holds no connection any more, has said its line, and sleeps."""
    wait_for(database, IDLE)
    wait_until_asleep(process)


def ticks(database: Database) -> list[float]:
    """When the windows of the first pipeline began, in seconds."""
    rows = query(
        database,
        "select extract(epoch from started_at)::float as began from orchestrator.runs"
        " where kind = 'window' and pipeline_id = 1 order by run_id",
    )
    return [row["began"] for row in rows]


def append(file: Path, text: str) -> str:
    before = file.read_text()
    file.write_text(before + text)
    return before


def test_each_tick_takes_what_is_new_and_the_scripts_as_they_are_now(
    database: Database, project: Path
) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    file = project / "sql/reporting/acquisition.sql"
    with loop(database, project) as process:
        wait_for(database, "select count(*) = 1 from warehouse.fact_miles_earned")
        good = append(file, "\nselect 1 / 0;\n")
        wait_for(database, "select count(*) > 0 from orchestrator.runs where sqlstate = '22012'")
        file.write_text(good)
        insert_events(database, [earn(2, "u_1", 5)])
        wait_for(database, "select count(*) = 2 from warehouse.fact_miles_earned")
        said = stopped(process)
    assert said[0] == "error: sql/reporting/acquisition.sql: division by zero (22012)"
    assert set(said) <= {said[0], INTERRUPTED}


@pytest.mark.slow
def test_a_signal_ends_a_sleeping_loop_at_once_and_quietly(database: Database) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with loop(database, every="1h") as process:
            wait_for(
                database,
                "select exists (select from orchestrator.runs where pipeline_id = 2"
                f" and status = 'succeeded' and host like '%:{process.pid}')",
            )
            wait_until_idle(database, process)
            assert stopped(process, number) == []
            assert process.returncode == 0


def test_a_signal_in_the_middle_of_a_build_rolls_it_back(database: Database, project: Path) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    append(project / "sql/reporting/acquisition.sql", "\nselect pg_sleep(300);\n")
    with loop(database, project) as process:
        wait_for(database, SLEEPS)
        # A terminal, make and an impatient person send it more than once.
        assert stopped(process, signal.SIGTERM, times=3) == [INTERRUPTED]
    assert process.returncode == 130
    assert query(database, BUILDS) == [{"status": "failed", "error": "interrupted"}]
    assert scalar(database, "select count(*) from warehouse.fact_miles_earned") == 0
    assert not scalar(
        database, "select exists (select from orchestrator.runs where status = 'running')"
    )


@pytest.mark.slow
def test_a_terminal_that_closes_in_the_middle_of_a_build_rolls_it_back(
    database: Database, project: Path
) -> None:
    append(project / "sql/reporting/acquisition.sql", "\nselect pg_sleep(300);\n")
    terminal, end = pty.openpty()
    in_terminal = (
        "import fcntl, os, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", in_terminal, "-m", "runner", "run-all", "--every", "1m"],
        cwd=project,
        env=environ(database, TERM="xterm"),
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    ) as process:
        os.close(end)
        try:
            wait_for(database, SLEEPS)
            os.close(terminal)
            assert process.wait(PATIENCE_SECONDS) == 130
        finally:
            process.kill()
    assert query(database, BUILDS) == [{"status": "failed", "error": "interrupted"}]


@pytest.mark.slow
def test_output_that_nobody_reads_any_more_stops_no_work(database: Database) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    with loop(database, every="1h") as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        process.stderr.close()
        wait_until_idle(database, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert query(database, BUILDS) == [{"status": "succeeded", "error": None}]


def test_a_tick_that_meets_another_run_is_skipped_and_the_next_works(database: Database) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    skipped = "select * from orchestrator.runs where status = 'skipped' and kind = '{}'"
    with database.session("somebody else") as other, loop(database) as process:
        with other.lock(BUILD_LOCK, lock_number("live"), "a build"):
            with other.lock(PIPELINE_LOCK, 1, "an ingest"):
                wait_for(database, f"select exists ({skipped.format('window')})")
            wait_for(database, f"select exists ({skipped.format('build')})")
            assert scalar(database, "select count(*) from warehouse.fact_miles_earned") == 0
        wait_for(database, "select count(*) = 1 from warehouse.fact_miles_earned")
        assert set(stopped(process)) <= {INTERRUPTED}
    window, build = (query(database, skipped.format(kind))[0] for kind in ("window", "build"))
    for row, what in ((window, "an ingest of event_stream"), (build, "a build of live")):
        assert row["elapsed"].total_seconds() == 0
        assert re.match(f"{what} is already running: somebody else .*, since 20", row["error"])
    assert (window["pipeline_id"], window["target"]) == (1, None)
    assert (build["pipeline_id"], build["target"]) == (None, "live")


@pytest.mark.slow
def test_ticks_missed_by_a_long_one_do_not_pile_up(database: Database, project: Path) -> None:
    append(project / "sql/reporting/acquisition.sql", "\nselect pg_sleep(1.2);\n")
    with loop(database, project) as process:
        wait_until(lambda: len(ticks(database)) >= 3)
        stopped(process, signal.SIGTERM)
    first, second, third = ticks(database)[:3]
    assert second - first > 1.2, "the first tick took longer than the interval"
    assert third - second > 0.5, "the second did not follow at once, to make up for it"


@pytest.mark.slow
def test_lost_connections_heal_by_themselves(database: Database, project: Path) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    append(project / "sql/reporting/acquisition.sql", PAUSE)
    query(database, "create table public.pause ()")
    with loop(database, project) as process:
        wait_for(database, SLEEPS)
        query(database, "drop table public.pause")
        query(
            database,
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and application_name like 'milepost%'",
        )
        wait_for(database, "select count(*) = 1 from warehouse.fact_miles_earned")
        said = stopped(process)
    # The build is begun again; nobody needs to hear of it.
    assert set(said) <= {INTERRUPTED}
    lost, healed = query(database, BUILDS)[:2]
    # The connection of the evidence may have outlived the other by a moment.
    assert lost["status"] in ("failed", "abandoned") and healed["status"] == "succeeded"


def test_what_no_tick_can_heal_ends_the_loop_before_it_begins(
    database: Database, project: Path
) -> None:
    done = command("run-all", "--every", "5min", database=database)
    assert_refused(done, 2, "--every 5min", "30s, 5m, 1h")
    append(project / "sql/manifest.toml", "nonsense")
    done = command("run-all", "--every", "5m", database=database, project=project)
    assert_refused(done, 3, "sql/manifest.toml")


def test_a_server_that_is_not_there_yet_is_told_and_waited_for(tmp_path: Path) -> None:
    nowhere = Database(f"host={tmp_path} dbname=nothing user=nobody")
    with loop(nowhere, every="1h") as process:
        assert process.stderr
        assert process.stderr.readline().startswith("error: cannot connect")
        wait_until_asleep(process)
        stopped(process, signal.SIGTERM)
    assert process.returncode == 0
