"""Measures the runner on a throw-away server, and says which budgets are missed.

    make bench                                   100,000 and 1,000,000 events
    python -m benchmarks --rows 10000000 --parts deltas --json after.json
    make bench-compare A=before.json B=after.json

It starts a server with the settings of the embedded one, or uses the one that BENCH_DATABASE_URL
names, in a database of its own; CPU of a server elsewhere is not known. Figures are medians; read
them as ratios of one run, and on a quiet machine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import dashboard, ingest, load, scale
from benchmarks.builds import START_LIMIT, Builds
from benchmarks.measure import Report, server

PARTS = ("start", "load", "ingest", "first", "rebuild", "deltas", "nothing", "dashboard")
# What is measured when somebody asks for it by name.
MORE = ("scale",)


def start(report: Report, rounds: int) -> None:
    """The start of the command line, beside that of Python."""
    with server() as throwaway:
        for what, words, limit in (
            ("python -c pass", ["-c", "pass"], None),
            ("python -m runner --help", ["-m", "runner", "--help"], START_LIMIT),
        ):
            command = [sys.executable, *words]
            found = [throwaway.command_cost(command)[0].client for _ in range(3 * rounds)]
            report.add(what, found, "s CPU", limit)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS + MORE, default=PARTS)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    asked = parser.parse_args()
    parts = tuple(asked.parts)
    report = Report()
    report.title(", ".join(f"{name} {value}" for name, value in report.machine.items()))
    if "start" in parts:
        start(report, asked.rounds)
    for rows in asked.rows:
        if "load" in parts:
            report.title(f"load, {rows:,} lines")
            with server() as throwaway:
                load.measure(throwaway, report, rows, asked.rounds)
        if "ingest" in parts:
            report.title(f"ingest, {rows:,} events")
            with server() as throwaway:
                ingest.measure(
                    throwaway, report, rows, asked.rounds, ("first", "nothing", "memory")
                )
        if {"first", "rebuild", "deltas", "nothing"} & set(parts):
            report.title(f"builds, {rows:,} events of {rows // 100:,} users")
            with server() as throwaway:
                Builds(throwaway, report, rows, asked.rounds).measure(parts)
        if "scale" in parts:
            report.title(f"scale, {rows:,} events of {rows // scale.USERS:,} users")
            with server() as throwaway:
                scale.measure(throwaway, report, rows)
    if "dashboard" in parts:
        report.title("dashboard")
        with server() as throwaway:
            dashboard.measure(throwaway, report, 100_000, 2_000, asked.rounds)
    if asked.json:
        report.write(asked.json)
    missed = [figure.what for figure in report.figures if figure.is_missed]
    print(f"{len(missed)} budgets missed{': ' if missed else ''}{'; '.join(missed)}")


if __name__ == "__main__":
    main()
