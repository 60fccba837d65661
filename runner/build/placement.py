"""Distributes tables in a Citus cluster as `-- Place:` in schema/ says. Queries: placement.sql.

Optional: not imported unless the manifest says engine = "citus".
"""

import re
from pathlib import Path

from runner.database.queries import named_query
from runner.database.session import Session
from runner.database.tables import exists
from runner.errors import StartError
from runner.project.manifest import LAYERS, MANIFEST, Manifest
from runner.project.scripts import header, without_comments
from runner.project.target import Target
from runner.project.template import render

LOCAL, REFERENCE = "local", "reference"
STATEMENT = re.compile(
    r"""(?:[^;'"$/-]|'[^']*'|"[^"]*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|[$/-])+;?""", re.DOTALL
)


def place_of(text: str, path: Path) -> str:
    """Return the place that a file of DDL declares for its table; StartError if it is invalid."""
    place = header(text).get("Place", LOCAL)
    if place not in (LOCAL, REFERENCE) and not distributed_by(text):
        hint = "-- Place: local, reference, or distributed by COLUMN"
        raise StartError(f"{path}: {place!r} is not a placement", hint)
    return place


def distributed_by(text: str) -> str | None:
    """Return the column by which a file of DDL distributes its table, if it does."""
    found = re.fullmatch(r"distributed by ([a-z][a-z0-9_]*)", header(text).get("Place", ""))
    return found and found[1]


def in_place(manifest: Manifest, path: Path, table: str, text: str) -> list[str]:
    """Return the statements of a table's DDL, and the one that distributes the table as its file
    declares; an empty list for a local table.
    """
    declared = manifest.read(path)
    if place_of(declared, path) == LOCAL:
        return []
    column = distributed_by(declared)
    values = {"table": table, "column": column, "schemas": list(LAYERS)}
    query = named_query(f"build/placement.{'distribute' if column else 'replicate'}")
    return [*statements(text), render(query, values, "placement.sql")]


def statements(text: str) -> list[str]:
    """Return the statements of a rendered text, each at its own line numbers.

    DDL of a distributed table runs one statement at a time: with some statements, Citus sends the
    whole query string to its workers.
    """
    return [
        "\n" * text.count("\n", 0, each.start()) + each[0]
        for each in STATEMENT.finditer(text)
        if without_comments(each[0]).strip()
    ]


def prepare(session: Session) -> None:
    """Recover prepared transactions. StartError if this is no coordinator, or a worker is down."""
    if not session.named("build/placement.has_citus")[0]["has_citus"]:
        raise StartError(
            f'{MANIFEST} says engine = "citus", but this database has no extension citus',
            "create extension citus, or name the coordinator in DATABASE_URL",
        )
    if away := session.named("build/placement.away"):
        workers = ", ".join(row["worker"] for row in away)
        hint = "start it; reports can still be read. See also citus_check_cluster_node_health()"
        raise StartError(f"a worker does not answer: {workers}; nothing was changed", hint)
    session.named("build/placement.recover")


def placed(session: Session) -> dict[str, str]:
    """Return the tables that are not local, with their places."""
    return {row["table_name"]: row["place"] for row in session.named("build/placement.placed")}


def check(session: Session, manifest: Manifest, target: Target) -> None:
    """StartError if a table is not distributed as its file declares."""
    found = placed(session)
    for script in manifest.scripts.values():
        for name, path in zip(script.tables, script.definitions, strict=True):
            table, wanted = target.table(script.layer, name), place_of(manifest.read(path), path)
            actual = found.get(table, LOCAL)
            if actual != wanted and not script.is_view and exists(session, table):
                undo = f"select undistribute_table('{table}'), then " if actual != LOCAL else ""
                hint = f"{undo}python -m runner schema apply"
                raise StartError(f"{table} is {actual}, but {path} says {wanted}", hint)
