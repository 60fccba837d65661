"""Runs test cases, by real builds of test schemas in one transaction that is rolled back."""

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


class _CaseFailed(Exception):
    """A build of a case failed; `args` are the values of CaseResult from `after` on."""

    def result(self, case: Case, started: float) -> CaseResult:
        return CaseResult(case, time.monotonic() - started, *self.args)


def run_cases(
    database: Database,
    manifest: Manifest,
    cases: Sequence[Case],
    on_result: Callable[[CaseResult], None] = lambda result: None,
) -> list[CaseResult]:
    """Run cases, and roll everything back. StartError if the database rejects a file."""
    results: list[CaseResult] = []

    def note(result: CaseResult) -> None:
        results.append(result)
        on_result(result)

    with database.session("milepost test") as work:
        name = f"test_{work.backend_pid}"
        tables = CaseTables(work, Target(name, raw_schema=f"{name}_raw"))
        # With this lock, an ingest does not wait for the transaction, as for those of builds.
        with work.lock(BUILD_LOCK, lock_number(name), f"a test as {name}"), work.rehearsal():
            tables.create_raw_tables(manifest)
            ledger.require(work)
            for _, group in groupby(sorted(cases, key=_variables_of), _variables_of):
                together = list(group)
                # Partitions change no results, and given rows may be of any month.
                variables = {**manifest.variables, **together[0].variables, "monthly_facts": False}
                _CaseRunner(replace(manifest, variables=variables), tables).run(together, note)
    return results


def _variables_of(case: Case) -> str:
    """Return a key that sorts cases by their variables, those without first."""
    return json.dumps(case.variables, sort_keys=True) if case.variables else ""


@dataclass(frozen=True, slots=True)
class _CaseRunner:
    """Runs cases with the same variables. They share tables that were built from empty raw tables;
    each case is rolled back before the next.
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
        for case in cases:  # a script of one of them failed; the others may still pass
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
        """Build in full, twice, and compare with what is expected; return the built rows."""
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
        """Let the rows arrive in one or more runs, with an incremental build after each.

        The tables must equal those of the full build, and another build must change nothing. Change
        sets have only the rows of the last run, so they are compared only if there is one run.
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
        """Run the scripts as a build to which the runs after `after`, up to `through`, are new.
        The pipelines have IDs that the ledger does not have, so there are no replaced rows.
        """
        positions = {
            name: Position(-number, after, through)
            for number, name in enumerate(self.tables.raw_names, start=1)
        }
        session, target = self.tables.session, self.tables.target
        with self._failing(what):
            # Outside of the sequence of run IDs, so that a test leaves no gap in it.
            [begun] = session.named("testing/run.begin", kind="build", target=target.name)
            transaction = BuildTransaction(
                manifest=self.manifest,
                target=target,
                work=session,
                evidence=Evidence(None, int(begun["run_id"]), target.name),
            )
            steps = [Step(script, mode, NEVER_BUILT) for script in scripts]
            # The tables were just created, so none has another shape than its DDL.
            transaction.run(positions, steps, find_reshaped=lambda *_: set())

    @contextmanager
    def _failing(self, after: str) -> Iterator[None]:
        """Turn errors of scripts, and only those, into a failure of the case."""
        try:
            yield
        except StartError:
            raise
        except RunnerError as error:
            if isinstance(error, QueryFailed) and error.sqlstate == CONNECTION_LOST:
                raise
            has_hint = error.hint and not isinstance(error, CheckFailed)
            text = f"{error.message} ({error.hint})" if has_hint else error.message
            # Name the tables without the prefix of the test target.
            raise _CaseFailed(after, text.replace(f"{self.tables.target.name}_", "")) from error


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
    if mismatches := tuple(filter(None, found)):
        raise _CaseFailed(after, "", mismatches)
