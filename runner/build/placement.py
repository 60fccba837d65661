"""Where tables lie in a cluster of Citus: as `-- Place:` in schema/ says. Queries: placement.sql."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from runner.database.queries import named_query
from runner.database.session import Session
from runner.database.tables import exists
from runner.errors import StartError
from runner.project.manifest import CITUS, LAYERS, MANIFEST, Manifest
from runner.project.scripts import header
from runner.project.target import Target
from runner.project.template import render

LOCAL, REFERENCE = "local", "reference"
DISTRIBUTED = re.compile(r"distributed by ([a-z][a-z0-9_]*)")


def place_of(text: str, path: Path) -> str:
    """Return the place that a file of DDL declares for its table; StartError if it is none."""
    place = header(text).get("Place", LOCAL)
    if place not in (LOCAL, REFERENCE) and not DISTRIBUTED.fullmatch(place):
        raise StartError(
            f"{path}: {place!r} is no place of a table",
            "-- Place: local, reference, or distributed by COLUMN",
        )
    return place


def place(manifest: Manifest, path: Path, table: str) -> str:
    """Return the SQL that brings a table to the place that its file declares, to be run as soon as
    it is created; nothing for a local one, or where there is no cluster.
    """
    if manifest.engine != CITUS:
        return ""
    declared = place_of(manifest.read(path), path)
    if declared == LOCAL:
        return ""
    column = DISTRIBUTED.fullmatch(declared)
    values = {"table": table, "column": column and column[1], "schemas": list(LAYERS)}
    text = named_query(f"build/placement.{'distribute' if column else 'replicate'}")
    return render(text, values, "placement.sql")


def prepare(session: Session, manifest: Manifest) -> None:
    """Let a cluster settle what it had begun. StartError if there is none, or a worker is away."""
    if manifest.engine != CITUS:
        return
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


def placed(session: Session, manifest: Manifest) -> dict[str, str]:
    """Return the tables that are not local, with their places."""
    rows = session.named("build/placement.placed") if manifest.engine == CITUS else []
    return {row["table_name"]: row["place"] for row in rows}


def check(session: Session, manifest: Manifest, target: Target) -> None:
    """StartError if a table does not lie where it is declared to."""
    if manifest.engine != CITUS:
        return
    found = placed(session, manifest)
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
