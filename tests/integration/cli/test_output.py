"""Output that cannot be written, and output that nobody wants any more."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import PROJECT, earn, insert_events, query, run_all, scalar
from tests.support.commands import environ
from tests.support.waiting import wait_for

FULL = Path("/dev/full")
NO_SPACE = f"error: cannot write the output: {os.strerror(errno.ENOSPC)}\n"

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def on_a_full_disk(
    *arguments: str, database: Database | None = None
) -> subprocess.CompletedProcess[str]:
    with FULL.open("w") as disk:
        return subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=PROJECT,
            env=environ(database),
            stdin=subprocess.DEVNULL,
            stdout=disk,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.mark.parametrize(
    "arguments", [["runs", "--scripts"], ["runs", "--json"], ["status"], ["db", "url"]]
)
def test_an_answer_that_cannot_be_written_is_a_failure(
    built: Database, arguments: list[str]
) -> None:
    done = on_a_full_disk(*arguments, database=built)
    assert (done.returncode, done.stderr) == (1, NO_SPACE)


def test_help_that_cannot_be_written_is_a_failure() -> None:
    done = on_a_full_disk("--help")
    assert (done.returncode, done.stderr) == (1, NO_SPACE)


def test_what_went_wrong_otherwise_keeps_its_exit_code(database: Database) -> None:
    done = on_a_full_disk("build", "-s", "nonsense", database=database)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_the_work_is_done_although_nobody_can_read_of_it(database: Database) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    done = on_a_full_disk("run-all", database=database)
    assert (done.returncode, done.stderr) == (1, NO_SPACE)
    assert scalar(database, "select count(*) from warehouse.fact_miles_earned") == 3
    kinds = query(
        database,
        "select status from orchestrator.runs where kind = 'build' order by run_id",
    )
    assert kinds == [{"status": "succeeded"}]


def test_a_loop_says_it_once_and_at_once_and_goes_on(database: Database) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    with (
        FULL.open("w") as disk,
        subprocess.Popen(
            [sys.executable, "-m", "runner", "run-all", "--every", "1s"],
            cwd=PROJECT,
            env=environ(database),
            stdin=subprocess.DEVNULL,
            stdout=disk,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stderr and process.stderr.readline() == NO_SPACE
            wait_for(database, "select count(*) = 1 from warehouse.fact_miles_earned")
            insert_events(database, [earn(2, "u_1", 5)])
            wait_for(database, "select count(*) = 2 from warehouse.fact_miles_earned")
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert "cannot write" not in said
    assert process.returncode in (1, 130)  # between two rounds, or in one


def test_errors_that_cannot_be_written_are_a_failure_too(database: Database) -> None:
    with FULL.open("w") as disk:
        done = subprocess.run(
            [sys.executable, "-m", "runner", "pipelines", "show", "event_stream"],
            cwd=PROJECT,
            env=environ(database),
            stdout=disk,
            stderr=disk,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1


def test_a_pipe_that_is_closed_early_is_no_failure(database: Database) -> None:
    run_all(database)
    script = (
        f"set -o pipefail; {sys.executable} -m runner runs show 3 | head -n 1;"
        f" {sys.executable} -m runner plan | true"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=PROJECT,
        env=environ(database),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
