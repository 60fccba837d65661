"""Names of tables, as SQL."""

from __future__ import annotations

from typing import Any

from psycopg import sql


def relation(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split(".", 1))


def join(parts: list[Any]) -> sql.Composed:
    joined: sql.Composed = sql.SQL(", ").join(parts)
    return joined
