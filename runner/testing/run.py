"""Tries fixture cases: real builds of test schemas, in one transaction that is rolled back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from runner.build.compose import Composer
from runner.build.plan import NEVER_BUILT, Mode, Step
from runner.build.transaction import BuildTransaction, CheckFailed
from runner.database import ledger
from runner.database.ledger import Position
from runner.database.queries import named_query
from runner.database.session import (
    BUILD_LOCK,
    CONNECTION_LOST,
    Database,
    QueryFailed,
    lock_number,
)
from runner.errors import RunnerError, StartError
from runner.project.graph import change_sets, order
from runner.project.manifest import Manifest, Script
from runner.project.target import Target
from runner.testing.cases import Case, Rows
from runner.testing.tables import CaseTables, Contents, Mismatch

EMPTY = "a build without rows"
FULL = "a full build"
AGAIN = "the same build again"
ONE_RUN = "an incremental build of all rows"
IN_ORDER = "two incremental builds, the second of the last rows"
LATE = "two incremental builds, the second of the first rows, which come late"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of a case: after which build it failed, and why."""

    case: Case
    seconds: float
    after: str = ""
    error: str = ""
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def has_passed(self) -> bool:
        return not self.after


class _Failed(Exception):
    """A build of a case does not do what it should."""

    def __init__(self, after: str, error: str, mismatches: list[Mismatch]) -> None:
        super().__init__(after)
        self.after, self.error, self.mismatches = after, error, mismatches


class _Done(Exception):
    """Ends a transaction of which nothing is to be kept."""


def run(
    database: Database,
    manifest: Manifest,
    cases: Sequence[Case],
    tell: Callable[[CaseResult], None] = lambda tried: None,
) -> list[CaseResult]:
    """Try the cases, and tell of each; nothing is left behind. StartError names a file of rows that
    the database does not take.
    """
    tried: list[CaseResult] = []

    def note(one: CaseResult) -> None:
        tried.append(one)
        tell(one)

    with database.session("milepost test") as work:
        name = f"test_{work.backend_pid}"
        bench = CaseTables(work, Target(name, raw_schema=f"{name}_raw"))
        # An ingest does not wait for the transactions of those who hold this lock.
        with (
            work.lock(BUILD_LOCK, lock_number(name), f"a test as {name}"),
            suppress(_Done),
            work.transaction(),
        ):
            bench.make_raw_tables(manifest)
            ledger.require(work)
            for _, group in groupby(sorted(cases, key=_told_in), _told_in):
                together = list(group)
                variables = {**manifest.variables, **together[0].variables}
                trial = _Trial(replace(manifest, variables=variables), bench)
                trial.run(together, note)
            raise _Done
    return tried


class _CaseTransaction(BuildTransaction):
    """A build of tables that were made from their DDL a moment ago: they have its shape."""

    def reshaped(self, composer: Composer, due: list[Step]) -> set[str]:
        return set()


def _told_in(case: Case) -> str:
    """The variables of a case, for cases with the same to stand together; those without first."""
    return json.dumps(case.variables, sort_keys=True) if case.variables else ""


@dataclass(frozen=True, slots=True)
class _Trial:
    """Tries cases that are told in the same variables: they share tables that were built over empty
    raw tables, and each is undone before the next.
    """

    manifest: Manifest
    bench: CaseTables

    def run(self, cases: Sequence[Case], tell: Callable[[CaseResult], None]) -> None:
        needed = {script.key for case in cases for script in case.scripts}
        scripts = [script for script in order(self.manifest) if script.key in needed]
        fillers = self.manifest.fillers()
        given = {rows.table for case in cases for rows in case.given if not rows.is_raw}
        started = time.monotonic()
        with self._undone():
            try:
                with self.bench.session.savepoint(), self._failing(EMPTY):
                    composer = Composer(self.manifest, self.bench.target, {})
                    self.bench.make_tables(composer, [fillers[table] for table in sorted(given)])
                    self._build(EMPTY, scripts, "full", 0, 0)
            except _Failed as failed:
                if len(cases) == 1:
                    tell(_tried(cases[0], started, failed))
                    return
            else:
                for case in cases:
                    tell(self._try(case))
                return
        for case in cases:  # a script of one of them fails; the others can still be tried
            self.run([case], tell)

    def _try(self, case: Case) -> CaseResult:
        started = time.monotonic()
        try:
            built = self._rebuild(case)
            if case.is_raw:
                self._arrive(case, built)
        except _Failed as failed:
            return _tried(case, started, failed)
        return CaseResult(case, time.monotonic() - started)

    def _rebuild(self, case: Case) -> Contents:
        """Build in full, twice; returns what the tables hold."""
        with self._undone():
            for rows in case.given:
                self.bench.fill(rows, 1)
            self._build(FULL, case.scripts, "full", 0, 1)
            with self._failing(FULL):
                _raise_for(FULL, [self.bench.expect(rows) for rows in case.expected])
            built = self.bench.contents(case.scripts)
            self._build(AGAIN, case.scripts, "full", 0, 1)
            _raise_for(AGAIN, self.bench.compare(built, self.bench.contents(case.scripts)))
        return built

    def _arrive(self, case: Case, built: Contents) -> None:
        """Let the rows arrive in runs, with an incremental build after each: the tables are those
        of the full build, and one more build changes nothing. What holds the rows of the last run
        only can be compared where there is one run.
        """
        changes = change_sets(self.manifest)
        is_about_changes = not changes.isdisjoint(rows.table for rows in case.expected)
        for after, parts in _arrivals(case, is_about_changes):
            with self._undone():
                for run, part in enumerate(parts, start=1):
                    for rows in part:
                        self.bench.fill(rows, run)
                    self._build(after, case.scripts, "incremental", run - 1, run)
                found = self.bench.contents(case.scripts)
                incomparable = () if len(parts) == 1 else changes
                _raise_for(after, self.bench.compare(built, found, incomparable))
                self._build(AGAIN, case.scripts, "incremental", run - 1, run)
                _raise_for(
                    f"{after}, and {AGAIN}",
                    self.bench.compare(found, self.bench.contents(case.scripts)),
                )

    def _build(
        self, what: str, scripts: Sequence[Script], mode: Mode, after: int, through: int
    ) -> None:
        """Run the scripts, as a build that finds the runs between two positions new. Their
        pipelines are not those of the ledger: nothing was ever replaced in them.
        """
        positions = {
            name: Position(-number, after, through)
            for number, name in enumerate(self.bench.raw_names, start=1)
        }
        session, target = self.bench.session, self.bench.target
        with self._failing(what):
            _CaseTransaction(
                manifest=self.manifest,
                target=target,
                work=session,
                evidence=None,
                run_id=self._begin(),
                tell=lambda result: None,
                starting=lambda step, index, count: None,
            ).run(positions, [Step(script, mode, NEVER_BUILT) for script in scripts])

    def _begin(self) -> int:
        """A build under a number that no run has: the next run gets the one it would have had."""
        keys = {"kind": "build", "target": self.bench.target.name}
        return int(self.bench.session.row(named_query("testing/run.begin"), keys)["run_id"])

    @contextmanager
    def _failing(self, after: str) -> Iterator[None]:
        """What a script does wrong is a failure of the case; nothing else is."""
        try:
            yield
        except StartError:
            raise
        except RunnerError as error:
            if isinstance(error, QueryFailed) and error.sqlstate == CONNECTION_LOST:
                raise
            hint = "" if error.hint is None or isinstance(error, CheckFailed) else error.hint
            text = f"{error.message} ({hint})" if hint else error.message
            # People know their tables by their own names.
            said = text.replace(f"{self.bench.target.name}_", "")
            raise _Failed(after, said, []) from error

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Undo what runs inside, also when it goes well."""
        with suppress(_Done), self.bench.session.savepoint():
            yield
            raise _Done


def _arrivals(case: Case, is_about_changes: bool) -> Iterator[tuple[str, list[list[Rows]]]]:
    """In which runs the rows of a case can arrive."""
    if is_about_changes or all(len(rows.records) < 2 for rows in case.given):
        yield ONE_RUN, [list(case.given)]
        return
    middles = [(len(rows.records) + 1) // 2 for rows in case.given]
    first = [rows.slice(0, middle) for rows, middle in zip(case.given, middles, strict=True)]
    last = [rows.slice(middle, None) for rows, middle in zip(case.given, middles, strict=True)]
    yield IN_ORDER, [first, last]
    yield LATE, [last, first]


def _raise_for(after: str, found: Sequence[Mismatch | None]) -> None:
    mismatches = [mismatch for mismatch in found if mismatch]
    if mismatches:
        raise _Failed(after, "", mismatches)


def _tried(case: Case, started: float, failed: _Failed) -> CaseResult:
    seconds = time.monotonic() - started
    return CaseResult(case, seconds, failed.after, failed.error, failed.mismatches)
