"""One try at a pipeline's work: what it has read under the locks, and the runs that it makes."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runner.database import ledger, zones
from runner.database.session import QueryFailed, Session
from runner.errors import RunnerError, StartError, UsageError
from runner.ingest.columns import stored_columns
from runner.ingest.pipelines import PipelineDefinition
from runner.ingest.promise import Reach
from runner.ingest.replica import ensure_replica
from runner.ingest.run import RunResult, RunTransaction
from runner.ingest.source import Source, inspect_source
from runner.ingest.windows import MAX_SHARE, Pace, Window, Windows
from runner.ingest.writer import Counts

Work = Callable[[RunTransaction], tuple[Counts, Reach | None]]


class Listener:
    """Hears of a pipeline's work while it goes on; override the methods that you need."""

    def loaded(self, run: RunResult) -> None:
        """A run is committed."""

    def waiting(self, message: str) -> None:
        """The work waits for another process."""

    def warn(self, message: str, hint: str | None = None) -> None:
        """Something needs attention, although the work goes on."""


SILENT = Listener()


@dataclass(slots=True)
class Call:
    """One call of a pipeline's method, over all its tries: what they have committed and learned.

    `failures` counts the tries in a row that failed, and `failing` is the kind of the run that
    failed last. A sweep begins with a single window, if the planner expects few enough rows.
    """

    listener: Listener
    pace: Pace = field(default_factory=Pace)
    sweep_pace: Pace = field(default_factory=lambda: Pace(MAX_SHARE))
    results: list[RunResult] = field(default_factory=list)
    failures: int = 0
    failing: str = ""


@dataclass(slots=True)
class Attempt:
    """One try at a pipeline's work. It begins under the locks, so what it has read stays true.
    `work` has the transactions of its runs; what `evidence` records survives their rollback.
    """

    call: Call
    work: Session
    evidence: Session
    definition: PipelineDefinition
    project: Path
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        definition = self.definition
        self.work.on_wait = self.waiting
        with self.recorded("window", definition.watermark):
            if problem := zones.problem(self.work, definition.cursor_timezone):
                where = f"pipeline {definition.pipeline_name}: cursor_timezone"
                raise StartError(f"{where}: {problem}", zones.HINT)
            self.source = inspect_source(self.work, definition, self.project)
            if not (
                definition.is_new or self.source.has_key or stored_columns(self.work, definition)
            ):
                raise RunnerError(
                    f"pipeline {definition.pipeline_name}: {definition.target_relation} was"
                    " dropped, and without a key its rows cannot be found again",
                    "set key_columns; if its rows have no key, add the source as another pipeline,"
                    " with another --into, which loads all of it",
                )
            ensure_replica(self.work, definition, self.project)

    def run(
        self, kind: str, window: Window, work: Work, parent_run_id: int | None = None
    ) -> RunResult:
        """Make one run in one transaction, which commits its row in the ledger too. `work` returns
        the row counts, and how much of the source it has searched.
        """
        started = time.monotonic()
        edges = {"low": window.low, "high": window.high}
        pipeline = {"pipeline_id": self.definition.pipeline_id, "parent_run_id": parent_run_id}
        run_id = ledger.begin(self.evidence, kind, self.work, **edges, **pipeline)
        with self.recorded(kind, **edges, run_id=run_id), self.work.transaction():
            run = RunTransaction(self.work, self.source, self.project, run_id)
            counts, reach = work(run)
            promise = run.promise(reach)
            found = {**asdict(counts), **run.measured, **run.writer.measured}
            found |= {"guarantee": promise.word, "guarantee_note": promise.sentence}
            found |= {"horizon": run.clock.horizon, "horizon_chain": run.chain}
            ledger.succeed(self.work, run_id, **found, horizon_scope=reach)
        name, seconds = self.definition.pipeline_name, time.monotonic() - started
        result = RunResult(name, run_id, kind, window, promise.word, seconds, counts, run.notes)
        if kind in ("window", "backfill"):
            self.call.pace.adapt(counts.read, seconds)
        self.call.results.append(result)
        self.call.listener.loaded(result)
        for warning in run.warnings:
            self.warn(warning)
        for note in run.notes:
            self.log(note, "warning" if counts.rejected else "info", run_id)
        return result

    @contextlib.contextmanager
    def recorded(
        self, kind: str, low: str, high: str | None = None, run_id: int | None = None
    ) -> Iterator[None]:
        """Record a failed run if what is inside fails: the run given, or a new one."""
        try:
            yield
        except UsageError:
            raise  # nothing was tried
        except BaseException as error:
            self.call.failing = kind
            about = {"pipeline_id": self.definition.pipeline_id, "low": low, "high": high}
            with contextlib.suppress(RunnerError):
                run_id = run_id or ledger.begin(self.evidence, kind, self.work, **about)
                ledger.fail(self.evidence, run_id, error)
                ledger.log_failure(self.evidence, kind, error, run_id, **about)
            name = f"pipeline {self.definition.pipeline_name}"
            if isinstance(error, QueryFailed) and not error.message.startswith(name):
                raise error.within(name) from error
            raise

    def windows(self, kind: str, low: str, high: str) -> Iterator[Window]:
        """Yield the windows from `low` to `high`, each after the one before was loaded."""
        windows = Windows(self.work, self.source, self.call.pace)
        is_last = False
        while not is_last:
            with self.recorded(kind, low, high):
                window = windows.next(low, high)
            yield window
            low, is_last = window.high, window.is_last

    def warn(self, message: str) -> None:
        """Write a warning to orchestrator.logs, and tell whoever is watching."""
        self.call.listener.warn(f"pipeline {self.definition.pipeline_name}: {message}")
        self.log(message, "warning")

    def waiting(self, message: str) -> None:
        """Write to orchestrator.logs whom this waits for, and tell whoever is watching."""
        self.call.listener.waiting(f"pipeline {self.definition.pipeline_name}: {message}")
        self.log(message, "warning")

    def log(self, message: str, level: str, run_id: int | None = None) -> None:
        ledger.log(self.evidence, message, level, run_id, self.definition.pipeline_id)
