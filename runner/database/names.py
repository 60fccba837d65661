"""Names as SQL."""

import hashlib
from collections.abc import Iterable

from psycopg import sql


def relation(name: str) -> sql.Identifier:
    """Return `schema.table`, quoted; the table may contain dots."""
    return sql.Identifier(*name.split(".", 1))


def column_of(row: str, name: str) -> sql.Composed:
    """Return a column of a row: of an alias, or of a row that is a value in parentheses."""
    return sql.SQL(row + ".{}").format(sql.Identifier(name))


def join(parts: Iterable[sql.Composable], separator: str = ", ") -> sql.Composed:
    """Return parts with a separator between them."""
    return sql.SQL(separator).join(parts)


# PostgreSQL truncates longer names, and two that are then equal are the same name.
MAX_BYTES = 63


def fits(name: str) -> bool:
    """Return whether a name is kept as it is."""
    return len(name.encode()) <= MAX_BYTES


def shortened(name: str, max_bytes: int = MAX_BYTES) -> str:
    """Return a name that fits: itself, or its beginning and a hash of all of it."""
    if len(name.encode()) <= max_bytes:
        return name
    end = f"..{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return name.encode()[: max_bytes - len(end)].decode(errors="ignore") + end
