"""Runs fixture cases: real builds of test schemas, in one transaction that is rolled back."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

from runner.build.compose import Composer
from runner.build.plan import NEVER_BUILT, Mode, Step
from runner.build.transaction import BuildTransaction, CheckFailed
from runner.database import ledger
from runner.database.ledger import Evidence, Position
from runner.database.session import BUILD_LOCK, CONNECTION_LOST, Database, QueryFailed, lock_number
from runner.errors import RunnerError, StartError
from runner.project.graph import change_sets, order
from runner.project.manifest import Manifest, Script
from runner.project.target import Target
from runner.testing.cases import Case, RowFile
from runner.testing.tables import CaseTables, Contents, Mismatch

EMPTY = "a build without rows"
FULL = "a full build"
AGAIN = "the same build again"
ONE_RUN = "an incremental build of all rows"
IN_ORDER = "two incremental builds, the second of the last rows"
LATE = "two incremental builds, the second of the first rows, which come late"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of a case. If it failed: after which build, and the error or the mismatches."""

    case: Case
    seconds: float
    after: str = ""
    error: str = ""
    mismatches: tuple[Mismatch, ...] = ()

    @property
    def has_passed(self) -> bool:
        return not self.after


@dataclass(eq=False)
class _CaseFailed(Exception):
    """A build of a case does not do what it should."""

    after: str
    error: str = ""
    mismatches: Sequence[Mismatch] = ()

    def result(self, case: Case, started: float) -> CaseResult:
        seconds = time.monotonic() - started
        return CaseResult(case, seconds, self.after, self.error, tuple(self.mismatches))


def run_cases(
    database: Database,
    manifest: Manifest,
    cases: Sequence[Case],
    on_result: Callable[[CaseResult], None] = lambda result: None,
) -> list[CaseResult]:
    """Run the cases, and leave nothing behind. StartError if the database rejects a file."""
    results: list[CaseResult] = []

    def note(result: CaseResult) -> None:
        results.append(result)
        on_result(result)

    with database.session("milepost test") as work:
        name = f"test_{work.backend_pid}"
        tables = CaseTables(work, Target(name, raw_schema=f"{name}_raw"))
        # An ingest does not wait for the transactions of sessions that hold this lock.
        with work.lock(BUILD_LOCK, lock_number(name), f"a test as {name}"), work.rehearsal():
            tables.create_raw_tables(manifest)
            ledger.require(work)
            for _, group in groupby(sorted(cases, key=_variables_of), _variables_of):
                together = list(group)
                # Given rows may be of any month, and months decide no figure.
                variables = {**manifest.variables, **together[0].variables, "monthly_facts": False}
                _CaseRunner(replace(manifest, variables=variables), tables).run(together, note)
    return results


def _variables_of(case: Case) -> str:
    """A sort key that groups cases with the same variables, those without first."""
    return json.dumps(case.variables, sort_keys=True) if case.variables else ""


@dataclass(frozen=True, slots=True)
class _CaseRunner:
    """Runs cases with the same variables. They share tables that were built over empty raw tables,
    and each case is rolled back before the next.
    """

    manifest: Manifest
    tables: CaseTables

    def run(self, cases: Sequence[Case], on_result: Callable[[CaseResult], None]) -> None:
        needed = {script.key for case in cases for script in case.scripts}
        scripts = [script for script in order(self.manifest) if script.key in needed]
        fillers = self.manifest.fillers()
        given = {rows.table for case in cases for rows in case.given if not rows.is_raw}
        started = time.monotonic()
        with self.tables.session.rehearsal():
            try:
                with self.tables.session.savepoint(), self._failing(EMPTY):
                    composer = Composer(self.manifest, self.tables.target, {})
                    self.tables.create_tables(composer, [fillers[each] for each in sorted(given)])
                    self._build(EMPTY, scripts, "full", 0, 0)
            except _CaseFailed as failed:
                if len(cases) == 1:
                    on_result(failed.result(cases[0], started))
                    return
            else:
                for case in cases:
                    on_result(self._run_case(case))
                return
        for case in cases:  # a script of one of them fails; the others may still pass
            self.run([case], on_result)

    def _run_case(self, case: Case) -> CaseResult:
        started = time.monotonic()
        try:
            built = self._build_in_full(case)
            if case.is_raw:
                self._build_in_parts(case, built)
        except _CaseFailed as failed:
            return failed.result(case, started)
        return CaseResult(case, time.monotonic() - started)

    def _build_in_full(self, case: Case) -> Contents:
        """Build in full, twice; returns what the tables hold."""
        with self.tables.session.rehearsal():
            for rows in case.given:
                self.tables.fill(rows, 1)
            self._build(FULL, case.scripts, "full", 0, 1)
            with self._failing(FULL):
                _raise_for(FULL, [self.tables.expect(rows) for rows in case.expected])
            built = self.tables.contents(case.scripts)
            self._build(AGAIN, case.scripts, "full", 0, 1)
            _raise_for(AGAIN, self.tables.compare(built, self.tables.contents(case.scripts)))
        return built

    def _build_in_parts(self, case: Case, built: Contents) -> None:
        """Let the rows arrive in several runs, with an incremental build after each.

        The tables must equal those of the full build, and another build must change nothing. Change
        sets hold the rows of the last run only, so they are compared only if there is one run.
        """
        changes = change_sets(self.manifest)
        is_about_changes = not changes.isdisjoint(rows.table for rows in case.expected)
        for after, parts in _arrivals(case, is_about_changes):
            with self.tables.session.rehearsal():
                for run, part in enumerate(parts, start=1):
                    for rows in part:
                        self.tables.fill(rows, run)
                    self._build(after, case.scripts, "incremental", run - 1, run)
                found = self.tables.contents(case.scripts)
                ignored = () if len(parts) == 1 else changes
                _raise_for(after, self.tables.compare(built, found, ignored))
                self._build(AGAIN, case.scripts, "incremental", run - 1, run)
                again = self.tables.contents(case.scripts)
                _raise_for(f"{after}, and {AGAIN}", self.tables.compare(found, again))

    def _build(
        self, what: str, scripts: Sequence[Script], mode: Mode, after: int, through: int
    ) -> None:
        """Run the scripts as a build does for which the runs after one position, through another,
        are new. The pipelines have ids that the ledger does not know, so it has no replaced rows.
        """
        positions = {
            name: Position(-number, after, through)
            for number, name in enumerate(self.tables.raw_names, start=1)
        }
        session, target = self.tables.session, self.tables.target
        with self._failing(what):
            # Under a number of its own, so the next run gets the one it would have.
            [begun] = session.named("testing/run.begin", kind="build", target=target.name)
            transaction = BuildTransaction(
                manifest=self.manifest,
                target=target,
                work=session,
                evidence=Evidence(None, int(begun["run_id"]), target.name),
            )
            steps = [Step(script, mode, NEVER_BUILT) for script in scripts]
            # The tables were just created from their DDL, so they have its shape.
            transaction.run(positions, steps, find_reshaped=lambda *_: set())

    @contextmanager
    def _failing(self, after: str) -> Iterator[None]:
        """Turn the errors of scripts, and no others, into a failure of the case."""
        try:
            yield
        except StartError:
            raise
        except RunnerError as error:
            if isinstance(error, QueryFailed) and error.sqlstate == CONNECTION_LOST:
                raise
            hint = "" if error.hint is None or isinstance(error, CheckFailed) else error.hint
            text = f"{error.message} ({hint})" if hint else error.message
            # People know their tables without the prefix of the test target.
            message = text.replace(f"{self.tables.target.name}_", "")
            raise _CaseFailed(after, message) from error


def _arrivals(case: Case, is_about_changes: bool) -> Iterator[tuple[str, list[list[RowFile]]]]:
    """Yield the ways in which the rows of a case can arrive: a name, and the rows of each run."""
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
        raise _CaseFailed(after, mismatches=mismatches)
