"""Proves that the other side is asked for one window, and not for the whole table."""

from collections.abc import Iterator
from typing import Any

from psycopg import sql

from runner.database.session import Session
from runner.errors import StartError
from runner.ingest.source import Source


def remote_query(session: Session, source: Source) -> str | None:
    """Return the query that a remote server gets for a window.

    None if there is no such server; StartError if it would have to send the whole table.
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
            f"{name} cannot be searched by {cursor} where it is: every window would fetch the whole"
            " table",
            f"give {cursor} of the foreign table the type that it has there, without expressions",
        )
    return None


def _parts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _parts(part)
