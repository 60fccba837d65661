"""Deletes what is no longer needed: old runs and their records, earlier versions of rows that every
target has consumed, and tables whose scripts are no longer in the manifest. Queries: prune.sql.

What an ingest, a build, a repair or `status` may still need stays, however old it is.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from runner.build.owner import check_owner
from runner.database import ledger
from runner.database.ledger import LeftTable
from runner.database.session import (
    LOCK_NOT_AVAILABLE,
    Database,
    LockHeld,
    QueryFailed,
    Row,
    Session,
)
from runner.database.tables import count
from runner.errors import RunnerError, UsageError
from runner.project.manifest import Manifest
from runner.project.target import Target
from runner.setup.migrations import nothing_running

# In the order in which rows are deleted: runs last, since others refer to them.
DETAILS = ("check_results", "observations", "restatements")
TABLES = ("replaced_rows", "rejected_rows", "build_inputs", *DETAILS, "logs", "alerts", "runs")
DEPENDENTS = "2BP01"
WAIT_SECONDS = 60.0
LOCK_TIMEOUT = "2s"  # while a drop or rewrite waits for a lock, readers wait behind it


@dataclass(frozen=True, slots=True)
class Pruned:
    """A table of the ledger: how many of its rows are deleted, and its size before and after."""

    table: str
    deleted: int
    rows: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What was deleted, or would be."""

    tables: tuple[Pruned, ...] = ()
    dropped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # tables that could not be dropped, each with what depends on it
    undoable_after: dict[str, int] = field(default_factory=dict)
    # Targets and their last build: earlier versions of rows stay until every target consumed them.
    waiting: tuple[tuple[str, str], ...] = ()

    @property
    def deleted(self) -> int:
        return sum(each.deleted for each in self.tables)


@dataclass(frozen=True, slots=True)
class Pruner:
    """Prunes one database. LockHeld if an ingest or build does not end within a minute."""

    database: Database
    manifest: Manifest
    days: int | None = None  # the age from which rows are deleted; None: none are
    target: Target | None = None  # a target to drop

    def rehearse(self) -> PruneResult:
        """Return what `prune` would do, and change nothing."""
        with self._session() as session, session.rehearsal():
            return self._prune(session)

    def prune(self) -> PruneResult:
        """Prune in one transaction, then vacuum."""
        with self._session() as session:
            with session.transaction():
                done = self._prune(session)
            for table in done.tables:
                if table.deleted:
                    _vacuum(session, table)
            sizes = _sizes(session)
        tables = (replace(each, bytes_after=sizes[each.table]) for each in done.tables)
        return replace(done, tables=tuple(tables))

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        """Hold the locks of all ingests and builds. A prune may be scheduled, so wait some time."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self.database.session("milepost prune") as session, contextlib.ExitStack() as locks:
            ledger.require(session)
            for target in filter(None, (Target(), self.target)):
                check_owner(session, self.manifest, target)
            while True:
                try:
                    locks.enter_context(nothing_running(session))
                    break
                except LockHeld:
                    if time.monotonic() > deadline:
                        raise
                time.sleep(0.5)
            yield session

    def _prune(self, session: Session) -> PruneResult:
        session.run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        if self.target:
            # Only that: the manifest of a branch may lack scripts that are built in other targets.
            found = PruneResult(dropped=(self._drop_target(session, self.target),))
        else:
            found = self._drop_left(session)
        if self.days is None:
            return found
        sizes, before = _sizes(session), _counts(session)
        self._delete(session, self.days)
        after = _counts(session)
        tables = tuple(
            Pruned(name, before[name] - after[name], before[name], sizes[name], sizes[name])
            for name in TABLES
        )
        known = session.named("setup/prune.undoable_after")
        waiting = session.named("setup/prune.last_builds")
        return replace(
            found,
            tables=tables,
            undoable_after={row["pipeline_name"]: row["run_id"] for row in known},
            waiting=tuple((row["target"], row["built_at"]) for row in waiting),
        )

    def _delete(self, session: Session, days: int) -> None:
        def run(name: str, **values: object) -> list[Row]:
            return session.named(f"setup/prune.{name}", **values)

        age = "select (now() - make_interval(days => %(days)s))::text"
        cutoff = session.value(age, {"days": days})
        run("thresholds", cutoff=cutoff)
        images = run("delete_images")
        run("delete_rejects", cutoff=cutoff)
        run("delete_inputs", cutoff=cutoff)
        run("needed_of_pipelines")
        run("needed_of_builds")
        run("doomed", cutoff=cutoff)
        session.run("create unique index on pg_temp.doomed (run_id); analyze pg_temp.doomed")
        run(
            "remember",
            pipelines=[row["pipeline_id"] for row in images],
            runs=[row["run_id"] for row in images],
        )
        run("delete_logs", cutoff=cutoff)
        run("delete_alerts", cutoff=cutoff)
        for table in (*DETAILS, "runs"):
            session.run(
                f"delete from orchestrator.{table} as old using pg_temp.doomed as doomed"
                " where doomed.run_id = old.run_id"
            )

    def _drop_left(self, session: Session) -> PruneResult:
        """Drop the tables whose scripts were removed, unless something else depends on them."""
        live, scripts = Target().name, self.manifest.scripts
        found = ledger.left_tables(session, live, scripts)
        refused = _drop(session, [_named(table) for table in found])
        session.named("database/ledger.forget_left", target=live, scripts=list(scripts))
        dropped = [table.table_name for table in found if _named(table) not in refused]
        return PruneResult(dropped=tuple(dropped), kept=tuple(refused.values()))

    def _drop_target(self, session: Session, target: Target) -> str:
        """Drop a target. RunnerError if something else is in its schemas or depends on it."""
        if target.is_live:
            hint = "name another target"
            raise UsageError("live is what readers see, and cannot be dropped", hint)
        # With no scripts that stay, all tables that were built in it are left over.
        found = ledger.left_tables(session, target.name, [])
        if not found:
            hint = "python -m runner plan lists them"
            raise UsageError(f"there is no target {target.name}", hint)
        schemas, live = target.schemas, Target().schemas
        others = session.named("setup/prune.made_with_layers", schemas=schemas, live_schemas=live)
        made = [
            row["name"]
            for row in others
            if not row["table_name"] or count(session, row["table_name"], 1) == 0
        ]
        refused = _drop(session, [*map(_named, found), *made])
        left = session.named("setup/prune.relations", schemas=schemas)
        strangers = [row["name"] for row in left]
        if refused or strangers:
            why = "; ".join(refused.values()) or f"no build has made {', '.join(strangers)}"
            hint = "move what you still need, drop the rest, and try again"
            raise RunnerError(f"target {target.name} was not dropped: {why}", hint)
        for schema in reversed(target.schemas):
            session.run(f"drop schema if exists {schema}")
        session.named("setup/prune.forget_target", target=target.name)
        return f"target {target.name}"


def _named(table: LeftTable) -> str:
    return f"{'view' if table.is_view else 'table'} {table.table_name}"


def _drop(session: Session, things: Sequence[str]) -> dict[str, str]:
    """Drop things in any order that works; return those that stay, each with what depends on it."""
    left, count = {thing: "" for thing in things}, -1
    while left and len(left) != count:
        count = len(left)
        for thing in list(left):
            try:
                with session.savepoint():
                    session.run(f"drop {thing}")
                del left[thing]
            except QueryFailed as error:
                if error.sqlstate != DEPENDENTS:
                    raise
                left[thing] = f"{thing}: {error.reason.partition(': ')[2] or error.reason}"
    return left


def _counts(session: Session) -> dict[str, int]:
    return {
        name: int(session.value(f"select count(*) from orchestrator.{name}")) for name in TABLES
    }


def _sizes(session: Session) -> dict[str, int]:
    names = [f"orchestrator.{name}" for name in TABLES]
    rows = session.named("setup/prune.sizes", tables=names)
    return {row["table_name"].partition(".")[2]: row["bytes"] for row in rows}


def _vacuum(session: Session, table: Pruned) -> None:
    """Vacuum a table: in full if half of its rows are gone, unless somebody reads it."""
    if table.deleted * 2 >= table.rows:
        session.run(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        try:
            session.run(f"vacuum (full, analyze) orchestrator.{table.table}")
            return
        except QueryFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
    session.run(f"vacuum (analyze) orchestrator.{table.table}")
