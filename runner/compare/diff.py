"""Compares the tables of two targets row by row. Queries: diff.sql."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from runner.build.changes import column_lists
from runner.build.compose import SETTINGS
from runner.build.shape import differences, shapes
from runner.database import ledger
from runner.database.names import join
from runner.database.queries import named_query
from runner.database.session import Database, Session
from runner.database.tables import Equality, exists
from runner.errors import UsageError
from runner.project.graph import change_sets, order, select
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import Target
from runner.project.template import plain, render


@dataclass(frozen=True, slots=True)
class Difference:
    """A table or view in two targets: how many rows each has, how many only one has, and how many
    changed, in total and by column.

    `sample` has up to five rows that differ, each with its `key`, the `changed` columns, and the
    values as text in `left` and `right`, which are None for a missing row. `problem` says what else
    differs, or why the rows were not compared.
    """

    table: str
    left_rows: int = 0
    right_rows: int = 0
    only_left: int = 0
    only_right: int = 0
    changed: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    sample: tuple[dict[str, Any], ...] = ()
    problem: str | None = None

    @property
    def is_same(self) -> bool:
        return not (self.only_left or self.only_right or self.changed or self.problem)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The tables of two targets, including equal ones, and warnings."""

    tables: tuple[Difference, ...]
    warnings: tuple[str, ...]


def diff(
    database: Database, manifest: Manifest, left: Target, right: Target, patterns: Iterable[str]
) -> Comparison:
    """Compare the tables of two targets; UsageError if one was never built."""
    patterns = list(patterns)
    keys = select(manifest, patterns) if patterns else None
    with database.session("milepost diff") as session:
        ledger.require(session)
        with session.transaction():
            session.run(SETTINGS)
            consumed = []
            for target in (left, right):
                if not ledger.is_built(session, target.name):
                    option = "" if target.is_live else f" --target {target.name}"
                    hint = f"python -m runner build{option}"
                    raise UsageError(f"target {target.name} was never built", hint)
                positions = ledger.positions(session, target.name)
                consumed.append({name: each.after for name, each in positions.items()})
            tables = compare(session, manifest, left, right, keys)
    both = f"{left.name} and {right.name}"
    warning = f"{both} were built from different runs of the pipelines: build both"
    return Comparison(tuple(tables), (warning,) if consumed[0] != consumed[1] else ())


def compare(
    session: Session,
    manifest: Manifest,
    left: Target,
    right: Target,
    keys: Collection[str] | None = None,
) -> list[Difference]:
    """Compare the tables and views of all scripts, or of those in `keys`, in build order.

    Columns are matched by name. It runs in the caller's transaction, whose snapshot it reads.
    """
    not_results = change_sets(manifest)
    return [
        _compare(session, script, f"{script.layer}.{table}", left, right)
        for script in order(manifest)
        if keys is None or script.key in keys
        for table in script.tables
        if f"{script.layer}.{table}" not in not_results
    ]


def _compare(
    session: Session, script: Script, name: str, left: Target, right: Target
) -> Difference:
    targets = (left, right)
    tables = [target.table(*name.split(".")) for target in targets]
    missing = [table for table in tables if not exists(session, table)]
    if missing:
        return Difference(name, problem=f"there is no {' and no '.join(missing)}")
    if not script.is_view:
        return _compare_rows(session, name, tables)
    one, other = (
        _text_of_view(session, view, target) for view, target in zip(tables, targets, strict=True)
    )
    return Difference(name, problem=None if one == other else "the view definitions differ")


def _text_of_view(session: Session, view: str, target: Target) -> str | None:
    """Return the definition of a view with the names of the live target; None if it is no view."""
    text = session.named("compare/diff.view", view=view)[0]["text"]
    return text and re.sub(rf"\b{target.prefix}({'|'.join(LAYERS)})\.", r"\1.", text)


def _compare_rows(session: Session, name: str, tables: Sequence[str]) -> Difference:
    found = shapes(session, tables)
    left, right = (found[table] for table in tables)
    one, other = left["columns"], right["columns"]
    # An index that only the left table has does not count: somebody has added it.
    missing = (name for name in right["indexes"] if name not in left["indexes"])
    odd = dict.fromkeys([*differences(left, right), *missing])
    both = [column for column in one if column in other]
    if not both:
        return Difference(name, problem="no column in common")
    equality = Equality(session, tables[0])
    # Columns of two types are compared as JSON.
    is_json = {column for column in both if one[column] != other[column]}
    forms = dict.fromkeys(equality.texts, "{0}::text as {0}")
    forms |= dict.fromkeys(is_json, "to_jsonb({0}) as {0}")
    keys = [column_lists(session, table)["key_columns"] or [] for table in tables]
    is_keyed = bool(keys[0]) and keys[0] == keys[1] and is_json.isdisjoint(keys[0])
    key = keys[0] if is_keyed else both

    def each(columns: Sequence[str], form: str) -> sql.Composed:
        """Return `form` for each column: {0} is its name, {1} its cast to text, {2} its name as a
        string, {3} the condition that its two values are equal, and {4} its value as staged.
        """
        return join(
            [
                sql.SQL(form).format(
                    sql.Identifier(column),
                    sql.SQL(" #>> '{}'" if column in is_json else "::text"),
                    sql.Literal(column),
                    equality.same(column, "one", "other"),
                    sql.SQL(forms.get(column, "{0}")).format(sql.Identifier(column)),
                )
                for column in columns
            ]
        )

    values = {
        "left": plain(tables[0]),
        "right": plain(tables[1]),
        "columns": each(both, "{0}"),
        "values": each(both, "{4}"),
        "keys": each(key, "coalesce(one.{0}, other.{0})"),
        "key_names": each(key, "{2}"),
        "key_texts": each(key, "coalesce(one.{0}{1}, other.{0}{1})"),
        "names": each(both, "{2}"),
        "left_texts": each(both, "one.{0}{1}"),
        "right_texts": each(both, "other.{0}{1}"),
        "changed": each(both, "case when not ({3}) then {2} end"),
        "is_same_key": equality.of_rows(keys[0] if is_keyed else [], "one", "other"),
    }

    def text(query: str) -> str:
        return render(named_query(f"compare/diff.{query}"), values, "diff.sql")

    session.run(text("stage"))
    counts = {**session.row(text("rows")), **session.row(text("differences"))}
    counts["sample"] = tuple(counts["sample"])
    session.run("drop table pg_temp.difference")
    problem = f"other columns or constraints: {', '.join(odd)}" if odd else None
    return Difference(name, problem=problem, **counts)
