"""Ingestion, against the bare statement that moves the same rows into a table alike.

What is compared runs in turn, each side first in every other round, after a checkpoint. The source
holds half a year of events, vacuumed and analysed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import psycopg

from benchmarks.measure import PROJECT, RUNNER, Report, Server
from runner.database.session import Database
from runner.ingest.run import RunResult
from runner.project.manifest import load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline
from runner.setup import schema

PARTS = ("first", "window", "nothing", "memory", "upsert", "foreign")
FIRST_LIMIT, FOREIGN_LIMIT = 1.15, 1.1
NOTHING_LIMIT, MEMORY_LIMIT = 50, 60  # ms, MB
OLD_WINDOWS = 100_000

Do = Callable[[], Any]
SOURCE = "public.event_stream"
COLUMNS = (
    "event_id, event_time, user_id, event_type, transaction_category, miles_amount, platform,"
    " utm_source, country, created_at"
)
# Events spread evenly over the time before `until`.
EVENTS = f"""
    insert into {SOURCE} ({COLUMNS}) overriding system value
    select
        {{after}} + number, moment - interval '1 minute', 'u_' || number * 7919 % 50000,
        (array['miles_earned', 'miles_redeemed', 'reward_search', 'like'])[1 + number % 4],
        'dining', number % 900, (array['ios', 'web'])[1 + number % 2], 'google', 'SG', moment
    from generate_series(1::bigint, {{rows}}) as number, lateral (
        select {{until}} - interval '{{span}}' * (({{rows}} - number) / {{rows}}.0) as moment
    ) as arrival
"""
BARE = f"insert into warehouse.bare as stored ({COLUMNS}, _run_id) select {COLUMNS}, 1 from "
UPSERT = f"""
    {BARE} {SOURCE} on conflict (event_id) do update
    set ({COLUMNS}, _run_id) = (excluded.{COLUMNS.replace(", ", ", excluded.")}, excluded._run_id)
    where (stored.{COLUMNS.replace(", ", ", stored.")})
    is distinct from (excluded.{COLUMNS.replace(", ", ", excluded.")})
"""
# The last window becomes the last of many, and they get all that it knows.
OLD_RUNS = f"""
    delete from orchestrator.runs where high < (select max(high) from orchestrator.runs);
    update orchestrator.runs set low = high - interval '1 minute';
    insert into orchestrator.runs (
        kind, status, pipeline_id, low, high, horizon, horizon_scope, horizon_chain, finished_at
    )
    select
        kind, status, pipeline_id, low - interval '1 minute' * number,
        low - interval '1 minute' * (number - 1), horizon, 'lookback', horizon_chain, finished_at
    from orchestrator.runs, generate_series({OLD_WINDOWS}, 1, -1) as number
"""


class Benchmark:
    def __init__(self, server: Server, report: Report, rows: int, rounds: int) -> None:
        self.server, self.report, self.rows, self.rounds = server, report, rows, rounds
        self.database, self.run, self.value = server.database, server.run, server.value
        schema.apply(self.database, load(PROJECT), Target())
        self.run("delete from orchestrator.pipeline_definitions where pipeline_id <> 1")
        self.arrive(rows, 0, "now() - interval '1 hour'", "180 days")
        self.use(1, "warehouse.raw_event_stream")

    def use(self, pipeline_id: int, replica: str) -> None:
        """Work with a pipeline and its replica, and with a bare table like that."""
        self.pipeline_id, self.replica = pipeline_id, replica
        self.run("drop table if exists warehouse.bare")
        self.run(f"create table warehouse.bare (like {replica} including all)")

    def command(self, *words: str) -> str:
        command = [*RUNNER, "pipelines", *words]
        environment = {**os.environ, "DATABASE_URL": self.server.uri}
        return subprocess.check_output(command, env=environment, text=True)

    def arrive(self, rows: int, after: int, until: str, span: str) -> None:
        # What was committed asynchronously is no news to a vacuum before it has been flushed.
        text = EVENTS.format(rows=rows, after=after, until=until, span=span)
        self.run(text, "checkpoint", f"vacuum analyze {SOURCE}")

    def empty(self) -> None:
        """Nothing was ever loaded."""
        tables = f"warehouse.bare, {self.replica}, orchestrator.logs, orchestrator.runs"
        self.run(f"truncate {tables} cascade", "checkpoint")

    def fill(self, bare: str = "select") -> None:
        """Everything was loaded, and the server has had time to look at it."""
        self.empty()
        self.ingest(self.rows)
        self.run(bare, "checkpoint", "analyze orchestrator.runs")
        self.run(f"vacuum analyze {self.replica}", "vacuum analyze warehouse.bare")

    def ingest(self, rows: int | None = None, sweep: bool = False) -> float:
        wanted = self.rows if rows is None else rows
        return self.moved(wanted, "inserted", lambda pipeline: pipeline.run(sweep=sweep))

    def moved(
        self, rows: int, what: str, do: Callable[[RepairedPipeline], list[RunResult]]
    ) -> float:
        """Seconds of runs, which have to come to so many rows."""
        start = time.perf_counter()
        loaded = do(RepairedPipeline(self.pipeline_id, self.database, PROJECT))
        seconds = time.perf_counter() - start
        found = sum(getattr(run.counts, what) for run in loaded)
        if found != rows:
            sys.exit(f"failed: {found:,} of {rows:,} rows {what}")
        return seconds

    def bare(self, text: str) -> float:
        start = time.perf_counter()
        self.run(text)
        return time.perf_counter() - start

    def compare(
        self,
        what: str,
        bare: str,
        ours: Do,
        before: Do,
        limit: float | None = None,
        is_shared: bool = False,
    ) -> None:
        """Rounds of both. `before` prepares a side, or a whole round that both share."""
        sides = {"bare": lambda: self.bare(bare), "ours": ours}
        found: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(self.rounds):
            for turn, side in enumerate(sorted(sides, reverse=number % 2 == 1)):
                if turn == 0 or not is_shared:
                    before()
                found[side].append(sides[side]())
        ratios = [own / other for other, own in zip(found["bare"], found["ours"], strict=True)]
        seconds = {side: statistics.median(found[side]) for side in sides}
        self.report.add(self.named(what), ratios, "x bare", limit, **seconds)

    def named(self, what: str) -> str:
        return f"ingest, {what}, {self.rows:,} rows"

    def first(self) -> None:
        self.compare("first load", BARE + SOURCE, self.ingest, self.empty, FIRST_LIMIT)

    def window(self) -> None:
        self.fill(BARE + SOURCE)
        new = f"{SOURCE} where event_id > (select max(event_id) from warehouse.bare)"

        def come(rows: int) -> None:
            last = self.value(f"max(event_id) from {SOURCE}")
            until = "(select max(high) from orchestrator.runs) + interval '1 second'"
            self.arrive(rows, last, until, "0.9 seconds")
            time.sleep(3)  # they are settled then

        for rows in (10_000, 100_000):
            ours, before = partial(self.ingest, rows), partial(come, rows)
            self.compare(f"{rows:,} new rows", BARE + new, ours, before, is_shared=True)
        self.run(f"delete from {SOURCE} where event_id > {self.rows}")
        self.run("checkpoint", f"vacuum analyze {SOURCE}")

    def nothing(self) -> None:
        for what, runs in {"nothing new": "select", "the same, many runs": OLD_RUNS}.items():
            self.fill()
            self.run(runs, "analyze orchestrator.runs")
            self.ingest(0)
            found = [self.idle() for _ in range(5 * self.rounds)]
            self.report.add(
                self.named(what),
                [each for each, _, _ in found],
                "ms",
                NOTHING_LIMIT,
                whole=statistics.median(each for _, each, _ in found),
                statements=statistics.median(each for _, _, each in found),
            )

    def idle(self) -> tuple[float, float, int]:
        """Milliseconds in the server and of the whole, and the number of statements, of a run that
        finds nothing. Whatever waits for an answer, commits too, waits in one place.
        """
        waited: list[float] = []
        wait = psycopg.Connection.wait

        def timed_wait(*arguments: Any, **values: Any) -> Any:
            start = time.perf_counter()
            answer = wait(*arguments, **values)
            waited.append(time.perf_counter() - start)
            return answer

        with patch.object(psycopg.Connection, "wait", timed_wait):
            whole = self.ingest(0)
        return sum(waited) * 1000, whole * 1000, len(waited)

    def memory(self) -> None:
        """Peak of the process, never below that of the one that starts it."""
        self.empty()
        _, peak = self.server.command_cost([*RUNNER, "ingest"])
        if self.value(f"count(*) from {self.replica}") != self.rows:
            sys.exit("failed: not all rows were ingested")
        self.report.add(self.named("peak memory"), [peak], "MB", MEMORY_LIMIT)

    def upsert(self) -> None:
        changed = "update orchestrator.pipeline_definitions set write_mode = 'upsert'"
        self.empty()
        self.run(changed, f"drop table {self.replica} cascade")
        self.ingest()  # makes the replica
        self.use(self.pipeline_id, self.replica)
        self.compare("upsert, first load", UPSERT, self.ingest, self.empty)
        self.fill(UPSERT)

        def read_again(pipeline: RepairedPipeline) -> list[RunResult]:
            return pipeline.backfill("-infinity", "infinity")

        checkpoint = partial(self.run, "checkpoint")
        again = partial(self.moved, self.rows, "unchanged", read_again)
        self.compare("upsert, read again unchanged", UPSERT, again, checkpoint)
        sweeps = [self.ingest(0, sweep=True) for _ in range(self.rounds)]
        self.report.add(self.named("sweep, nothing late"), sweeps)
        seconds = self.moved(self.rows, "unchanged", RepairedPipeline.reconcile)
        self.report.add(self.named("reconcile, nothing differs"), [seconds])

    def foreign(self) -> None:
        """The same rows in another database, through postgres_fdw."""
        self.run("create database shop template postgres")
        there = self.server.uri.replace("/postgres?", "/shop?")
        with Database(there).session("benchmark") as session:
            script = ("source-sql", "postgres", "--source", SOURCE, "--role", "reader")
            session.run(self.command(*script))
            session.run(f"vacuum analyze {SOURCE}")
        origin = ("--from", there.replace("postgres@", "reader@"), "--source", SOURCE)
        row = ("--cursor", "created_at", "--key", "event_id", "--into", "warehouse.raw_shop")
        self.command("add", "shop", *origin, *row, "--yes")
        self.pipeline_id = self.value("max(pipeline_id) from orchestrator.pipeline_definitions")
        self.ingest()  # makes the replica
        self.use(self.pipeline_id, "warehouse.raw_shop")
        bare = f"{BARE} from_shop.event_stream"
        self.compare("first load, postgres_fdw", bare, self.ingest, self.empty, FOREIGN_LIMIT)


def measure(
    server: Server, report: Report, rows: int, rounds: int, parts: tuple[str, ...] = PARTS
) -> None:
    """Measure parts of ingestion, on a source of so many rows."""
    benchmark = Benchmark(server, report, rows, rounds)
    for part in parts:
        getattr(benchmark, part)()
