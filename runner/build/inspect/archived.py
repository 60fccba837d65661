"""Checks that scripts keep the facts of archived rows when they fill their tables in full.

A script does so with lines that begin with {{ archived.x }}, where x is the replica.
"""

from collections.abc import Mapping
from pathlib import Path

from runner.database.ledger import Position
from runner.errors import StartError
from runner.project.graph import change_sets, order
from runner.project.manifest import INPUTS, Manifest


def check(manifest: Manifest, positions: Mapping[str, Position]) -> None:
    """StartError if a script would lose facts of archived rows when it is filled in full."""
    for name, position in positions.items():
        if position.archived_before:
            refuse_losses(manifest, name)


def refuse_losses(manifest: Manifest, raw_name: str) -> None:
    """StartError if a script reads a replica, or a view of it, and does not keep archived facts."""
    sources = {f"{INPUTS[0]}.{raw_name}"}
    emptied_anyway = change_sets(manifest)
    for script in order(manifest):
        if sources.isdisjoint(script.needs) or script.key in emptied_anyway:
            continue
        if script.is_view:
            sources.add(script.key)
        elif f"archived.{raw_name} " not in manifest.read(script.path):
            raise StartError(
                f"{script.path} reads raw.{raw_name}, and a full build would lose its facts of"
                " archived rows",
                "add the lines that keep them, as docs/retention.md shows",
            )


def keeping_checks(manifest: Manifest, raw_name: str) -> list[Path]:
    """Return the checks that count the archived rows in the tables."""
    return [
        check
        for script in manifest.scripts.values()
        for check in script.checks
        if f"archived_rows.{raw_name} " in manifest.read(check)
    ]
