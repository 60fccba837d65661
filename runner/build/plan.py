"""Decides what of each script a build runs, and why. Needs no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runner.build.fingerprint import changed_since, fingerprint
from runner.database.ledger import Position
from runner.project.graph import order
from runner.project.manifest import LEAVES, Manifest, Script

NEVER_BUILT = "never built"

Mode = Literal["full", "incremental", "skip"]


@dataclass(frozen=True, slots=True)
class Step:
    """A script of a build, what of it is done, and why, in words."""

    script: Script
    mode: Mode
    reason: str
    changed: tuple[str, ...] = ()  # what of it is another than its tables were built from


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
        if positions[name].was_recreated:
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
