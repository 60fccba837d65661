"""What a table needs and what needs it, by the manifest and the pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.project.manifest import LEAVES, Manifest
from runner.project.target import RAW_SCHEMA

Edge = tuple[str, str]
Neighbours = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Each table with those that it is made of and those that are made of it, by their names in the
    database.
    """

    needs: Neighbours
    needed_by: Neighbours

    @property
    def edges(self) -> list[Edge]:
        return [(need, table) for table, needs in self.needs.items() for need in needs]


def lineage(manifest: Manifest, replicas: Iterable[tuple[str, str]] = ()) -> Lineage:
    """`replicas` are pairs of a source and the replica that a pipeline makes of it."""
    needs: dict[str, list[str]] = {}
    for source, replica in replicas:
        needs.setdefault(source, [])
        needs.setdefault(replica, []).append(source)
    for script in manifest.scripts.values():
        for need in script.needs:
            needs.setdefault(stored(need), [])
    for table, script in manifest.fillers().items():
        # What a script keeps beside its own table follows from that.
        needs[table] = (
            [stored(need) for need in script.needs] if table == script.key else [script.key]
        )
    needed_by: dict[str, list[str]] = {table: [] for table in needs}
    for table, found in needs.items():
        for need in found:
            needed_by[need].append(table)
    return Lineage(needs, needed_by)


def stored(need: str) -> str:
    """What a need of the manifest is called in the database: raw.x is warehouse.raw_x."""
    layer, _, name = need.partition(".")
    return f"{RAW_SCHEMA}.raw_{name}" if layer == LEAVES[0] else need


def reduced(edges: Sequence[Edge]) -> list[Edge]:
    """The edges but for those that a longer way along the others implies."""
    after: dict[str, list[str]] = {}
    for start, end in edges:
        after.setdefault(start, []).append(end)
    return [
        (start, end)
        for start, end in edges
        if not any(end in _reached(near, after) for near in after[start] if near != end)
    ]


def tree(table: str, neighbours: Neighbours) -> list[str]:
    """All that can be reached, a line each, indented below what it was reached by; what stands
    above already is not repeated.
    """
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


def _reached(start: str, after: Neighbours) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for near in after.get(waiting.pop(), ()):
            if near not in reached:
                reached.add(near)
                waiting.append(near)
    return reached
