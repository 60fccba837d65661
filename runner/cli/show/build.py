"""Shows the result of a build."""

from collections.abc import Sequence
from dataclasses import asdict, astuple
from decimal import Decimal
from typing import Any

from runner.build.transaction import BuildResult, ScriptResult
from runner.cli.output import data, number, program, say, table, warn
from runner.cli.progress import ProgressListener, script_rows
from runner.database.ledger import SlowScript


def show(done: BuildResult, live: ProgressListener, what: str = "build") -> None:
    """Show what a build did, as text or as JSON."""
    summary(done, live, what)
    data(as_data(done))


def summary(done: BuildResult, live: ProgressListener, what: str = "build") -> None:
    """Show what a build did as text; on a terminal, with a table of its scripts."""
    for warning in done.warnings:
        warn(warning)
    if done.run_id is None:
        say("build: up to date")
        return
    if live.progress is not None:
        table(
            [
                {
                    "script": result.step.script.key,
                    "rows": script_rows(result),
                    "seconds": Decimal(f"{result.seconds:.2f}"),
                    "why": result.step.reason,
                }
                for result in live.results
            ]
        )
    changed = sum(sum(astuple(result.changes)) for result in done.results)
    checks = "with warnings" if done.warnings else "all checks passed"
    say(
        f"{what} {done.run_id}: {number(len(done.results), 'script')},"
        f" {number(changed, 'row')} changed, {checks}, {done.seconds:.1f}s"
    )
    slow(done.slow)
    for note in done.notes:
        say(note)
    if done.restated:
        days = ", ".join(
            f"{number(count, 'published day')} of {name}" for name, count in done.restated.items()
        )
        say(f"restated: {days}; details: {program()} runs show {done.run_id}")


def slow(scripts: Sequence[SlowScript]) -> None:
    """Warn of scripts that took much longer than usual."""
    for each in scripts:
        warn(
            f"{each.script} took {each.seconds:.1f} s, {each.seconds / each.median:.1f} times its"
            f" median ({each.median:.2f} s) in the last {each.times} {each.mode} builds",
            f"{program()} runs trend {each.script}",
        )


def as_data(done: BuildResult) -> dict[str, Any]:
    """Return a build as data, for JSON."""
    return {
        "run": done.run_id,
        "seconds": round(done.seconds, 3),
        "warnings": done.warnings,
        "restated": done.restated,
        "slow": [asdict(each) for each in done.slow],
        "scripts": [script_as_data(result) for result in done.results],
    }


def script_as_data(done: ScriptResult) -> dict[str, Any]:
    """Return what a script changed, or would change, as data for JSON."""
    return {
        "script": done.step.script.key,
        "build": done.step.mode,
        "why": done.step.reason,
        **asdict(done.changes),
        "seconds": round(done.seconds, 3),
    }
