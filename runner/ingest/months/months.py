"""Replicas in partitions: a table for each month of the cursor, and one for all other times.

No index covers all of them, so a row is looked up where its key may be. Queries: months.sql.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database.locks import lock_exclusively
from runner.database.names import MAX_BYTES, column_of, join, relation, shortened
from runner.database.queries import named_query
from runner.database.session import LOCK_NOT_AVAILABLE, QueryFailed, Session
from runner.errors import StartError, did_you_mean
from runner.ingest.columns import Column
from runner.ingest.conditions import Conditions
from runner.ingest.pipelines import PipelineDefinition
from runner.project.files import read_text, statement
from runner.project.manifest import MANIFEST, Manifest
from runner.project.template import render

# A variable of the project: the replicas that are created so, without `raw_`.
VARIABLE = "monthly_replicas"
FILE = "ingest/months/months.sql"
# What a project's own statements have to fill in, or a row that moves would be there twice.
NEEDED = {
    "create_replica": ("partitioning",),
    "merge": ("within", "has_moved"),
    "undo": ("within", "image_has_moved"),
}
# Whoever made a device's clock, or a text of a time, may have sent any; these get no table.
IS_USUAL = "stored.{0} >= '2000-01-01' and stored.{0} < '2100-01-01'"
# So many late rows of archived months are kept; more are those of somebody who has rewritten the
# table.
MOST_KEPT = 10_000
# What there was time for is done; the rows stay where they are till the next time.
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Month:
    """A partition, as schema.table, and its bounds [low, high), as text: the default has none."""

    name: str
    low: str | None
    high: str | None


def read_months(session: Session, target: str) -> list[Month]:
    """Return the months of a replica, in order, the default partition last; none of a plain one."""
    rows = session.named("ingest/months/months.months", target=relation(target).as_string())
    return [Month(**row) for row in rows]


def partitioning(definition: PipelineDefinition, columns: Sequence[Column]) -> sql.Composed:
    """Return the clause that makes a table one of months. StartError unless the rows of the source
    stay in the month in which they were written.
    """
    name, cursor = definition.pipeline_name, definition.cursor_column
    [column] = [column for column in columns if column.name == cursor]
    hint = f"take it out of {VARIABLE} in {MANIFEST}"
    if definition.write_mode != "append":
        problem = "an upsert pipeline, whose rows move to another month whenever they change"
    elif not column.is_required:
        problem = f"a cursor {cursor} that may be null, and a key has to have it"
        hint += ", or alter the column to be not null"
    elif column.is_naive and definition.cursor_timezone != "UTC":
        problem = f"a cursor {cursor} of which {definition.cursor_timezone} sets the clock back"
    else:
        return sql.SQL("partition by range ({})").format(sql.Identifier(cursor))
    raise StartError(f"pipeline {name}: {VARIABLE} names {replica_of(definition)}: {problem}", hint)


def refuse_other_statements(definition: PipelineDefinition, project: Path) -> None:
    """StartError if a statement of the project's own is not made for a replica in months."""
    for name, values in NEEDED.items():
        text = read_text(statement(project, name))
        for value in values:
            if not re.search(rf"\{{\{{-?\s*{value}\b", text):
                raise StartError(
                    f"pipeline {definition.pipeline_name}: {definition.target_relation} is in"
                    f" months, and sql/ingest/{name}.sql of this project does without"
                    f" {{{{ {value} }}}}: rows could be there twice",
                    "start from the packaged statement, or delete the file; docs/retention.md",
                )


def wanted(session: Session, manifest: Manifest) -> Sequence[str]:
    """Return the replicas that the manifest wants in months. StartError if one is not known."""
    names = manifest.variables.get(VARIABLE, [])
    if not isinstance(names, list):
        raise StartError(f"{MANIFEST}: {VARIABLE} is not a list", f'{VARIABLE} = ["event_stream"]')
    if not names:
        return []
    rows = session.named("ingest/pipelines.pipelines")
    known = [row["replica"].partition(".raw_")[2] for row in rows]
    for name in names:
        if name not in known:
            raise StartError(
                f"{MANIFEST}: {VARIABLE} names {name}, and no pipeline fills raw_{name}",
                did_you_mean(name, known, f"there are {', '.join(known)}"),
            )
    return names


def replica_of(definition: PipelineDefinition) -> str:
    """Return the name of a replica as the manifest has it, without `raw.`."""
    return definition.target_relation.partition(".raw_")[2]


def ensure_months(session: Session, definition: PipelineDefinition) -> None:
    """Create the partition of all times that have no month, so that no row is without a place; then
    the months that are due.
    """
    target = definition.target_relation
    text = sql.SQL("create table {0} partition of {1} default; comment on table {0} is {2}")
    with session.savepoint():
        if not read_months(session, target):
            about = sql.Literal(f"Rows of {target} of months that have no partition.")
            name = relation(partition_name(target, "default"))
            session.run(text.format(name, relation(target), about).as_string())
        Months(session, definition).create_due()


def partition_name(target: str, end: str) -> str:
    """Return the name of a partition of a replica, as schema.table."""
    schema, _, table = target.partition(".")
    return f"{schema}.{shortened(table, MAX_BYTES - 8)}_{end}"


class Months:
    """The months of a replica, and what is created and looked up in them."""

    def __init__(self, session: Session, definition: PipelineDefinition) -> None:
        self.session = session
        self.definition = definition
        self.target = definition.target_relation
        self.months = read_months(session, self.target)
        self.values = {
            "target": relation(self.target),
            "rest": relation(self.months[-1].name),
            "cursor": sql.Identifier(definition.cursor_column),
            "is_usual": sql.SQL(IS_USUAL).format(sql.Identifier(definition.cursor_column)),
        }

    def create_due(self) -> None:
        """Create those that come next, and those of rows for which there was none."""
        known = [month.low for month in self.months if month.low]
        rows = self.session.rows(self._render("due", known=known))
        self.create([row["month"] for row in rows])

    def create(self, firsts: Iterable[str]) -> None:
        """Create months that begin on these days, unless somebody uses the rows that have none."""
        known = {month.low[:10] for month in self.months if month.low}
        missing = sorted(set(firsts) - known)
        if not missing:
            return
        try:
            with self.session.savepoint():
                why = "to create months"
                lock_exclusively(self.session, [self.months[-1].name], why, ATTEMPTS)
                for first in missing:
                    self._create(first)
        except QueryFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            return
        self.months = read_months(self.session, self.target)

    def _create(self, first: str) -> None:
        name = partition_name(self.target, first[:7].replace("-", "_"))
        year, month = int(first[:4]), int(first[5:7])
        after = f"{year + month // 12}-{month % 12 + 1:02}-01"
        text = self._render(
            "create",
            partition=relation(name),
            comment=f"Rows of {self.target} of {first[:7]}.",
            low=first,
            high=after,
        )
        self.session.run(text)

    def within(self, condition: sql.Composable) -> sql.Composed:
        """Return the condition that a row called `stored` lies in a month that has a row which
        meets this one: PostgreSQL then looks into no other.
        """
        found = self._holding(condition)
        ranges = [
            sql.SQL("(stored.{0} >= {1} and stored.{0} < {2})").format(
                self.values["cursor"], sql.Literal(month.low), sql.Literal(month.high)
            )
            for month in found
            if month.low
        ]
        if len(ranges) < len(found):
            return sql.SQL("true").format()  # the default partition holds any times
        return sql.SQL("({})").format(join(ranges, " or ")) if ranges else sql.SQL("false").format()

    def _holding(self, condition: sql.Composable) -> list[Month]:
        looks = [
            sql.SQL("select {} as number where exists (select from {} as stored where {})").format(
                sql.Literal(number), relation(month.name), condition
            )
            for number, month in enumerate(self.months)
        ]
        rows = self.session.rows(join(looks, " union all ").as_string())
        return [self.months[row["number"]] for row in rows]

    def has_keys(self, keys: Sequence[str]) -> sql.Composable:
        """Return the condition that a row called `stored` may have one of these keys; of keys of
        several columns, by the first of them.
        """
        return self._of_key("{0} = any({1}::text[]::{2}[])", list(keys))

    def _of_key(self, text: str, *values: object) -> sql.Composable:
        name = self.definition.key_columns[0]
        which = {"target": relation(self.target).as_string(), "column": name}
        type_name = self.session.named("ingest/months/months.type", **which)[0]["type"]
        if type_name is None:  # its operators are not at hand, so it may be anywhere
            return sql.SQL("true")
        literals = map(sql.Literal, values)
        return sql.SQL(text).format(column_of("stored", name), *literals, sql.SQL(type_name))

    def meet(self, render: Callable[..., str], **rows: sql.Composable) -> sql.Composed:
        """Create the months of rows that are about to be written, and return the condition that a
        row called `stored` may have the key of one of them. `render` fills in a query of a run.
        """
        keys = self.definition.key_columns
        key = sql.Identifier(keys[0] if keys else self.definition.cursor_column)
        [found] = self.session.rows(
            render("ingest/months/months.fresh", **self.values, key=key, **rows)
        )
        self.create(found["months"] or ())
        if not keys or found["first_key"] is None:
            return sql.SQL("false").format()
        if found["keys"] is not None:
            return self.within(self.has_keys(found["keys"]))
        edges = found["first_key"], found["last_key"]
        return self.within(self._of_key("{0} >= {1}::{3} and {0} <= {2}::{3}", *edges))

    def way_in(self, name: str, render: Callable[..., str], values: Mapping[str, Any]) -> str:
        """Return how rows are written: merged if one is there after all, as no key says so."""
        keys, nowhere = self.definition.key_columns, sql.SQL("false").format()
        if name != "append" or not keys or values["within"] == nowhere:
            return name
        query = render("ingest/months/months.is_elsewhere", **values)
        return "merge" if self.session.value(query) else name

    def _render(self, query: str, **values: object) -> str:
        return render(named_query(f"ingest/months/months.{query}"), {**self.values, **values}, FILE)


def late_rows(
    conditions: Conditions,
    horizon: int | None,
    count: Callable[[sql.Composable], int],
    warn: Callable[[str], object],
) -> tuple[sql.Composable, str] | None:
    """Return the condition of rows that came or changed after their month had gone into a file, if
    they are to be set aside, and why. Where it is not known when rows were written, without a
    horizon, warn if they are more than were archived.
    """
    definition = conditions.source.definition
    before = definition.archived_before or "-infinity"
    where = f"{conditions.source.cursor.name} before {before[:10]}, which is archived"
    condition = conditions.window(definition.defined_start_at, before)
    condition = conditions.written_since(condition, horizon)
    rows = count(condition)
    if horizon is None:
        if (more := rows - definition.archived_rows) > 0:
            warn(f"the source has {more:,} more rows than the files, with {where}")
        return None
    if not rows:
        return None
    is_kept = rows <= MOST_KEPT
    left = "set aside, in orchestrator.rejected_rows" if is_kept else "left in the source"
    warn(f"{rows:,} rows came late or changed, with {where}: they are {left}")
    return (condition, where) if is_kept else None
