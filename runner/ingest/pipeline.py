"""The controller of one pipeline: which rows come next, in which run, and what is promised."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database import ledger, retry
from runner.database.queries import named_query
from runner.database.session import (
    PIPELINE_LOCK,
    REPLICA_LOCK,
    Database,
    QueryFailed,
    lock_number,
)
from runner.errors import RunnerError, UsageError, was_interrupted
from runner.ingest.columns import stored_columns
from runner.ingest.replica import ensure_replica
from runner.ingest.run import RunTransaction
from runner.ingest.source import NOTHING, Clock, Reach, Source, look, read_clock
from runner.ingest.windows import LARGEST, Pace, Window, Windows
from runner.ingest.writer import Counts

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that is in the replica, with its counts of rows."""

    pipeline: str
    run_id: int
    kind: str
    window: Window
    guarantee: str | None
    seconds: float
    counts: Counts
    notes: list[str]


class IngestionPipeline:
    """Brings the rows of one source into its replica, a run and a transaction at a time."""

    def __init__(self, pipeline_id: int, database: Database, project: Path) -> None:
        self.pipeline_id = pipeline_id
        self.database = database
        self.project = project
        self.pace = Pace()
        self.sweep_pace = Pace(LARGEST)  # as much as goes into one statement
        self.loaded: list[RunResult] = []
        self.warnings: list[str] = []

    def run(
        self,
        wait_seconds: float = 60.0,
        tell: Callable[[RunResult], None] = lambda loaded: None,
        sweep: bool = False,
    ) -> list[RunResult]:
        """Load everything that was committed when this was called; returns the runs, the last may
        be empty. With `sweep` the whole source is looked through for what came late or changed.
        """
        return self._persist(lambda: self._ingest(wait_seconds, sweep), tell)

    def backfill(
        self, low: str, high: str, tell: Callable[[RunResult], None] = lambda loaded: None
    ) -> list[RunResult]:
        """Read [low, high) again, a window at a time. It ends at the watermark at the latest."""
        return self._persist(lambda: self._backfill(low, high), tell)

    def fill_gaps(self, tell: Callable[[RunResult], None] = lambda loaded: None) -> list[RunResult]:
        """Read every gap that undone runs have left."""

        def fill() -> None:
            for low, high in ledger.gaps(self.work, self.pipeline_id):
                self._backfill(low, high)

        return self._persist(fill, tell)

    def reconcile(
        self, tell: Callable[[RunResult], None] = lambda loaded: None, force: bool = False
    ) -> list[RunResult]:
        """Compare the whole replica with its source: what is missing or different is mended, and
        rows that the source no longer has are dealt with as the definition says; if they are most
        of all rows, only by `force`.
        """
        return self._persist(lambda: self._reconcile(force), tell, is_one_run=True)

    def undo(
        self, run_id: int, tell: Callable[[RunResult], None] = lambda loaded: None
    ) -> list[RunResult]:
        """Take back what a run did. Its window is a gap then."""
        return self._persist(lambda: self._undo(run_id), tell, is_one_run=True)

    def warn(self, message: str) -> None:
        """Say something in orchestrator.logs that whoever watches should hear too."""
        self.warnings.append(f"pipeline {self.definition['pipeline_name']}: {message}")
        self.log(message, "warning")

    def log(
        self, message: str, level: str = "info", run_id: int | None = None, **context: Any
    ) -> None:
        """Say something in orchestrator.logs."""
        ledger.log(
            self.evidence, message, level, run_id=run_id, pipeline_id=self.pipeline_id, **context
        )

    def _persist(
        self,
        attempt: Callable[[], None],
        tell: Callable[[RunResult], None],
        is_one_run: bool = False,
    ) -> list[RunResult]:
        """Attempt it until it is done, or until an error that does not pass by itself."""
        self.tell, self.loaded, self.failing, self.failures = tell, [], "", 0
        while True:
            done = len(self.loaded)
            try:
                with self._held():
                    attempt()
                return self.loaded
            except RunnerError as error:
                if was_interrupted(error):
                    raise
                if is_one_run and self.loaded and retry.passes(error, self.failures):
                    return self.loaded  # committed, before the connection was lost
                moved = any(loaded.counts.changed for loaded in self.loaded[done:])
                is_further = moved and self.failing in ("window", "backfill")
                self.failures = 1 if is_further else self.failures + 1
                if self.failures >= retry.ATTEMPTS or not retry.passes(error, self.failures - 1):
                    raise
                if retry.is_timeout(error):
                    is_sweep = self.failing in ("sweep", "reconcile")
                    (self.sweep_pace if is_sweep else self.pace).limit()
                time.sleep(retry.delay(self.failures))

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Sessions, and the locks that say that nobody else is at it."""
        with (
            ledger.sessions(self.database, "milepost ingest") as (work, evidence),
        ):
            self.work, self.evidence = work, evidence
            definition = self._define()
            name, target = definition["pipeline_name"], definition["target_relation"]
            with (
                work.lock(PIPELINE_LOCK, self.pipeline_id, f"an ingest of {name}"),
                # Nobody else writes this replica, under whatever name.
                work.lock(REPLICA_LOCK, lock_number(target), f"an ingest into {target}"),
            ):
                ledger.abandon_windows(self.evidence, self.pipeline_id)
                self.definition = self._define()  # the watermark as it is now that it is ours
                with self._recorded("window", self.definition["watermark"]):
                    self._prepare()
                yield

    def _define(self) -> dict[str, Any]:
        found = self.work.rows(
            named_query("ingest/pipeline.definition"), {"pipeline_id": self.pipeline_id}
        )
        if not found:
            raise UsageError(f"there is no pipeline {self.pipeline_id}")
        return found[0]

    def _prepare(self) -> None:
        """Look at the source; make its replica if there is none."""
        self.source: Source = look(self.work, self.definition, self.project)
        self.watermark: str = self.definition["watermark"]
        self.windows = Windows(self.work, self.source, self.pace)
        is_known = self.definition["is_new"] or self.source.has_key
        if not is_known and not stored_columns(self.work, self.definition):
            raise RunnerError(
                f"pipeline {self.definition['pipeline_name']}: {self.definition['target_relation']}"
                " was dropped, and without a key its rows cannot be found again",
                "name key_columns, or delete the pipeline's rows in orchestrator.runs to load all",
            )
        ensure_replica(self.work, self.definition, self.project)

    def _ingest(self, wait_seconds: float, sweep: bool) -> None:
        with self._recorded("window", self.watermark):
            settled = self._settle(wait_seconds)
        while True:
            with self._recorded("window", self.watermark):
                window = self.windows.next(self.watermark, settled)
            self._load(window)
            self.watermark = window.high
            if window.is_last:
                break
        if self.source.has_key and self._sweep_is_due(sweep):
            self._sweep()
        elif sweep and not self.source.has_key:
            self.warn("nothing was swept: without a key rows cannot be found again")

    def _settle(self, wait_seconds: float) -> str:
        """The bound up to which rows are loaded, read before any snapshot; never before the
        watermark.

        Waits while rows that were there at the start lie above it, but not longer than asked; and
        not for a transaction that has held it for too long, if its rows are found anyway.
        """
        started = time.monotonic()
        clock = self._read_clock()
        now = clock.clock
        self._say_what_is_never_read()
        if clock.is_behind:
            self.warn(
                f"the clock of the source says {now}, and rows up to {self.watermark} were loaded"
                " before: no new ones are read until it gets there"
            )
        while self._exists(self.windows.scopes.window(clock.settled, now)):
            if clock.hold_is_over and self.source.promise(clock).word == "exact":
                self.warn(f"not waited for any longer: {_holder(clock)}")
                return clock.unheld
            if time.monotonic() - started >= wait_seconds:
                self.warn(
                    "rows that an open transaction holds back are left for the next run:"
                    f" {_holder(clock)}"
                )
                break
            time.sleep(POLL_SECONDS)
            clock = self._read_clock()
        return clock.settled

    def _read_clock(self) -> Clock:
        return read_clock(self.work, self.source, self.watermark)

    def _exists(self, scope: sql.Composed) -> bool:
        query = sql.SQL("select exists (select from {} as source where {}) as found")
        return bool(self.work.row(query.format(self.source.relation, scope).as_string())["found"])

    def _say_what_is_never_read(self) -> None:
        """Without a key rows are read in windows only."""
        if self.source.has_key or self.source.cursor.is_required:
            return
        if self._exists(sql.SQL("{} is null").format(self.source.cursor_name)):
            self.warn("rows without a cursor are in the source, and are not read")

    def _load(self, window: Window) -> None:
        """A window, and what came late or changed behind it: with the last, and with the first of
        all, after which horizons count.
        """
        is_first = self.definition["is_new"] and window.low == self.definition["watermark"]
        looks_behind = self.source.has_key and (window.is_last or is_first)

        def move(move: RunTransaction) -> tuple[Counts, Reach]:
            counts = move.fresh(window)
            if not looks_behind:
                return counts, "window"
            return counts + move.behind(window.low), "table" if is_first else "lookback"

        done = self._run("window", window, move)
        self.pace.adapt(done.counts.read, done.seconds)

    def _sweep_is_due(self, is_asked: bool) -> bool:
        """Whether the whole source is to be looked through: because somebody asks, because it is
        time, or because what was known of the replica's rows no longer holds.
        """
        with self._recorded("sweep", "-infinity", self.watermark):
            clock = self._read_clock()
            chain = self.source.chain(clock, self.work)
            horizons = ledger.horizons(self.work, self.definition, chain, clock.next_xid)
        is_due = self.source.has_horizon and horizons["is_due"]
        return is_asked or is_due or not horizons["has_through"]

    def _stretches_of_sweep(self) -> Windows:
        return Windows(self.work, self.source, self.sweep_pace)

    def _sweep(self) -> None:
        def move(move: RunTransaction) -> tuple[Counts, Reach]:
            return move.below(self.watermark, self._stretches_of_sweep(), is_full=False), "table"

        self._run("sweep", Window("-infinity", self.watermark), move)

    def _backfill(self, low: str, high: str) -> None:
        for stretch in self._stretches(low, high):
            self._fill(*stretch)

    def _stretches(self, low: str, high: str) -> list[tuple[str, str]]:
        """What of [low, high) can be filled: without a key only what is a gap."""
        only = "{(,)}"
        if not self.source.has_key:
            gaps = ledger.gaps(self.work, self.pipeline_id)
            only = "{" + ",".join(f"[{start},{end})" for start, end in gaps) + "}"
        values = {
            "low": low,
            "high": high,
            "start": self.definition["start_at"],
            "watermark": self.watermark,
            "only": only,
        }
        try:
            found = self.work.rows(named_query("ingest/pipeline.stretches"), values)
        except QueryFailed as error:
            if not (error.sqlstate or "").startswith("22"):
                raise
            raise UsageError(
                f"{low} to {high} is no stretch of time",
                "the earlier end first, as 2026-05-01 or '2026-05-01 12:00+00'",
            ) from error
        if not found and not self.loaded:
            raise UsageError(
                f"there is nothing to fill between {low} and {high}",
                f"pipeline {self.definition['pipeline_name']} is loaded up to {self.watermark}"
                + ("" if self.source.has_key else ", and without a key only gaps can be filled"),
            )
        return [(stretch["low"], stretch["high"]) for stretch in found]

    def _fill(self, low: str, high: str) -> None:
        # What is still being written there is waited for by nobody: late rows are found later.
        while True:
            with self._recorded("backfill", low, high):
                window = self.windows.next(low, high)
            self._refill(window)
            low = window.high
            if window.is_last:
                break

    def _refill(self, window: Window) -> None:
        done = self._run("backfill", window, lambda move: move.refill(window))
        self.pace.adapt(done.counts.read, done.seconds)

    def _reconcile(self, force: bool) -> None:
        if not self.source.has_key:
            raise UsageError(
                f"pipeline {self.definition['pipeline_name']} has no key to compare rows by",
                "name key_columns in orchestrator.pipeline_definitions",
            )

        def move(move: RunTransaction) -> tuple[Counts, Reach]:
            counts = move.below(self.watermark, self._stretches_of_sweep(), is_full=True)
            return counts + move.deleted(force), "table"

        self._run("reconcile", Window("-infinity", self.watermark), move)

    def _undo(self, run_id: int) -> None:
        values = {"run_id": run_id, "pipeline_id": self.pipeline_id}
        found = self.work.rows(named_query("ingest/pipeline.undoable"), values)
        if not found:
            if self.failures and self.work.rows(named_query("ingest/pipeline.undone"), values):
                return  # by the try before this one, which lost its connection
            raise UsageError(
                f"run {run_id} did not succeed, was undone before, or moved no rows of a source",
                "python -m runner runs lists them",
            )

        def move(move: RunTransaction) -> tuple[Counts, None]:
            counts, left_alone = move.transfer.undo(run_id)
            if left_alone:
                move.notes.append(
                    f"rows that later runs changed again, left to them: {left_alone:,}"
                )
            ledger.undo(self.work, run_id)
            return counts, None

        window = Window(found[0]["low"], found[0]["high"])
        self._run("undo", window, move, parent_run_id=run_id)

    def _run(
        self,
        kind: str,
        window: Window,
        do: Callable[[RunTransaction], tuple[Counts, Reach | None]],
        **values: Any,
    ) -> RunResult:
        """One run in one transaction, its row in the ledger included."""
        started = time.monotonic()
        run_id = ledger.begin(
            self.evidence,
            kind,
            self.work,
            pipeline_id=self.pipeline_id,
            low=window.low,
            high=window.high,
            **values,
        )
        with self._recorded(kind, window.low, window.high, run_id), self.work.transaction():
            move = RunTransaction(self.work, self.source, self.project, run_id, self.watermark)
            counts, scope = do(move)
            # An undo or a backfill looks through nothing that a later run could build on.
            promise = move.source.promise(move.clock, scope) if scope else NOTHING
            if scope:
                if waiting := move.transfer.count_waiting():
                    promise = promise.but(f"{waiting:,} rows that cannot be stored are set aside")
                for gap in move.gaps:
                    promise = promise.but("what was undone is missing: {} to {}".format(*gap))
            ledger.succeed(
                self.work,
                run_id,
                **asdict(counts),
                guarantee=promise.word,
                guarantee_note=promise.sentence,
                horizon=move.clock.horizon,
                horizon_scope=scope,
                horizon_chain=move.chain,
            )
        done = RunResult(
            self.definition["pipeline_name"],
            run_id,
            kind,
            window,
            promise.word,
            time.monotonic() - started,
            counts,
            move.notes,
        )
        self.loaded.append(done)
        self.tell(done)
        for note in move.notes:
            self.log(note, "warning" if counts.rejected else "info", run_id)
        return done

    @contextlib.contextmanager
    def _recorded(
        self, kind: str, low: str, high: str | None = None, run_id: int | None = None
    ) -> Iterator[None]:
        """Leave a failed run when what is inside fails; one that had no run yet gets it then."""
        try:
            yield
        except UsageError:
            raise  # nothing was attempted
        except BaseException as error:
            self.failing = kind
            with contextlib.suppress(RunnerError):
                if run_id is None:
                    run_id = ledger.begin(
                        self.evidence,
                        kind,
                        self.work,
                        pipeline_id=self.pipeline_id,
                        low=low,
                        high=high,
                    )
                ledger.fail(self.evidence, run_id, error)
                self.log(f"{kind} failed: {error}", "error", run_id, low=low, high=high)
            raise


def _holder(clock: Clock) -> str:
    return f"{clock.held_by or 'nobody known'}, since {clock.held_since or 'an unknown time'}"
