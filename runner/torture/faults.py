"""The threads of a torture test, which write, ingest, kill and audit, each in its own sessions."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

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
from runner.ingest.pipelines import pipelines
from runner.repairs.pipeline import RepairedPipeline

# Ways in which rows are written, by frequency: first as applications should, then as some do.
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
PIPELINES = ("upsert", "append")
# A pipeline that reads as a role from which row security hides rows for a while.
HIDDEN = "hidden"
# Copies that are made by naive protocols, for comparison.
COPIES = ("after_max", "from_max")
# SQLSTATE of an ended server process: that it was terminated, or that the connection was lost.
KILLED = ("57P01", "08")


@dataclass(frozen=True, slots=True)
class Plan:
    """Duration in seconds, numbers of threads, and the random seed for what the writers do."""

    seconds: int
    writers: int
    runners: int
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Seconds passed, rows written, runs that succeeded, processes killed."""

    seconds: float
    rows: int
    succeeded: int
    kills: int


class Workload:
    """Runs all threads at once for a while, and collects what the auditor and the runners find."""

    def __init__(
        self, database: Database, project: Path, plan: Plan, role: str | None = None
    ) -> None:
        """`role` is the one from which row security hides rows; None: that is not tested."""
        self.database = database
        self.role = role
        self.pipelines = (*PIPELINES, HIDDEN) if role else PIPELINES
        self.project = project
        self.plan = plan
        self.stop = threading.Event()
        self.kills = 0
        self.audits = 0
        self.broken: dict[tuple[str, int], Row] = {}  # as first seen
        self.errors: Counter[str] = Counter()

    def pipeline(self, name: str) -> RepairedPipeline:
        """Return a pipeline by its name."""
        with self.database.session("milepost torture") as session:
            pipeline_id = pipelines(session, name)[0]["pipeline_id"]
        conninfo = self.database.conninfo
        if name == HIDDEN:
            options = conninfo_to_dict(conninfo).get("options") or ""
            conninfo = make_conninfo(conninfo, options=f"{options} -c role={self.role}")
        return RepairedPipeline(pipeline_id, Database(conninfo), self.project)

    def run(self, on_progress: Callable[[Progress], None]) -> None:
        """Run until the time is over or a thread fails; report the progress until then."""
        jobs: list[Callable[[], None]] = [
            *(partial(self._write, self._chance("writer", n)) for n in range(self.plan.writers)),
            *(partial(self._ingest, self._chance("runner", n)) for n in range(self.plan.runners)),
            *(partial(self._copy, name, self._chance(name)) for name in COPIES),
            partial(self._kill, self._chance("killer")),
            partial(self._alter, self._chance("owner")),
            *([partial(self._hide, self._chance("policy"))] if self.role else []),
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
                    counts = session.named("torture/run.progress")[0]
                    on_progress(Progress(passed, **counts, kills=self.kills))
                    if wait(working, timeout=0.2, return_when=FIRST_COMPLETED).done:
                        break
            finally:
                self.stop.set()
        for job in working:
            job.result()
        on_progress(Progress(self.plan.seconds, **counts, kills=self.kills))

    def _chance(self, *who: object) -> random.Random:
        return random.Random(f"{self.plan.seed} {who}")

    def _write(self, chance: random.Random) -> None:
        with self.database.session("shop") as session:
            while not self.stop.is_set():
                session.run("begin")
                for _ in range(chance.choice((1, 1, 1, 2, 3))):
                    self._write_part(session, chance)
                    # Applications pause in the middle of a transaction, and sometimes for long.
                    least, most = (1, 2) if chance.random() < 0.02 else (0.01, 0.06)
                    self.stop.wait(chance.uniform(least, most))
                session.run("rollback" if chance.random() < 0.12 else "commit")
                self.stop.wait(chance.uniform(0, 0.03))

    def _write_part(self, session: Session, chance: random.Random, depth: int = 0) -> None:
        """Make a change, or several after a savepoint that is then released or rolled back to."""
        if depth == 3 or chance.random() < 0.65:
            _change(session, chance)
            return
        session.run("savepoint part")
        for _ in range(chance.randint(1, 2)):
            self._write_part(session, chance, depth + 1)
        if chance.random() < 0.8:
            session.run(chance.choice(("rollback to part", "release part")))

    def _ingest(self, chance: random.Random) -> None:
        while not self.stop.is_set():
            self._run(chance.choice(self.pipelines), sweep=chance.random() < 0.05)
            self.stop.wait(chance.uniform(0, 0.1))

    def _run(self, name: str, sweep: bool = False) -> None:
        try:
            self.pipeline(name).run(wait_seconds=0, sweep=sweep)
        except LockHeld:
            pass
        except RunnerError as error:
            code = (error.sqlstate or KILLED[-1]) if isinstance(error, QueryFailed) else ""
            if not code.startswith(KILLED):
                self.errors[error.message] += 1

    def _copy(self, name: str, chance: random.Random) -> None:
        with self.database.session("naive") as session:
            while not self.stop.is_set():
                session.named(f"torture/run.{name}")
                self.stop.wait(chance.uniform(0, 0.1))

    def _kill(self, chance: random.Random) -> None:
        with self.database.session("milepost torture, killer") as session:
            while not self.stop.wait(chance.uniform(0.02, 0.5)):
                values = {"pipeline_lock": PIPELINE_LOCK, "evidence": chance.random() < 0.2}
                victims = session.named("torture/run.kill", **values)
                self.kills += sum(victim["is_ended"] for victim in victims)

    def _alter(self, chance: random.Random) -> None:
        """Change the table as its owner might: recreate a column, or freeze rows.

        Only in the first third of the time: after such a change an ingest compares all rows, and
        so makes up for what other guards have missed.
        """
        for number in self._turns(chance, 0.2, 0.8):
            text = named_query("torture/run.alter").replace("{{ number }}", str(number))
            self._own(text if chance.random() < 0.7 else "vacuum (freeze) shop.orders")

    def _hide(self, chance: random.Random) -> None:
        """Hide rows by row security and show them again, in the same third of the time."""
        is_hidden = False
        for _ in self._turns(chance, 0.1, 0.5):
            is_hidden ^= self._own(_hiding(not is_hidden))
            if is_hidden:
                self._run(HIDDEN)
        while is_hidden:
            is_hidden ^= self._own(_hiding(False))

    def _turns(self, chance: random.Random, least: float, most: float) -> Iterator[int]:
        end = time.monotonic() + self.plan.seconds / 3
        for number in count(1):
            if self.stop.wait(chance.uniform(least, most)) or time.monotonic() >= end:
                return
            yield number

    def _own(self, text: str) -> bool:
        """Run a statement as the owner of the table; return False if it had to wait too long."""
        with self.database.session("owner") as session:
            session.run("set lock_timeout = '500ms'")
            try:
                session.run(text)
            except QueryFailed as error:
                if error.sqlstate != LOCK_NOT_AVAILABLE:
                    raise
                return False
        return True

    def _audit(self) -> None:
        with self.database.session("milepost torture, auditor") as session:
            while not self.stop.wait(0.5):
                for name in self.pipelines:
                    if query_replica(session, "has_replica", name)[0]["found"]:
                        for row in query_replica(session, "audit", name):
                            self.broken.setdefault((name, row["order_id"]), row)
                self.audits += 1


def query_replica(session: Session, query: str, name: str, **values: Any) -> list[Row]:
    """Run a query of run.sql on the replica of a pipeline or on a naive copy, by name."""
    replica = f"warehouse.{name}" if name in COPIES else f"warehouse.raw_{name}"
    text = named_query(f"torture/run.{query}").replace("{{ replica }}", replica)
    text = text.replace("{{ state }}", "null::integer" if name in COPIES else "state")
    return session.rows(text, {"pipeline": name, **values})


def _hiding(is_hidden: bool) -> str:
    word = "enable" if is_hidden else "disable"
    return (
        f"alter table shop.orders {word} row level security;"
        f" insert into shop.hidings (is_hidden) values ({is_hidden})"
    )


def _change(session: Session, chance: random.Random) -> None:
    rows = chance.randint(1, 5)
    if chance.random() < 0.7:
        (story,) = chance.choices(list(STORIES), list(STORIES.values()))
        session.named("torture/run.insert", story=story, rows=rows)
        return
    (story,) = chance.choices(list(CHANGES), list(CHANGES.values()))
    values = {"recent": chance.random() < 0.7, "place": chance.random()}
    session.named("torture/run.update", story=story, rows=rows, **values)
