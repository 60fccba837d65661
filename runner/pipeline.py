"""The controller of one pipeline: which rows come next, in which run, and what is promised."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from runner import drift, ledger, retry
from runner.database import PIPELINE_LOCK, REPLICA_LOCK, Database, Session, lock_number
from runner.errors import RunnerError, UsageError
from runner.ledger import Ledger
from runner.queries import queries
from runner.replica import ensure_replica, stored_columns
from runner.scope import Scopes
from runner.source import NOTHING, Clock, Scope, Source, look, read_clock
from runner.template import render
from runner.transfer import Counts, Transfer
from runner.windows import Pace

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of the cursor, [low, high), as text: the ends may be infinite.

    `share` is how much of the way to the settled bound is done with it, from 0 to 1.
    """

    low: str
    high: str
    is_last: bool = True
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run that is in the replica, with its counts of rows."""

    pipeline: str
    run_id: int
    kind: str
    window: Window
    guarantee: str | None
    seconds: float
    counts: Counts
    notes: list[str]


class Move:
    """One run inside its transaction: its snapshot, its scopes, its moves."""

    def __init__(self, pipeline: IngestionPipeline, run_id: int) -> None:
        work = pipeline.work
        # If the server dies, the rows and the watermark are lost together.
        work.run("set local synchronous_commit = off")
        # The first statement takes the snapshot that all others read, here and in a foreign server.
        self.clock = read_clock(work, pipeline.source, pipeline.watermark)
        self.columns, self.notes = pipeline.follow_drift()
        self.source = pipeline.source
        self.chain = self.source.chain(self.clock, work)
        self.horizons = pipeline.horizons(self.chain, self.clock)
        self.scopes = Scopes(work, self.source, self.clock, pipeline.gaps())
        self.transfer = Transfer(work, self.source, pipeline.project, run_id, self.columns)

    def fresh(self, window: Window) -> Counts:
        """The rows of a window."""
        scope = self.scopes.window(window.low, window.high)
        is_append = self.source.definition["write_mode"] == "append"
        if is_append and not self.source.reads_hours_twice:
            return self.transfer.append(scope)
        return self.transfer.merge(scope)

    def behind(self, low: str) -> Counts:
        """What came late or changed in the lookback, and odd rows."""
        horizon = self.horizons["behind"]
        counts = self.transfer.merge(
            self.scopes.written_since(self.scopes.behind(low), horizon)
        ) + self._odd(horizon)
        self._tell_late(counts, "in the lookback")
        return counts

    def refill(self, window: Window) -> tuple[Counts, None]:
        """The rows of a window that was read before, or of a gap."""
        scope = self.scopes.window(window.low, window.high)
        fill = self.transfer.merge if self.source.has_key else self.transfer.append
        return fill(scope), None

    def deleted(self) -> Counts:
        """What the source no longer has."""
        rows, sample = self.transfer.find_deleted()
        policy = self.source.definition["on_delete"]
        if not rows:
            return Counts()
        done = {"report": "left", "mark": "marked", "apply": "deleted"}[policy]
        self.notes.append(
            f"{rows:,} rows are no longer in the source, {done}; for example {sample}"
        )
        if policy == "report":
            return Counts()
        return self.transfer.mark_deleted() if policy == "mark" else self.transfer.apply_deletes()

    def below(self, high: str, is_full: bool) -> Counts:
        """What came late or changed anywhere, and odd rows; all that differs if `is_full`."""
        horizon = None if is_full else self.horizons["through"]
        counts = self.transfer.merge(
            self.scopes.written_since(self.scopes.below(high), horizon)
        ) + self._odd(horizon)
        self._tell_late(counts, "in the whole table")
        return counts

    def _odd(self, horizon: int | None) -> Counts:
        scope = self.scopes.written_since(self.scopes.odd(), horizon)
        policy = self.source.definition["odd_cursors"]
        if policy == "include":
            return self.transfer.merge(scope)
        name = self.source.definition["pipeline_name"]
        reason = f"{self.source.cursor.name} is null, infinite or over a day ahead"
        if policy == "quarantine":
            return self.transfer.reject(scope, reason)
        if rows := self.transfer.count(scope):
            raise RunnerError(
                f"pipeline {name}: {rows:,} rows whose {reason}",
                "mend them in the source, or choose another policy in odd_cursors",
            )
        return Counts()

    def _tell_late(self, counts: Counts, where: str) -> None:
        found = {"late": counts.inserted, "changed": counts.updated, "unfit": counts.rejected}
        told = [f"{rows:,} {what}" for what, rows in found.items() if rows]
        if told:
            self.notes.append(f"rows found {where}: {', '.join(told)}")


class IngestionPipeline:
    """Brings the rows of one source into its replica, a run and a transaction at a time."""

    def __init__(self, pipeline_id: int, database: Database, project: Path) -> None:
        self.pipeline_id = pipeline_id
        self.database = database
        self.project = project
        self.pace = Pace()
        self.loaded: list[Loaded] = []

    def run(
        self,
        wait_seconds: float = 60.0,
        tell: Callable[[Loaded], None] = lambda loaded: None,
        sweep: bool = False,
    ) -> list[Loaded]:
        """Load everything that was committed when this was called; returns the runs, the last may
        be empty. With `sweep` the whole source is looked through for what came late or changed.
        """
        return self._persist(lambda: self._ingest(wait_seconds, sweep), tell)

    def backfill(
        self, low: str, high: str, tell: Callable[[Loaded], None] = lambda loaded: None
    ) -> list[Loaded]:
        """Read [low, high) again, a window at a time. It ends at the watermark at the latest."""
        return self._persist(lambda: self._backfill(low, high), tell)

    def fill_gaps(self, tell: Callable[[Loaded], None] = lambda loaded: None) -> list[Loaded]:
        """Read every gap that undone runs have left."""

        def fill() -> None:
            for low, high in self.gaps():
                self._backfill(low, high)

        return self._persist(fill, tell)

    def reconcile(self, tell: Callable[[Loaded], None] = lambda loaded: None) -> list[Loaded]:
        """Compare the whole replica with its source: what is missing or different is mended, and
        rows that the source no longer has are dealt with as the definition says.
        """
        return self._persist(self._reconcile, tell)

    def undo(
        self, run_id: int, tell: Callable[[Loaded], None] = lambda loaded: None
    ) -> list[Loaded]:
        """Take back what a run did. Its window is a gap then."""
        return self._persist(lambda: self._undo(run_id), tell)

    def log(
        self, message: str, level: str = "info", run_id: int | None = None, **context: Any
    ) -> None:
        """Say something in orchestrator.logs."""
        self.book.log(message, level, run_id=run_id, pipeline_id=self.pipeline_id, **context)

    def follow_drift(self) -> tuple[list[str], list[str]]:
        """Bring the replica to the columns of the source, in the transaction that is open. The
        columns of the replica but for _run_id, and what was done, a sentence each.
        """
        stored = stored_columns(self.work, self.definition)
        plan = drift.plan(self.work, self.definition, self.source.columns, stored)
        drift.apply(self.work, plan)
        names = [column.name for column in [*stored, *self.source.columns]]
        return [name for name in dict.fromkeys(names) if name != drift.RUN_ID], list(plan.sentences)

    def _persist(self, attempt: Callable[[], None], tell: Callable[[Loaded], None]) -> list[Loaded]:
        """Attempt it until it is done, or until an error that does not pass by itself."""
        self.tell, failures = tell, 0
        while True:
            done = len(self.loaded)
            try:
                with self._held():
                    attempt()
                return self.loaded
            except RunnerError as error:
                failures = 1 if len(self.loaded) > done else failures + 1
                if failures >= retry.ATTEMPTS or not retry.passes(error, failures - 1):
                    raise
                if retry.is_timeout(error):
                    self.pace.halve()
                time.sleep(retry.delay(failures))

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Sessions, and the locks that say that nobody else is at it."""
        with (
            self.database.session("milepost ingest") as work,
            self.database.session("milepost ingest, evidence") as evidence,
        ):
            self.database.refuse_pooler(work, evidence)
            self.work, self.book = work, Ledger(evidence)
            definition = self._define()
            name, target = definition["pipeline_name"], definition["target_relation"]
            with (
                work.lock(PIPELINE_LOCK, self.pipeline_id, f"an ingest of {name}"),
                # Nobody else writes this replica, under whatever name.
                work.lock(REPLICA_LOCK, lock_number(target), f"an ingest into {target}"),
            ):
                self.book.abandon_windows(self.pipeline_id)
                self.definition = self._define()  # the watermark as it is now that it is ours
                with self._recorded("window", self.definition["watermark"]):
                    self._prepare()
                yield

    def _define(self) -> dict[str, Any]:
        found = self.work.rows(
            queries("pipeline.sql")["definition"], {"pipeline_id": self.pipeline_id}
        )
        if not found:
            raise UsageError(f"there is no pipeline {self.pipeline_id}")
        return found[0]

    def _prepare(self) -> None:
        """Look at the source; make its replica if there is none."""
        self.source: Source = look(self.work, self.definition, self.project)
        self.watermark: str = self.definition["watermark"]
        self.origin: str | None = None  # where the first window with rows began
        is_made = ensure_replica(self.work, self.definition, self.project)
        if is_made and not self.definition["is_new"] and not self.source.has_key:
            raise RunnerError(
                f"pipeline {self.definition['pipeline_name']}: {self.definition['target_relation']}"
                " was dropped, and without a key its rows cannot be found again",
                "name key_columns, or delete the pipeline's rows in orchestrator.runs to load all",
            )

    def _ingest(self, wait_seconds: float, sweep: bool) -> None:
        with self._recorded("window", self.watermark):
            settled = self._settle(wait_seconds)
        while True:
            with self._recorded("window", self.watermark):
                window = self._next_window(self.watermark, settled)
            self._load(window)
            self.watermark = window.high
            if window.is_last:
                break
        if self.source.has_key and self._sweep_is_due(sweep):
            self._sweep()

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
            self.log(
                f"the clock of the source says {now}, and rows up to {self.watermark} were loaded"
                " before: no new ones are read until it gets there",
                "warning",
            )
        while self._exists(self._scopes().window(clock.settled, now)):
            if clock.hold_is_over and self.source.promise(clock).word == "exact":
                self.log(f"not waited for any longer: {_holder(clock)}", "warning")
                return clock.unheld
            if time.monotonic() - started >= wait_seconds:
                self.log(
                    "rows that an open transaction holds back are left for the next run:"
                    f" {_holder(clock)}",
                    "warning",
                )
                break
            time.sleep(POLL_SECONDS)
            clock = self._read_clock()
        return clock.settled

    def _read_clock(self) -> Clock:
        return read_clock(self.work, self.source, self.watermark)

    def _scopes(self) -> Scopes:
        return Scopes(self.work, self.source, None, [])

    def _exists(self, scope: sql.Composed) -> bool:
        query = sql.SQL("select exists (select from {} as source where {}) as found")
        return bool(self.work.row(query.format(self.source.relation, scope).as_string())["found"])

    def _say_what_is_never_read(self) -> None:
        """Without a key rows are read in windows only."""
        if self.source.has_key or self.source.cursor.is_required:
            return
        if self._exists(sql.SQL("{} is null").format(self.source.cursor_name)):
            self.log("rows without a cursor are in the source, and are not read", "warning")

    def _next_window(self, low: str, settled: str) -> Window:
        """The next window: it begins at the watermark, jumps over what is empty, and takes what
        fits.
        """
        while True:
            window = self._propose(low, settled)
            if not self.pace.is_too_many(self._estimate(low, window.high)):
                return window
            self.pace.halve()

    def _estimate(self, low: str, high: str) -> int:
        """How many rows the planner expects, from its statistics."""
        query = sql.SQL("explain (format json) select from {} as source where {}")
        text = query.format(self.source.relation, self._scopes().window(low, high)).as_string()
        plan = self.work.row(text)["QUERY PLAN"]
        return int(plan[0]["Plan"]["Plan Rows"])

    def _propose(self, low: str, settled: str) -> Window:
        cursor, zone = self.source.cursor_name, self.definition["cursor_timezone"]
        scope = self._scopes().window(low, settled)
        if self.source.is_postgres:  # a window from -infinity has those rows too
            scope = sql.SQL("{} and {} > '-infinity'").format(scope, cursor)
        values = {
            "source": self.source.relation,
            "scope": scope,
            "cursor": cursor,
            "moment": sql.SQL("({} at time zone {})").format(cursor, sql.Literal(zone))
            if self.source.is_naive
            else cursor,
        }
        text = render(queries("pipeline.sql")["next_window"], values, "pipeline.sql")
        found = self.work.row(
            text,
            {
                "low": low,
                "settled": settled,
                "origin": self.origin,
                "size": self.definition["window_size"],
                "share": self.pace.share,
            },
        )
        self.origin = self.origin or found["moment"]
        return Window(low, found["high"], found["is_last"], float(found["share"]))

    def _load(self, window: Window) -> None:
        """A window, and what came late or changed behind it: with the last, and with the first of
        all, after which horizons count.
        """
        is_first = self.definition["is_new"] and window.low == self.definition["watermark"]
        looks_behind = self.source.has_key and (window.is_last or is_first)

        def move(move: Move) -> tuple[Counts, Scope]:
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
            horizons = self.horizons(self.source.chain(clock, self.work), clock)
        is_due = self.source.has_horizon and horizons["is_due"]
        return is_asked or is_due or not horizons["has_through"]

    def _sweep(self) -> None:
        def move(move: Move) -> tuple[Counts, Scope]:
            return move.below(self.watermark, is_full=False), "table"

        self._run("sweep", Window("-infinity", self.watermark), move)

    def _backfill(self, low: str, high: str) -> None:
        with self._recorded("backfill", low, high):
            self._settle(0.0)
            gaps = ",".join(f"[{low},{high})" for low, high in self.gaps())
            values = {
                "low": low,
                "high": high,
                "watermark": self.watermark,
                "gaps": f"{{{gaps}}}",
            }
            edges = self.work.row(queries("pipeline.sql")["backfill"], values)
            if edges["is_empty"]:
                raise UsageError(
                    f"nothing lies between {low} and {high}",
                    f"pipeline {self.definition['pipeline_name']} is loaded up to {self.watermark}",
                )
            if not self.source.has_key and not edges["is_gap"]:
                raise UsageError(
                    f"without a key only gaps can be filled, and {low} to {high} is none",
                    f"python -m runner pipelines show {self.definition['pipeline_name']}",
                )
        low, high = edges["low"], edges["high"]
        while True:
            with self._recorded("backfill", low, high):
                window = self._next_window(low, high)
            self._refill(window)
            low = window.high
            if window.is_last:
                break

    def _refill(self, window: Window) -> None:
        done = self._run("backfill", window, lambda move: move.refill(window))
        self.pace.adapt(done.counts.read, done.seconds)

    def _reconcile(self) -> None:
        if not self.source.has_key:
            raise UsageError(
                f"pipeline {self.definition['pipeline_name']} has no key to compare rows by",
                "name key_columns in orchestrator.pipeline_definitions",
            )

        def move(move: Move) -> tuple[Counts, Scope]:
            return move.below(self.watermark, is_full=True) + move.deleted(), "table"

        self._run("reconcile", Window("-infinity", self.watermark), move)

    def _undo(self, run_id: int) -> None:
        values = {"run_id": run_id, "pipeline_id": self.pipeline_id}
        found = self.work.rows(queries("pipeline.sql")["undoable"], values)
        if not found:
            raise UsageError(
                f"run {run_id} did not succeed, was undone before, or moved no rows of a source",
                "python -m runner runs lists them",
            )

        def move(move: Move) -> tuple[Counts, None]:
            counts = move.transfer.undo(run_id)
            ledger.undo(self.work, run_id)
            return counts, None

        window = Window(found[0]["low"], found[0]["high"])
        self._run("undo", window, move, parent_run_id=run_id)

    def gaps(self) -> list[tuple[str, str]]:
        """Windows that were undone and not filled again."""
        values = {"pipeline_id": self.pipeline_id}
        found = self.work.rows(queries("pipeline.sql")["gaps"], values)
        return [(gap["low"], gap["high"]) for gap in found]

    def horizons(self, chain: str, clock: Clock) -> dict[str, Any]:
        """Where the search for late rows can start from, and whether a sweep is due."""
        return self.work.row(
            queries("pipeline.sql")["horizons"],
            {
                "pipeline_id": self.pipeline_id,
                "chain": chain,
                "next_xid": clock.next_xid,
                "sweep_every": self.definition["sweep_every"],
            },
        )

    def _run(
        self,
        kind: str,
        window: Window,
        do: Callable[[Move], tuple[Counts, Scope | None]],
        **values: Any,
    ) -> Loaded:
        """One run in one transaction, its row in the ledger included."""
        started = time.monotonic()
        run_id = self.book.begin(
            kind,
            self.work,
            pipeline_id=self.pipeline_id,
            low=window.low,
            high=window.high,
            **values,
        )
        with self._recorded(kind, window.low, window.high, run_id), self.work.transaction():
            move = Move(self, run_id)
            counts, scope = do(move)
            # An undo or a backfill looks through nothing that a later run could build on.
            promise = move.source.promise(move.clock, scope) if scope else NOTHING
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
        done = Loaded(
            self.definition["pipeline_name"],
            run_id,
            kind,
            window,
            promise.word,
            time.monotonic() - started,
            counts,
            move.notes,
        )
        for note in move.notes:
            self.log(note, "warning" if counts.rejected else "info", run_id)
        self.loaded.append(done)
        self.tell(done)
        return done

    @contextlib.contextmanager
    def _recorded(
        self, kind: str, low: str, high: str | None = None, run_id: int | None = None
    ) -> Iterator[None]:
        """Leave a failed run when what is inside fails; one that had no run yet gets it then."""
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(RunnerError):
                if run_id is None:
                    run_id = self.book.begin(
                        kind, self.work, pipeline_id=self.pipeline_id, low=low, high=high
                    )
                self.book.fail(run_id, error)
                self.log(f"{kind} failed: {error}", "error", run_id, low=low, high=high)
            raise


def _holder(clock: Clock) -> str:
    return f"{clock.held_by or 'nobody known'}, since {clock.held_since or 'an unknown time'}"


def pipelines(session: Session, name: str | None = None) -> list[dict[str, Any]]:
    """Id and name of the enabled pipelines, or of the one that is named."""
    found = session.rows(queries("pipeline.sql")["pipelines"], {"name": name})
    if name and not found:
        raise UsageError(
            f"there is no pipeline {name}", "table orchestrator.pipeline_definitions lists them"
        )
    return found
