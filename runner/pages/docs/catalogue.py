"""Reads what the database itself knows of the tables: columns, keys, comments. Queries:
catalogue.sql.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.database.queries import named_query, queries
from runner.database.session import Row, Session
from runner.project.manifest import LAYERS, Manifest

MEMORY = "orchestrator"
# Smaller tables are counted; of others the server's estimate is told, in round numbers.
SMALL_BYTES = 32 * 1024 * 1024
# What the names of tables say: who holds each member once, and who is a copy of a source.
DIMENSION, REPLICA = "dim_", "raw_"
PREFIXES = {REPLICA: "replica", "fact_": "fact", DIMENSION: "dimension", "agg_": "aggregate"}
SOURCE = Path("schema", "source.sql")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalogue has it."""

    name: str
    type: str
    is_nullable: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule of a table: kind p (primary key), u, f, x or c; what a foreign key leads to."""

    name: str
    kind: str
    definition: str
    columns: tuple[str, ...]
    referenced: str = ""
    referenced_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view, with its comment; `rows` in words, empty if nobody has counted."""

    name: str
    schema: str
    kind: str
    comment: str
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...]
    indexes: tuple[tuple[str, str], ...]
    rows: str

    @property
    def short(self) -> str:
        """Its name without the schema."""
        return self.name.removeprefix(f"{self.schema}.")

    @property
    def key(self) -> tuple[str, ...]:
        """Columns of its primary key or, without one, of its first unique constraint."""
        keys = [rule.columns for rule in self.constraints if rule.kind in "pu"]
        return keys[0] if keys else ()


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of one table whose values are the whole key of another."""

    table: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that a database says of its tables, in one snapshot; `built` and `checks` by name."""

    database: str
    tables: list[Relation]
    pipelines: list[Row]
    built: Mapping[str, Row]
    checks: Mapping[str, Row]

    @property
    def references(self) -> list[Reference]:
        return references(self.tables)


def read(session: Session, manifest: Manifest) -> Catalogue:
    """The tables of the warehouse's schemas, the sources of its pipelines and the tables that the
    project brings, with the last builds and the last results of checks.
    """
    named = queries("pages/docs/catalogue.sql")
    pipelines = session.rows(named["pipelines"])
    values = {
        "schemas": [*LAYERS, MEMORY],
        "names": [*(row["source"] for row in pipelines), *_own_sources(manifest)],
        "small": SMALL_BYTES,
    }
    found = session.rows(named["relations"], values)
    names = {row["oid"]: row["name"] for row in found}
    parts = {
        kind: _by_relation(session.rows(named[kind], {"relations": list(names)}))
        for kind in ("columns", "constraints", "indexes")
    }
    checks = session.rows(named_query("database/ledger.checks"), {"target": "live"})
    return Catalogue(
        session.row("select current_database() as name")["name"],
        [_relation(row, names, parts, _rows(session, row)) for row in found],
        pipelines,
        {row["script"]: row for row in session.rows(named["built"])},
        {row["check"]: row for row in checks},
    )


def family(table: str) -> str:
    """Tell by its name what kind of table this is."""
    schema, _, short = table.partition(".")
    if schema == "reporting":
        return "report"
    if schema not in LAYERS:
        return "memory" if schema == MEMORY else "source"
    return next((kind for prefix, kind in PREFIXES.items() if short.startswith(prefix)), "event")


def references(tables: Sequence[Relation]) -> list[Reference]:
    """How tables hang together. Keys are natural and hardly a foreign key is declared: columns that
    have the names of the whole key of a dimension, else of a replica, lead there.
    """
    members: dict[tuple[str, ...], list[Relation]] = defaultdict(list)
    for prefix in (DIMENSION, REPLICA):
        for table in tables:
            if table.schema in LAYERS and table.short.startswith(prefix) and table.key:
                members[table.key].append(table)
    return [
        reference
        for table in tables
        for reference in (*_declared(table), *_by_name(table, members))
    ]


def _declared(table: Relation) -> Iterator[Reference]:
    for rule in table.constraints:
        if rule.kind == "f":
            yield Reference(table.name, rule.columns, rule.referenced, rule.referenced_columns)


def _by_name(
    table: Relation, members: Mapping[tuple[str, ...], list[Relation]]
) -> Iterator[Reference]:
    # Replicas lead nowhere: dimensions are made of them.
    if table.schema not in LAYERS or table.short.startswith(REPLICA):
        return
    names = {column.name for column in table.columns}
    for key, candidates in members.items():
        after = candidates.index(table) + 1 if table in candidates else 0
        if names.issuperset(key) and candidates[after:]:
            yield Reference(table.name, key, candidates[after].name, key)


def _own_sources(manifest: Manifest) -> list[str]:
    """The tables that the project itself brings as sources."""
    if not (manifest.project / SOURCE).is_file():
        return []
    return re.findall(
        r"^create table if not exists ([\w.]+)", manifest.read(SOURCE), flags=re.MULTILINE
    )


def _by_relation(rows: Iterable[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["relation"]].append(row)
    return grouped


def _relation(
    row: Row, names: Mapping[int, str], parts: Mapping[str, Mapping[int, list[Row]]], rows: str
) -> Relation:
    found = {kind: parts[kind].get(row["oid"], []) for kind in parts}
    constraints = tuple(
        Constraint(
            each["name"],
            each["kind"],
            each["definition"],
            tuple(each["columns"]),
            names.get(each["referenced"], ""),
            tuple(each["referenced_columns"]),
        )
        for each in found["constraints"]
    )
    return Relation(
        row["name"],
        row["schema"],
        row["kind"],
        row["comment"],
        tuple(
            Column(each["name"], each["type"], each["is_nullable"], each["comment"])
            for each in found["columns"]
        ),
        constraints,
        tuple((each["name"], each["definition"]) for each in found["indexes"]),
        rows,
    )


def _rows(session: Session, row: Row) -> str:
    """How many rows a table has: counted, or in two digits what the server believes."""
    if row["count"]:
        return f"{session.row(row['count'])['rows']:,}"
    about = float(f"{row['about_rows']:.1e}")
    return f"about {about:,.0f}" if about else ""
