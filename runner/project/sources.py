"""Reads the mapping of a source in the manifest: which of its columns has which role."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from runner.errors import StartError, did_you_mean

KEYS = ("column", "type", "timezone", "values", "constant")
TYPE = re.compile(r"[a-z][a-z0-9_]*( [a-z]+)*(\(\d+(, ?\d+)?\))?([.][a-z][a-z0-9_]*)?")
MOMENT = "timestamptz"


@dataclass(frozen=True, slots=True)
class Role:
    """What scripts read: a column of the source, or a constant if it has none, cast to `type`.
    `timezone` makes a timestamptz of a timestamp without a time zone; `values` renames values.
    """

    column: str | None = None
    type: str = "text"
    timezone: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    constant: str | None = None

    def read(self, value: sql.Composable) -> sql.Composable:
        """Return the expression of the role, given that of its column."""
        if self.column is None:
            return sql.SQL("{}::" + self.type).format(self.constant)
        if self.timezone:
            return sql.SQL("({}::timestamp at time zone {})").format(value, self.timezone)
        plain: sql.Composable = sql.SQL("{}::" + self.type).format(value)
        if not self.values:
            return plain
        cases = [sql.SQL("when {} then {}").format(*pair) for pair in self.values.items()]
        return sql.SQL("case {0} {1} else {0} end").format(plain, sql.SQL(" ").join(cases))


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """A source, as `schema.table`, and its roles by name."""

    relation: str
    roles: Mapping[str, Role]

    def values(self) -> dict[str, Any]:
        """Return what templates fill in: the relation and, for a role such as event_id, `event_id`,
        `former_event_id`, `event_id_type` and `event_id_column`.
        """
        found: dict[str, Any] = {"relation": self.relation}
        for name, role in self.roles.items():
            found |= {
                name: role.read(sql.Identifier(role.column or "")),
                # In the earlier version of a row that was replaced.
                f"former_{name}": role.read(sql.SQL("(old_row ->> {})").format(role.column or "")),
                f"{name}_type": sql.SQL(role.type),
                f"{name}_column": role.column,
            }
        return found


def read(where: str, content: Any) -> SourceMapping:
    """Read a table of the manifest; StartError, which says `where`, for the first mistake."""
    if not isinstance(content, dict):
        raise StartError(f"{where} is not a table", 'give it entries: relation = "public.events"')
    relation = content.get("relation")
    if not isinstance(relation, str) or not re.fullmatch(r"[^.]+[.][^.]+", relation):
        raise StartError(f"{where} names no relation", 'relation = "public.events"')
    roles = {name: _role(f"{where} {name}", each) for name, each in content.items()}
    roles.pop("relation")
    return SourceMapping(relation, roles)


def _role(where: str, content: Any) -> Role:
    if isinstance(content, str):
        return Role(content)
    if not isinstance(content, dict):
        raise StartError(f"{where} names no column", '"a_column", or {constant = "..."}')
    for key in content:
        if key not in KEYS:
            raise StartError(f"{where}: {key} is not known", did_you_mean(key, KEYS))
    texts = {key: content.get(key) for key in KEYS if key != "values"}
    values = content.get("values", {})
    for key, text in texts.items():
        if key in content and not isinstance(text, str):
            raise StartError(f"{where}: {key} is not a string", 'write it in quotes: "..."')
    if not isinstance(values, dict) or not all(isinstance(each, str) for each in values.values()):
        raise StartError(f"{where}: values is no table of strings", 'values = {signup = "share"}')
    if ("column" in content) == ("constant" in content):
        which = "both a column and" if "column" in content else "neither a column nor"
        hint = "name the column, or give a constant if the source has none"
        raise StartError(f"{where} has {which} a constant", hint)
    type_name = content.get("type", MOMENT if content.get("timezone") else "text")
    if not TYPE.fullmatch(type_name):
        hint = 'for example "bigint"'
        raise StartError(f"{where}: {type_name!r} is not the name of a type", hint)
    if content.get("timezone") and type_name != MOMENT:
        raise StartError(f"{where}: only a {MOMENT} has a timezone", f'type = "{MOMENT}"')
    if values and type_name != "text":
        raise StartError(f"{where}: only text values can be renamed", "leave out the type")
    return Role(
        content.get("column"), type_name, content.get("timezone"), values, content.get("constant")
    )
