"""Waiting for what others do, however busy the machine is."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from runner.database.session import Database
from tests.support import scalar

PATIENCE_SECONDS = 60


def wait_until(true: Callable[[], object], what: str = "it") -> None:
    """Wait for as long as a busy machine may need."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"never true: {what}"
        time.sleep(0.05)


def wait_for(database: Database, condition: str) -> None:
    """Wait until a condition in SQL is true."""
    wait_until(lambda: scalar(database, condition), condition)


def wait_until_asleep(process: subprocess.Popen[str]) -> None:
    """Wait until a process waits for something, and not for a core, for a quarter of a second."""
    file = Path(f"/proc/{process.pid}/stat")
    looks = 0

    def seems_asleep() -> bool:
        nonlocal looks
        state = file.read_text().rpartition(")")[2].split()[0]
        looks = looks + 1 if state == "S" else 0
        return looks == 5

    wait_until(seems_asleep, "asleep")
