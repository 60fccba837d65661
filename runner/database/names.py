"""Names as SQL."""

from typing import Any

from psycopg import sql


def relation(name: str) -> sql.Identifier:
    """Return `schema.table`, quoted; the table may contain dots."""
    return sql.Identifier(*name.split(".", 1))


def join(parts: list[Any]) -> sql.Composed:
    """Return parts separated by commas."""
    joined: sql.Composed = sql.SQL(", ").join(parts)
    return joined
