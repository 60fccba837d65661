"""Which pipelines there are. Queries: pipelines.sql."""

from __future__ import annotations

from typing import Any

from runner.database.queries import named_query
from runner.database.session import Session
from runner.errors import UsageError


def pipelines(session: Session, name: str | None = None) -> list[dict[str, Any]]:
    """Id and name of the enabled pipelines, or of the one that is named."""
    found = session.rows(named_query("ingest/pipelines.enabled_pipelines"), {"name": name})
    if name and not found:
        raise UsageError(
            f"there is no pipeline {name}", "table orchestrator.pipeline_definitions lists them"
        )
    return found
