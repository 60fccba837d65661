"""Prints what a build would run."""

from __future__ import annotations

from collections.abc import Collection

from runner.build.build import look
from runner.build.compose import PRELUDE, Composer
from runner.build.plan import Mode
from runner.build.shape import reshaped
from runner.database import ledger
from runner.database.session import Database, Session
from runner.errors import RunnerError
from runner.project.graph import select
from runner.project.manifest import Manifest, Script
from runner.project.target import Target


def rendered(
    database: Database, manifest: Manifest, target: Target, patterns: Collection[str], full: bool
) -> str:
    """The SQL of the scripts that match, or of the whole pending build as a script for psql."""
    chosen = select(manifest, patterns) if patterns else None
    texts = []
    with database.session("milepost render") as session:
        ledger.require(session)
        try:
            with session.transaction():
                positions, steps = look(
                    session, manifest, target, patterns or ["*"] if full else []
                )
                composer = Composer(manifest, target, positions)
                anew = [step.script for step in steps if step.mode == "full"]
                _refuse_reshaped(session, composer, [each for each in anew if not each.is_view])
                for step in steps:
                    if chosen is None and step.mode == "skip":
                        continue
                    mode: Mode = "incremental" if step.mode == "skip" else step.mode
                    definitions = composer.definitions(step.script)
                    for piece in definitions if mode == "full" else []:
                        session.run(
                            piece.text, piece.file
                        )  # a table can then be asked for its columns
                    if chosen is None or step.script.key in chosen:
                        pieces = definitions if mode == "full" else []
                        pieces = [*pieces, *composer.body(step.script, mode, session)]
                        texts.append(f"-- {step.script.path}: {mode}, {step.reason}\n")
                        texts += [piece.text for piece in pieces]
                raise _Looked
        except _Looked:
            pass
    if chosen is not None:
        return "\n".join(texts)
    body = "\n".join([PRELUDE, *texts])
    return f"begin isolation level repeatable read;\n\n{body}\ncommit;\n"


def _refuse_reshaped(session: Session, composer: Composer, scripts: list[Script]) -> None:
    for key, parts in reshaped(session, composer, scripts).items():
        raise RunnerError(
            f"{key} gets another shape ({', '.join(parts)}): that takes more than a script",
            "python -m runner build does it",
        )


class _Looked(Exception):
    """Ends a transaction in which nothing was to be kept."""
