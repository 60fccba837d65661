"""Renders what a build would run: it composes the same parts, and runs only their DDL."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from runner.build.build import read_plan
from runner.build.compose import Composer, Part, lock_replicas, parts, run_pieces
from runner.build.plan import Step
from runner.build.shape import reshaped
from runner.database import ledger
from runner.database.session import Database, Session
from runner.errors import RunnerError
from runner.project.graph import select
from runner.project.manifest import Manifest
from runner.project.target import Target


def rendered(
    database: Database, manifest: Manifest, target: Target, patterns: Collection[str], full: bool
) -> str:
    """Return the SQL of some scripts, or of the pending build; RunnerError if a shape changes."""
    with database.session("milepost render") as session:
        ledger.require(session)
        with session.rehearsal():
            forced = (patterns or ["*"]) if full else ()
            positions, steps = read_plan(session, manifest, target, forced)
            composer = Composer(manifest, target, positions, is_printed=True)
            if patterns:
                chosen = select(manifest, patterns)
                steps = [_forced(step) for step in steps if step.script.key in chosen]
                build = parts(session, composer, steps, _refuse_reshaped)
                return "\n".join(
                    text for part in build for text in _texts(session, part) if part.step
                )
            due = [step for step in steps if step.mode != "skip"]
            texts = [piece.text for piece in lock_replicas(ledger.replicas(session))]
            for part in parts(session, composer, due, _refuse_reshaped):
                texts += _texts(session, part)
    body = "\n".join(texts)
    return f"begin isolation level repeatable read;\n\n{body}\ncommit;\n"


def _forced(step: Step) -> Step:
    """Return the step for a script that was asked for, which a build might skip."""
    if step.script.is_view:
        return replace(step, mode="full", changed=("asked for",))
    return replace(step, mode="incremental") if step.mode == "skip" else step


def _texts(session: Session, part: Part) -> Iterator[str]:
    """Yield the texts of a part, and run its DDL of tables, on which later parts depend."""
    if part.step:
        yield f"-- {part.step.script.path}: {part.step.mode}, {part.step.reason}\n"
    for piece in part.pieces:
        if piece.is_ddl and not (part.step and part.step.script.is_view):
            run_pieces(session, [piece])
        yield piece.text


def _refuse_reshaped(session: Session, composer: Composer, steps: Sequence[Step]) -> set[str]:
    scripts = [step.script for step in steps if step.mode == "full" and not step.script.is_view]
    for key, found in reshaped(session, composer, scripts).items():
        problem = f"{key} changes shape ({', '.join(found)}), which cannot be rendered as a script"
        raise RunnerError(problem, "run it: python -m runner build")
    return set()
