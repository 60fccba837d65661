"""Moves rows of a source into its replica, inside a transaction of the caller's: a scope and a
statement at a time, each counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database.names import join, relation
from runner.database.queries import named_query
from runner.database.session import QueryFailed, Session
from runner.errors import RunnerError
from runner.ingest.columns import DELETED_AT
from runner.ingest.source import Source
from runner.project.files import statement
from runner.project.template import render

# What a single row can be at fault for: a value that does not fit its type, or breaks a rule of the
# replica.
DATA_ERRORS = ("22", "23")
DUPLICATE_KEY = "23505"
SECOND_ROW_OF_A_KEY = "21000"
# The share of rejected rows is reckoned on at least so many rows, or one bad row among few would
# stop a pipeline.
FEWEST_ROWS = 1000
STAGED = sql.Identifier("pg_temp", "fresh")


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a scope, by what became of them."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0

    def __add__(self, other: Counts) -> Counts:
        names = [field.name for field in fields(Counts)]
        return Counts(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def changed(self) -> int:
        return self.inserted + self.updated + self.deleted


class ReplicaWriter:
    """The moves of one run. A scope is a condition on rows that are called `source`."""

    def __init__(
        self, work: Session, source: Source, project: Path, run_id: int, columns: list[str]
    ) -> None:
        """`columns` are those of the replica, without _run_id."""
        self.work = work
        self.source = source
        self.project = project
        self.run_id = run_id
        self.definition = source.definition
        self.columns = columns
        self.values = self._values()

    def append(self, scope: sql.Composed) -> Counts:
        """Add rows that are not there yet. Where one is after all, all are merged."""
        try:
            return self._move("append", scope)
        except QueryFailed as error:
            if error.sqlstate == DUPLICATE_KEY and self.definition["key_columns"]:
                return self.merge(scope)
            raise

    def merge(self, scope: sql.Composed) -> Counts:
        """Make rows in the replica what they are in the source, whether they are there or not."""
        try:
            counts = self._move("merge", scope)
        except QueryFailed as error:
            if error.sqlstate == SECOND_ROW_OF_A_KEY:
                raise RunnerError(
                    f"pipeline {self.definition['pipeline_name']}: two rows of"
                    f" {self.definition['source_relation']} have the same key"
                    f" ({', '.join(self.definition['key_columns'])})",
                    "correct key_columns in orchestrator.pipeline_definitions",
                ) from error
            raise
        return counts

    def reject(self, scope: sql.Composed, reason: str) -> Counts:
        """Set rows aside, whatever they hold."""
        rows = self._reject(self.source.relation, scope, reason, None)
        return Counts(read=rows, rejected=rows)

    def count(self, scope: sql.Composed, rows: sql.Identifier | None = None) -> int:
        """How many rows of the source, or of what was staged of it, are in a scope."""
        found = self._query("count", source=rows or self.source.relation, scope=scope)
        return int(found[0]["rows"])

    def count_waiting(self) -> int:
        """How many rows are set aside, by this run or before."""
        return int(self._query("count_waiting")[0]["rows"])

    def find_deleted(self) -> tuple[int, int, list[Any]]:
        """How many rows of the replica the source no longer has, how many it has, and a few keys of
        the first.
        """
        has_marks = DELETED_AT in self.columns and self.definition["on_delete"] != "apply"
        is_not_marked = sql.SQL(f"stored.{DELETED_AT} is null" if has_marks else "true")
        self._execute("find_gone", source=self.source.relation, is_not_marked=is_not_marked)
        self._execute("resolve_gone", source=self.source.relation)
        found = self._query("count_gone", is_not_marked=is_not_marked)[0]
        return found["rows"], found["kept"], found["sample"]

    def mark_deleted(self) -> Counts:
        """Mark what was found."""
        self._execute("keep_gone")
        return Counts(updated=self._execute("mark_gone"))

    def apply_deletes(self) -> Counts:
        """Delete what was found."""
        self._execute("keep_gone")
        return Counts(deleted=self._execute("delete_gone"))

    def undo(self, undone_run_id: int) -> tuple[Counts, int]:
        """Take back what a run did; the second figure is how many rows later runs have changed."""
        self._execute("give_back_rejects", undone_run_id=undone_run_id)
        if not self.definition["key_columns"]:
            return Counts(deleted=self._execute("delete_run", undone_run_id=undone_run_id)), 0
        file = statement(self.project, "undo")
        values = {**self.values, "undone_run_id": undone_run_id}
        found = self.work.query(render(file.read_text(encoding="utf-8"), values, file), file)[0]
        left_alone = found.pop("left_alone")
        return Counts(**found), left_alone

    def _move(self, name: str, scope: sql.Composed) -> Counts:
        """Move the rows of a scope, those that can be stored."""
        rows, is_staged = self.source.relation, not self.source.is_postgres
        if is_staged:  # the source changes while it is read: it is read once
            self._stage(scope)
            rows, scope = STAGED, sql.SQL("true").format()
        try:
            with self.work.savepoint():
                counts = self._write(name, rows, scope)
                self._balance(rows, scope, counts)
        except QueryFailed as error:
            is_duplicate = name == "append" and error.sqlstate == DUPLICATE_KEY
            if not _is_about_data(error) or (is_duplicate and self.definition["key_columns"]):
                if is_staged and is_duplicate:
                    self._execute("forget")
                raise
            if not is_staged:
                is_staged = True
                self._stage(scope)
            counts = self._sift()
            self._balance(rows, scope, counts)
        if is_staged:
            self._execute("forget")
        if counts.read and self.definition["key_columns"]:
            self._execute("resolve")
        return counts

    def _write(self, name: str, rows: sql.Identifier, scope: sql.Composed) -> Counts:
        file = statement(self.project, name)
        values = {**self.values, "source": rows, "scope": scope}
        text = render(file.read_text(encoding="utf-8"), values, file)
        if name == "append":
            inserted = self.work.execute(text, file)
            return Counts(read=inserted, inserted=inserted)
        found = self.work.query(text, file)[0]
        return Counts(read=sum(found.values()), **found)

    def _balance(self, rows: sql.Identifier, scope: sql.Composed, counts: Counts) -> None:
        """Every row of the source has to be accounted for, in the same snapshot."""
        expected = self.count(scope, rows)
        if expected != counts.read:
            raise RunnerError(
                f"pipeline {self.definition['pipeline_name']}: {expected:,} rows of"
                f" {self.definition['source_relation']} came to {counts.read:,} in"
                f" {self.definition['target_relation']}; nothing was kept",
                "look for triggers, rules and row security on both tables",
            )

    def _stage(self, scope: sql.Composed) -> None:
        try:
            self._execute("stage", source=self.source.relation, scope=scope)
        except QueryFailed as error:
            if not _is_about_data(error):
                raise
            raise RunnerError(
                f"pipeline {self.definition['pipeline_name']}: {error.message}",
                "show its column as text in the source, and name the type in column_types",
            ) from error

    def _sift(self) -> Counts:
        """Store the staged rows that can be stored and set the others aside, by halves."""
        name = "merge" if self.definition["key_columns"] else "append"
        total = self.count(sql.SQL("true").format(), STAGED)
        allowed = int(self.definition["max_rejected_share"] * max(total, FEWEST_ROWS))

        def store(low: int, high: int) -> Counts:
            nonlocal allowed
            part = sql.SQL("source._row between {} and {}").format(low, high)
            try:
                with self.work.savepoint():
                    return self._write(name, STAGED, part)
            except QueryFailed as error:
                if not _is_about_data(error):
                    raise
                if low < high:
                    middle = (low + high) // 2
                    return store(low, middle) + store(middle + 1, high)
                allowed -= 1
                if allowed < 0:
                    raise RunnerError(
                        f"pipeline {self.definition['pipeline_name']}: more rows cannot be stored"
                        f" than max_rejected_share allows: {error.reason}",
                        "mend them in the source, or allow a larger share",
                    ) from error
                rejected = self._reject(STAGED, part, error.reason, error.sqlstate)
                return Counts(read=rejected, rejected=rejected)

        return store(1, total) if total else Counts()

    def _reject(
        self, source: sql.Identifier, scope: sql.Composed, reason: str, sqlstate: str | None
    ) -> int:
        values = {"source": source, "scope": scope, "reason": reason, "sqlstate": sqlstate}
        return int(self._query("reject", **values)[0]["rows"])

    def _query(self, name: str, **values: Any) -> list[dict[str, Any]]:
        return self.work.query(self._text(name, values), None)

    def _execute(self, name: str, **values: Any) -> int:
        return self.work.execute(self._text(name, values))

    def _text(self, name: str, values: dict[str, Any]) -> str:
        return render(
            named_query(f"ingest/writer.{name}"), {**self.values, **values}, "ingest/writer.sql"
        )

    def _values(self) -> dict[str, Any]:
        """What the statements call things."""
        definition, has_mark = self.definition, DELETED_AT in self.columns
        types = definition["column_types"]
        names = [column.name for column in self.source.columns]
        keys = definition["key_columns"]
        # As images, byte by byte: 1.0 is not 1.00, and some types know no equality at all.
        differ = sql.SQL("row({})::record *<> row({})::record").format(
            *(join([_of(alias, name) for name in names]) for alias in ("stored", "fresh"))
        )
        assigned = [*names, DELETED_AT] if has_mark else names
        return {
            "target": relation(definition["target_relation"]),
            "run_id": self.run_id,
            "pipeline_id": definition["pipeline_id"],
            "columns": join([sql.Identifier(name) for name in names]),
            "source_columns": join(
                [
                    sql.SQL("{} as {}").format(
                        _of("source", name, f"::{types[name]}" if name in types else ""),
                        sql.Identifier(name),
                    )
                    for name in names
                ]
            ),
            "fresh_columns": join([_of("fresh", name) for name in names]),
            "stored_columns": join([sql.Identifier(name) for name in self.columns]),
            "restored_columns": join([_of("fresh", name) for name in self.columns]),
            "stored_keys": join([_of("stored", key) for key in keys]),
            "is_different": sql.SQL("({} or {})").format(
                differ, sql.SQL(f"stored.{DELETED_AT} is not null" if has_mark else "false")
            ),
            "keys": join([sql.Identifier(key) for key in keys]),
            "key_object": _object("stored", keys),
            "rejected_key": sql.SQL("jsonb_build_object({})").format(_object("source", keys))
            if keys
            else sql.SQL("null::jsonb"),
            "is_same_key": sql.SQL(" and ").join(
                sql.SQL("{} = {}").format(_of("fresh", key), _of("stored", key)) for key in keys
            )
            if keys
            else sql.SQL("false"),
            "assignments": _assignments(assigned),
            "restorations": _assignments(self.columns),
        }


def _of(alias: str, name: str, cast: str = "") -> sql.Composed:
    return sql.SQL("{}.{}" + cast).format(sql.Identifier(alias), sql.Identifier(name))


def _assignments(names: list[str]) -> sql.Composed:
    return join([sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names])


def _object(alias: str, keys: list[str]) -> sql.Composed:
    return join([sql.SQL("{}, {}").format(sql.Literal(key), _of(alias, key)) for key in keys])


def _is_about_data(error: QueryFailed) -> bool:
    return (error.sqlstate or "").startswith(DATA_ERRORS)
