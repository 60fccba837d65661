"""Readers of the reports while builds run: how long they wait, beside the same without a build.

They read as dashboards and BI tools do, each over a connection of its own. With each look they also
read two tables in one snapshot, a moment apart: both count the same, unless they are of two builds.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg

from benchmarks.builds import TYPICAL
from benchmarks.measure import PROJECT, Report, Server
from runner import run
from runner.build.build import build
from runner.database import embedded
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.demo import Demo, seed

READERS = 50
SETTINGS = {**embedded.FAST, "max_connections": READERS + 20}
PAUSE = 0.25  # seconds between two looks of a reader: people look, and do not only wait
ROUNDS = 5
USERS = 100  # events of each
# What a dashboard asks for; the last one is of two tables, which have to tell the same.
LOOKS = (
    "select * from reporting.kpi_daily where slice = 'all' order by day desc limit 90",
    "select * from reporting.growth_accounting where grain = 'month' and slice = 'all'",
    "select * from reporting.retention where slice = 'all' limit 500",
)
TABLES = ("active_users_daily", "kpi_daily")
COUNT = "select sum(dau) from reporting.{} where slice = 'all'"
MOMENT = 0.05
BETWEEN_BUILDS = 10.0
Versions = set[tuple[object, ...]]


class Reader(threading.Thread):
    """Looks again and again until it is told to stop."""

    def __init__(self, uri: str, place: int, stop: threading.Event) -> None:
        super().__init__()
        self.uri, self.place, self.stop = uri, place, stop
        self.seconds: list[float] = []
        self.versions: Versions = set()
        self.torn = 0

    def run(self) -> None:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            while not self.stop.is_set():
                look = LOOKS[(len(self.seconds) + self.place) % len(LOOKS)]
                started = time.perf_counter()
                connection.execute(look.encode()).fetchall()
                self.seconds.append(time.perf_counter() - started)
                connection.execute("begin isolation level repeatable read, read only")
                counts = []
                for table in TABLES:
                    counts += connection.execute(COUNT.format(table).encode()).fetchall()
                    time.sleep(MOMENT)
                connection.execute("commit")
                self.torn += counts[0] != counts[1]
                self.versions.add(counts[0])
                self.stop.wait(PAUSE)


def looked(server: Server, work: Callable[[], object]) -> tuple[list[float], Versions, int]:
    """The seconds of all looks while work is done, the versions that were seen, and how many looks
    met parts of two.
    """
    stop = threading.Event()
    readers = [Reader(server.uri, place, stop) for place in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        work()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    seconds = [each for reader in readers for each in reader.seconds]
    versions = set().union(*(reader.versions for reader in readers))
    return seconds, versions, sum(reader.torn for reader in readers)


def measure(server: Server, report: Report, rows: int) -> None:
    """Measure readers beside builds of new events, in a warehouse of so many."""
    database, manifest, live = server.database, load(PROJECT), Target()
    schema.apply(database, manifest, live)
    # What comes in lies behind it, and not in the future.
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
    seed(database, PROJECT, Demo(rows, rows // USERS, 180, 1, end, False))
    run.ingest(database, PROJECT, run.Listener())
    build(database, manifest, live)
    server.run("vacuum analyze", "checkpoint")
    idle: list[float] = []
    building: list[float] = []
    walls: list[float] = []
    versions: Versions = set()
    torn = 0
    for _ in range(ROUNDS):
        server.run(TYPICAL)
        # They are settled then. What else the machine does is in both.
        idle += looked(server, lambda: time.sleep(BETWEEN_BUILDS))[0]
        run.ingest(database, PROJECT, run.Listener())
        started = time.perf_counter()
        seconds, seen, more = looked(server, lambda: build(database, manifest, live))
        walls.append(time.perf_counter() - started)
        building += seconds
        versions |= seen
        torn += more
    for name, place in (("p50", 50), ("p99", 99)):
        before, during = (statistics.quantiles(each, n=100)[place - 1] for each in (idle, building))
        what = f"{READERS} readers, {name}, {rows:,} events"
        report.add(what, [during / before], "x idle", ms=during * 1000, idle=before * 1000)
    report.add(f"{READERS} readers, builds, {rows:,} events", walls)
    more = {"looks": len(building), "versions": len(versions)}
    report.add(f"{READERS} readers, torn looks, {rows:,} events", [torn], "", 0, **more)
    if len(versions) < 2:
        sys.exit("failed: no build was seen to be published")
