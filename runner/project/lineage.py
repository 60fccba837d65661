"""Lineage: what each table is built from, and what from it, by the manifest and the pipelines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.project.manifest import INPUTS, Manifest
from runner.project.target import replica_name

Edge = tuple[str, str]
Neighbours = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Lineage:
    """What each table needs, and what needs it, by their names in the database."""

    needs: Neighbours
    needed_by: Neighbours

    @property
    def edges(self) -> list[Edge]:
        return [(need, table) for table, needs in self.needs.items() for need in needs]


def lineage(manifest: Manifest, replicas: Iterable[tuple[str, str]] = ()) -> Lineage:
    """Return the lineage of a project. `replicas` has pairs of a source and its replica."""
    needs: dict[str, list[str]] = {}
    for source, replica in replicas:
        needs.setdefault(source, [])
        needs.setdefault(replica, []).append(source)
    for script in manifest.scripts.values():
        for need in script.needs:
            needs.setdefault(stored(need), [])
    for table, script in manifest.fillers().items():
        is_state = table != script.key  # a state table depends on the script's own table
        needs[table] = [script.key] if is_state else [stored(need) for need in script.needs]
    needed_by: dict[str, list[str]] = {table: [] for table in needs}
    for table, found in needs.items():
        for need in found:
            needed_by[need].append(table)
    return Lineage(needs, needed_by)


def stored(need: str) -> str:
    """Return the name in the database of a table in `needs`: warehouse.raw_x for raw.x."""
    layer, _, name = need.partition(".")
    return replica_name(name) if layer == INPUTS[0] else need


def tree(table: str, neighbours: Neighbours) -> list[str]:
    """Return what can be reached as indented lines; `...` marks what is expanded further up."""
    seen = {table}
    lines = []
    waiting = [(1, near) for near in reversed(neighbours[table])]
    while waiting:
        depth, name = waiting.pop()
        is_known = name in seen
        seen.add(name)
        lines.append("  " * depth + name + (" ..." if is_known and neighbours[name] else ""))
        if not is_known:
            waiting += [(depth + 1, near) for near in reversed(neighbours[name])]
    return lines
