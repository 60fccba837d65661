"""Manifests for tests that need neither a file nor a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.project.manifest import Manifest, Script, Value

# Two ways through the warehouse that meet in one report.
NEEDS = {
    "warehouse.changed": ["raw.events"],
    "warehouse.fact": ["warehouse.changed"],
    "warehouse.dim": ["raw.campaigns"],
    "reporting.growth": ["warehouse.fact"],
    "reporting.costs": ["warehouse.fact", "warehouse.dim"],
}


def declare(
    needs: Mapping[str, Sequence[str]],
    project: Path = Path(),
    states: Mapping[str, str] | None = None,
    variables: Mapping[str, Value] | None = None,
) -> Manifest:
    scripts = {}
    for key, wanted in needs.items():
        layer, _, name = key.partition(".")
        checks = tuple(
            path.relative_to(project) for path in project.glob(f"sql/{layer}/{name}.check.sql")
        )
        state = (states or {}).get(key)
        scripts[key] = Script(layer, name, tuple(wanted), state, is_view=False, checks=checks)
    return Manifest(project, dict(variables or {}), scripts)


def write(project: Path, path: Path, text: str) -> None:
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    (project / path).write_text(text)
