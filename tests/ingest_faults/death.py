"""Sudden death: of a server process, of the runner, of the server, just before any statement."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

EVIDENCE = "milepost ingest, evidence"
WORK = "milepost ingest"


@dataclass(slots=True)
class Boundary:
    """Counts the statements of the runner's two sessions, and strikes before one of them.

    `begin`, `commit` and savepoints count: it looks at all that the driver sends.
    """

    at: int
    strike: Callable[[Boundary], None]
    count: int = 0
    has_struck: bool = False
    work: int = 0  # their server processes
    evidence: int = 0

    def note(self, connection: psycopg.Connection[Any]) -> None:
        name = connection.info.parameter_status("application_name") or ""
        if not name.startswith(WORK):
            return
        if name.startswith(EVIDENCE):
            self.evidence = connection.info.backend_pid
        else:
            self.work = connection.info.backend_pid
        self.count += 1
        if self.count == self.at:
            self.has_struck = True
            self.strike(self)


@contextlib.contextmanager
def watched(boundary: Boundary) -> Iterator[None]:
    """Every statement that the driver sends passes the boundary."""
    wait = psycopg.Connection.wait

    def counted(self: psycopg.Connection[Any], *values: Any, **named: Any) -> Any:
        boundary.note(self)
        return wait(self, *values, **named)

    psycopg.Connection.wait = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        psycopg.Connection.wait = wait  # type: ignore[method-assign]


def terminate(conninfo: str, pid: int) -> None:
    """End a server process, and see it gone."""
    with psycopg.connect(conninfo, autocommit=True, application_name="fire") as connection:
        connection.execute("select pg_terminate_backend(%s)", [pid])
        query = "select count(*) from pg_stat_activity where pid = %s"
        while connection.execute(query, [pid]).fetchone() != (0,):
            time.sleep(0.001)
