"""Decides what runs, in which order, and why. Knows neither SQL nor the database."""

from __future__ import annotations

import difflib
import fnmatch
import graphlib
import hashlib
import heapq
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runner import shared
from runner.errors import StartError, UsageError
from runner.manifest import LAYERS, LEAVES, MANIFEST, Manifest, Script

NEVER_BUILT = "never built"
FUNCTION = r"create or replace function \{\{ \w+ \}\}\.(\w+)"

Mode = Literal["full", "incremental", "skip"]


@dataclass(frozen=True, slots=True)
class Position:
    """How far the runs of a pipeline have been consumed by a target: those after `after`, up to
    `through`; in which file the rows of its replica are, and whether that is another one since.
    """

    pipeline_id: int
    after: int
    through: int
    file: int | None = None
    is_remade: bool = False

    @property
    def has_new(self) -> bool:
        return self.through > self.after


@dataclass(frozen=True, slots=True)
class Step:
    """A script of a build, what of it is done, and why, in words."""

    script: Script
    mode: Mode
    reason: str
    changed: tuple[str, ...] = ()  # what of it is another than its tables were built from


def order(manifest: Manifest) -> list[Script]:
    """The scripts, each after everything that it needs; ties in the order of the file."""
    fillers = manifest.fillers()
    rank = {key: index for index, key in enumerate(manifest.scripts)}
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for script in manifest.scripts.values():
        sorter.add(script.key, *(fillers[need].key for need in script.needs if need in fillers))
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise StartError(f"{MANIFEST}: cycle {cycle}", "take one of these needs out") from None
    ready: list[int] = []
    ordered = []
    keys = list(manifest.scripts)
    while sorter.is_active():
        for key in sorter.get_ready():
            heapq.heappush(ready, rank[key])
        key = keys[heapq.heappop(ready)]
        ordered.append(manifest.scripts[key])
        sorter.done(key)
    return ordered


def select(manifest: Manifest, patterns: Iterable[str]) -> set[str]:
    """Keys of the scripts that match: `name`, `layer.name`, a glob, a layer; `+x` with all x needs,
    `x+` with all that needs x.
    """
    needs, needed_by = neighbours(manifest)
    selected: set[str] = set()
    for pattern in patterns:
        core = pattern.strip("+")
        found = {
            script.key
            for script in manifest.scripts.values()
            if any(
                fnmatch.fnmatchcase(name, core) for name in (script.name, script.key, script.layer)
            )
        }
        if not found:
            names = [script.name for script in manifest.scripts.values()]
            near = difflib.get_close_matches(core, names, n=1)
            raise UsageError(
                f"no script matches {core}", f"did you mean {near[0]}?" if near else None
            )
        if pattern.startswith("+"):
            found |= _reach(found, needs)
        if pattern.endswith("+"):
            found |= _reach(found, needed_by)
        selected |= found
    return selected


def fingerprint(manifest: Manifest, script: Script) -> str:
    """Hashes of what decides the content of a script's tables: SQL, DDL, checks, the variables and
    functions in them, each under its name.

    A line that is only a comment decides nothing, and may change without a rebuild.
    """
    parts = {
        "its SQL": (script.path,),
        "its table in schema/": script.definitions,
        "its check": script.checks,
    }
    texts = {
        what: [[str(path), _without_comments(manifest.read(path))] for path in paths]
        for what, paths in parts.items()
    }
    words = {
        word for pieces in texts.values() for _, text in pieces for word in re.findall(r"\w+", text)
    }
    # A column may have the name of a variable; only what is filled in is one.
    named = {
        word
        for pieces in texts.values()
        for _, text in pieces
        for place in re.findall(r"\{[{%].*?[%}]\}", text, re.DOTALL)
        for word in re.findall(r"\w+", place)
    }
    used = {name: manifest.variables[name] for name in sorted(named & manifest.variables.keys())}
    hashes = {what: _hash(content) for what, content in texts.items()}
    for name, value in used.items():
        hashes[f"variable {name}"] = _hash(value)
    for path in (path for layer in LAYERS for path in layer_files(manifest, layer)):
        text = _without_comments(manifest.read(shared.find(manifest.project, path)))
        if words & set(re.findall(FUNCTION, text)):
            hashes[functions_of(path)] = _hash(text)
    return json.dumps(hashes)


def functions_of(path: Path) -> str:
    """What a fingerprint calls the functions of a file that the scripts of all layers may use."""
    return f"a function in {path}"


def layer_files(manifest: Manifest, layer: str) -> list[Path]:
    """What all tables of a layer share: schema/<layer>.sql, and beside it files of functions, such
    as schema/<layer>.k_means.sql.
    """
    path = Path("schema", f"{layer}.sql")
    return [
        *([path] if shared.find(manifest.project, path).is_file() else []),
        *(
            file.relative_to(manifest.project)
            for file in sorted((manifest.project / "schema").glob(f"{layer}.*.sql"))
        ),
    ]


def changed_since(old: str, new: str) -> tuple[str, ...]:
    """What differs between two fingerprints."""
    if not old.startswith("{"):
        return ("the form of fingerprints",)
    before, after = json.loads(old), json.loads(new)
    return tuple(what for what in {**before, **after} if before.get(what) != after.get(what))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("--") and not line.startswith("-- Level:")


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not _is_comment(line))


def decide(
    manifest: Manifest,
    built: Mapping[str, str],
    positions: Mapping[str, Position],
    forced: frozenset[str] = frozenset(),
) -> list[Step]:
    """Say for each script, in order, whether it runs, how much of it and why.

    `built` has the fingerprint that each table was last built from, `positions` what is new in each
    raw table, by its name without the schema. What is forced or has changed is done in full, and so
    is all that follows from it; where only rows are new, the change set is enough.
    """
    fillers = manifest.fillers()
    steps: dict[str, Step] = {}
    for script in order(manifest):
        upstream = [steps[fillers[need].key] for need in script.needs if need in fillers]
        steps[script.key] = _step(manifest, script, upstream, built, positions, forced)
    return list(steps.values())


def followers(manifest: Manifest, keys: Collection[str]) -> set[str]:
    """The scripts of these keys, and all that follow from them."""
    return set(keys) | _reach(set(keys), neighbours(manifest)[1])


def _step(
    manifest: Manifest,
    script: Script,
    upstream: list[Step],
    built: Mapping[str, str],
    positions: Mapping[str, Position],
    forced: frozenset[str],
) -> Step:
    if script.key not in built:
        return Step(script, "full", NEVER_BUILT)
    current = fingerprint(manifest, script)
    if built[script.key] != current:
        changed = changed_since(built[script.key], current)
        return Step(script, "full", f"{', '.join(changed)} changed", changed)
    if script.key in forced:
        return Step(script, "full", "forced")
    for step in upstream:
        if step.mode == "full":
            return Step(script, "full", f"follows {step.script.name}")
    raw = [name for name in _raw_needs(script) if name in positions]
    for name in raw:
        if positions[name].is_remade:
            return Step(script, "full", f"raw.{name} was emptied or made anew")
    for name in raw:
        if positions[name].has_new:
            return Step(script, "incremental", f"new rows in raw.{name}")
    for step in upstream:
        if step.mode == "incremental":
            return Step(script, "incremental", f"new rows in {step.script.name}")
    return Step(script, "skip", "nothing new")


def _raw_needs(script: Script) -> list[str]:
    return [need.partition(".")[2] for need in script.needs if need.partition(".")[0] == LEAVES[0]]


def neighbours(manifest: Manifest) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """What each script needs, and what needs it, by key."""
    fillers = manifest.fillers()
    needs: dict[str, set[str]] = {key: set() for key in manifest.scripts}
    needed_by: dict[str, set[str]] = {key: set() for key in manifest.scripts}
    for script in manifest.scripts.values():
        for need in script.needs:
            if need in fillers:
                needs[script.key].add(fillers[need].key)
                needed_by[fillers[need].key].add(script.key)
    return needs, needed_by


def _reach(start: set[str], edges: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    frontier = set(start)
    while frontier:
        frontier = {near for key in frontier for near in edges[key]} - reached
        reached |= frontier
    return reached
