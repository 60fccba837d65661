"""Where tables lie in a cluster of Citus: as `-- Place:` in schema/ says. Queries: placement.sql.

A room: nothing of it is imported unless the manifest says engine = "citus".
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
    """Return the place that a file of DDL declares for its table; StartError if it is none."""
    place = header(text).get("Place", LOCAL)
    if place not in (LOCAL, REFERENCE) and not distributed_by(text):
        raise StartError(
            f"{path}: {place!r} is not a placement",
            "-- Place: local, reference, or distributed by COLUMN",
        )
    return place


def distributed_by(text: str) -> str | None:
    """Return the column by which a file of DDL wants its table distributed."""
    found = re.fullmatch(r"distributed by ([a-z][a-z0-9_]*)", header(text).get("Place", ""))
    return found and found[1]


def in_place(manifest: Manifest, path: Path, table: str, text: str) -> list[str]:
    """Return the statements of a table's DDL, and the one that brings it to the place that its file
    declares; none for a local table, which needs nothing.
    """
    declared = manifest.read(path)
    if place_of(declared, path) == LOCAL:
        return []
    column = distributed_by(declared)
    values = {"table": table, "column": column, "schemas": list(LAYERS)}
    query = named_query(f"build/placement.{'distribute' if column else 'replicate'}")
    return [*statements(text), render(query, values, "placement.sql")]


def statements(text: str) -> list[str]:
    """Return the statements of a rendered text, each on the lines where it stands there.

    DDL of a distributed table is run one by one: a worker gets the whole text with some of them.
    """
    return [
        "\n" * text.count("\n", 0, each.start()) + each[0]
        for each in STATEMENT.finditer(text)
        if without_comments(each[0]).strip()
    ]


def prepare(session: Session) -> None:
    """Let a cluster settle what it had begun. StartError if there is none, or a worker is away."""
    if not session.named("build/placement.has_citus")[0]["has_citus"]:
        raise StartError(
            f'{MANIFEST} says engine = "citus", and this database has no extension citus',
            "create extension citus, or name the coordinator in DATABASE_URL",
        )
    if away := session.named("build/placement.away"):
        workers = ", ".join(row["worker"] for row in away)
        raise StartError(
            f"a worker does not answer: {workers}; nothing was changed",
            "start it, or see citus_check_cluster_node_health(); readers of reports need no worker",
        )
    session.named("build/placement.recover")


def placed(session: Session) -> dict[str, str]:
    """Return the tables that are not local, with their places."""
    return {row["table_name"]: row["place"] for row in session.named("build/placement.placed")}


def check(session: Session, manifest: Manifest, target: Target) -> None:
    """StartError if a table does not lie where it is declared to."""
    found = placed(session)
    for script in manifest.scripts.values():
        for name, path in zip(script.tables, script.definitions, strict=True):
            table, wanted = target.table(script.layer, name), place_of(manifest.read(path), path)
            actual = found.get(table, LOCAL)
            if actual != wanted and not script.is_view and exists(session, table):
                undo = f"select undistribute_table('{table}'), then " if actual != LOCAL else ""
                raise StartError(
                    f"{table} is {actual}, and {path} says {wanted}",
                    f"{undo}python -m runner schema apply",
                )
