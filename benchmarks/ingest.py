"""Measures `ingest` against the bare statement that moves the same rows into a table alike.

    python -m benchmarks.ingest [--rows 1000000 10000000] [--rounds 5] [--parts first nothing ...]

For each number of rows it starts a throw-away server with the settings that the embedded one has,
and fills a source with half a year of events, vacuumed and analysed. What is compared runs in turn,
each side first in every other round, after a checkpoint. Prints the medians of both sides' seconds,
the median and the range of the rounds' ratios, and beside them the limit, where there is one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from runner import embedded, schema
from runner.database import Database
from runner.manifest import load
from runner.pipeline import IngestionPipeline, Loaded
from runner.target import Target

PROJECT = Path(__file__).parent.parent
RUNNER = [sys.executable, "-m", "runner", "--project", str(PROJECT)]
FIRST_LIMIT, FOREIGN_LIMIT = 1.15, 1.1
NOTHING_LIMIT, MEMORY_LIMIT = 50.0, 60.0  # ms, MB
OLD_WINDOWS = 100_000

NAMES = (
    "event_id",
    "event_time",
    "user_id",
    "event_type",
    "transaction_category",
    "miles_amount",
    "platform",
    "utm_source",
    "country",
    "created_at",
)
COLUMNS = ", ".join(NAMES)
# Events spread evenly over the time before `until`.
EVENTS = """
    insert into public.event_stream ({columns}) overriding system value
    select
        {after} + number,
        arrival.moment - interval '1 minute',
        'u_' || number * 7919 % 50000,
        (array['miles_earned', 'miles_redeemed', 'reward_search', 'like'])[1 + number % 4],
        (array['dining', 'flight', 'grocery'])[1 + number % 3],
        number % 900,
        (array['ios', 'android', 'web'])[1 + number % 3],
        'google',
        'SG',
        arrival.moment
    from generate_series(1::bigint, {rows}) as number
    cross join lateral (
        select {until} - interval '{span}' * (({rows} - number) / {rows}.0) as moment
    ) as arrival
"""
BARE = f"insert into warehouse.bare ({COLUMNS}, _run_id) select {COLUMNS}, 1 from {{source}}"
BARE_UPSERT = f"""
    insert into warehouse.bare as stored ({COLUMNS}, _run_id)
    select {COLUMNS}, 1 from public.event_stream
    on conflict (event_id) do update
    set {", ".join(f"{name} = excluded.{name}" for name in NAMES)}, _run_id = excluded._run_id
    where
        ({", ".join(f"stored.{name}" for name in NAMES)})
        is distinct from ({", ".join(f"excluded.{name}" for name in NAMES)})
"""
# The last window becomes the last of many, and they get all that it knows.
OLD_RUNS = f"""
    delete from orchestrator.runs where high < (select max(high) from orchestrator.runs);
    update orchestrator.runs set low = high - interval '1 minute';
    insert into orchestrator.runs (
        kind, status, pipeline_id, low, high, rows_read, guarantee, guarantee_note,
        horizon, horizon_scope, horizon_chain, finished_at
    )
    select
        'window', 'succeeded', runs.pipeline_id,
        runs.low - interval '1 minute' * number, runs.low - interval '1 minute' * (number - 1),
        10, runs.guarantee, runs.guarantee_note,
        runs.horizon, 'lookback', runs.horizon_chain, clock_timestamp()
    from orchestrator.runs as runs
    cross join generate_series({OLD_WINDOWS}, 1, -1) as number;
"""


def say(what: str, figures: str, value: float | None = None, limit: float | None = None) -> None:
    verdict = ""
    if value is not None and limit is not None:
        verdict = f"  {'ok' if value <= limit else 'MISS'} (limit {limit:g})"
    print(f"  {what:<35} {figures}{verdict}", flush=True)


def timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


@contextmanager
def statements() -> Iterator[list[float]]:
    """Seconds of all that is sent to a server, commits too: whatever waits for it waits here."""
    seconds: list[float] = []
    wait = psycopg.Connection.wait

    def timed_wait(*arguments: Any, **values: Any) -> Any:
        start = time.perf_counter()
        try:
            return wait(*arguments, **values)
        finally:
            seconds.append(time.perf_counter() - start)

    psycopg.Connection.wait = timed_wait  # type: ignore[method-assign]
    try:
        yield seconds
    finally:
        psycopg.Connection.wait = wait  # type: ignore[method-assign]


class Benchmark:
    def __init__(self, server: embedded.Server, rows: int, rounds: int) -> None:
        self.uri, self.rows, self.rounds = server.uri, rows, rounds
        self.database = Database(server.uri)
        schema.apply(self.database, load(PROJECT), Target())
        self.run("delete from orchestrator.pipeline_definitions where pipeline_id <> 1")
        self.pipeline_id, self.replica = 1, "warehouse.raw_event_stream"
        self.arrive(rows, 0, "now() - interval '1 hour'", "180 days")
        self.make_bare()

    def run(self, *texts: str) -> None:
        with self.database.session("benchmark") as session:
            for text in texts:
                session.run(text)

    def value(self, expression: str) -> Any:
        with self.database.session("benchmark") as session:
            return session.row(f"select ({expression}) as value")["value"]

    def arrive(self, rows: int, after: int, until: str, span: str) -> None:
        text = EVENTS.format(columns=COLUMNS, rows=rows, after=after, until=until, span=span)
        # What was committed asynchronously is no news to a vacuum before it has been flushed.
        self.run(text, "checkpoint", "vacuum analyze public.event_stream")

    def make_bare(self) -> None:
        self.run(
            "drop table if exists warehouse.bare",
            f"create table warehouse.bare (like {self.replica} including all)",
        )

    def empty(self) -> None:
        """Nothing was ever loaded."""
        tables = f"warehouse.bare, {self.replica}, orchestrator.logs, orchestrator.runs"
        self.run(f"truncate {tables} cascade", "checkpoint")

    def fill(self, bare: str) -> None:
        """Everything was loaded, into both tables, and the server has had time to look at it."""
        self.empty()
        self.ingest(self.rows)
        self.run(bare, "checkpoint", "analyze orchestrator.runs")
        self.run(f"vacuum analyze {self.replica}", "vacuum analyze warehouse.bare")

    def pipeline(self) -> IngestionPipeline:
        return IngestionPipeline(self.pipeline_id, self.database, PROJECT)

    def ingest(self, rows: int, sweep: bool = False) -> float:
        return self.moved(rows, "inserted", lambda: self.pipeline().run(sweep=sweep))

    def moved(self, rows: int, what: str, do: Callable[[], list[Loaded]]) -> float:
        """Seconds of runs, which have to come to so many rows."""
        loaded: list[Loaded] = []
        seconds = timed(lambda: loaded.extend(do()))
        found = sum(getattr(run.counts, what) for run in loaded)
        if found != rows:
            sys.exit(f"failed: {found:,} of {rows:,} rows {what}")
        return seconds

    def compare(
        self,
        what: str,
        bare: str,
        ours: Callable[[], float],
        before: Callable[[], None],
        limit: float | None = None,
        is_shared: bool = False,
    ) -> None:
        """Rounds of both. `before` prepares a side, or a whole round that both share."""
        sides = {"bare": lambda: timed(lambda: self.run(bare)), "ours": ours}
        found: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(self.rounds):
            for turn, side in enumerate(sorted(sides, reverse=number % 2 == 1)):
                if turn == 0 or not is_shared:
                    before()
                found[side].append(sides[side]())
        ratios = [own / other for other, own in zip(found["bare"], found["ours"], strict=True)]
        ratio = statistics.median(ratios)
        seconds = (f"{side} {statistics.median(found[side]):7.3f} s" for side in sides)
        spread = f"ratio {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        say(what, f"{'  '.join(seconds)}  {spread}", ratio, limit)

    def first(self) -> None:
        bare = BARE.format(source="public.event_stream")
        self.compare("first load", bare, lambda: self.ingest(self.rows), self.empty, FIRST_LIMIT)

    def window(self) -> None:
        self.fill(BARE.format(source="public.event_stream"))
        new = "public.event_stream where event_id > (select max(event_id) from warehouse.bare)"

        def come(rows: int) -> None:
            last = self.value("select max(event_id) from public.event_stream")
            until = "(select max(high) from orchestrator.runs) + interval '1 second'"
            self.arrive(rows, last, until, "0.9 seconds")
            self.run("checkpoint")
            time.sleep(3)  # they are settled then

        for rows in (10_000, 100_000):
            self.compare(
                f"{rows:,} new rows",
                BARE.format(source=new),
                lambda rows=rows: self.ingest(rows),  # type: ignore[misc]
                lambda rows=rows: come(rows),  # type: ignore[misc]
                is_shared=True,
            )
        old = f"delete from public.event_stream where event_id > {self.rows}"
        self.run(old, "vacuum analyze public.event_stream")

    def nothing(self) -> None:
        self.fill("select")
        self._nothing("nothing new")
        self.fill("select")
        self.run(OLD_RUNS, "analyze orchestrator.runs")
        self._nothing(f"nothing new, {OLD_WINDOWS:,} old windows")

    def _nothing(self, what: str) -> None:
        self.ingest(0)
        found = []
        for _ in range(5 * self.rounds):
            with statements() as seconds:
                whole = self.ingest(0)
            found.append((sum(seconds) * 1000, whole * 1000, len(seconds)))
        spent, whole, number = (statistics.median(each) for each in zip(*found, strict=True))
        fastest = min(found)[0]
        figures = f"{spent:.1f} ms (fastest {fastest:.1f}) in {number:.0f} statements"
        figures += f", {whole:.0f} ms with Python and connections"
        say(what, figures, spent, NOTHING_LIMIT)

    def memory(self) -> None:
        """The peak of the process; a process has at least that of the one that started it."""
        self.empty()
        process = os.posix_spawn(
            sys.executable,
            [*RUNNER, "ingest"],
            {**os.environ, "DATABASE_URL": self.uri},
            file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)],
        )
        _, status, usage = os.wait4(process, 0)
        rows = self.value(f"select count(*) from {self.replica}")
        if status or rows != self.rows:
            sys.exit(f"failed: ingest: {rows:,} of {self.rows:,} rows")
        peak = usage.ru_maxrss / 1024
        say("peak memory of the process", f"{peak:.0f} MB", peak, MEMORY_LIMIT)

    def foreign(self) -> None:
        """The same rows in another database, through postgres_fdw."""
        self.run("create database shop template postgres")
        there = self.uri.replace("/postgres?", "/shop?")
        script = ("source-sql", "postgres", "--source", "public.event_stream", "--role", "reader")
        with Database(there).session("benchmark") as session:
            session.run(self.command(*script))
            session.run("vacuum analyze public.event_stream")
        address = there.replace("postgres@", "reader@")
        source = ("--from", address, "--source", "public.event_stream", "--cursor", "created_at")
        self.command("add", "shop", *source, "--key", "event_id", "--into", "warehouse.raw_shop")
        own = self.pipeline_id, self.replica
        self.pipeline_id = self.value(
            "select max(pipeline_id) from orchestrator.pipeline_definitions"
        )
        self.ingest(self.rows)  # makes the replica
        self.replica = "warehouse.raw_shop"
        self.make_bare()
        bare = BARE.format(source="from_shop.event_stream")
        ours = lambda: self.ingest(self.rows)  # noqa: E731
        self.compare("first load, postgres_fdw", bare, ours, self.empty, FOREIGN_LIMIT)
        self.pipeline_id, self.replica = own
        self.make_bare()

    def command(self, *words: str) -> str:
        yes = ["--yes"] if words[0] == "add" else []
        environment = {**os.environ, "DATABASE_URL": self.uri}
        done = subprocess.run(
            [*RUNNER, "pipelines", *words, *yes],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def upsert(self) -> None:
        self.run(
            "update orchestrator.pipeline_definitions set write_mode = 'upsert'",
            f"drop table {self.replica} cascade",
            "truncate orchestrator.runs cascade",
        )
        self.ingest(self.rows)  # makes the replica
        self.make_bare()
        self.compare("upsert, first load", BARE_UPSERT, lambda: self.ingest(self.rows), self.empty)
        self.fill(BARE_UPSERT)
        whole = ("-infinity", "infinity")
        self.compare(
            "upsert, read again unchanged",
            BARE_UPSERT,
            lambda: self.moved(self.rows, "unchanged", lambda: self.pipeline().backfill(*whole)),
            lambda: self.run("checkpoint"),
        )
        sweeps = [self.ingest(0, sweep=True) for _ in range(self.rounds)]
        say("sweep, nothing late", f"{statistics.median(sweeps):.3f} s")
        whole_table = self.moved(self.rows, "unchanged", lambda: self.pipeline().reconcile())
        say("reconcile, nothing differs", f"{whole_table:.3f} s")


PARTS = ("first", "window", "nothing", "memory", "foreign", "upsert")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="milepost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for rows in options.rows:
            server = embedded.Server(folder / f"data-{rows}", embedded.FAST).child()
            try:
                print(f"{rows:,} rows, {options.rounds} rounds, PostgreSQL {embedded.MAJOR}")
                benchmark = Benchmark(server, rows, options.rounds)
                for part in PARTS:
                    if part in options.parts:
                        getattr(benchmark, part)()
            finally:
                server.close()


if __name__ == "__main__":
    main()
