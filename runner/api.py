"""The public API: `Project`, a project's folder and its database."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner import run
from runner.build.build import build, read_plan
from runner.build.plan import Step
from runner.build.transaction import BuildResult
from runner.database import address, ledger
from runner.database.session import Database
from runner.errors import UsageError, room
from runner.ingest.pipeline import RunResult
from runner.project.manifest import load
from runner.project.target import Target
from runner.run import Listener, Round
from runner.status import Status, status

if TYPE_CHECKING:
    from runner.compare.rebuild import Verdict

SILENT = Listener()


@dataclass(frozen=True, slots=True)
class Project:
    """A project's folder and the database of its warehouse.

    It holds no connection and no state. Each call opens its own connections and reads the files as
    they are, so several projects can be used at once, from several threads.
    """

    path: Path
    database: Database

    @classmethod
    def open(cls, path: str | Path = ".", url: str | None = None) -> "Project":
        """Open the project in a folder.

        `url` is a connection string, such as `postgresql://user@host/database`. Without it,
        DATABASE_URL or the PG* variables name the server; if they are not set, the embedded server
        is started. Raises UsageError if the folder does not exist, and StartError if it has no
        valid manifest or if there is no server.
        """
        folder = Path(path).absolute()
        if not folder.is_dir():
            raise UsageError(f"{path} is not a folder", "name the folder of a project")
        load(folder)
        return cls(folder, Database(url if url is not None else address.find(folder).conninfo))

    def run_all(self, *, wait_seconds: float = 60.0, listener: Listener = SILENT) -> Round:
        """Ingest new rows, then build everything that depends on them.

        `wait_seconds` is the maximum time to wait for open transactions in a source. Raises
        `runner.run.RoundFailed` if a pipeline failed; the rest is built.
        """
        return run.run_all(self.database, self.path, listener, wait_seconds=wait_seconds)

    def ingest(
        self,
        pipeline: str | None = None,
        *,
        wait_seconds: float = 60.0,
        sweep: bool = False,
        listener: Listener = SILENT,
    ) -> tuple[RunResult, ...]:
        """Load new rows into the replicas of all enabled pipelines, or of one.

        With `sweep`, also search the whole source for rows that arrived late or changed.
        """
        runs = run.ingest(
            self.database, self.path, listener, pipeline, wait_seconds=wait_seconds, sweep=sweep
        )
        return tuple(runs)

    def build(
        self,
        select: Iterable[str] = (),
        *,
        target: str = "live",
        jobs: int | None = None,
        listener: Listener = SILENT,
    ) -> BuildResult:
        """Bring the tables of a target up to date in one commit, or change nothing and raise.

        `select` names scripts to build in full, with everything downstream of them. A large first
        build runs `jobs` scripts at once (default: one per core, up to eight), and blocks ingestion
        until it is done.
        """
        manifest = load(self.path)
        return build(self.database, manifest, Target(target), select, jobs, listener)

    def plan(self, select: Iterable[str] = (), *, target: str = "live") -> tuple[Step, ...]:
        """Return, for each script in build order, what a build would do and why."""
        with self.database.session() as session:
            ledger.require(session)
            return tuple(read_plan(session, load(self.path), Target(target), select)[1])

    def status(self, *, target: str = "live") -> Status:
        """Return whether the data can be trusted, and each problem with its remedy."""
        return status(self.database, self.path, target)

    def verify(
        self,
        *,
        target: str = "live",
        jobs: int | None = None,
        repair: bool = False,
        listener: Listener = SILENT,
    ) -> "Verdict":
        """Build pending changes, rebuild everything in a scratch schema, and compare row by row.

        `jobs` scripts run at once (default: one per core, up to eight). With `repair`, publish the
        rebuilt rows that differ. Ingestion is blocked meanwhile.
        """
        compare = room("runner.compare.rebuild", what="verify")
        verdict: Verdict = compare.verify(
            self.database, load(self.path), Target(target), jobs, repair, listener
        )
        return verdict
