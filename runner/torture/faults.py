"""What goes on during a torture: writers, an owner who alters the table, runners, a killer, naive
copies and an auditor, a thread and a connection each.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runner.database.queries import named_query
from runner.database.session import (
    LOCK_NOT_AVAILABLE,
    PIPELINE_LOCK,
    Database,
    LockHeld,
    QueryFailed,
    Row,
    Session,
)
from runner.errors import RunnerError
from runner.ingest.pipeline import IngestionPipeline
from runner.ingest.pipelines import pipelines

# How rows are written, and how often: what an application does, then what it should not.
STORIES = {
    "in time": 60,
    "clock of the statement": 10,
    "a moment ahead": 4,
    "years ahead": 2,
    "hours back": 8,
    "weeks back": 3,
    "without a time": 4,
    "infinite": 2,
    "minus infinite": 1,
}
CHANGES = {"changed": 5, "changed in silence": 4, "changed, dated back": 2}
# Names of pipelines, and of copies.
OURS = ("upsert", "append")
NAIVE = ("after_max", "from_max")
# The end of a server process is told as such, or as a connection that is gone.
KILLED = ("57P01", "08")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, by how many, and the seed of what the writers do."""

    seconds: int
    writers: int
    runners: int
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: rows written, runs that succeeded or ended otherwise, processes killed."""

    seconds: float
    rows: int
    succeeded: int
    ended: int
    kills: int


class Havoc:
    """Runs everybody at once for a time, and keeps what was seen meanwhile."""

    def __init__(self, database: Database, project: Path, plan: Plan) -> None:
        self.database = database
        self.project = project
        self.plan = plan
        self.stop = threading.Event()
        self.kills = 0
        self.audits = 0
        self.broken: dict[tuple[str, int], Row] = {}  # as first seen
        self.errors: Counter[str] = Counter()

    def pipeline(self, name: str) -> IngestionPipeline:
        """Ours, by name."""
        with self.database.session("milepost torture") as session:
            pipeline_id = pipelines(session, name)[0]["pipeline_id"]
        return IngestionPipeline(pipeline_id, self.database, self.project)

    def run(self, tell: Callable[[Progress], None]) -> None:
        """Until the time is over, or one of them cannot go on; the last that is told is the end."""
        jobs: list[Callable[[], None]] = [
            *(partial(self._write, self._chance("writer", n)) for n in range(self.plan.writers)),
            *(partial(self._ingest, self._chance("runner", n)) for n in range(self.plan.runners)),
            *(partial(self._copy, name, self._chance(name)) for name in NAIVE),
            partial(self._kill, self._chance("killer")),
            partial(self._alter, self._chance("owner")),
            self._audit,
        ]
        with (
            self.database.session("milepost torture") as session,
            ThreadPoolExecutor(len(jobs)) as pool,
        ):
            working = [pool.submit(job) for job in jobs]
            began = time.monotonic()
            try:
                while (passed := time.monotonic() - began) < self.plan.seconds:
                    counts = session.row(named_query("torture/run.progress"))
                    tell(Progress(passed, **counts, kills=self.kills))
                    if wait(working, timeout=0.2, return_when=FIRST_COMPLETED).done:
                        break
            finally:
                self.stop.set()
        for job in working:
            job.result()
        tell(Progress(self.plan.seconds, **counts, kills=self.kills))

    def _chance(self, *who: object) -> random.Random:
        return random.Random(f"{self.plan.seed} {who}")

    def _write(self, chance: random.Random) -> None:
        with self.database.session("shop") as session:
            while not self.stop.is_set():
                session.run("begin")
                for _ in range(chance.choice((1, 1, 1, 2, 3))):
                    self._write_part(session, chance)
                    self._hold(chance)
                session.run("rollback" if chance.random() < 0.12 else "commit")
                self.stop.wait(chance.uniform(0, 0.03))

    def _write_part(self, session: Session, chance: random.Random, depth: int = 0) -> None:
        """A change; or some of them under a savepoint, that are kept or taken back."""
        if depth == 3 or chance.random() < 0.65:
            _change(session, chance)
            return
        session.run("savepoint part")
        for _ in range(chance.randint(1, 2)):
            self._write_part(session, chance, depth + 1)
        if chance.random() < 0.8:
            session.run(chance.choice(("rollback to part", "release part")))

    def _hold(self, chance: random.Random) -> None:
        """Think, as applications do in the middle of a transaction."""
        is_long = chance.random() < 0.02
        self.stop.wait(chance.uniform(1, 2) if is_long else chance.uniform(0.01, 0.06))

    def _ingest(self, chance: random.Random) -> None:
        while not self.stop.is_set():
            try:
                pipeline = self.pipeline(chance.choice(OURS))
                pipeline.run(wait_seconds=0, sweep=chance.random() < 0.05)
            except LockHeld:
                pass
            except RunnerError as error:
                if not _was_killed(error):
                    self.errors[error.message] += 1
            self.stop.wait(chance.uniform(0, 0.1))

    def _copy(self, name: str, chance: random.Random) -> None:
        with self.database.session("naive") as session:
            while not self.stop.is_set():
                session.rows(named_query(f"torture/run.{name}"))
                self.stop.wait(chance.uniform(0, 0.1))

    def _kill(self, chance: random.Random) -> None:
        with self.database.session("milepost torture, killer") as session:
            while not self.stop.wait(chance.uniform(0.02, 0.5)):
                values = {"pipeline_lock": PIPELINE_LOCK, "evidence": chance.random() < 0.2}
                victims = session.rows(named_query("torture/run.kill"), values)
                self.kills += sum(victim["is_ended"] for victim in victims)

    def _alter(self, chance: random.Random) -> None:
        """Change the table as its owner does: a column is made anew, or rows are frozen.

        Only in the first third of the time: everything is compared after it, and what the other
        guards would have missed is found.
        """
        end = time.monotonic() + self.plan.seconds / 3
        number = 0
        with self.database.session("owner") as session:
            session.run("set lock_timeout = '200ms'")
            while not self.stop.wait(chance.uniform(0.2, 0.8)) and time.monotonic() < end:
                number += 1
                text = named_query("torture/run.alter").replace("{{ number }}", str(number))
                try:
                    session.run(text if chance.random() < 0.7 else "vacuum (freeze) shop.orders")
                except QueryFailed as error:
                    if error.sqlstate != LOCK_NOT_AVAILABLE:
                        raise

    def _audit(self) -> None:
        with self.database.session("milepost torture, auditor") as session:
            while not self.stop.wait(0.5):
                for name in OURS:
                    if look(session, "has_replica", name)[0]["found"]:
                        for row in look(session, "audit", name):
                            self.broken.setdefault((name, row["order_id"]), row)
                self.audits += 1


def look(session: Session, query: str, name: str, **values: Any) -> list[Row]:
    """Ask about the replica of one of ours or of a naive one, by name."""
    replica = f"warehouse.{name}" if name in NAIVE else f"warehouse.raw_{name}"
    text = named_query(f"torture/run.{query}").replace("{{ replica }}", replica)
    text = text.replace("{{ state }}", "null::integer" if name in NAIVE else "state")
    return session.rows(text, {"pipeline": name, **values})


def _was_killed(error: RunnerError) -> bool:
    return isinstance(error, QueryFailed) and (error.sqlstate or "08").startswith(KILLED)


def _change(session: Session, chance: random.Random) -> None:
    rows = chance.randint(1, 5)
    if chance.random() < 0.7:
        (story,) = chance.choices(list(STORIES), list(STORIES.values()))
        session.rows(named_query("torture/run.insert"), {"story": story, "rows": rows})
        return
    (story,) = chance.choices(list(CHANGES), list(CHANGES.values()))
    values = {"recent": chance.random() < 0.7, "place": chance.random()}
    session.rows(named_query("torture/run.update"), {"story": story, "rows": rows, **values})
