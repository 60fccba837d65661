"""A process that is killed while it archives leaves each month where it was, or archived."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.archive import files
from runner.compare.rebuild import verify
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import (
    scalar,
)
from tests.support.months import monthly_project, put_away, rows_by_month, rows_of, source_months

LIVE = Target()


def die_at(at: int, monthly: Database, folder: Path) -> bool:
    """Archive in a process that is killed before its statement, or its call of the disk, of that
    number; return whether it was.
    """
    pid = os.fork()
    if pid == 0:
        count = 0

        def strike(*_: Any) -> None:
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

        wait, fsync, rename = psycopg.Connection.wait, os.fsync, Path.rename
        psycopg.Connection.wait = lambda *v, **n: (strike(), wait(*v, **n))[1]  # type: ignore
        files.os.fsync = lambda *v: (strike(), fsync(*v))[1]  # type: ignore
        Path.rename = lambda *v: (strike(), rename(*v))[1]  # type: ignore
        code = 1
        try:
            put_away(monthly, folder, "2026-02")
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def killed_everywhere(monthly: Database, folder: Path, step: int) -> None:
    """Nothing is lost and nothing is there twice, wherever a process dies; the last one finishes."""
    want = source_months(monthly)["2026-01"]
    total = scalar(monthly, "select count(*) from public.event_stream")
    at = 1
    while die_at(at, monthly, folder):
        recorded = scalar(
            monthly, "select coalesce(sum(rows), 0) from orchestrator.archived_months"
        )
        left = sum(rows_by_month(monthly).values())
        assert recorded + left == total
        if recorded:
            assert recorded == want == len(rows_of(folder))
        at += step
    assert len(rows_of(folder)) == want
    assert sum(rows_by_month(monthly).values()) == total - want
    assert [file.name for file in folder.iterdir()] == ["raw_event_stream_2026-01.csv"]
    assert at > 3 * step


def test_a_process_that_is_killed_loses_nothing_and_the_next_goes_on(
    monthly: Database, folder: Path
) -> None:
    killed_everywhere(monthly, folder, step=9)


@pytest.mark.slow
def test_a_process_that_is_killed_before_many_statements_loses_nothing(
    monthly: Database, folder: Path
) -> None:
    killed_everywhere(monthly, folder, step=2)
    assert not verify(monthly, load(monthly_project()), LIVE).differences
