"""Attaches sources in other databases and files, and shows the query that a window sends there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database.session import Session
from runner.errors import StartError, UsageError
from runner.ingest.foreign import mariadb, postgres
from runner.ingest.foreign.address import FILE, MARIADB, POSTGRES, SourceAddress
from runner.ingest.foreign.attachment import Attachment
from runner.ingest.foreign.file import FileAttachment
from runner.ingest.source import Source

ATTACHMENTS: dict[str, type[Attachment]] = {
    POSTGRES: postgres.PostgresAttachment,
    MARIADB: mariadb.MariaDBAttachment,
    FILE: FileAttachment,
}
# What the owner of a source runs there before it is added.
SOURCE_SQL = {"postgres": postgres.source_sql, "mariadb": mariadb.source_sql}


def attach(
    session: Session, address: SourceAddress, source: str | None, cursor: str, is_local_time: bool
) -> Attachment:
    """Create the foreign table of a source, in the caller's transaction.

    `is_local_time` is whether the cursor of a file has no time zone.
    """
    if address.wrapper == FILE:
        file = Path(address.options["filename"])
        names = [name.replace(".", "_") for name in (file.parent.name or "files", file.stem)]
        source = source or ".".join(names)
    if source is None:
        raise UsageError("--source is missing", "name the table to read: --source SCHEMA.TABLE")
    attachment = ATTACHMENTS[address.wrapper]
    return attachment(session, address, source, cursor, is_local_time).make()


def remote_query(session: Session, source: Source) -> str | None:
    """Return the query that a remote server gets for a window.

    None if no server is queried; StartError if each window would fetch the whole table.
    """
    name, cursor = source.definition.source_relation, source.cursor.name
    bounds = ("2026-01-01 00:00:00", "2026-01-02 00:00:00")
    low, high = (source.moment(bound) for bound in bounds)
    query = sql.SQL(
        "explain (verbose, format json) select * from {source} as source"
        " where {cursor} >= {low} and {cursor} < {high}"
    ).format(source=source.relation, cursor=source.cursor_name, low=low, high=high)
    plan = session.value(query.as_string())[0]["Plan"]
    sent = [part.get("Remote SQL") or part.get("Remote query") for part in _parts(plan)]
    for text in filter(None, sent):
        if all(bound in text for bound in bounds):
            return str(text)
    if any(sent):
        raise StartError(
            f"{name} cannot be searched by {cursor} on its server: every window would fetch the"
            " whole table",
            f"give {cursor} of the foreign table the type that it has there, without expressions",
        )
    return None


def _parts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _parts(part)
