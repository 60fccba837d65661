"""Runs the checks and observations of a script on the tables that it has just filled."""

from pathlib import Path

from runner.build.compose import Composer
from runner.build.plan import Mode
from runner.database.ledger import Evidence
from runner.database.session import Row, Session
from runner.errors import RunnerError
from runner.project.manifest import Script
from runner.project.scripts import is_warning


class CheckFailed(RunnerError):
    """A blocking check returned rows."""


def run_checks(
    session: Session, composer: Composer, script: Script, mode: Mode, evidence: Evidence
) -> list[str]:
    """Run checks and observations; return warnings. CheckFailed if a check stops the build."""
    warnings = []
    for path in script.checks:
        warning = _check(session, composer, script, path, mode, evidence)
        warnings += [warning] if warning else []
    for path in script.observations:
        name = path.name.removesuffix(".observe.sql")
        evidence.observed(script.key, name, _observe(session, composer, path, mode))
    return warnings


def _check(
    session: Session, composer: Composer, script: Script, path: Path, mode: Mode, evidence: Evidence
) -> str | None:
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
        raise CheckFailed(message, "nothing was published; python -m runner runs shows the build")
    return message if status == "warned" else None


def _observe(session: Session, composer: Composer, path: Path, mode: Mode) -> list[Row]:
    rows = session.query(
        f"with observed as ({composer.check(path, mode).text}\n)"
        " select observed.label::text as label, observed.value::numeric as value from observed",
        path,
    )
    if any(row["label"] is None for row in rows):
        raise RunnerError(f"{path}: a label is null", "give each row a label")
    return rows
