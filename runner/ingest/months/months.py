"""Replicas partitioned by month: a partition for each month of the cursor, and a default one.

No unique index covers all partitions, so a row is looked up in those where its key may be.
Queries: months.sql.
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

# A variable of the project: the replicas to partition by month, without `raw_`.
VARIABLE = "monthly_replicas"
FILE = "ingest/months/months.sql"
# What a project's own statements have to use, or a row that moves would be stored twice.
NEEDED = {
    "create_replica": ("partitioning",),
    "merge": ("within", "has_moved"),
    "undo": ("within", "image_has_moved"),
}
# A wrong clock may send any time. Times outside these years stay in the default partition.
IS_USUAL = "stored.{0} >= '2000-01-01' and stored.{0} < '2100-01-01'"
# More late rows of archived months than this suggest that the whole table was rewritten.
MAX_LATE_ROWS = 10_000
# Without a lock soon, rows stay in the default partition until the next run.
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition, as schema.table, and its bounds [low, high), as text: the default has none."""

    name: str
    low: str | None
    high: str | None


def read_partitions(session: Session, target: str) -> list[Partition]:
    """Return the partitions of a replica, in order, the default one last; none of a plain table."""
    rows = session.named("ingest/months/months.partitions", target=relation(target).as_string())
    return [Partition(**row) for row in rows]


def partitioning(definition: PipelineDefinition, columns: Sequence[Column]) -> sql.Composed:
    """Return the clause that partitions a replica by month. StartError unless the rows of the
    source stay in the month in which they were written.
    """
    name, cursor = definition.pipeline_name, definition.cursor_column
    [column] = [column for column in columns if column.name == cursor]
    hint = f"take it out of {VARIABLE} in {MANIFEST}"
    if definition.write_mode != "append":
        problem = "rows of an upsert pipeline move to another month whenever they change"
    elif not column.is_required:
        problem = f"its cursor {cursor} may be null, and the key has to contain it"
        hint += ", or alter the column to be not null"
    elif column.is_naive and definition.cursor_timezone != "UTC":
        problem = (
            f"its cursor {cursor} is a local time, which {definition.cursor_timezone} sets back"
        )
    else:
        return sql.SQL("partition by range ({})").format(sql.Identifier(cursor))
    what = f"{replica_of(definition)} cannot be partitioned by month, as {VARIABLE} says"
    raise StartError(f"pipeline {name}: {what}: {problem}", hint)


def refuse_other_statements(definition: PipelineDefinition, project: Path) -> None:
    """StartError if a statement of the project's own does not suit a partitioned replica."""
    for name, values in NEEDED.items():
        text = read_text(statement(project, name))
        for value in values:
            if not re.search(rf"\{{\{{-?\s*{value}\b", text):
                raise StartError(
                    f"pipeline {definition.pipeline_name}: {definition.target_relation} is"
                    f" partitioned by month, but sql/ingest/{name}.sql of this project does not use"
                    f" {{{{ {value} }}}}: rows could be stored twice",
                    "start from the packaged statement, or delete the file; docs/retention.md",
                )


def monthly_replicas(session: Session, manifest: Manifest) -> Sequence[str]:
    """Return the replicas to partition by month. StartError if no pipeline fills one of them."""
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
    """Create the default partition, so that every row has a place, and the months that are due."""
    target = definition.target_relation
    text = sql.SQL("create table {0} partition of {1} default; comment on table {0} is {2}")
    with session.savepoint():
        if not read_partitions(session, target):
            about = sql.Literal(f"Rows of {target} of months that have no partition.")
            name = relation(partition_name(target, "default"))
            session.run(text.format(name, relation(target), about).as_string())
        Months(session, definition).create_due()


def partition_name(target: str, end: str) -> str:
    """Return the name of a partition of a replica, as schema.table."""
    schema, _, table = target.partition(".")
    return f"{schema}.{shortened(table, MAX_BYTES - 8)}_{end}"


class Months:
    """The partitions of a replica: creates them, and says which of them a row can be in."""

    def __init__(self, session: Session, definition: PipelineDefinition) -> None:
        self.session = session
        self.definition = definition
        self.target = definition.target_relation
        self.partitions = read_partitions(session, self.target)
        self.values = {
            "target": relation(self.target),
            "rest": relation(self.partitions[-1].name),
            "cursor": sql.Identifier(definition.cursor_column),
            "is_usual": sql.SQL(IS_USUAL).format(sql.Identifier(definition.cursor_column)),
        }

    def create_due(self) -> None:
        """Create the months that come next, and those of rows in the default partition."""
        known = [month.low for month in self.partitions if month.low]
        rows = self.session.rows(self._render("due", known=known))
        self.create([row["month"] for row in rows])

    def create(self, firsts: Iterable[str]) -> None:
        """Create the months that begin on these days, unless the default partition is in use."""
        missing = sorted(set(firsts) - {month.low[:10] for month in self.partitions if month.low})
        if not missing:
            return
        try:
            with self.session.savepoint():
                default = self.partitions[-1].name
                lock_exclusively(self.session, [default], "to create months", ATTEMPTS)
                for first in missing:
                    self._create(first)
        except QueryFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            return
        self.partitions = read_partitions(self.session, self.target)

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
        """Return the condition that a row called `stored` is in a month with a row that meets this
        one: PostgreSQL then searches no other partition.
        """
        text = "select {} as number where exists (select from {} as stored where {})"
        queries = (
            sql.SQL(text).format(sql.Literal(number), relation(partition.name), condition)
            for number, partition in enumerate(self.partitions)
        )
        rows = self.session.rows(join(queries, " union all ").as_string())
        found = [self.partitions[row["number"]] for row in rows]
        if not all(month.low for month in found):
            return sql.SQL("true").format()  # the default partition holds any time
        ranges = [
            sql.SQL("(stored.{0} >= {1} and stored.{0} < {2})").format(
                self.values["cursor"], sql.Literal(month.low), sql.Literal(month.high)
            )
            for month in found
        ]
        return sql.SQL("({})").format(join(ranges, " or ")) if ranges else sql.SQL("false").format()

    def has_keys(self, keys: Sequence[str]) -> sql.Composable:
        """Return the condition that a row called `stored` may have one of these keys. Of a key with
        several columns, only the first is compared.
        """
        return self._of_key("{0} = any({1}::text[]::{2}[])", list(keys))

    def _of_key(self, text: str, *values: object) -> sql.Composable:
        name = self.definition.key_columns[0]
        which = {"target": relation(self.target).as_string(), "column": name}
        type_name = self.session.named("ingest/months/months.type", **which)[0]["type"]
        if type_name is None:  # an extension's operators are not in the search path
            return sql.SQL("true")
        literals = map(sql.Literal, values)
        return sql.SQL(text).format(column_of("stored", name), *literals, sql.SQL(type_name))

    def prepare(self, render: Callable[..., str], **rows: sql.Composable) -> sql.Composed:
        """Create the months of rows that are about to be written; return the condition that a row
        called `stored` may have the key of one of them. `render` fills in a query of a run.
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

    def append_or_merge(self, render: Callable[..., str], values: Mapping[str, Any]) -> str:
        """Return `merge` if a row is in the replica already: no unique index would refuse it."""
        if not self.definition.key_columns or values["within"] == sql.SQL("false").format():
            return "append"
        query = render("ingest/months/months.is_elsewhere", **values)
        return "merge" if self.session.value(query) else "append"

    def _render(self, query: str, **values: object) -> str:
        return render(named_query(f"ingest/months/months.{query}"), {**self.values, **values}, FILE)


def late_rows(
    conditions: Conditions,
    horizon: int | None,
    count: Callable[[sql.Composable], int],
    warn: Callable[[str], object],
) -> tuple[sql.Composable, str] | None:
    """Return the condition of rows that came or changed after their month was archived, and the
    reason, if they are to be set aside. Without a horizon it is not known when rows were written:
    then only warn if there are more than were archived.
    """
    definition = conditions.source.definition
    before = definition.archived_before or "-infinity"
    where = f"{conditions.source.cursor.name} before {before[:10]}, which is archived"
    window = conditions.window(definition.defined_start_at, before)
    condition = conditions.written_since(window, horizon)
    rows = count(condition)
    if horizon is None:
        if (more := rows - definition.archived_rows) > 0:
            warn(f"the source has {more:,} more rows than the files, with {where}")
        return None
    if not rows:
        return None
    is_rejected = rows <= MAX_LATE_ROWS
    left = "set aside in orchestrator.rejected_rows" if is_rejected else "left in the source"
    warn(f"{rows:,} rows came late or changed, with {where}: they are {left}")
    return (condition, where) if is_rejected else None
