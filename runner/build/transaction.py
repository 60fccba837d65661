"""One build, inside its transaction: runs scripts, publishes tables, records what was consumed."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count

from runner.build.changes import Rows
from runner.build.checks import run_checks
from runner.build.compose import Composer, FindReshaped, Part, lock_replicas, parts, run_pieces
from runner.build.fingerprint import fingerprint
from runner.build.owner import record_owner
from runner.build.plan import Step
from runner.build.publish import Publisher, find_reshaped
from runner.database import ledger
from runner.database.ledger import Evidence, Position, SlowScript
from runner.database.session import Changes, Session
from runner.project.manifest import Manifest, Script
from runner.project.target import Target


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """A script that has run: how many rows of its own table it changed, and how long it took."""

    step: Step
    changes: Changes
    seconds: float


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A finished build; `run_id` is None if there was nothing to do.

    `warnings` are of checks, `notes` of tables that were replaced. `restated` maps tables to the
    number of published days that changed, the last day not counted. `slow` scripts took much longer
    than they usually do.
    """

    run_id: int | None = None
    results: tuple[ScriptResult, ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    restated: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    slow: tuple[SlowScript, ...] = ()


class Listener:
    """Hears of a build while it goes on; override what you want to know."""

    def starting(self, step: Step, index: int, count: int) -> None:
        """A script begins: number `index`, from 0, of `count`."""

    def result(self, done: ScriptResult) -> None:
        """A script has run."""


SILENT = Listener()


@dataclass(slots=True)
class BuildTransaction:
    """A build of a target, in the transaction of the session `work`."""

    manifest: Manifest
    target: Target
    work: Session
    evidence: Evidence
    listener: Listener = SILENT
    results: list[ScriptResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    restated: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    slow: tuple[SlowScript, ...] = ()

    @property
    def run_id(self) -> int:
        return self.evidence.run_id

    def result(self, seconds: float) -> BuildResult:
        return BuildResult(
            self.run_id,
            tuple(self.results),
            seconds,
            tuple(self.warnings),
            self.restated,
            tuple(self.notes),
            self.slow,
        )

    def lock_replicas(self, replicas: list[str]) -> None:
        """Keep the columns of replicas as they are; to be called before the snapshot is taken."""
        run_pieces(self.work, lock_replicas(replicas))

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
            done = self.run_script(self.work, part.step, part)
            if part.composer is composer:
                self.done(done)
            else:
                filled.append(done)
        publisher = Publisher(self.work, composer)
        changed = {step.script.key for step in due if step.changed}
        self._publish_all(publisher, filled, changed)
        self.finish(positions, publisher)

    def run_script(self, session: Session, step: Step, part: Part) -> ScriptResult:
        """Run the pieces of a script and then its checks, in the transaction of `session`."""
        script = step.script
        table = part.composer.target.table(script.layer, script.name)
        started = time.monotonic()
        with self.evidence.of_script(session, script.key, step.mode):
            before = session.changes(table)
            for piece in part.pieces:
                session.run(piece.text, piece.file or script.path)
            changes = session.changes(table) - before
            self.warnings += run_checks(session, part.composer, script, step.mode, self.evidence)
        return ScriptResult(step, changes, time.monotonic() - started)

    def publish_rebuilt(
        self,
        positions: Mapping[str, Position],
        steps: list[Step],
        filled: list[ScriptResult],
        staged: Mapping[str, Rows | None],
        unlike: Collection[str] = (),
    ) -> None:
        """Publish all tables, filled in the scratch target, and consume up to the positions. Views
        are defined anew if their text has changed, or if they are among the `unlike`.
        """
        publisher = Publisher(self.work, self._composer(positions, steps), staged)
        changed = {step.script.key for step in steps if step.changed}
        self._publish_all(publisher, filled, changed | set(unlike))
        self.finish(positions, publisher)

    def publish_first(
        self, positions: Mapping[str, Position], steps: list[Step], filled: list[ScriptResult]
    ) -> None:
        """The same for an empty target. What its scripts changed is known and told already."""
        publisher = Publisher(self.work, self._composer(positions, steps))
        publisher.replace_empty()
        for each in filled:
            self._publish(publisher, each.step, is_changed=True)
        self.finish(positions, publisher)

    def _composer(self, positions: Mapping[str, Position], steps: list[Step]) -> Composer:
        """Return the composer of the live tables, whose schemas and functions are there."""
        composer = Composer(self.manifest, self.target, positions, self.run_id)
        run_pieces(self.work, composer.schemas(steps))
        return composer

    def _publish_all(
        self, publisher: Publisher, filled: list[ScriptResult], changed: Collection[str]
    ) -> None:
        """Publish what was filled in the scratch target. `changed` are the keys of the scripts
        whose text has changed.
        """
        for each in filled:
            started = time.monotonic()
            changes = self._publish(publisher, each.step, each.step.script.key in changed)
            seconds = each.seconds + time.monotonic() - started
            self.done(ScriptResult(each.step, changes, seconds))

    def _publish(self, publisher: Publisher, step: Step, is_changed: bool) -> Changes:
        with self.evidence.of_script(self.work, step.script.key, step.mode):
            return publisher.publish(step.script, is_changed)

    def finish(self, positions: Mapping[str, Position], publisher: Publisher) -> None:
        """Record what was consumed and changed, then replace tables: strong locks come last."""
        total = sum((result.changes for result in self.results), Changes())
        self.restated = ledger.restated(self.work, self.run_id)
        ledger.consume(self.work, self.run_id, positions)
        record_owner(self.work, self.manifest, self.target)
        self._remember([result.step.script for result in self.results])
        ledger.forget(self.work, self.target.name, self.manifest.scripts)
        ledger.succeed(self.work, self.run_id, **asdict(total))
        self.notes += publisher.notes
        if self.evidence.session:
            self.slow = ledger.slow_scripts(self.evidence.session, self.run_id)
        if swapped := publisher.swap():
            self._remember(swapped)

    def _remember(self, scripts: Sequence[Script]) -> None:
        ledger.remember(
            self.work,
            self.run_id,
            self.target.name,
            {script.key: fingerprint(self.manifest, script) for script in scripts},
            {script.key: self.target.tables(script) for script in scripts},
        )

    def done(self, result: ScriptResult) -> None:
        """Record the result of a script, and tell whoever listens."""
        step = result.step
        self.evidence.script_done(
            self.work, step.script.key, step.mode, result.seconds, result.changes
        )
        self.results.append(result)
        self.listener.result(result)
