"""The parts of the package that can be deleted from an installed copy; what is left is the core."""

from __future__ import annotations

ROOMS = (
    "alerts",
    "api.py",
    "archive",
    "build/inspect",
    "build/months.py",
    "build/placement.py",
    "build/workers.py",
    "compare",
    "database/embedded",
    "erasure",
    "ingest/foreign",
    "ingest/months",
    "ingest/preflight.py",
    "ingest/quiet.py",
    "pages",
    "preview",
    "project/lineage.py",
    "repairs",
    "setup",
    "testing",
    "torture",
)
# Commands that go with them. Where they stay, they say which room is missing.
COMMANDS = ("cli/rooms", "cli/inspect")
