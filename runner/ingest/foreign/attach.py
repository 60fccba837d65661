"""Sources in other databases: what reads them from here, what makes them readable there, and the
proof that they search for us.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database import tables
from runner.database.names import relation
from runner.database.queries import named_query
from runner.database.session import Session
from runner.errors import StartError, UsageError
from runner.ingest.foreign.address import FILE, MARIADB, POSTGRES, SourceAddress
from runner.ingest.foreign.attachment import Attachment, Table
from runner.ingest.foreign.wrappers import (
    FileAttachment,
    MariaAttachment,
    PostgresAttachment,
    view_of,
)
from runner.project.files import statement
from runner.project.template import render

ATTACHMENTS: dict[str, type[Attachment]] = {
    POSTGRES: PostgresAttachment,
    MARIADB: MariaAttachment,
    FILE: FileAttachment,
}


def attach(
    session: Session, origin: SourceAddress, source: str | None, cursor: str, is_local_time: bool
) -> Table:
    """Make what reads a table elsewhere, inside a transaction of the caller's."""
    if origin.wrapper == FILE:
        source = source or f"files.{Path(origin.options['filename']).stem}"
    if source is None:
        raise UsageError("--source says which table to read there: SCHEMA.TABLE")
    attachment = ATTACHMENTS[origin.wrapper]
    return attachment(session, origin, source, cursor, is_local_time).make()


def clock_beside(session: Session, source: str) -> str | None:
    """The clock of a foreign table that was made before: the one in its schema."""
    clock = f"{source.partition('.')[0]}.clock"
    kinds = [tables.kind(session, source), tables.kind(session, clock)]
    return clock if kinds == ["f", "f"] and source != clock else None


def complete(
    session: Session, pipeline_id: int, clock: str | None, types: Mapping[str, str], timezone: str
) -> None:
    """Write what a source elsewhere needs into the row of its pipeline."""
    values = {"clock": clock, "types": json.dumps(types), "timezone": timezone}
    session.row(
        named_query("ingest/foreign/foreign.describe"), {"pipeline_id": pipeline_id, **values}
    )


def prove_search(session: Session, source: str, cursor: str, cursor_type: str) -> str | None:
    """How another server is asked for a window; StartError if it would send the whole table.

    None where there is no other server: a file is read whole.
    """
    zone = "timestamp" if "without" in cursor_type else "timestamptz"
    bounds = ("2026-01-01 00:00:00", "2026-01-02 00:00:00")
    low, high = (sql.SQL("{}::" + zone).format(sql.Literal(bound)) for bound in bounds)
    values = {
        "source": relation(source),
        "cursor": sql.Identifier(cursor),
        "low": low,
        "high": high,
    }
    text = render(
        named_query("ingest/foreign/foreign.explain"), values, "ingest/foreign/foreign.sql"
    )
    plans = _plans(session.row(text)["QUERY PLAN"][0]["Plan"])
    asked = [plan.get("Remote SQL") or plan.get("Remote query") for plan in plans]
    sent = [str(query) for query in asked if query]
    for query in sent:
        if all(bound in query for bound in bounds):
            return query
    if sent:
        raise StartError(
            f"{source} cannot be searched by {cursor} where it is: every window would fetch the"
            " whole table",
            f"give {cursor} of the foreign table the type that it has there, and compute nothing",
        )
    return None


def script_for_source(kind: str, project: Path, source: str, role: str) -> str:
    """What the owner of a source runs there, so that its rows can be read without a loss."""
    file = statement(project, f"on_{kind}")
    namespace, _, table = source.partition(".")
    values: dict[str, Any]
    if kind == "postgres":
        clock = statement(project, "clock").read_text(encoding="utf-8")
        values = {
            "clock": sql.SQL(clock.rstrip().removesuffix(";")),
            "view": sql.Identifier(view_of(source)),
            "source": relation(source),
            "role": sql.Identifier(role),
            "role_name": role,
        }
    else:
        user, _, host = role.partition("@")
        values = {
            "database": _backticked(namespace),
            "source": sql.SQL("{}.{}").format(_backticked(namespace), _backticked(table)),
            "role": sql.SQL("{}@{}").format(_backticked(user), _backticked(host or "%")),
        }
    return render(file.read_text(encoding="utf-8"), values, file)


def _backticked(name: str) -> sql.SQL:
    return sql.SQL("`" + name.replace("`", "``") + "`")


def _plans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _plans(part)
