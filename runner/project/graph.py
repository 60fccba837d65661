"""The graph of a project's scripts: their order, and what a selection names."""

import fnmatch
import graphlib
from collections.abc import Collection, Iterable, Mapping

from runner.errors import StartError, UsageError, did_you_mean
from runner.project.manifest import MANIFEST, Manifest, Script
from runner.project.scripts import is_change_set


def order(manifest: Manifest) -> list[Script]:
    """Return the scripts, each after everything it needs; ties keep the order of the file."""
    needs, _ = neighbours(manifest)
    try:
        graphlib.TopologicalSorter({key: sorted(found) for key, found in needs.items()}).prepare()
    except graphlib.CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise StartError(f"{MANIFEST}: cycle {cycle}", "take one of these needs out") from None
    ordered = []
    waiting = dict(manifest.scripts)
    while waiting:
        key = next(key for key in waiting if waiting.keys().isdisjoint(needs[key]))
        ordered.append(waiting.pop(key))
    return ordered


def select(manifest: Manifest, patterns: Iterable[str]) -> set[str]:
    """Return the keys of the scripts that match `name`, `layer.name`, a glob or a layer.

    `+x` adds everything that x needs, `x+` everything that needs x. UsageError if nothing matches.
    """
    needs, needed_by = neighbours(manifest)
    selected: set[str] = set()
    for pattern in patterns:
        core = pattern.strip("+")
        found = {
            key
            for key, script in manifest.scripts.items()
            if any(fnmatch.fnmatchcase(name, core) for name in (script.name, key, script.layer))
        }
        if not found:
            names = [script.name for script in manifest.scripts.values()]
            hint = did_you_mean(core, names, "python -m runner plan lists them")
            raise UsageError(f"no script matches {core}", hint)
        if pattern.startswith("+"):
            found |= reachable(found, needs)
        if pattern.endswith("+"):
            found |= reachable(found, needed_by)
        selected |= found
    return selected


def followers(manifest: Manifest, keys: Collection[str]) -> set[str]:
    """Return these keys and those of all scripts that depend on them."""
    return set(keys) | reachable(keys, neighbours(manifest)[1])


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
    """Return the tables that hold what was new in the last build, as `layer.table`.

    Each build empties and refills them, so their rows say nothing about earlier builds.
    """
    found: set[str] = set()
    for script in order(manifest):
        if not script.is_view and is_change_set(manifest.read(script.path), found):
            found |= {f"{script.layer}.{table}" for table in script.tables}
    return found


def reachable(start: Iterable[str], edges: Mapping[str, Collection[str]]) -> set[str]:
    """Return what can be reached from any of the starting points along one edge or more."""
    reached: set[str] = set()
    frontier = set(start)
    while frontier:
        frontier = {near for key in frontier for near in edges.get(key, ())} - reached
        reached |= frontier
    return reached
