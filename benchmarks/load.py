"""Measures `load` against psql's \\copy: the same file into the same table with its indexes.

    python -m benchmarks.load [--lines 1000000] [--rounds 5]

Starts a throw-away server with the settings that the embedded one has, makes the files, and runs
both alternately, each in a process of its own, on an emptied table. Prints seconds, the ratio of
the medians, and the peak memory of the process. `1 in 1,000 bad` is the same file with bad lines,
which \\copy cannot read: its ratio is to \\copy of the clean one.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from runner.database import embedded
from runner.database.binaries import psql_path
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.load_csv import COLUMNS

PROJECT = Path(__file__).parent.parent
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


def run(database: Database, command: list[str], rows: int) -> tuple[float, float]:
    """Seconds and peak MB of a process that fills the emptied table."""
    with database.session("benchmark") as session:
        session.run("truncate public.event_stream, public.loaded_files, public.load_rejects")
        session.run("checkpoint")
    start = time.perf_counter()
    process = os.posix_spawn(
        command[0],
        command,
        {**os.environ, "DATABASE_URL": database.conninfo},
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)],
    )
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    with database.session("benchmark") as session:
        found = session.row("select count(*) as rows from public.event_stream")["rows"]
    if status or found != rows:
        sys.exit(f"failed: {' '.join(command)}: {found:,} of {rows:,} rows")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="milepost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = embedded.Server(folder / "data", embedded.FAST).child()
        try:
            measure(Database(server.uri), folder, options.lines, options.rounds)
        finally:
            server.close()


def measure(database: Database, folder: Path, lines: int, rounds: int) -> None:
    schema.apply(database, load(PROJECT), Target())
    clean = write(folder / "clean.csv", lines)
    bad = write(folder / "bad.csv", lines, bad=1000)
    quoted = write(folder / "quoted.csv", lines, quote='"')
    with database.session("benchmark") as session:
        major = session.row("select current_setting('server_version_num')::int / 10000 as major")
    copy = f"\\copy public.event_stream ({','.join(COLUMNS)}) from '{clean}' (format csv, header)"
    psql = [str(psql_path(major["major"])), database.conninfo, "-qXc", copy]
    runner = [sys.executable, "-m", "runner", "--project", str(PROJECT), "load"]
    commands = {
        "\\copy": (psql, lines),
        "load": ([*runner, str(clean)], lines),
        "load --as-history": ([*runner, "--as-history", str(clean)], lines),
        "load, all quoted": ([*runner, str(quoted)], lines),
        "load, 1 in 1,000 bad": ([*runner, str(bad)], lines - (lines + 499) // 1000),
    }
    found: dict[str, list[tuple[float, float]]] = {what: [] for what in commands}
    for _ in range(rounds):
        for what, (command, rows) in commands.items():
            found[what].append(run(database, command, rows))
    base = statistics.median(seconds for seconds, _ in found["\\copy"])
    size = clean.stat().st_size / 1e6
    print(f"{lines:,} lines, {size:.0f} MB, {rounds} rounds, PostgreSQL {major['major']}")
    for what, measured in found.items():
        seconds = [each for each, _ in measured]
        median = statistics.median(seconds)
        print(
            f"{what:<22} {median:6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
            f"  {median / base:5.2f} x \\copy  {max(peak for _, peak in measured):4.0f} MB"
        )


if __name__ == "__main__":
    main()
