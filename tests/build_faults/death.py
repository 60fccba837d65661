"""Ends a build just before any of its statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from tests.ingest_faults.death import Boundary

WORK = "milepost build"
EVIDENCE = "milepost build, evidence"


@dataclass(slots=True)
class BuildBoundary(Boundary):
    """Counts the statements of the two sessions of a build, and of no other session."""

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
