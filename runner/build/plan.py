"""Decides what a build does with each script, and why. Needs no server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runner.build.fingerprint import changed_since, fingerprint
from runner.database.ledger import Position
from runner.project.graph import order
from runner.project.manifest import Manifest, Script

NEVER_BUILT = "never built"

Mode = Literal["full", "incremental", "skip"]


@dataclass(frozen=True, slots=True)
class Step:
    """What a build does with a script, and why, in words.

    `changed` names the parts of the script that differ from what its tables were built from.
    """

    script: Script
    mode: Mode
    reason: str
    changed: tuple[str, ...] = ()


def decide(
    manifest: Manifest,
    built: Mapping[str, str],
    positions: Mapping[str, Position],
    forced: frozenset[str] = frozenset(),
) -> list[Step]:
    """Decide for each script, in order, whether it runs, in which mode and why.

    `built` maps the keys of scripts to the fingerprints that their tables were last built from;
    `positions` maps the names of replicas, without `raw.`, to their new runs; `forced` has keys. A
    script that is forced or has changed runs in full, and so does everything that depends on it. If
    there are only new rows, it runs incrementally.
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
    raw = [name for name in script.raw_needs if name in positions]
    for name in raw:
        if positions[name].has_forgotten:
            return Step(script, "full", f"rows of raw.{name} were forgotten")
        if positions[name].was_recreated:
            return Step(script, "full", f"raw.{name} was emptied or recreated")
    for name in raw:
        if positions[name].has_new:
            return Step(script, "incremental", f"new rows in raw.{name}")
    for step in upstream:
        if step.mode == "incremental":
            return Step(script, "incremental", f"new rows in {step.script.name}")
    return Step(script, "skip", "nothing new")
