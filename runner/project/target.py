"""Targets: the schemas that a build fills, live ones or others."""

import re
from dataclasses import dataclass, replace
from typing import Self

from psycopg import sql

from runner.errors import UsageError
from runner.project.manifest import LAYERS, Script
from runner.project.template import plain

# All targets share the replicas; only test cases have their own.
RAW_SCHEMA = "warehouse"


def replica_name(name: str) -> str:
    """Return the name in the database of the replica that the manifest calls raw.`name`."""
    return f"{RAW_SCHEMA}.raw_{name}"


@dataclass(frozen=True, slots=True)
class Target:
    """`live` is what readers see; `dev` builds into dev_warehouse and dev_reporting."""

    name: str = "live"
    raw_schema: str = RAW_SCHEMA

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(?!pg_)[a-z][a-z0-9_]{0,30}(_scratch)?", self.name):
            hint = "use lower-case letters, digits and _"
            raise UsageError(f"{self.name} is not a name for a target", hint)

    @property
    def is_live(self) -> bool:
        return self.name == "live"

    @property
    def scratch(self) -> Self:
        """The target in which its tables are filled before readers see them."""
        return replace(self, name=f"{self.name}_scratch")

    @property
    def prefix(self) -> str:
        return "" if self.is_live else f"{self.name}_"

    @property
    def schemas(self) -> list[str]:
        return [f"{self.prefix}{layer}" for layer in LAYERS]

    def table(self, layer: str, name: str) -> str:
        return f"{self.prefix}{layer}.{name}"

    def tables(self, script: Script) -> list[str]:
        """Return the tables of a script in this target, its own first."""
        return [self.table(script.layer, name) for name in script.tables]

    def values(self) -> dict[str, sql.SQL | str]:
        """Return the names of schemas, and of the target, that templates fill in."""
        return {
            **{layer: plain(f"{self.prefix}{layer}") for layer in LAYERS},
            "raw": plain(self.raw_schema),
            "target": self.name,
        }
