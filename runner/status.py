"""Finds out whether the data of a target can be trusted, and if not, why. Queries: status.sql."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.build.owner import check_owner
from runner.database import disk, ledger
from runner.database.session import Database, Row
from runner.errors import StartError
from runner.ingest.blockers import blockers, gaps
from runner.project.graph import reports_of
from runner.project.manifest import Manifest, load
from runner.project.target import Target, replica_name

# Kinds of problems that keep new rows of a pipeline out of the reports.
STOPPED = {"disabled", "dropped", "emptied", "failed", "held", "late", "unreadable"}


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a target: each problem with its remedy, the freshness of the pipelines, the
    latest builds, and how many checks passed, warned and failed.

    `notes` are problems of pipelines that no script needs. `rests_on` says what the verdict is
    based on. `behind` are the pipelines that load no new rows, with how far they are loaded and
    the reports that are out of date as a result.
    """

    problems: tuple[Row, ...]
    notes: tuple[Row, ...]
    rests_on: str
    freshness: tuple[Row, ...]
    last_builds: tuple[Row, ...]
    check_counts: tuple[Row, ...]
    behind: tuple[Row, ...] = ()

    @property
    def is_good(self) -> bool:
        return not self.problems


def status(database: Database, project: Path, target: str = "live") -> Status:
    """Return the status of a target, from its runs, builds and checks and from the sources."""
    manifest = load(project)
    needed = [replica_name(name) for name in manifest.raw_needs()]
    with database.session() as session:
        ledger.require(session)
        problems, freshness, last_builds, check_counts = (
            session.named(f"status.{name}", target=target, needed=needed)
            for name in ("problems", "freshness", "last_builds", "check_counts")
        )
        unknown = session.named("status.unknown_gaps", needed=needed)
        try:
            check_owner(session, manifest, Target(target))
        except StartError as error:
            what = f"target {target}"
            reason = {"problem": error.message, "remedy": error.hint}
            problems.append({"what": what, "kind": "owner", **reason})
        found = disk.disk(session)
        if found and disk.is_full(*found):
            said = {"problem": disk.sentence(*found), "remedy": disk.MAKE_ROOM}
            problems.append({"what": "disk", "kind": "disk", **said})
        problems += [*gaps(session), *blockers(session, project)]
    unneeded = {f"pipeline {row['pipeline']}" for row in freshness if not row["is_needed"]}
    # The same problem may be found in the source and in the last run.
    problems = list({(row["what"], row["problem"]): row for row in problems}.values())
    return Status(
        tuple(row for row in problems if row["what"] not in unneeded),
        tuple(row for row in problems if row["what"] in unneeded),
        _rests_on(freshness, last_builds, check_counts, [row["pipeline"] for row in unknown]),
        tuple(freshness),
        tuple(last_builds),
        tuple(check_counts),
        tuple(_behind(manifest, problems, freshness)),
    )


def _behind(manifest: Manifest, problems: Sequence[Row], freshness: Sequence[Row]) -> Iterator[Row]:
    """Yield the pipelines that load no new rows, each with the reports that depend on it."""
    stopped = {row["what"] for row in problems if row["kind"] in STOPPED}
    for row in freshness:
        name = row["replica"].removeprefix(replica_name(""))
        reports = reports_of(manifest, name)
        if reports and f"pipeline {row['pipeline']}" in stopped:
            which = {"pipeline": row["pipeline"], "loaded_through": row["loaded_through"]}
            yield {**which, "reports": reports}


def _rests_on(
    pipelines: Sequence[Row], builds: Sequence[Row], checks: Sequence[Row], silent: Sequence[str]
) -> str:
    """Return what the verdict is based on, a fact per line. Nobody would notice if the `silent`
    pipelines stopped receiving rows.
    """
    needed = [row for row in pipelines if row["is_needed"]]
    guarantees = " and ".join(sorted({row["guarantee"] or "none" for row in needed})) or "none"
    through = min((row["loaded_through"] or "never" for row in needed), default="never")
    passed = sum(row["checks"] for row in checks if row["status"] == "passed")
    unchecked = [row["pipeline"] for row in needed if row["reconciled_at"] is None]
    oldest = min((row["reconciled_at"] for row in needed if row["reconciled_at"]), default="never")
    deletes = f"not checked for {', '.join(unchecked)}" if unchecked else f"last checked {oldest}"
    lines = [
        f"sources: {len(needed)} needed {'pipeline' if len(needed) == 1 else 'pipelines'},"
        f" guarantee {guarantees}, loaded through {through}",
        f"build: {builds[0]['build'] if builds else 'none'}, {passed} checks passed",
        f"deletes in the sources: {deletes}",
    ]
    if silent:
        lines.append(
            f"no usual gap between rows is known yet for {', '.join(silent)}: silence there"
            " would go unnoticed"
        )
    return "\n".join(lines)
