"""Facts of rows that are archived: a script that is filled in full has to keep them.

Its text says so, with lines that begin with `archived` and the name of the replica in braces.
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
    """StartError if a script reads a replica, or views of it, and keeps nothing of rows that go."""
    rows = {f"{INPUTS[0]}.{raw_name}"}
    not_results = change_sets(manifest)  # which keep nothing anyway
    for script in order(manifest):
        if rows.isdisjoint(script.needs) or script.key in not_results:
            continue
        if script.is_view:
            rows.add(script.key)
        elif f"archived.{raw_name} " not in manifest.read(script.path):
            raise StartError(
                f"{script.path} reads raw.{raw_name}, and would lose what it has of archived rows"
                " when it is filled in full",
                "let it keep them: docs/retention.md shows the lines",
            )


def keeping_checks(manifest: Manifest, raw_name: str) -> list[Path]:
    """Return the checks that say whether the tables still hold what is archived."""
    return [
        check
        for script in manifest.scripts.values()
        for check in script.checks
        if f"archived_rows.{raw_name} " in manifest.read(check)
    ]
