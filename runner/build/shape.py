"""Holds a table against its DDL, as `create table if not exists` does not."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from runner.build.compose import Composer
from runner.database.queries import named_query
from runner.database.session import Session
from runner.project.graph import order
from runner.project.manifest import LAYERS, Script
from runner.project.target import Target


def reshaped(
    session: Session, composer: Composer, scripts: Sequence[Script]
) -> dict[str, list[str]]:
    """By key of a script, the columns, constraints and indexes in which its tables are not what the
    DDL would make of new ones. A table that does not exist yet differs in nothing, and an index
    that somebody has added, or that is still missing, does no harm.
    """
    tables = [table for script in scripts for table in composer.target.tables(script)]
    there = _shapes(session, tables)
    if not any(shape["columns"] for shape in there.values()):
        return {}
    found: dict[str, list[str]] = {}
    with contextlib.suppress(_Compared), session.savepoint():
        model = _model(session, composer)
        wanted = _shapes(session, [table for script in scripts for table in model.tables(script)])
        for script in scripts:
            found[script.key] = [
                f"{name}.{part}"
                for name in script.tables
                for part in _differences(
                    there[composer.target.table(script.layer, name)],
                    wanted[model.table(script.layer, name)],
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
    shapes = _shapes(session, [table, model])
    return _differences(shapes[table], shapes[model])


def columns(session: Session, table: str) -> dict[str, str]:
    """Columns of a table with their types; none if there is no such table."""
    return _shapes(session, [table])[table]["columns"]


def indexes(session: Session, table: str) -> dict[str, str]:
    """Indexes of a table beside those of its constraints, with their definitions."""
    return _shapes(session, [table])[table]["indexes"]


# By kind and name, what a table says of itself.
Shape = dict[str, dict[str, str]]


def _differences(found: Shape, model: Shape) -> list[str]:
    if not found["columns"]:
        return []
    names: dict[str, None] = {}
    for kind, parts in found.items():
        wanted = model[kind]
        # An index can be made where the table is, and does not keep anybody from reading it.
        all_names = set(parts) & set(wanted) if kind == "indexes" else {**wanted, **parts}
        for name in all_names:
            if parts.get(name) != wanted.get(name):
                names[name] = None
    return list(names)


def _shapes(session: Session, tables: Sequence[str]) -> dict[str, Shape]:
    """What each table says of itself, as if it were in the live schemas."""
    shapes: dict[str, Shape] = {
        table: {"columns": {}, "constraints": {}, "indexes": {}} for table in tables
    }
    for row in session.rows(named_query("build/shape.parts"), {"tables": list(shapes)}):
        table, text = row["table_name"], row["definition"]
        schema, _, _ = table.partition(".")
        layer = next((layer for layer in LAYERS if schema.endswith(layer)), schema)
        prefix = schema.removesuffix(layer)
        for name in LAYERS if prefix else ():
            text = text.replace(f"{prefix}{name}.", f"{name}.")
        shapes[table][row["kind"]][row["name"]] = text
    return shapes
