"""Holds a table against its DDL, as `create table if not exists` does not."""

from __future__ import annotations

from runner.compose import Composer
from runner.database import Session
from runner.manifest import Script
from runner.queries import queries
from runner.target import Target


def reshaped(session: Session, composer: Composer, script: Script) -> list[str]:
    """The columns, constraints and indexes in which tables of a script are not what its DDL would
    make of new ones. A table that does not exist yet differs in nothing, and an index that
    somebody has added does no harm.
    """
    # The DDL is run once more in a schema that is gone before the transaction ends. Each session
    # has its own: a build that made the same one would wait for the end of this transaction.
    model = Target(f"milepost_shape_{session.backend_pid}")
    schema = f"{model.prefix}{script.layer}"
    session.run(f"create schema {schema}")
    shadow = Composer(composer.manifest, model, composer.positions)
    for piece in shadow.definitions(script):
        session.run(piece.text, piece.file)
    differing = [
        f"{name}.{part}"
        for name in script.tables
        for part in differences(
            session,
            composer.target.table(script.layer, name),
            model.table(script.layer, name),
        )
    ]
    session.run(f"drop schema {schema} cascade")
    return differing


def differences(session: Session, table: str, model: str) -> list[str]:
    """Names of what a table has otherwise than its model; nothing if there is no such table."""
    found = {kind: _parts(session, kind, table) for kind in ("columns", "constraints", "indexes")}
    if not found["columns"]:
        return []
    names: dict[str, None] = {}
    for kind, parts in found.items():
        wanted = _parts(session, kind, model)
        extra = () if kind == "indexes" else parts
        for name in (*wanted, *extra):
            if parts.get(name) != wanted.get(name):
                names[name] = None
    return list(names)


def columns(session: Session, table: str) -> dict[str, str]:
    """Columns of a table with their types; none if there is no such table."""
    return _parts(session, "columns", table)


def _parts(session: Session, kind: str, table: str) -> dict[str, str]:
    rows = session.rows(queries("shape.sql")[kind], {"table": table})
    return {row["name"]: row["definition"] for row in rows}
