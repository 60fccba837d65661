"""One pipeline: catches up with its source, and tries again where that helps."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.database import ledger, retry
from runner.database.session import UNDEFINED_COLUMN, Database, QueryFailed, Session
from runner.errors import RunnerError, was_interrupted
from runner.ingest.attempt import SILENT, Attempt, Call, Listener
from runner.ingest.catch_up import catch_up
from runner.ingest.pipelines import read_definition, replica_locks
from runner.ingest.run import RunResult

__all__ = ["IngestionPipeline", "RunResult", "Sessions"]

APPLICATION = "milepost ingest"


class Sessions(contextlib.ExitStack):
    """The two sessions that pipelines use one after the other. To connect, and to fill the caches
    of a new server process, takes longer than to find that a source has nothing new.
    """

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self._open: tuple[Session, Session] | None = None

    @contextlib.contextmanager
    def use(self) -> Iterator[tuple[Session, Session]]:
        """Yield the sessions; after an error, which may be a lost connection, open new ones."""
        try:
            if self._open is None:
                self._open = self.enter_context(ledger.sessions(self.database, APPLICATION))
            yield self._open
        except BaseException:
            self._open = None
            self.close()
            raise


@dataclass(frozen=True, slots=True)
class IngestionPipeline:
    """Brings the rows of one source into its replica, one run and one transaction at a time.

    The listener hears of each run as it commits. LockHeld if the pipeline runs elsewhere. It opens
    its own sessions unless it is given some.
    """

    pipeline_id: int
    database: Database
    project: Path
    listener: Listener = SILENT
    sessions: Sessions | None = None

    def run(self, wait_seconds: float = 60.0, sweep: bool = False) -> list[RunResult]:
        """Load everything that was committed when this was called; the last run may be empty.

        Waits up to `wait_seconds` for rows that open transactions hold back. With `sweep`, searches
        the whole source for rows that came late or changed.
        """
        return self.retried(lambda attempt: catch_up(attempt, wait_seconds, sweep))

    def retried(self, verb: Callable[[Attempt], None], is_one_run: bool = False) -> list[RunResult]:
        """Try until it succeeds or another try would not help; return the committed runs."""
        call = Call(self.listener)
        while True:
            done = len(call.results)
            try:
                with self._locked(call) as attempt:
                    verb(attempt)
                return call.results
            except RunnerError as error:
                if was_interrupted(error):
                    raise
                if is_one_run and call.results and retry.is_transient(error, call.failures):
                    return call.results  # committed, before the connection was lost
                # Windows do not count if a sweep fails after them: it would be tried for ever.
                has_written = any(result.counts.changed for result in call.results[done:])
                has_progressed = has_written and call.failing in ("window", "backfill")
                call.failures = 1 if has_progressed else call.failures + 1
                # A column was dropped between two statements: reading the columns again helps.
                codes = retry.TRANSIENT + ((UNDEFINED_COLUMN,) if call.failures == 1 else ())
                is_worth_it = retry.is_transient(error, call.failures - 1, codes)
                if call.failures >= retry.ATTEMPTS or not is_worth_it:
                    raise
                if isinstance(error, QueryFailed) and error.is_one_of(retry.TIMEOUT):
                    is_sweep = call.failing in ("sweep", "reconcile")
                    (call.sweep_pace if is_sweep else call.pace).limit()
                time.sleep(retry.delay(call.failures))

    @contextlib.contextmanager
    def _locked(self, call: Call) -> Iterator[Attempt]:
        """Hold the locks that keep everybody else from this pipeline, and from its replica."""
        sessions = self.sessions
        opened = sessions.use() if sessions else ledger.sessions(self.database, APPLICATION)
        number = self.pipeline_id
        with opened as (work, evidence), replica_locks(work, read_definition(work, number)):
            ledger.abandon_windows(evidence, number)
            # Read again: nobody else moves the watermark any more.
            yield Attempt(call, work, evidence, read_definition(work, number), self.project)
