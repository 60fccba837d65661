"""One run of a pipeline, in one transaction: what it reads, writes and promises."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from runner.database import ledger
from runner.database.session import Session
from runner.errors import RunnerError, StartError
from runner.ingest import drift
from runner.ingest.columns import RUN_ID, loose_keys, stored_columns
from runner.ingest.conditions import Conditions
from runner.ingest.promise import Promise, Reach, promise_of
from runner.ingest.source import Source, inspect_source, read_clock
from runner.ingest.windows import Window
from runner.ingest.writer import EVERY_ROW, MIN_ROWS_OF_SHARE, Counts, ReplicaWriter

# If a search of the whole table takes no longer, every run makes one.
QUICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RunResult:
    """A committed run: its window, its guarantee, its row counts, and what people should know."""

    pipeline: str
    run_id: int
    kind: str
    window: Window
    guarantee: str | None
    seconds: float
    counts: Counts = field(default_factory=Counts)
    notes: list[str] = field(default_factory=list)


class RunTransaction:
    """One run inside its transaction, with the snapshot that all its statements read."""

    def __init__(self, work: Session, source: Source, project: Path, run_id: int) -> None:
        self.work = work
        # If the server crashes, the rows and the watermark are lost together.
        work.run("set local synchronous_commit = off")
        if source.kind != "foreign":
            # Before the snapshot, to which a table that is rewritten later would seem empty.
            work.run(f"lock table {source.relation.as_string()} in access share mode")
        # The first query takes the snapshot that all others read, here and on a remote server.
        self.clock = read_clock(work, source)
        # Its keys or its policies may have changed since the attempt began.
        source = inspect_source(work, source.definition, project)
        self.source = source
        self.measured: dict[str, float] = {}  # to be recorded in the ledger
        self.loose_keys: list[str] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []
        columns = self._follow_drift(work, project)
        self.chain = source.chain(self.clock, work)
        pipeline_id, sweep_every = source.definition.pipeline_id, source.definition.sweep_every
        self.horizons = ledger.horizons(
            work, pipeline_id, sweep_every, self.chain, self.clock.next_xid
        )
        self.gaps = ledger.gaps(work, pipeline_id)
        self.conditions = Conditions(work, source, self.clock, self.gaps)
        self.writer = ReplicaWriter(
            work, source, project, run_id, columns, self.conditions.newest()
        )

    def load(self, window: Window) -> Counts:
        condition = self.conditions.window(window.low, window.high)
        definition = self.source.definition
        is_append = definition.write_mode == "append" or definition.is_new
        if is_append and not self.source.reads_hours_twice:
            return self.writer.append(condition)
        return self.writer.merge(condition)

    def search_lookback(self, low: str) -> Counts:
        """Load rows that came late or changed in the lookback before `low`, and odd rows."""
        horizon = self.horizons.lookback
        condition = self.conditions.behind(low, self.horizons.lookback_high)
        counts = self._merge(self.conditions.written_since(condition, horizon))
        counts += self._load_odd_rows(horizon)
        self._note_late_rows(counts, "in the lookback")
        return counts

    def is_searched_quickly(self) -> bool:
        """Whether each run can search the whole table, by how long that took, or by its size."""
        if self.source.definition.sweep_every is None or not self.source.has_horizon:
            return False
        seconds = self.horizons.search_seconds
        if seconds is None:
            which = {"source": self.source.relation.as_string()}
            seconds = self.work.named("ingest/source.expected_seconds", **which)[0]["seconds"]
        return self.horizons.has_table and seconds is not None and seconds <= QUICK_SECONDS

    def search_table(self, windows: Iterable[Window], is_full: bool = False) -> Counts:
        """Load rows that came late or changed in these windows, and odd rows. With `is_full`,
        compare every row, whenever it was written.
        """
        started, horizon = time.monotonic(), None if is_full else self.horizons.table
        counts = self._load_odd_rows(horizon)
        if self.source.definition.archived_before:
            from runner.ingest.months import months  # a room

            warn, count = self.warnings.append, self.writer.count
            if late := months.late_rows(self.conditions, horizon, count, warn):
                counts += self.writer.reject(*late)
        for window in windows:  # one statement each, all in one snapshot
            condition = self.conditions.window(window.low, window.high)
            condition = self.conditions.outside_gaps(condition)
            counts += self._merge(self.conditions.written_since(condition, horizon))
        # With rows to write, it takes longer than a search.
        if horizon is not None and not counts.changed:
            self.measured["search_seconds"] = time.monotonic() - started
        self._note_late_rows(counts, "in the whole table")
        return counts

    def promise(self, reach: Reach | None) -> Promise:
        """Return what this run may promise; nothing without a reach, as for an undo or backfill."""
        if reach is None:
            return Promise()
        promise = promise_of(self.source, self.clock, reach)
        if self.loose_keys:  # the replica is of an earlier version, or was altered by hand
            promise = Promise(
                "best_effort",
                f"rows may be missing: {', '.join(self.loose_keys)} has another collation in the"
                " replica, where keys that differ in the source may be equal",
            )
        if waiting := self.writer.count_waiting():
            promise = promise.but(f"{waiting:,} rows that cannot be stored are set aside")
        for low, high in self.gaps:
            promise = promise.but(f"rows are missing, because a run was undone: {low} to {high}")
        return promise

    def _note_late_rows(self, counts: Counts, where: str) -> None:
        found = {"late": counts.inserted, "changed": counts.updated, "unfit": counts.rejected}
        if parts := [f"{rows:,} {what}" for what, rows in found.items() if rows]:
            self.notes.append(f"rows found {where}: {', '.join(parts)}")

    def _merge(self, condition: sql.Composed) -> Counts:
        """Merge rows, unless there are none, as is usual: counting is cheaper."""
        return self.writer.merge(condition) if self.writer.count(condition) else Counts()

    def _reject_unreadable(self) -> Counts:
        """Set rows aside whose cursor cannot be read; RunnerError if they are too many."""
        definition, condition = self.source.definition, self.conditions.unreadable()
        if not (self.source.has_text_cursor and (rows := self.writer.count(condition))):
            return Counts()
        offset = " and without an offset" if self.source.cursor.is_naive else ""
        reason = (
            f"{self.source.cursor.name} is not a time written year first{offset}, as"
            " 2026-01-31 10:00:00"
        )
        total = self.writer.count(EVERY_ROW)
        if rows > definition.max_rejected_share * max(total, MIN_ROWS_OF_SHARE):
            raise RunnerError(
                f"pipeline {definition.pipeline_name}: {rows:,} of {total:,} rows cannot be stored,"
                f" more than max_rejected_share allows: {reason}",
                "correct them in the source, or allow a larger share",
            )
        return self.writer.reject(condition, reason)

    def _load_odd_rows(self, horizon: int | None) -> Counts:
        definition, counts = self.source.definition, self._reject_unreadable()
        if definition.odd_cursors == "include":  # those ahead are loaded once their time has come
            timeless = self.conditions.timeless()
            return counts + self._merge(self.conditions.written_since(timeless, horizon))
        condition = self.conditions.written_since(self.conditions.odd(), horizon)
        reason = f"{self.source.cursor.name} is null, infinite or over a day ahead"
        if definition.odd_cursors == "quarantine":
            return counts + self.writer.reject(condition, reason)
        if rows := self.writer.count(condition):
            raise RunnerError(
                f"pipeline {definition.pipeline_name}: {rows:,} rows whose {reason}",
                "correct them in the source, or choose another policy in odd_cursors",
            )
        return counts

    def _follow_drift(self, work: Session, project: Path) -> list[str]:
        """Give the replica the columns of the source; return its columns, without _run_id."""
        definition = self.source.definition
        stored = stored_columns(work, definition)
        plan = drift.plan(work, definition, self.source.columns, stored)
        if plan.removed:
            self._heed_drops(plan.removed, project)
        drift.apply(work, plan)
        self.notes += plan.sentences
        self.loose_keys = loose_keys(definition.key_columns, self.source.columns, stored)
        names = dict.fromkeys(column.name for column in [*stored, *self.source.columns])
        return [name for name in names if name != RUN_ID]

    def _heed_drops(self, columns: Sequence[str], project: Path) -> None:
        """Follow on_column_drop for columns that the source dropped and scripts read."""
        definition = self.source.definition
        if definition.on_column_drop == "follow":
            return
        found = drift.readers(project, definition.target_relation, columns)
        problems = [
            f"column {name} is no longer in {definition.source_relation}, and"
            f" {', '.join(map(str, paths))} {'reads' if len(paths) == 1 else 'read'} it"
            for name, paths in found.items()
        ]
        if problems and definition.on_column_drop == "fail":
            name = definition.pipeline_name
            raise StartError(
                f"pipeline {name}: {'; '.join(problems)}",
                "correct the SQL; or let it be null in rows that are added: update"
                " orchestrator.pipeline_definitions set on_column_drop = 'warn'"
                f" where pipeline_name = '{name}'",
            )
        self.warnings += problems
