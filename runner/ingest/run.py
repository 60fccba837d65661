"""What one run of a pipeline does inside its transaction."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from runner.database import ledger
from runner.database.session import Session
from runner.errors import RunnerError
from runner.ingest import drift
from runner.ingest.columns import RUN_ID, stored_columns
from runner.ingest.conditions import Conditions
from runner.ingest.source import Source, read_clock
from runner.ingest.windows import Window, Windows
from runner.ingest.writer import Counts, ReplicaWriter

# More deletes than this, and than what stays, look like a source that was emptied by mistake.
FEW_ROWS = 100


class RunTransaction:
    """One run inside its transaction: its snapshot, its scopes, its moves."""

    def __init__(
        self, work: Session, source: Source, project: Path, run_id: int, watermark: str
    ) -> None:
        # If the server dies, the rows and the watermark are lost together.
        work.run("set local synchronous_commit = off")
        if source.kind != "foreign":
            # Before the snapshot: a table that is being rewritten is empty to an older one.
            work.run(
                sql.SQL("lock table {} in access share mode").format(source.relation).as_string()
            )
        # The first statement takes the snapshot that all others read, here and in a foreign server.
        self.clock = read_clock(work, source, watermark)
        self.source = source
        columns, self.notes = self._follow_drift(work)
        self.chain = source.chain(self.clock, work)
        definition = source.definition
        self.horizons = ledger.horizons(work, definition, self.chain, self.clock.next_xid)
        self.gaps = ledger.gaps(work, definition["pipeline_id"])
        self.scopes = Conditions(work, source, self.clock, self.gaps)
        self.transfer = ReplicaWriter(work, source, project, run_id, columns)

    def fresh(self, window: Window) -> Counts:
        """The rows of a window."""
        scope = self.scopes.window(window.low, window.high)
        definition = self.source.definition
        is_append = definition["write_mode"] == "append" or definition["is_new"]
        if is_append and not self.source.reads_hours_twice:
            return self.transfer.append(scope)
        return self.transfer.merge(scope)

    def behind(self, low: str) -> Counts:
        """What came late or changed in the lookback, and odd rows."""
        horizon = self.horizons["behind"]
        scope = self.scopes.behind(low, self.horizons["behind_high"])
        counts = self._merge(self.scopes.written_since(scope, horizon)) + self._odd(horizon)
        self._tell_late(counts, "in the lookback")
        return counts

    def refill(self, window: Window) -> tuple[Counts, None]:
        """The rows of a window that was read before, or of a gap."""
        scope = self.scopes.window(window.low, window.high)
        fill = self.transfer.merge if self.source.has_key else self.transfer.append
        return fill(scope), None

    def deleted(self, is_forced: bool) -> Counts:
        """What the source no longer has."""
        rows, kept, sample = self.transfer.find_deleted()
        policy = self.source.definition["on_delete"]
        if not rows:
            return Counts()
        done = {"report": "left", "mark": "marked", "apply": "deleted"}[policy]
        self.notes.append(
            f"{rows:,} rows are no longer in the source, {done}; for example {sample}"
        )
        if policy == "report":
            return Counts()
        # A foreign table cannot be locked against its being emptied just now.
        is_emptied = self.source.kind == "foreign" and not kept
        if (is_emptied or rows > max(kept, FEW_ROWS)) and not is_forced:
            name, target = (
                self.source.definition[key] for key in ("pipeline_name", "target_relation")
            )
            raise RunnerError(
                f"pipeline {name}: {rows:,} of {rows + kept:,} rows of {target} are no longer in"
                f" the source; so many are not {done} by themselves",
                f"if the source is right: python -m runner reconcile {name} --force",
            )
        return self.transfer.mark_deleted() if policy == "mark" else self.transfer.apply_deletes()

    def below(self, high: str, windows: Windows, is_full: bool) -> Counts:
        """What came late or changed anywhere, and odd rows; all that differs if `is_full`."""
        horizon = None if is_full else self.horizons["through"]
        counts = self._odd(horizon)
        low = self.source.definition["start_at"]
        while True:  # a stretch and a statement at a time, in one snapshot
            window = windows.next(low, high)
            scope = self.scopes.window_but_gaps(low, window.high)
            counts += self._merge(self.scopes.written_since(scope, horizon))
            low = window.high
            if window.is_last:
                break
        self._tell_late(counts, "in the whole table")
        for gap in self.gaps:
            self.notes.append("left out, since it was undone: {} to {}".format(*gap))
        return counts

    def _tell_late(self, counts: Counts, where: str) -> None:
        found = {"late": counts.inserted, "changed": counts.updated, "unfit": counts.rejected}
        told = [f"{rows:,} {what}" for what, rows in found.items() if rows]
        if told:
            self.notes.append(f"rows found {where}: {', '.join(told)}")

    def _merge(self, scope: sql.Composed) -> Counts:
        """Mostly there is nothing."""
        return self.transfer.merge(scope) if self.transfer.count(scope) else Counts()

    def _odd(self, horizon: int | None) -> Counts:
        scope = self.scopes.written_since(self.scopes.odd(), horizon)
        policy = self.source.definition["odd_cursors"]
        if policy == "include":
            return self._merge(scope)
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

    def _follow_drift(self, work: Session) -> tuple[list[str], list[str]]:
        """Bring the replica to the columns of the source. The columns of the replica but for
        _run_id, and what was done, a sentence each.
        """
        definition = self.source.definition
        stored = stored_columns(work, definition)
        plan = drift.plan(work, definition, self.source.columns, stored)
        drift.apply(work, plan)
        names = dict.fromkeys(column.name for column in [*stored, *self.source.columns])
        return [name for name in names if name != RUN_ID], list(plan.sentences)
