"""Compares two targets table by table, both ways, row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from runner import ledger
from runner.compose import PRELUDE
from runner.database import Database, Session
from runner.errors import UsageError
from runner.ledger import Ledger
from runner.manifest import Manifest
from runner.plan import order, select
from runner.queries import queries
from runner.replica import join
from runner.shape import columns
from runner.target import Target
from runner.template import plain, render

# The change set is of the last build of each, and no result.
CHANGE_SET = "changed_"


@dataclass(frozen=True, slots=True)
class Difference:
    """A table in two targets: its rows, those that only one has, those whose columns differ, with a
    few of them. `problem` is why they could not be compared, or not in full.
    """

    table: str
    left_rows: int = 0
    right_rows: int = 0
    only_left: int = 0
    only_right: int = 0
    changed: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    problem: str | None = None

    @property
    def is_same(self) -> bool:
        return not (self.only_left or self.only_right or self.changed or self.problem)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All tables of two targets, those that are the same included, and what to know of them."""

    tables: list[Difference]
    warnings: list[str]


def diff(
    database: Database, manifest: Manifest, left: Target, right: Target, patterns: Iterable[str]
) -> Comparison:
    """Compare two targets as they are now; UsageError if one was never built."""
    patterns = list(patterns)
    keys = select(manifest, patterns) if patterns else None
    with database.session("milepost diff") as session:
        Ledger(session)
        with session.transaction():
            session.run(PRELUDE)
            inputs = [_inputs(session, target) for target in (left, right)]
            tables = compare(session, manifest, left, right, keys)
    warnings = []
    if inputs[0] != inputs[1]:
        warnings.append(
            f"{left.name} and {right.name} were built from other runs of the pipelines: build both"
        )
    return Comparison(tables, warnings)


def _inputs(session: Session, target: Target) -> dict[str, int]:
    positions = ledger.positions(session, target.name)
    if not ledger.is_built(session, target.name):
        raise UsageError(
            f"target {target.name} was never built",
            "python -m runner build" + ("" if target.is_live else f" --target {target.name}"),
        )
    return {name: position.after for name, position in positions.items()}


def compare(
    session: Session,
    manifest: Manifest,
    left: Target,
    right: Target,
    keys: Collection[str] | None = None,
) -> list[Difference]:
    """Each table of the scripts (`keys`: of these), in the order of a build, in one snapshot of the
    caller's. Columns are known by name.
    """
    return [
        _compare_table(session, f"{script.layer}.{name}", left, right)
        for script in order(manifest)
        if not script.is_view
        and not script.name.startswith(CHANGE_SET)
        and (keys is None or script.key in keys)
        for name in script.tables
    ]


def _compare_table(session: Session, name: str, left: Target, right: Target) -> Difference:
    tables = [target.table(*name.split(".")) for target in (left, right)]
    shapes = [columns(session, table) for table in tables]
    missing = [table for table, shape in zip(tables, shapes, strict=True) if not shape]
    if missing:
        return Difference(name, problem=f"there is no {' and no '.join(missing)}")
    one, other = shapes
    both = [column for column in one if column in other]
    odd = [column for column in {**one, **other} if one.get(column) != other.get(column)]
    key = session.rows(queries("diff.sql")["key"], {"tables": tables})
    names = [row["name"] for row in key] or both
    values = {
        "left": plain(tables[0]),
        "right": plain(tables[1]),
        "columns": join([sql.Identifier(column) for column in both]),
        "key_object": join(
            [
                sql.SQL("{}, difference.{}").format(sql.Literal(column), sql.Identifier(column))
                for column in names
            ]
        ),
    }

    def text(query: str) -> str:
        return render(queries("diff.sql")[query], values, "diff.sql")

    session.run(text("stage"))
    found = {**session.rows(text("rows"))[0], **session.rows(text("look"))[0]}
    session.run("drop table pg_temp.difference")
    problem = f"other columns or types: {', '.join(odd)}" if odd else None
    return Difference(name, problem=problem, **found)
