"""The controller of one pipeline: which window comes next, what is promised of it, and its row in
the ledger.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from runner import ledger
from runner.database import (
    BUILD_LOCK,
    PIPELINE_LOCK,
    REPLICA_LOCK,
    Database,
    Session,
    lock_number,
)
from runner.errors import RunnerError, UsageError
from runner.ledger import Ledger
from runner.queries import queries
from runner.replica import join, relation, replica_columns
from runner.shared import statement
from runner.template import render

# `now()` is fixed a moment before the transaction shows in pg_stat_activity; this buys the moment
# off.
MARGIN_SECONDS = 1.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of the cursor, [low, high), as text: the ends may be infinite.

    `share` is how much of the way to the settled bound is done with it, from 0 to 1.
    """

    low: str
    high: str
    is_last: bool
    share: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """A window that is in the replica, with its counts of rows."""

    pipeline: str
    run_id: int
    window: Window
    guarantee: str
    read: int
    inserted: int
    updated: int
    seconds: float

    @property
    def share(self) -> float:
        return self.window.share

    @property
    def unchanged(self) -> int:
        return self.read - self.inserted - self.updated


class IngestionPipeline:
    """Brings the new rows of one source into its replica, a window and a transaction at a time."""

    def __init__(self, pipeline_id: int, database: Database, project: Path) -> None:
        self.pipeline_id = pipeline_id
        self.database = database
        self.project = project

    def run(
        self, wait_seconds: float = 60.0, tell: Callable[[Loaded], None] = lambda loaded: None
    ) -> list[Loaded]:
        """Load everything that was committed when this was called; returns the windows, the last
        may be empty.
        """
        with (
            self.database.session("milepost ingest") as work,
            self.database.session("milepost ingest, evidence") as evidence,
        ):
            self.database.refuse_pooler(work, evidence)
            self.work, self.book = work, Ledger(evidence)
            self.definition = self._define()
            name = self.definition["pipeline_name"]
            target = lock_number(self.definition["target_relation"])
            with (
                work.lock(PIPELINE_LOCK, self.pipeline_id, f"an ingest of {name}"),
                # Nobody else writes this replica, under whatever name.
                work.lock(
                    REPLICA_LOCK, target, f"an ingest into {self.definition['target_relation']}"
                ),
            ):
                self.definition = self._define()  # the watermark as it is now that the lock is ours
                self.book.abandon_windows(self.pipeline_id)
                return self._catch_up(wait_seconds, tell)

    def log(
        self, message: str, level: str = "info", run_id: int | None = None, **context: Any
    ) -> None:
        """Say something in orchestrator.logs."""
        self.book.log(message, level, run_id=run_id, pipeline_id=self.pipeline_id, **context)

    def _define(self) -> dict[str, Any]:
        found = self.work.rows(
            queries("pipeline.sql")["definition"], {"pipeline_id": self.pipeline_id}
        )
        if not found:
            raise UsageError(f"there is no pipeline {self.pipeline_id}")
        return found[0]

    def _catch_up(self, wait_seconds: float, tell: Callable[[Loaded], None]) -> list[Loaded]:
        self.watermark: str = self.definition["watermark"]
        self.origin: str | None = None  # where the first window with rows began
        with self._recorded(self.watermark):
            statements = statement(self.project, "create_replica").parent
            self.columns = replica_columns(self.work, self.definition, statements)
            settled, guarantee = self._settle(wait_seconds)
        loaded: list[Loaded] = []
        while True:
            with self._recorded(self.watermark):
                window = self._next_window(settled)
            if window is None:
                break
            loaded.append(self._load(window, guarantee))
            tell(loaded[-1])
            self.watermark = window.high
            if window.is_last:
                break
        return loaded

    @contextlib.contextmanager
    def _recorded(
        self, low: str, high: str | None = None, run_id: int | None = None
    ) -> Iterator[None]:
        """Leave a failed run when what is inside fails; one that had no run yet gets it then."""
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(RunnerError):
                if run_id is None:
                    run_id = self.book.begin(
                        "window", self.work, pipeline_id=self.pipeline_id, low=low, high=high
                    )
                self.book.fail(run_id, error)
                self.log(f"window failed: {error}", "error", run_id, low=low, high=high)
            raise

    def _settle(self, wait_seconds: float) -> tuple[str, str]:
        """The bound up to which rows are loaded, read before any snapshot, and what it guarantees.

        Waits while rows that were there at the start lie above it, but not longer than asked.
        """
        started = time.monotonic()
        now = self.work.row("select clock_timestamp()::text as now")["now"]
        has_nulls = self._has_null_cursors()
        while True:
            bound = self.work.row(
                queries("pipeline.sql")["settled"],
                {
                    "source": self._names("source_relation").as_string(None),
                    "build_lock": BUILD_LOCK,
                    "margin": MARGIN_SECONDS,
                },
            )
            guarantee = "settled" if bound["sees_all"] and not has_nulls else "best_effort"
            if not self._has_rows(bound["settled"], now):
                return bound["settled"], guarantee
            if time.monotonic() - started >= wait_seconds:
                self._say_who_holds()
                return bound["settled"], guarantee
            time.sleep(POLL_SECONDS)

    def _has_null_cursors(self) -> bool:
        """Whether rows have no cursor: no window will ever hold them, and that is said."""
        source, cursor = (
            self._names("source_relation"),
            sql.Identifier(self.definition["cursor_column"]),
        )
        query = sql.SQL("select exists (select from {} as source where source.{} is null) as found")
        found = bool(self.work.row(query.format(source, cursor).as_string(None))["found"])
        if found:
            self.log("rows without a cursor are in the source, and are not read", "warning")
        return found

    def _has_rows(self, settled: str, now: str) -> bool:
        """Whether the source has rows that are not loaded, were there at `now`, and lie above the
        bound.
        """
        source, cursor = (
            self._names("source_relation"),
            sql.Identifier(self.definition["cursor_column"]),
        )
        query = sql.SQL(
            "select exists (select from {} as source where source.{}"
            " >= greatest(%(low)s::timestamptz, %(settled)s::timestamptz)"
            " and source.{} <= %(now)s::timestamptz) as found"
        ).format(source, cursor, cursor)
        values = {"low": self.watermark, "settled": settled, "now": now}
        return bool(self.work.row(query.as_string(None), values)["found"])

    def _say_who_holds(self) -> None:
        holders = self.work.rows(queries("pipeline.sql")["holder"])
        who = (
            "server process {pid}, {application_name}, {state}, for {age}".format(**holders[0])
            if holders
            else "a prepared transaction"
        )
        self.log(
            f"rows that an open transaction holds back are left for the next run: {who}", "warning"
        )

    def _next_window(self, settled: str) -> Window | None:
        """The next window, or None when there is none: it begins at the watermark and jumps over
        empty stretches.
        """
        source, cursor = (
            self._names("source_relation"),
            sql.Identifier(self.definition["cursor_column"]),
        )
        query = sql.SQL(
            """
            select
                (%(settled)s::timestamptz > %(low)s::timestamptz) as is_ahead,
                least(%(settled)s::timestamptz, first.moment + %(size)s::interval)::text as high,
                coalesce(first.moment + %(size)s::interval >= %(settled)s::timestamptz, true)
                    as is_last,
                first.moment::text as moment,
                coalesce(
                    extract(
                        epoch from least(
                            %(settled)s::timestamptz, first.moment + %(size)s::interval
                        ) - %(origin)s::timestamptz
                    )
                    / nullif(
                        extract(epoch from %(settled)s::timestamptz - %(origin)s::timestamptz), 0
                    ),
                    0
                ) as share
            from (
                select min(source.{cursor})::timestamptz as moment
                from {source} as source
                where
                    source.{cursor} >= %(low)s::timestamptz
                    and source.{cursor} < %(settled)s::timestamptz
                    -- A window that begins at -infinity has those rows too.
                    and source.{cursor} > '-infinity'
            ) as first
            """
        ).format(source=source, cursor=cursor)
        values = {
            "low": self.watermark,
            "settled": settled,
            "size": self.definition["window_size"],
            "origin": self.origin,
        }
        found = self.work.row(query.as_string(None), values)
        if not found["is_ahead"]:
            return None  # the clock went back, or an old transaction holds the bound
        self.origin = self.origin or found["moment"]
        return Window(self.watermark, found["high"], found["is_last"], float(found["share"]))

    def _load(self, window: Window, guarantee: str) -> Loaded:
        """One window in one transaction, its row in the ledger included."""
        started = time.monotonic()
        run_id = self.book.begin(
            "window",
            self.work,
            pipeline_id=self.pipeline_id,
            low=window.low,
            high=window.high,
            guarantee=guarantee,
        )
        with self._recorded(window.low, window.high, run_id), self.work.transaction():
            # If the server dies, the rows and the watermark are lost together.
            self.work.run("set local synchronous_commit = off")
            read, inserted, updated = self._write(window, run_id)
            unchanged = read - inserted - updated
            ledger.succeed(
                self.work,
                run_id,
                read=read,
                inserted=inserted,
                updated=updated,
                unchanged=unchanged,
            )
        return Loaded(
            self.definition["pipeline_name"],
            run_id,
            window,
            guarantee,
            read,
            inserted,
            updated,
            time.monotonic() - started,
        )

    def _write(self, window: Window, run_id: int) -> tuple[int, int, int]:
        """Rows read, inserted and updated."""
        mode = self.definition["write_mode"]
        file = statement(self.project, mode)
        text = render(file.read_text(encoding="utf-8"), self._values(window, run_id), file)
        if mode == "upsert":
            counts = self.work.query(text, file)[0]
            return counts["read"], counts["inserted"], counts["updated"]
        target = self._names("target_relation").as_string(None)
        before = self.work.changes(target)
        self.work.run(text, file)
        inserted = (self.work.changes(target) - before).inserted
        return inserted, inserted, 0

    def _values(self, window: Window, run_id: int) -> dict[str, Any]:
        names = [sql.Identifier(column.name) for column in self.columns]
        keys = [sql.Identifier(key) for key in self.definition["key_columns"]]
        return {
            "source": self._names("source_relation"),
            "target": self._names("target_relation"),
            "cursor": sql.Identifier(self.definition["cursor_column"]),
            "low": window.low,
            "high": window.high,
            "run_id": run_id,
            "pipeline_id": self.pipeline_id,
            "columns": join(names),
            "source_columns": join([sql.SQL("source.{}").format(name) for name in names]),
            "fresh_columns": join([sql.SQL("fresh.{}").format(name) for name in names]),
            "stored_values": self._comparable("stored"),
            "fresh_values": self._comparable("fresh"),
            "excluded_values": self._comparable("excluded"),
            "keys": join(keys),
            "key_object": join(
                [
                    sql.SQL("{}, stored.{}").format(sql.Literal(key), sql.Identifier(key))
                    for key in self.definition["key_columns"]
                ]
            ),
            "is_same_key": sql.SQL(" and ").join(
                sql.SQL("fresh.{0} = stored.{0}").format(key) for key in keys
            ),
            "assignments": join([sql.SQL("{0} = excluded.{0}").format(name) for name in names]),
        }

    def _comparable(self, alias: str) -> sql.Composed:
        return join(
            [
                sql.SQL("{}.{}{}").format(
                    sql.Identifier(alias),
                    sql.Identifier(column.name),
                    sql.SQL("::text" if column.has_no_equality else ""),
                )
                for column in self.columns
            ]
        )

    def _names(self, which: str) -> sql.Identifier:
        return relation(self.definition[which])


def pipelines(session: Session, name: str | None = None) -> list[dict[str, Any]]:
    """Id and name of the enabled pipelines, or of the one that is named."""
    found = session.rows(queries("pipeline.sql")["pipelines"], {"name": name})
    if name and not found:
        raise UsageError(
            f"there is no pipeline {name}", "table orchestrator.pipeline_definitions lists them"
        )
    return found
