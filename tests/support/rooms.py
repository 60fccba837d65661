"""The parts of the package that can be deleted from an installed copy; what is left is the core."""

from __future__ import annotations

from tests.support import PROJECT

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
CORE_COMMANDS = ("build", "ingest", "plan", "run_all", "status")
COMMANDS = tuple(
    f"cli/{folder}/{file.name}"
    for folder in ("commands", "show")
    for file in sorted((PROJECT / "runner/cli" / folder).glob("[!_]*.py"))
    if file.stem not in CORE_COMMANDS
)
