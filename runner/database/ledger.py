"""The ledger: the rows of orchestrator.* that record runs, their results and their errors.

Every function takes a session first. `evidence` is in autocommit, so that its rows survive a
rollback; rows written on `work` commit with the data of its transaction. Queries: ledger.sql.
"""

import contextlib
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runner.database.session import Changes, Database, QueryFailed, Row, Session, host
from runner.database.version import require as require
from runner.errors import RunnerError, was_interrupted

# A transaction that holds a row exclusive lock on this table is a build's. Any role can take an
# advisory lock or an application name; this lock needs the privilege to write the ledger.
BUILD_MARK = "orchestrator.built_scripts"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a target has consumed the runs of a pipeline: a build reads those after `after`, up
    to `through`.

    `storage_file` is the file that holds the rows of the replica, and `was_recreated` is whether
    the last build read another one. `has_forgotten` is whether rows were erased since then, which
    no change set shows. Rows written before the day `archived_before` are archived:
    `archived_rows` of them.
    """

    pipeline_id: int
    after: int
    through: int
    storage_file: int | None = None
    was_recreated: bool = False
    has_forgotten: bool = False
    archived_before: str | None = None
    archived_rows: int = 0

    @property
    def has_new(self) -> bool:
        """Whether there are runs that the target has not consumed."""
        return self.through > self.after


@dataclass(frozen=True, slots=True)
class Horizons:
    """The oldest transactions that were open in earlier runs: only rows that these or later ones
    wrote have to be searched again.

    `lookback` is that of the newest run that searched the lookback, and `lookback_high` where its
    window ended; `table` is that of the newest run that searched the whole table. `has_table` is
    whether that search is still valid, `is_due` whether it is older than sweep_every, and
    `search_seconds` how long the last one that was timed took.
    """

    lookback: int | None
    lookback_high: str | None
    table: int | None
    has_table: bool
    is_due: bool
    search_seconds: float | None = None


@contextlib.contextmanager
def sessions(database: Database, name: str) -> Iterator[tuple[Session, Session]]:
    """Open a session for work and one for evidence, which survives a rollback of the work."""
    with database.session(name) as work, database.session(f"{name}, evidence") as evidence:
        database.refuse_pooler(work, evidence)
        # Our own work may hold the lock on a row, and cannot end while this waits. Rather than wait
        # for ever, leave it to the next run to record what has happened.
        evidence.run("set lock_timeout = '2s'")
        require(evidence)
        yield work, evidence


def begin(evidence: Session, kind: str, work: Session, **values: Any) -> int:
    """Record that a run begins; return its run_id."""
    given = dict.fromkeys(("pipeline_id", "target", "script", "parent_run_id", "low", "high"))
    who = {"host": host(), "backend_pid": work.backend_pid}
    [run] = _rows(evidence, "begin_run", kind=kind, **who, **{**given, **values})
    return int(run["run_id"])


def fail(evidence: Session, run_id: int, error: BaseException) -> None:
    """Record that a run failed. Never raises: the error that is being raised matters more."""
    with contextlib.suppress(RunnerError):
        _rows(evidence, "fail", run_id=run_id, **_reason(error))


def skip(
    evidence: Session, error: RunnerError, pipeline_id: int | None = None, target: str | None = None
) -> None:
    """Record that a window, or the build of a target, was skipped, as another holds its lock."""
    kind = "window" if target is None else "build"
    values = {"pipeline_id": pipeline_id, "target": target, "error": error.message}
    _rows(evidence, "skip", kind=kind, host=host(), **values)


def abandon_windows(evidence: Session, pipeline_id: int) -> None:
    """Mark running runs of a pipeline as abandoned. The caller holds its lock: they are dead."""
    _rows(evidence, "abandon_windows", pipeline_id=pipeline_id)


def abandon_builds(evidence: Session, target: str) -> None:
    """Mark running builds of a target, and their scripts, as abandoned. Needs its lock too."""
    _rows(evidence, "abandon_builds", target=target)
    _rows(evidence, "roll_back_scripts", target=target)


def log(
    evidence: Session,
    message: str,
    level: str = "info",
    run_id: int | None = None,
    pipeline_id: int | None = None,
    **context: Any,
) -> None:
    """Write a row of orchestrator.logs; `context` is stored as JSON."""
    about = {"run_id": run_id, "pipeline_id": pipeline_id}
    text = json.dumps(context, default=str)
    _rows(evidence, "log", level=level, message=message, context=text, **about)


def log_failure(
    evidence: Session, what: str, error: BaseException, run_id: int | None, **context: Any
) -> None:
    """Write to orchestrator.logs that something failed, or that a person has interrupted it."""
    if was_interrupted(error):
        log(evidence, f"{what} interrupted", "warning", run_id, **context)
    else:
        hint = error.hint if isinstance(error, RunnerError) else None
        more: dict[str, Any] = {"hint": hint} if hint else {}
        log(evidence, f"{what} failed: {error}", "error", run_id, **context, **more)


# What is recorded of a run whose caller gives no other values.
DEFAULTS = {
    **dict.fromkeys(("read", "inserted", "updated", "unchanged", "deleted", "rejected"), 0),
    **dict.fromkeys(("guarantee", "guarantee_note", "horizon", "horizon_scope", "horizon_chain")),
    **dict.fromkeys(("search_seconds", "newest_event", "newest_arrival", "day_gap", "rows_left")),
}


def succeed(work: Session, run_id: int, **values: Any) -> None:
    """Record that a run succeeded, with its row counts and its promise, in the transaction of its
    data. RunnerError if another runner abandoned it.
    """
    if not _rows(work, "succeed", run_id=run_id, **{**DEFAULTS, **values}):
        raise RunnerError(f"run {run_id} was abandoned by another runner; its data are rolled back")


def replicas(session: Session) -> list[str]:
    """Return the replicas that exist, as schema.table."""
    return [row["name"] for row in _rows(session, "replicas")]


def positions(session: Session, target: str) -> dict[str, Position]:
    """Return the position of a target in each replica, by name without `raw.`. A target that was
    never built has no new runs: its first build is full, and reads all rows.
    """
    rows = _rows(session, "positions", target=target)
    return {row.pop("raw_name"): Position(**row) for row in rows}


def horizons(
    session: Session, pipeline_id: int, sweep_every: str | None, chain: str, next_xid: int | None
) -> Horizons:
    """Return where the search of a pipeline for late rows can start from, in this chain."""
    which = {"pipeline_id": pipeline_id, "sweep_every": sweep_every}
    return Horizons(**_rows(session, "horizons", chain=chain, next_xid=next_xid, **which)[0])


def gaps(session: Session, pipeline_id: int) -> list[tuple[str, str]]:
    """Return windows of a pipeline that were undone and not filled since, as [low, high)."""
    return [(gap["low"], gap["high"]) for gap in _rows(session, "gaps", pipeline_id=pipeline_id)]


def last_build_failed(session: Session, target: str) -> bool:
    found = _rows(session, "last_build", target=target)
    return bool(found) and found[0]["status"] != "succeeded"


def is_built(session: Session, target: str) -> bool:
    return bool(_rows(session, "is_built", target=target)[0]["is_built"])


def script_seconds(session: Session, target: str, scripts: Collection[str]) -> dict[str, float]:
    """Return how long scripts took the last time they filled their tables, by key."""
    rows = _rows(session, "script_seconds", target=target, scripts=list(scripts))
    return {row["script"]: row["seconds"] for row in rows}


@dataclass(frozen=True, slots=True)
class SlowScript:
    """A script that took more than three times the median of its last times in the same mode."""

    script: str
    mode: str
    seconds: float
    median: float
    times: int


def slow_scripts(session: Session, build_id: int) -> tuple[SlowScript, ...]:
    """Return the scripts of a build that have become slow, the slowest first."""
    return tuple(SlowScript(**row) for row in _rows(session, "slow_scripts", run_id=build_id))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Records what happens in one build; without a session, nothing."""

    session: Session | None
    run_id: int
    target: str

    @contextlib.contextmanager
    def of_failure(self) -> Iterator[None]:
        """Mark the run as failed, and its scripts as rolled back, if what runs inside raises."""
        try:
            yield
        except BaseException as error:
            if self.session:
                fail(self.session, self.run_id, error)
                with contextlib.suppress(RunnerError):  # the error being raised matters more
                    _rows(self.session, "roll_back_scripts", target=self.target)
                    log_failure(self.session, "build", error, self.run_id)
            raise

    @contextlib.contextmanager
    def of_script(self, work: Session, script: str, mode: str) -> Iterator[None]:
        """Record that a script failed if what runs inside raises."""
        started = time.monotonic()
        try:
            yield
        except BaseException as error:
            seconds = time.monotonic() - started
            with contextlib.suppress(RunnerError):  # as above
                self.script_done(work, script, mode, seconds, Changes(), error)
            raise

    def script_done(
        self,
        work: Session,
        script: str,
        mode: str,
        seconds: float,
        changes: Changes,
        error: BaseException | None = None,
    ) -> None:
        """Record what a script changed in `seconds`, or why it failed."""
        about = {"target": self.target, "script": script, "mode": mode, "seconds": seconds}
        who = {"host": host(), "backend_pid": work.backend_pid}
        ended = {"status": "failed" if error else "succeeded", **_reason(error)}
        self._record("script_done", **about, **who, **ended, **asdict(changes))

    def check_done(
        self, script: str, check: str, status: str, bad_rows: int, sample: list[Any]
    ) -> None:
        values = {"script": script, "check_name": check, "status": status, "bad_rows": bad_rows}
        self._record("check_done", **values, sample=json.dumps(sample))

    def observed(self, script: str, name: str, rows: Sequence[Row]) -> None:
        """Record the rows of an observation; each has a label and a value."""
        labels, values = ([row[column] for row in rows] for column in ("label", "value"))
        self._record("observed", script=script, observation_name=name, labels=labels, values=values)

    def _record(self, query: str, **values: Any) -> None:
        if self.session:
            _rows(self.session, query, run_id=self.run_id, **values)


def built_scripts(
    session: Session, target: str, tables: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Return the fingerprint that the tables of each script were last built from, by key."""
    rows = _rows(
        session,
        "built_scripts",
        target=target,
        scripts=[script for script, names in tables.items() for _ in names],
        tables=[name for names in tables.values() for name in names],
    )
    return {row["script"]: row["fingerprint"] for row in rows}


def restated(work: Session, build_id: int) -> dict[str, int]:
    """Return how many published days of each table a build has changed, in its transaction. The
    last day does not count: it was not complete yet.
    """
    return {row["table_name"]: row["days"] for row in _rows(work, "restated", run_id=build_id)}


def consume(work: Session, build_id: int, consumed: Mapping[str, Position]) -> None:
    """Record what a build consumes, in its transaction."""
    for position in consumed.values():
        _rows(work, "consume", run_id=build_id, **asdict(position))


def remember(
    work: Session, build_id: int, target: str, built: Sequence[tuple[str, str, Sequence[str]]]
) -> None:
    """Record the keys, fingerprints and tables of scripts, in the transaction of the build."""
    _rows(
        work,
        "remember_scripts",
        target=target,
        run_id=build_id,
        scripts=[script for script, _, _ in built],
        fingerprints=[fingerprint for _, fingerprint, _ in built],
        owners=[script for script, _, tables in built for _ in tables],
        tables=[table for _, _, tables in built for table in tables],
    )


def forget(work: Session, target: str, scripts: Collection[str]) -> None:
    """Forget what the tables of other scripts were built from. This build consumes changes that
    they do not get, so a script that comes back has to be built in full.
    """
    _rows(work, "forget", target=target, scripts=list(scripts))


@dataclass(frozen=True, slots=True)
class LeftTable:
    """A table, or view, whose script is no longer in the manifest."""

    script: str
    table_name: str
    is_view: bool
    bytes: int


def left_tables(session: Session, target: str, scripts: Collection[str]) -> list[LeftTable]:
    """Return the tables of a target that were built by scripts which are not among `scripts`."""
    rows = _rows(session, "left_tables", target=target, scripts=list(scripts))
    return [LeftTable(**row) for row in rows]


def _rows(session: Session, query: str, **values: Any) -> list[Row]:
    return session.named(f"database/ledger.{query}", **values)


def _reason(error: BaseException | None) -> dict[str, str | None]:
    if error is None:
        return {"sqlstate": None, "error": None}
    if was_interrupted(error):  # also if the error is that of the cancelled statement
        return {"sqlstate": None, "error": "interrupted"}
    sqlstate = error.sqlstate if isinstance(error, QueryFailed) else None
    return {"sqlstate": sqlstate, "error": str(error) or type(error).__name__}
