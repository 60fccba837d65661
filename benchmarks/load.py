"""Loading a file, against psql's \\copy: the same file into the same table with its indexes.

Both run in turn, each in a process of its own, on an emptied table. `1 in 1,000 bad` is the same
file with bad lines, which \\copy cannot read: its ratio is to \\copy of the clean one.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.measure import PROJECT, RUNNER, Report, Server
from runner.database import embedded
from runner.database.embedded.binaries import psql_path
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema

COLUMNS = (
    "event_time",
    "user_id",
    "event_type",
    "transaction_category",
    "miles_amount",
    "platform",
    "utm_source",
    "country",
)
TYPES = ("miles_earned", "miles_earned", "miles_redeemed", "reward_search", "like", "share")


def write(file: Path, lines: int, bad: int = 0, quote: str = "") -> Path:
    """Events of half a year in no order; every `bad`th has a time that is none."""
    chance = random.Random(1)
    with file.open("w") as out:
        out.write(",".join(COLUMNS) + "\n")
        for number in range(lines):
            kind = chance.choice(TYPES)
            happened = datetime(2025, 1, 1) + timedelta(seconds=chance.random() * 180 * 86400)
            fields = (
                "no time" if bad and number % bad == bad // 2 else str(happened),
                f"u_{chance.randrange(50_000):05}",
                kind,
                "" if kind in ("like", "share") else chance.choice(("dining", "flight", "grocery")),
                f"{chance.randrange(1, 900)}.0" if kind.startswith("miles") else "",
                chance.choice(("ios", "android", "web")),
                chance.choice(("google", "organic", "tiktok", "referral")),
                chance.choice(("SG", "TH", "MY", "ID")),
            )
            out.write(",".join(f"{quote}{field}{quote}" for field in fields) + "\n")
    return file


def loaded(server: Server, command: list[str], rows: int) -> tuple[float, float]:
    """Seconds and peak MB of a process that fills the emptied table."""
    server.run(
        "truncate public.event_stream, orchestrator.loaded_files, orchestrator.load_rejects",
        "checkpoint",
    )
    cost, peak = server.command_cost(command)
    found = server.value("count(*) from public.event_stream")
    if found != rows:
        sys.exit(f"failed: {' '.join(command)}: {found:,} of {rows:,} rows")
    return cost.wall, peak


def measure(server: Server, report: Report, lines: int, rounds: int) -> None:
    """Measure `load` and its options, beside \\copy."""
    schema.apply(server.database, load(PROJECT), Target())
    with tempfile.TemporaryDirectory(prefix="milepost-") as name:
        folder = Path(name)
        clean = write(folder / "clean.csv", lines)
        bad = write(folder / "bad.csv", lines, bad=1000)
        quoted = write(folder / "quoted.csv", lines, quote='"')
        copy = (
            f"\\copy public.event_stream ({','.join(COLUMNS)}) from '{clean}' (format csv, header)"
        )
        psql = [str(psql_path(embedded.MAJOR)), server.uri, "-qXc", copy]
        commands = {
            "\\copy": (psql, lines),
            "load": ([*RUNNER, "load", str(clean)], lines),
            "load --as-history": ([*RUNNER, "load", "--as-history", str(clean)], lines),
            "load, all quoted": ([*RUNNER, "load", str(quoted)], lines),
            "load, 1 in 1,000 bad": ([*RUNNER, "load", str(bad)], lines - (lines + 499) // 1000),
        }
        found: dict[str, list[tuple[float, float]]] = {what: [] for what in commands}
        for _ in range(rounds):
            for what, (command, rows) in commands.items():
                found[what].append(loaded(server, command, rows))
    base = statistics.median(seconds for seconds, _ in found["\\copy"])
    for what, measured in found.items():
        ratios = [seconds / base for seconds, _ in measured]
        report.add(f"{what}, {lines:,} lines", ratios, "x \\copy", MB=max(p for _, p in measured))
