"""How a warehouse grows: bytes of each layer, first load, first build, new rows, memory.

Everything is done once, by commands in processes of their own, as a user does it. docs/scaling.md
says what the figures mean for more events than were measured.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.builds import DELTAS
from benchmarks.measure import PROJECT, RUNNER, Report, Server, children
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.demo import Demo, seed

USERS = 100  # events of each
# What is kept, by what has to be kept: the source may be elsewhere.
BYTES = """
    select case
        when tables.relnamespace::regnamespace::text = 'warehouse'
            then substring(tables.relname from '^[a-z]+')
        else tables.relnamespace::regnamespace::text
    end as layer, sum(pg_total_relation_size(tables.oid))::float8 as bytes
    from pg_class as tables
    where
        tables.relkind in ('r', 'm')
        and tables.relnamespace::regnamespace::text
        in ('public', 'warehouse', 'reporting', 'orchestrator')
    group by layer having sum(pg_total_relation_size(tables.oid)) > 0 order by bytes desc
"""
PAGE = 4096


class Peak:
    """The most memory that the processes of a server had of their own, all together, in MB."""

    def __init__(self, postmaster: int | None) -> None:
        self.postmaster, self.megabytes = postmaster, 0.0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        done = threading.Event()
        thread = threading.Thread(target=self._watch, args=(done,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _watch(self, done: threading.Event) -> None:
        while self.postmaster and not done.wait(0.1):
            pages = 0
            for process in children(self.postmaster):
                with contextlib.suppress(OSError, IndexError):
                    resident, shared = Path("/proc", str(process), "statm").read_text().split()[1:3]
                    pages += int(resident) - int(shared)
            self.megabytes = max(self.megabytes, pages * PAGE / 1e6)


def measure(server: Server, report: Report, rows: int) -> None:
    """Measure a warehouse of so many events."""
    schema.apply(server.database, load(PROJECT), Target())
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = (end - timedelta(days=60)).replace(day=15)
    days = 180 if rows <= 1_000_000 else 365
    seed(server.database, PROJECT, Demo(rows, rows // USERS, days, 1, end, False))
    server.run("vacuum analyze public.event_stream", "checkpoint")

    def command(what: str, *words: str) -> None:
        peak = Peak(server.postmaster)
        spilled = "sum(temp_bytes)::float8 from pg_stat_database"
        before = server.value(spilled)
        with peak.watched():
            cost, runner = server.command_cost([*RUNNER, *words])
        report.costs(f"{what}, {rows:,} events", [cost])
        report.add(
            f"{what}, memory, {rows:,} events",
            [peak.megabytes],
            "MB",
            runner=runner,
            spilled=(server.value(spilled) - before) / 1e6,
        )

    command("first load", "ingest")
    command("first build", "build")
    with server.database.session("benchmark") as session:
        for row in session.rows(BYTES):
            what = f"{row['layer']}, {rows:,} events"
            report.add(what, [row["bytes"] / rows], "bytes an event", GB=row["bytes"] / 1e9)
    server.run("vacuum analyze", "checkpoint")
    command("a round with nothing new", "run-all")
    for what, text in DELTAS.items():
        if what != "typical delta, models fitted anew":
            server.run(text)
            time.sleep(3)  # it is settled then
            command(f"{what}, load", "ingest")
            command(what, "build")
    command("verify", "verify")
