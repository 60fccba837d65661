"""One attempt at a build, inside its transaction: scripts, checks, observations, publication."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from runner.build.compose import PRELUDE, Composer
from runner.build.fingerprint import fingerprint, functions_of
from runner.build.plan import NEVER_BUILT, Mode, Step
from runner.build.publish import Publisher
from runner.build.shape import reshaped
from runner.database import ledger
from runner.database.ledger import Position
from runner.database.session import Changes, Session
from runner.errors import RunnerError
from runner.project.files import layer_files
from runner.project.graph import followers
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import Target


class CheckFailed(RunnerError):
    """A blocking check returned rows."""


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """A script that has run: what it changed in its own table, in rows, and how long it took."""

    step: Step
    changes: Changes
    seconds: float


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A build that is done. Without a run_id there was nothing to do."""

    run_id: int | None = None
    results: list[ScriptResult] = field(default_factory=list)
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    restated: dict[str, int] = field(default_factory=dict)  # days of each table, but for the last
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class BuildTransaction:
    """One attempt at a build, inside its transaction."""

    manifest: Manifest
    target: Target
    work: Session
    evidence: Session | None  # of a trial nobody keeps evidence
    run_id: int
    tell: Callable[[ScriptResult], None]
    starting: Callable[[Step, int, int], None]
    results: list[ScriptResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    restated: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def summary(self, seconds: float) -> BuildResult:
        return BuildResult(
            self.run_id, self.results, seconds, self.warnings, self.restated, self.notes
        )

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Leave a failed run, its scripts rolled back, when what is inside fails."""
        try:
            yield
        except BaseException as error:
            if self.evidence:
                ledger.fail(self.evidence, self.run_id, error)
                ledger.roll_back_scripts(self.evidence, self.target.name)
            raise

    def hold(self, replicas: list[str]) -> None:
        """Keep the types of replicas as they are, from before the snapshot: to an older one a table
        whose column got another type is empty.
        """
        if replicas:
            names = sql.SQL(", ").join(sql.Identifier(*name.split(".", 1)) for name in replicas)
            self.work.run(
                sql.SQL("lock table {} in access share mode").format(names).as_string(None)
            )

    def run(self, positions: dict[str, Position], steps: list[Step]) -> None:
        """Take the steps, and consume what is new in the replicas up to the positions."""
        self.work.run(PRELUDE)
        composer = Composer(self.manifest, self.target, positions, self.run_id)
        due = [step for step in steps if step.mode != "skip"]
        self.define_schemas(composer, due)
        keys = self.reshaped(composer, due)
        beside = Composer(self.manifest, self.target.beside, positions)
        if keys:
            self.define_schemas(beside)
        publication = Publisher(self.work, composer, beside)
        filled = []
        for index, step in enumerate(due):
            self.starting(step, index, len(due))
            if step.script.key in keys:
                self._show_needs(composer, beside, step.script, keys)
                filled.append((step, self.fill(beside, step)))
            else:
                self._run_step(composer, step)
        self.publish(publication, filled, {step.script.key for step in due if step.changed})
        self.finish(positions, publication)

    def finish(self, positions: dict[str, Position], publication: Publisher) -> None:
        """Succeed, with what was consumed and changed; a strong lock is taken last."""
        changes = Changes()
        for result in self.results:
            changes += result.changes
        self.restated = ledger.restated(self.work, self.run_id)
        ledger.consume(self.work, self.run_id, positions)
        ledger.forget(self.work, self.target.name, self.manifest.scripts)
        ledger.succeed(
            self.work,
            self.run_id,
            inserted=changes.inserted,
            updated=changes.updated,
            deleted=changes.deleted,
        )
        self.notes += publication.notes
        for script in publication.swap():
            self._remember(script)

    def define_schemas(self, composer: Composer, due: Sequence[Step] = ()) -> None:
        """A target's schemas come with its builds; the live ones with `schema apply`, but for
        functions that are others than those that the tables were built with, or that a new
        script may be the first to use.
        """
        for layer in LAYERS:
            functions = {functions_of(path) for path in layer_files(self.manifest.project, layer)}
            is_other = any(
                step.reason == NEVER_BUILT or functions & set(step.changed) for step in due
            )
            if is_other or not composer.target.is_live:
                for piece in composer.layer(layer):
                    self.work.run(piece.text, piece.file)

    def reshaped(self, composer: Composer, due: list[Step]) -> set[str]:
        """The scripts whose table or view gets another shape, and all that follow from them."""
        full = [step.script for step in due if step.mode == "full"]
        publication = Publisher(self.work, composer, composer)
        publication.refuse_other_kinds(full)
        changed = set(reshaped(self.work, composer, [each for each in full if not each.is_view]))
        publication.refuse_obstacles([script for script in full if script.key in changed])
        # While a view is defined anew nobody can read it, and others follow from it.
        changed |= {step.script.key for step in due if step.script.is_view and step.changed}
        return followers(self.manifest, changed)

    def _show_needs(
        self, composer: Composer, beside: Composer, script: Script, keys: set[str]
    ) -> None:
        """What a script reads that is not made anew is read from where it is."""
        fillers = self.manifest.fillers()
        for need in script.needs:
            if need in fillers and fillers[need].key not in keys:
                layer, _, name = need.partition(".")
                self.work.run(
                    f"create or replace view {beside.target.table(layer, name)} as"
                    f" select * from {composer.target.table(layer, name)}"
                )

    def fill(self, composer: Composer, step: Step) -> float:
        """Fill the tables of a script where nobody reads them, and check them; returns seconds."""
        script = step.script
        started = time.monotonic()
        with self._evidence(script, started):
            for piece in composer.definitions(script):
                self.work.run(piece.text, piece.file)
            for piece in composer.load(script, self.work):
                self.work.run(piece.text, piece.file or script.path)
            self._look_at(composer, script, "full")
        return time.monotonic() - started

    def publish(
        self,
        publication: Publisher,
        filled: list[tuple[Step, float]],
        changed: Collection[str],
    ) -> None:
        """Bring what was filled beside to the readers of the target; `changed` are the keys of
        scripts that say another thing than they did.
        """
        for step, seconds in filled:
            started = time.monotonic()
            with self._evidence(step.script, started):
                changes = publication.differ(step.script, step.script.key in changed)
                self._remember(step.script)
            self._tell(ScriptResult(step, changes, seconds + time.monotonic() - started))

    def _run_step(self, composer: Composer, step: Step) -> None:
        script = step.script
        table = self.target.table(script.layer, script.name)
        started = time.monotonic()
        with self._evidence(script, started):
            # A view that stays is left alone: to define it once more would lock its readers out.
            if step.mode == "full" and not (script.is_view and step.reason != NEVER_BUILT):
                for piece in composer.definitions(script):
                    self.work.run(piece.text, piece.file)
            before = self.work.changes(table)
            for piece in composer.body(script, step.mode, self.work):
                self.work.run(piece.text, piece.file or script.path)
            changes = self.work.changes(table) - before
            self._look_at(composer, script, step.mode)
            self._remember(script)
        self._tell(ScriptResult(step, changes, time.monotonic() - started))

    @contextlib.contextmanager
    def _evidence(self, script: Script, started: float) -> Iterator[None]:
        """A script that fails leaves its row."""
        try:
            yield
        except BaseException as error:
            seconds = time.monotonic() - started
            with contextlib.suppress(RunnerError):
                self._script_done(script.key, seconds, error=error)
            raise

    def _remember(self, script: Script) -> None:
        ledger.remember(
            self.work,
            self.run_id,
            self.target.name,
            script.key,
            fingerprint(self.manifest, script),
            self.target.tables(script),
        )

    def _tell(self, result: ScriptResult) -> None:
        key = result.step.script.key
        self._script_done(key, result.seconds, result.changes)
        self.results.append(result)
        self.tell(result)

    def _script_done(
        self,
        key: str,
        seconds: float,
        changes: Changes | None = None,
        error: BaseException | None = None,
    ) -> None:
        if self.evidence:
            ledger.script_done(
                self.evidence,
                self.run_id,
                self.work,
                self.target.name,
                key,
                seconds,
                changes,
                error,
            )

    def _look_at(self, composer: Composer, script: Script, mode: Mode) -> None:
        for check in script.checks:
            self._check(composer, script, check, mode)
        for observation in script.observations:
            self._observe(composer, script, observation, mode)

    def _check(self, composer: Composer, script: Script, check: Path, mode: Mode) -> None:
        piece = composer.check(check, mode)
        # On one line with the query's first, so that the line of an error is the line of the file.
        found = self.work.query(
            f"with _bad as ({piece.text}\n) select (select count(*) from _bad) as bad_rows,"
            " (select coalesce(jsonb_agg(to_jsonb(few.*)), '[]')"
            " from (select * from _bad limit 5) as few) as sample",
            check,
        )[0]
        warns = "-- Level: warn" in self.manifest.read(check)
        bad_rows = found["bad_rows"]
        status = "passed" if not bad_rows else "warned" if warns else "failed"
        name = check.name.removesuffix(".check.sql")
        if self.evidence:
            sample = found["sample"]
            ledger.check_done(
                self.evidence, self.run_id, script.key, name, status, bad_rows, sample
            )
        message = f"{check}: {bad_rows} bad rows, the first: {found['sample'][:1]}"
        if status == "failed":
            raise CheckFailed(
                message, "nothing was published; python -m runner runs shows the build"
            )
        if status == "warned":
            self.warnings.append(message)

    def _observe(self, composer: Composer, script: Script, observation: Path, mode: Mode) -> None:
        piece = composer.check(observation, mode)
        rows = self.work.query(
            f"with observed as ({piece.text}\n) select observed.label::text as label,"
            " observed.value::numeric as value from observed",
            observation,
        )
        if any(row["label"] is None for row in rows):
            raise RunnerError(f"{observation}: a label is null", "give each row a label")
        name = observation.name.removesuffix(".observe.sql")
        if self.evidence:
            ledger.observed(self.evidence, self.run_id, script.key, name, rows)
