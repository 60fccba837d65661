"""Writes rows of a source into its replica, in the caller's transaction, and counts them on both
sides. Queries: writer.sql, and in sql/ingest/ the statements that a project may replace.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database.names import column_of, join, relation
from runner.database.queries import named_query
from runner.database.session import QueryFailed, Session
from runner.database.tables import Equality
from runner.errors import RunnerError
from runner.ingest.columns import DELETED_AT, Column, written_keys
from runner.ingest.images import KeptColumn, as_json, image_values, kept_columns, key_object
from runner.ingest.source import Source
from runner.project.files import read_text, statement
from runner.project.template import render

# Errors of a single row: a value does not fit its type, or violates a constraint of the replica.
DATA_ERRORS = ("22", "23")
DUPLICATE_KEY = "23505"
SECOND_ROW_OF_A_KEY = "21000"
# The share of rejected rows is of at least so many, or one bad row among few would stop a pipeline.
MIN_ROWS_OF_SHARE = 1000
STAGED = sql.Identifier("pg_temp", "fresh")
EVERY_ROW = sql.SQL("true")


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows that were read, by what became of them."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(operator.add, astuple(self), astuple(other)))

    @property
    def changed(self) -> int:
        """Rows of the replica that were written."""
        return self.inserted + self.updated + self.deleted


class ReplicaWriter:
    """Writes the replica for one run. A condition is an expression about a row called `source`."""

    def __init__(
        self,
        work: Session,
        source: Source,
        project: Path,
        run_id: int,
        columns: Sequence[str],
        newest: Mapping[str, sql.Composable],
    ) -> None:
        """`columns` are the replica's, without _run_id; `newest` are aggregates of times."""
        keys, target = source.definition.key_columns, relation(source.definition.target_relation)
        equality = Equality(work, target.as_string())
        self.work = work
        self.source = source
        self.project = project
        self.definition = source.definition
        self.has_mark = DELETED_AT in columns
        self.values = {
            **template_values(source, columns, run_id),
            "is_same_key": equality.of_rows(keys, "fresh", "stored"),
            **image_values(kept_columns(work, target), keys, equality),
            **newest,
        }
        self.months = None
        if source.is_monthly:
            from runner.ingest.months.months import Months  # a room

            self.months = Months(work, source.definition)
        self.measured: dict[str, Any] = {}  # to be recorded in the ledger: times of the newest rows

    def append(self, condition: sql.Composable) -> Counts:
        """Insert rows that are not in the replica yet. If one is there after all, merge all."""
        try:
            return self._store("append", condition)
        except QueryFailed as error:
            if error.sqlstate == DUPLICATE_KEY and self.definition.key_columns:
                return self.merge(condition)
            raise

    def merge(self, condition: sql.Composable) -> Counts:
        """Make rows of the replica equal to those of the source: insert or update where needed."""
        try:
            return self._store("merge", condition)
        except QueryFailed as error:
            if error.sqlstate != SECOND_ROW_OF_A_KEY:
                raise
            raise RunnerError(
                f"pipeline {self.definition.pipeline_name}: two rows of"
                f" {self.definition.source_relation} have the same key"
                f" ({', '.join(self.definition.key_columns)})",
                "correct key_columns in orchestrator.pipeline_definitions",
            ) from error

    def reject(
        self,
        condition: sql.Composable,
        reason: str,
        sqlstate: str | None = None,
        source: sql.Identifier | None = None,
    ) -> Counts:
        """Set rows of the source, or of another table, aside in orchestrator.rejected_rows."""
        found = self._query(
            "reject",
            source=source or self.source.relation,
            condition=condition,
            reason=reason,
            sqlstate=sqlstate,
            rejected_key=self.rejected_key(),
            rejected_row=as_json(self.kept_source, "source"),
            is_waiting=Equality(self.work, self.source.relation.as_string()).of_rows(
                self.definition.key_columns, "(waiting.key_row)", "(fresh.whole)"
            ),
        )
        rows = int(found[0]["rows"])
        return Counts(read=rows, rejected=rows)

    def count(self, condition: sql.Composable, rows: sql.Identifier | None = None) -> int:
        """Count the rows of the source, or of another table, that meet a condition."""
        found = self._query("count", source=rows or self.source.relation, condition=condition)
        return int(found[0]["rows"])

    def count_waiting(self) -> int:
        """Count the rows that are set aside, by this run or before."""
        return int(self._query("count_waiting")[0]["rows"])

    def _store(self, name: str, condition: sql.Composable) -> Counts:
        """Append or merge the rows that can be stored, and set the others aside."""
        rows, is_staged = self.source.relation, not self.source.is_postgres
        if is_staged:  # the source may change between two statements, so it is read once
            self._stage(condition)
            rows, condition = STAGED, EVERY_ROW
        try:
            with self.work.savepoint():
                counts = self._write(name, rows, condition)
                self._balance(rows, condition, counts)
        except QueryFailed as error:
            is_duplicate = name == "append" and error.sqlstate == DUPLICATE_KEY
            if not error.is_one_of(*DATA_ERRORS) or (is_duplicate and self.definition.key_columns):
                if is_staged and is_duplicate:
                    self.execute("ingest/writer.drop_staged")
                raise
            if not is_staged:
                is_staged = True
                self._stage(condition)
            counts = self._sift()
            self._balance(rows, condition, counts)
        if is_staged:
            self.execute("ingest/writer.drop_staged")
        if counts.read and self.definition.key_columns:
            self.execute("ingest/writer.resolve")
        return counts

    def _write(self, name: str, rows: sql.Identifier, condition: sql.Composable) -> Counts:
        values = {**self.values, "source": rows, "condition": condition}
        if self.months:
            values["within"] = self.months.prepare(self.render, source=rows, condition=condition)
            if name == "append":
                name = self.months.append_or_merge(self.render, values)
        file = statement(self.project, name)
        text = render(read_text(file), values, file)
        if name == "append":
            inserted = self.work.run(text, file)
            return Counts(read=inserted, inserted=inserted)
        found = self.work.query(text, file)[0]
        return Counts(read=sum(found.values()), **found)

    def _balance(self, rows: sql.Identifier, condition: sql.Composable, counts: Counts) -> None:
        """RunnerError unless every row that the source has in this snapshot is accounted for."""
        found = self._query("balance", source=rows, condition=condition)[0]
        expected = int(found["rows"])
        for name in ("newest_event", "newest_arrival"):
            moments = filter(None, (self.measured.get(name), found[name]))
            self.measured[name] = max(moments, default=None)
        # Once a pipeline is not new, the times of its runs tell how often rows come.
        if expected and self.definition.is_new:
            gap = self._query("day_gap", source=rows, condition=condition)[0]["gap"]
            self.measured["day_gap"] = gap
        if expected != counts.read:
            raise RunnerError(
                f"pipeline {self.definition.pipeline_name}: of {expected:,} rows of"
                f" {self.definition.source_relation}, {counts.read:,} arrived in"
                f" {self.definition.target_relation}; nothing was kept",
                "look for triggers, rules and row security on both tables",
            )

    def _stage(self, condition: sql.Composable) -> None:
        try:
            self.execute("ingest/writer.stage", source=self.source.relation, condition=condition)
        except QueryFailed as error:
            if not error.is_one_of(*DATA_ERRORS):
                raise
            raise RunnerError(
                f"pipeline {self.definition.pipeline_name}: {error.message}",
                "have the source give the column as text, and name its type in column_types",
            ) from error

    def _sift(self) -> Counts:
        """Store the staged rows that can be stored, and set aside the others, found by halving."""
        name = "merge" if self.definition.key_columns else "append"
        total = self.count(EVERY_ROW, STAGED)
        allowed = int(self.definition.max_rejected_share * max(total, MIN_ROWS_OF_SHARE))

        def store(low: int, high: int) -> Counts:
            nonlocal allowed
            part = sql.SQL("source._row between {} and {}").format(low, high)
            try:
                with self.work.savepoint():
                    return self._write(name, STAGED, part)
            except QueryFailed as error:
                if not error.is_one_of(*DATA_ERRORS):
                    raise
                if low < high:
                    middle = (low + high) // 2
                    return store(low, middle) + store(middle + 1, high)
                allowed -= 1
                if allowed < 0:
                    raise RunnerError(
                        f"pipeline {self.definition.pipeline_name}: more rows cannot be stored"
                        f" than max_rejected_share allows: {error.reason}",
                        "correct them in the source, or allow a larger share",
                    ) from error
                return self.reject(part, error.reason, error.sqlstate, STAGED)

        return store(1, total) if total else Counts()

    def rejected_key(self) -> sql.Composable:
        """Return the key of a row of the source as JSON; null where there is no key."""
        if not self.definition.key_columns:
            return sql.SQL("null::jsonb")
        by_name = {column.name: column for column in self.kept_source}
        keys = [by_name[key] for key in self.definition.key_columns]
        return sql.SQL("jsonb_build_object({})").format(key_object(keys, "source"))

    @cached_property
    def kept_source(self) -> list[KeptColumn]:
        """How values of the source's columns are kept as JSON; few runs need it."""
        names = {column.name for column in self.source.columns}
        return [
            each for each in kept_columns(self.work, self.source.relation) if each.name in names
        ]

    def render(self, query: str, **values: Any) -> str:
        """Return a query of a .sql file in the package, with the names and values of this run."""
        file = f"{query.partition('.')[0]}.sql"
        return render(named_query(query), {**self.values, **values}, file)

    def execute(self, query: str, **values: Any) -> int:
        """Run such a query; return how many rows it wrote."""
        return self.work.run(self.render(query, **values))

    def _query(self, name: str, **values: Any) -> list[dict[str, Any]]:
        return self.work.query(self.render(f"ingest/writer.{name}", **values), None)


def template_values(source: Source, columns: Sequence[str], run_id: int) -> dict[str, Any]:
    """Return the values of a run's templates; `columns` are the replica's, without _run_id."""
    definition, has_mark = source.definition, DELETED_AT in columns
    types, keys = definition.column_types, definition.key_columns
    names = [column.name for column in source.columns]
    stored, fresh = (join(column_of(row, name) for name in names) for row in ("stored", "fresh"))
    was_removed = sql.SQL(f"stored.{DELETED_AT} is not null" if has_mark else "false")
    return {
        "target": relation(definition.target_relation),
        "run_id": run_id,
        "pipeline_id": definition.pipeline_id,
        "columns": join(map(sql.Identifier, names)),
        "source_columns": join(
            _source_value(column, types.get(column.name), source.dated) for column in source.columns
        ),
        "fresh_columns": fresh,
        "stored_keys": join(column_of("stored", key) for key in keys),
        # *<> compares byte by byte: 1.0 is not 1.00, and some types have no equality at all.
        "is_different": sql.SQL("(row({})::record *<> row({})::record or {})").format(
            stored, fresh, was_removed
        ),
        "keys": join(map(sql.Identifier, written_keys(definition, source.is_monthly))),
        "within": sql.SQL("true"),
        # Whether a row of a partitioned replica belongs to another partition now.
        "has_moved": sql.SQL("{} is distinct from {}" if source.is_monthly else "false").format(
            column_of("stored", definition.cursor_column),
            column_of("fresh", definition.cursor_column),
        ),
        "assignments": _assignments([*names, DELETED_AT] if has_mark else names),
        "restorations": _assignments(columns),
    }


def _source_value(column: Column, type_name: str | None, dated: Mapping[str, bool]) -> sql.Composed:
    """Return the value to store of a column: cast, if the definition names another type."""
    form = "{}"
    if column.name in dated:
        form = f"orchestrator.year_first({{}}, {str(dated[column.name]).lower()})"
    if type_name is not None:
        form += f"::{type_name}"
    return sql.SQL(form + " as {}").format(
        column_of("source", column.name), sql.Identifier(column.name)
    )


def _assignments(names: Sequence[str]) -> sql.Composed:
    return join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names)
