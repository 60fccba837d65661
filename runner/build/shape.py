"""Compares a table with its DDL, which `create table if not exists` does not."""

from collections.abc import Sequence
from dataclasses import replace

from runner.build.compose import Composer, run_pieces
from runner.database.session import Session
from runner.project.graph import order
from runner.project.manifest import LAYERS, POSTGRES, Script
from runner.project.target import Target

# The definitions of a table's parts, by kind (columns, constraints, indexes) and name.
Shape = dict[str, dict[str, str]]


def reshaped(
    session: Session, composer: Composer, scripts: Sequence[Script]
) -> dict[str, list[str]]:
    """Return, by the key of a script, the columns, constraints and indexes in which its tables
    differ from their DDL.

    A table that does not exist yet is left out, and so are indexes that are missing, or that
    somebody has added.
    """
    tables = [table for script in scripts for table in composer.target.tables(script)]
    actual = shapes(session, tables)
    if not any(shape["columns"] for shape in actual.values()):
        return {}
    with session.rehearsal():  # no lock outlives the comparison
        model = _create_model(session, composer)
        wanted = shapes(session, [table for script in scripts for table in model.tables(script)])
    found = {
        script.key: [
            f"{name}.{part}"
            for name in script.tables
            for part in differences(
                actual[composer.target.table(script.layer, name)],
                wanted[model.table(script.layer, name)],
            )
        ]
        for script in scripts
    }
    return {key: parts for key, parts in found.items() if parts}


def _create_model(session: Session, composer: Composer) -> Target:
    """Create all tables from their DDL, in schemas that only this session has: builds that create
    the same ones would wait for each other.
    """
    here = replace(composer.manifest, engine=POSTGRES)  # distribution does not change the shape
    model = replace(composer, manifest=here, target=Target(f"milepost_shape_{session.backend_pid}"))
    for layer in LAYERS:
        session.run(f"create schema {model.target.prefix}{layer}")
    pieces = [piece for layer in LAYERS for piece in model.layer(layer)]
    for script in order(composer.manifest):
        pieces += [] if script.is_view else model.definitions(script)
    run_pieces(session, pieces)
    return model.target


def shape_differences(session: Session, table: str, model: str) -> list[str]:
    """Return the names of the parts in which a table, if it exists, differs from its model."""
    found = shapes(session, [table, model])
    return differences(found[table], found[model])


def columns(session: Session, table: str) -> dict[str, str]:
    """Return the columns of a table with their types; none if there is no such table."""
    return shapes(session, [table])[table]["columns"]


def differences(actual: Shape, model: Shape) -> list[str]:
    """Return the names of the parts in which a table, if it exists, differs from its model."""
    if not actual["columns"]:
        return []
    names: dict[str, None] = {}
    for part, found in actual.items():
        wanted = model[part]
        # A missing index is created on the existing table; an added one does no harm.
        compared = set(found) & set(wanted) if part == "indexes" else {**wanted, **found}
        names |= dict.fromkeys(name for name in compared if found.get(name) != wanted.get(name))
    return list(names)


def shapes(session: Session, tables: Sequence[str]) -> dict[str, Shape]:
    """Return the shape of each table, worded as if it were in the live schemas."""
    found: dict[str, Shape] = {
        table: {"columns": {}, "constraints": {}, "indexes": {}} for table in tables
    }
    for row in session.named("build/shape.parts", tables=list(found)):
        table, text = row["table_name"], row["definition"]
        schema, _, _ = table.partition(".")
        layer = next((layer for layer in LAYERS if schema.endswith(layer)), schema)
        prefix = schema.removesuffix(layer)
        for name in LAYERS if prefix else ():
            text = text.replace(f"{prefix}{name}.", f"{name}.")
        found[table][row["kind"]][row["name"]] = text
    return found
