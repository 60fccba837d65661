"""The graph of a project's scripts: their order, their dependents, and selections."""

import fnmatch
import graphlib
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from runner.errors import StartError, UsageError, did_you_mean
from runner.project.manifest import MANIFEST, Manifest, Script
from runner.project.scripts import is_change_set

Node = TypeVar("Node")


def order(manifest: Manifest) -> list[Script]:
    """Return the scripts, each after everything it needs; ties keep the order of the file."""
    needs, _ = neighbours(manifest)
    try:
        graphlib.TopologicalSorter({key: sorted(found) for key, found in needs.items()}).prepare()
    except graphlib.CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        hint = "remove one of these needs"
        raise StartError(f"{MANIFEST}: there is a cycle: {cycle}", hint) from None
    ordered = []
    waiting = dict(manifest.scripts)
    while waiting:
        key = next(key for key in waiting if waiting.keys().isdisjoint(needs[key]))
        ordered.append(waiting.pop(key))
    return ordered


def select(
    manifest: Manifest,
    patterns: Iterable[str],
    states: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> set[str]:
    """Return the keys of the scripts that match `name`, `layer.name`, a glob, a layer or `tag:x`.

    `+x` adds everything that x needs, `x+` everything that needs x. `states` maps further patterns,
    such as `state:changed`, to keys. UsageError if any other pattern matches nothing.
    """
    needs, needed_by = neighbours(manifest)
    selected: set[str] = set()
    for pattern in patterns:
        core = pattern.strip("+")
        found = set(states.get(core, ())) & manifest.scripts.keys()
        if core not in states:
            found = {
                script.key
                for script in manifest.scripts.values()
                if fnmatch.filter((*_names(script), script.layer), core)
            }
            if not found:
                names = [name for each in manifest.scripts.values() for name in _names(each)]
                hint = did_you_mean(core, names, "python -m runner ls lists them")
                raise UsageError(f"no script matches {core}", hint)
        if pattern.startswith("+"):
            found |= reachable(found, needs)
        if pattern.endswith("+"):
            found |= reachable(found, needed_by)
        selected |= found
    return selected


def _names(script: Script) -> tuple[str, ...]:
    return (script.name, script.key, *(f"tag:{tag}" for tag in script.tags))


def followers(manifest: Manifest, keys: Collection[str]) -> set[str]:
    """Return these keys and those of all scripts that depend on them."""
    return set(keys) | reachable(keys, neighbours(manifest)[1])


def reports_of(manifest: Manifest, raw_name: str) -> list[str]:
    """Return the keys of the reports that depend on a replica, which is named without `raw.`."""
    readers = [each.key for each in manifest.scripts.values() if raw_name in each.raw_needs]
    found = followers(manifest, readers)
    return [key for key in manifest.scripts if key in found and key.startswith("reporting.")]


def neighbours(manifest: Manifest) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return what each script needs, and what needs it, by key."""
    fillers = manifest.fillers()
    needs = {
        script.key: {fillers[need].key for need in script.needs if need in fillers}
        for script in manifest.scripts.values()
    }
    needed_by = {key: {other for other, its in needs.items() if key in its} for key in needs}
    return needs, needed_by


def change_sets(manifest: Manifest) -> set[str]:
    """Return the tables, as `layer.table`, that each build empties, and fills with what is new."""
    found: set[str] = set()
    for script in order(manifest):
        if not script.is_view and is_change_set(manifest.read(script.path), found):
            found |= {f"{script.layer}.{table}" for table in script.tables}
    return found


def reachable(start: Iterable[Node], edges: Mapping[Node, Collection[Node]]) -> set[Node]:
    """Return what can be reached from any of the starting points along one edge or more."""
    reached: set[Node] = set()
    frontier = set(start)
    while frontier:
        frontier = {near for key in frontier for near in edges.get(key, ())} - reached
        reached |= frontier
    return reached
