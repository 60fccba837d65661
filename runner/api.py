"""The public API: a project on a server, and what can be done with it."""

from collections.abc import Callable, Iterable
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
    """A project's folder and the server that its warehouse is on.

    It holds no connection and no state: each call opens its own and reads the files as they are,
    so that several projects can be used at once, from several threads.
    """

    path: Path
    database: Database

    @classmethod
    def open(cls, path: str | Path = ".", url: str | None = None) -> "Project":
        """Open the project in a folder.

        `url` is a connection string, such as `postgresql://user@host/database`. Without it the
        server is the one that DATABASE_URL or the PG* variables name, else the embedded one, which
        is started. UsageError if there is no such folder, StartError if there is no manifest in it
        or no server.
        """
        folder = Path(path).absolute()
        if not folder.is_dir():
            raise UsageError(f"{path} is not a folder", "name the folder of a project")
        load(folder)
        return cls(folder, Database(url if url is not None else address.find(folder).conninfo))

    def run_all(self, *, wait_seconds: float = 60.0, listener: Listener = SILENT) -> Round:
        """Bring in what is new, and build what follows from it.

        `wait_seconds` is the longest wait for transactions that are open in a source.
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
        """Bring new rows into the replicas of all enabled pipelines, or of one.

        With `sweep`, look through the whole source for rows that came late or changed.
        """
        runs = run.ingest(
            self.database,
            self.path,
            listener,
            pipeline=pipeline,
            wait_seconds=wait_seconds,
            sweep=sweep,
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
        """Bring a target up to date in one commit, or leave it as it was and raise.

        `select` names scripts that are built in full, with all that follows from them. A large
        first build runs `jobs` scripts at once, by default one for each core of this machine, and
        nothing is ingested meanwhile.
        """
        manifest = load(self.path)
        return build(self.database, manifest, Target(target), select, jobs, listener)

    def plan(self, select: Iterable[str] = (), *, target: str = "live") -> tuple[Step, ...]:
        """Say for each script, in order, what a build would do and why. Changes nothing."""
        with self.database.session() as session:
            ledger.require(session)
            return tuple(read_plan(session, load(self.path), Target(target), select)[1])

    def status(self, *, target: str = "live") -> Status:
        """Say whether today's numbers can be trusted, and what needs a person."""
        return status(self.database, self.path, target)

    def verify(
        self,
        *,
        target: str = "live",
        jobs: int | None = None,
        repair: bool = False,
        listener: Listener = SILENT,
    ) -> "Verdict":
        """Build what is due, rebuild everything beside it, and compare the two row by row.

        `jobs` scripts run at once, by default one for each core of this machine. With `repair`,
        publish what differs. Nothing is ingested meanwhile.
        """
        manifest = load(self.path)
        verify: Callable[..., Verdict] = room("runner.compare.rebuild", what="verify").verify
        return verify(self.database, manifest, Target(target), jobs, repair, listener)
