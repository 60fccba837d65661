"""One build, inside its transaction: runs scripts, publishes tables, records what was consumed."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import count

from runner.build.changes import RowDiff
from runner.build.compose import Composer, FindReshaped, Part, parts, run_part, run_pieces
from runner.build.fingerprint import fingerprint
from runner.build.owner import record_owner
from runner.build.plan import Mode, Step
from runner.build.publish import Publisher, find_reshaped
from runner.database import ledger
from runner.database.ledger import Evidence, Position, SlowScript
from runner.database.session import Changes, Session
from runner.errors import RunnerError
from runner.project.manifest import Manifest, Script
from runner.project.scripts import is_warning
from runner.project.target import Target


class CheckFailed(RunnerError):
    """A blocking check returned rows."""


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """A script that has run: how many rows of its own table it changed, and how long it took."""

    step: Step
    changes: Changes
    seconds: float


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A finished build; `run_id` is None if there was nothing to do.

    `warnings` come from checks; `notes` name the tables that were replaced. `restated` maps tables
    to the number of published days that changed, not counting the last day. `slow` scripts took
    much longer than they usually do.
    """

    run_id: int | None = None
    results: tuple[ScriptResult, ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    restated: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    slow: tuple[SlowScript, ...] = ()


class Listener:
    """Is told of the progress of a build; override the methods that you need."""

    def starting(self, step: Step, index: int, count: int) -> None:
        """A script starts: number `index`, counted from 0, of `count`."""

    def result(self, done: ScriptResult) -> None:
        """A script has run."""

    def waiting(self, message: str) -> None:
        """The build waits for a lock, whose holders the message names."""


SILENT = Listener()


@dataclass(slots=True)
class BuildTransaction:
    """A build of a target, in a transaction of the session `work`, and its `outcome` at the end."""

    manifest: Manifest
    target: Target
    work: Session
    evidence: Evidence
    listener: Listener = SILENT
    results: list[ScriptResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outcome: BuildResult = BuildResult()

    @property
    def run_id(self) -> int:
        return self.evidence.run_id

    def run(
        self,
        positions: Mapping[str, Position],
        steps: list[Step],
        find_reshaped: FindReshaped = find_reshaped,
    ) -> None:
        """Run the steps, publish, and consume what is new in the replicas up to the positions."""
        composer = Composer(self.manifest, self.target, positions, self.run_id)
        due = [step for step in steps if step.mode != "skip"]
        filled = []
        numbers = count()
        for part in parts(self.work, composer, due, find_reshaped):
            if part.step is None:
                run_pieces(self.work, part.pieces)
                continue
            self.listener.starting(part.step, next(numbers), len(due))
            done = self.fill(self.work, part.step, part)
            done = self.check(self.work, done, part.composer)
            if part.composer is composer:
                self.done(done)
            else:
                filled.append(done)
        self.publish(composer, due, filled)

    def fill(self, session: Session, step: Step, part: Part) -> ScriptResult:
        """Run the pieces of a script, in the transaction of `session`."""
        started = time.monotonic()
        with self.evidence.of_script(session, step.script.key, step.mode):
            changes = run_part(session, step, part)
        return ScriptResult(step, changes, time.monotonic() - started)

    def check(self, session: Session, done: ScriptResult, composer: Composer) -> ScriptResult:
        """Run the checks of a script; their time counts for the script too."""
        script, mode, started = done.step.script, done.step.mode, time.monotonic()
        with self.evidence.of_script(session, script.key, mode):
            self.warnings += run_checks(session, composer, script, mode, self.evidence)
        return replace(done, seconds=done.seconds + time.monotonic() - started)

    def publish(
        self,
        composer: Composer,
        steps: list[Step],
        filled: list[ScriptResult],
        *,
        staged: Mapping[str, RowDiff | None] | None = None,
        differing: Collection[str] = (),
        is_first: bool = False,
    ) -> None:
        """Publish the tables that were filled in the scratch target, and consume the replicas.

        Views are recreated if their text has changed, or if they are in `differing`. In a first
        build, the results of the scripts are recorded already.
        """
        publisher = Publisher(self.work, composer, staged or {})
        if is_first:
            publisher.replace_empty()
        changed = {step.script.key for step in steps if step.changed}.union(differing)
        for each in filled:
            script, started = each.step.script, time.monotonic()
            with self.evidence.of_script(self.work, script.key, each.step.mode):
                changes = publisher.publish(script, is_first or script.key in changed)
            if not is_first:
                seconds = each.seconds + time.monotonic() - started
                self.done(ScriptResult(each.step, changes, seconds))
        self.finish(composer.positions, publisher)

    def finish(self, positions: Mapping[str, Position], publisher: Publisher) -> None:
        """Record what was consumed and changed, then replace tables: exclusive locks come last."""
        total = sum((result.changes for result in self.results), Changes())
        restated = ledger.restated(self.work, self.run_id)
        ledger.consume(self.work, self.run_id, positions)
        record_owner(self.work, self.manifest, self.target)
        self._remember([result.step.script for result in self.results])
        ledger.forget(self.work, self.target.name, self.manifest.scripts)
        ledger.succeed(self.work, self.run_id, **asdict(total))
        session = self.evidence.session
        self.outcome = BuildResult(
            self.run_id,
            tuple(self.results),
            warnings=tuple(self.warnings),
            restated=restated,
            notes=tuple(publisher.notes),
            slow=ledger.slow_scripts(session, self.run_id) if session else (),
        )
        if swapped := publisher.swap():
            self._remember(swapped)

    def _remember(self, scripts: Sequence[Script]) -> None:
        manifest, target = self.manifest, self.target
        once = dict.fromkeys(scripts)  # one with two replaced tables is there twice
        built = [(each.key, fingerprint(manifest, each), target.tables(each)) for each in once]
        ledger.remember(self.work, self.run_id, target.name, built)

    def done(self, result: ScriptResult) -> None:
        """Record the result of a script, and tell the listener."""
        step = result.step
        self.evidence.script_done(
            self.work, step.script.key, step.mode, result.seconds, result.changes
        )
        self.results.append(result)
        self.listener.result(result)


def run_checks(
    session: Session, composer: Composer, script: Script, mode: Mode, evidence: Evidence
) -> list[str]:
    """Run checks and observations; return warnings. CheckFailed if a check stops the build."""
    warnings = []
    for path in script.checks:
        # The query begins on the first line, so that the line of an error is a line of the file.
        found = session.query(
            f"with _bad as ({composer.check(path, mode).text}\n)"
            " select (select count(*) from _bad) as bad_rows,"
            " (select coalesce(jsonb_agg(to_jsonb(few.*)), '[]')"
            " from (select * from _bad limit 5) as few) as sample",
            path,
        )[0]
        bad_rows, sample = found["bad_rows"], found["sample"]
        warns = is_warning(composer.manifest.read(path))
        status = "passed" if not bad_rows else "warned" if warns else "failed"
        name = path.name.removesuffix(".check.sql")
        evidence.check_done(script.key, name, status, bad_rows, sample)
        message = f"{path}: {bad_rows} bad rows, the first: {sample[:1]}"
        if status == "failed":
            hint = "nothing was published; to see the build: python -m runner runs"
            raise CheckFailed(message, hint)
        warnings += [message] if status == "warned" else []
    for path in script.observations:
        rows = session.query(
            f"with observed as ({composer.check(path, mode).text}\n)"
            " select observed.label::text as label, observed.value::numeric as value from observed",
            path,
        )
        if any(row["label"] is None for row in rows):
            raise RunnerError(f"{path}: a label is null", "give each row a label")
        evidence.observed(script.key, path.name.removesuffix(".observe.sql"), rows)
    return warnings
