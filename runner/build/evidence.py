"""Records what a build does, on a session of its own, so that the rows survive a rollback."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runner.build.plan import Step
from runner.database import ledger
from runner.database.ledger import SlowScript
from runner.database.session import Changes, Row, Session
from runner.errors import RunnerError


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of one build. Without a session nothing is recorded."""

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
                ledger.fail(self.session, self.run_id, error)
                with contextlib.suppress(RunnerError):
                    ledger.log_failure(self.session, "build", error, self.run_id)
                ledger.roll_back_scripts(self.session, self.target)
            raise

    @contextlib.contextmanager
    def of_script(self, work: Session, step: Step) -> Iterator[None]:
        """Record that a script failed if what runs inside raises."""
        started = time.monotonic()
        try:
            yield
        except BaseException as error:
            seconds = time.monotonic() - started
            with contextlib.suppress(RunnerError):  # the error on its way matters more
                self.script_done(work, step, seconds, Changes(), error)
            raise

    def script_done(
        self,
        work: Session,
        step: Step,
        seconds: float,
        changes: Changes,
        error: BaseException | None = None,
    ) -> None:
        if self.session:
            key, mode = step.script.key, step.mode
            ledger.script_done(
                self.session, self.run_id, work, self.target, key, mode, seconds, changes, error
            )

    def slow_scripts(self) -> tuple[SlowScript, ...]:
        """Return the scripts of this build that took much longer than they usually do."""
        return ledger.slow_scripts(self.session, self.run_id) if self.session else ()

    def check_done(
        self, script: str, check: str, status: str, bad_rows: int, sample: list[Any]
    ) -> None:
        if self.session:
            ledger.check_done(self.session, self.run_id, script, check, status, bad_rows, sample)

    def observed(self, script: str, observation: str, rows: Sequence[Row]) -> None:
        if self.session:
            ledger.observed(self.session, self.run_id, script, observation, rows)
