"""Holds a table against its DDL, as `create table if not exists` does not."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from runner.compose import Composer
from runner.database import Session
from runner.manifest import LAYERS, Script
from runner.plan import order
from runner.queries import queries
from runner.target import Target


def reshaped(
    session: Session, composer: Composer, scripts: Sequence[Script]
) -> dict[str, list[str]]:
    """By key of a script, the columns, constraints and indexes in which its tables are not what the
    DDL would make of new ones. A table that does not exist yet differs in nothing, and an index
    that somebody has added, or that is still missing, does no harm.
    """
    known = [
        script
        for script in scripts
        if any(columns(session, table) for table in composer.target.tables(script))
    ]
    if not known:
        return {}
    found = {}
    with contextlib.suppress(_Compared), session.savepoint():
        model = _model(session, composer)
        for script in known:
            found[script.key] = [
                f"{name}.{part}"
                for name in script.tables
                for part in differences(
                    session,
                    composer.target.table(script.layer, name),
                    model.table(script.layer, name),
                )
            ]
        raise _Compared
    return {key: parts for key, parts in found.items() if parts}


class _Compared(Exception):
    """Ends a savepoint, and with it all that was made to compare with, locks included."""


def _model(session: Session, composer: Composer) -> Target:
    """All tables as the DDL would make them. Each session has its own: a build that made the same
    schemas would wait for the end of this transaction.
    """
    model = Target(f"milepost_shape_{session.backend_pid}")
    shadow = Composer(composer.manifest, model, composer.positions)
    for layer in LAYERS:
        session.run(f"create schema {model.prefix}{layer}")
    pieces = [piece for layer in LAYERS for piece in shadow.layer(layer)]
    for script in order(composer.manifest):
        pieces += [] if script.is_view else shadow.definitions(script)
    for piece in pieces:
        session.run(piece.text, piece.file)
    return model


def differences(session: Session, table: str, model: str) -> list[str]:
    """Names of what a table has otherwise than its model; nothing if there is no such table."""
    found = {kind: _parts(session, kind, table) for kind in ("columns", "constraints", "indexes")}
    if not found["columns"]:
        return []
    names: dict[str, None] = {}
    for kind, parts in found.items():
        wanted = _parts(session, kind, model)
        # An index can be made where the table is, and does not keep anybody from reading it.
        all_names = set(parts) & set(wanted) if kind == "indexes" else {**wanted, **parts}
        for name in all_names:
            if parts.get(name) != wanted.get(name):
                names[name] = None
    return list(names)


def columns(session: Session, table: str) -> dict[str, str]:
    """Columns of a table with their types; none if there is no such table."""
    return _parts(session, "columns", table)


def _parts(session: Session, kind: str, table: str) -> dict[str, str]:
    """By name, what a table says of itself, as if it were in the live schemas."""
    schema, _, _ = table.partition(".")
    layer = next((layer for layer in LAYERS if schema.endswith(layer)), schema)
    prefix = schema.removesuffix(layer)
    rows = session.rows(queries("shape.sql")[kind], {"table": table})
    parts = {}
    for row in rows:
        text = row["definition"]
        for name in LAYERS if prefix else ():
            text = text.replace(f"{prefix}{name}.", f"{name}.")
        parts[row["name"]] = text
    return parts
