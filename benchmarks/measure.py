"""What benchmarks share: a server to measure, the cost of work on it, and a report."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runner.database import embedded
from runner.database.session import Database
from tests.support.throwaway import ThrowawayServer

PROJECT = Path(__file__).parent.parent
RUNNER = [sys.executable, "-m", "runner", "--project", str(PROJECT)]
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

# Runs a command and prints its wall time, CPU and peak memory. A process begins with the peak of
# the one that made it, so a small one makes it, not a benchmark that holds its own figures.
_SPAWN = """
import json, os, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wall, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of work: wall clock, CPU of the server and CPU of the client. The server's is nan
    where it runs on another machine.
    """

    wall: float
    server: float
    client: float

    @property
    def cpu(self) -> float:
        return self.server + self.client


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a report. `limit` is the budget of the value, None where there is none."""

    what: str
    unit: str
    value: float
    low: float
    high: float
    limit: float | None = None
    more: dict[str, float] = field(default_factory=dict)

    @property
    def is_missed(self) -> bool:
        return self.limit is not None and self.value > self.limit


class Server:
    """A throw-away server with the settings of the embedded one, or the one that
    BENCH_DATABASE_URL names, in a database of our own.
    """

    def __init__(self, uri: str, postmaster: int | None) -> None:
        self.uri, self.postmaster = uri, postmaster
        self.database = Database(uri)

    def run(self, *texts: str) -> None:
        """Run statements, each in its own transaction."""
        with self.database.session("benchmark") as session:
            for text in texts:
                session.run(text)

    def value(self, expression: str) -> Any:
        """The value of an expression, or of a query without its `select`."""
        with self.database.session("benchmark") as session:
            return next(iter(session.row(f"select {expression}").values()))

    def cpu(self) -> float:
        """Seconds of CPU that the server has used so far, those of ended sessions included."""
        if self.postmaster is None:
            return float("nan")
        total = 0.0
        for process in (self.postmaster, *children(self.postmaster)):
            fields = _stat(process)
            count = 4 if process == self.postmaster else 2  # with its children that have ended
            total += sum(map(int, fields[11 : 11 + count]))
        return total / CLOCK_TICKS

    def cost(self, work: Callable[[], Any]) -> Cost:
        """The cost of work in this process and on the server."""
        server, client, wall = self.cpu(), time.process_time(), time.perf_counter()
        work()
        return Cost(
            time.perf_counter() - wall,
            self.cpu() - server,
            time.process_time() - client,
        )

    def command_cost(self, command: Sequence[str | Path], **environment: str) -> tuple[Cost, float]:
        """The cost of a command in a process of its own, and its peak memory in MB."""
        server = self.cpu()
        result = subprocess.run(
            [sys.executable, "-S", "-c", _SPAWN, *command],
            env={**os.environ, "DATABASE_URL": self.uri, **environment},
            capture_output=True,
            text=True,
        )
        if result.returncode:
            sys.exit(f"failed: {' '.join(map(str, command))}")
        wall, client, peak = json.loads(result.stdout)
        return Cost(wall, self.cpu() - server, client), peak / 1024


@contextlib.contextmanager
def server(name: str = "data", settings: embedded.Settings = embedded.FAST) -> Iterator[Server]:
    """Start a throw-away server, or make a database on a given one; both are gone at the end."""
    if given := os.environ.get("BENCH_DATABASE_URL"):
        database = f"milepost_bench_{os.getpid()}"
        with Database(given).session("benchmark") as session:
            session.run(f"create database {database}")
        try:
            yield Server(_with_database(given, database), None)
        finally:
            with Database(given).session("benchmark") as session:
                session.run(f"drop database {database} with (force)")
        return
    with tempfile.TemporaryDirectory(prefix="milepost-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder, name)
        started = ThrowawayServer(data, settings).start()
        try:
            postmaster = int((data / "postmaster.pid").read_text().split()[0])
            yield Server(started.uri, postmaster)
        finally:
            started.close()


class Report:
    """Figures, printed as they come and kept for a file."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self.machine = {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "commit": _commit(),
        }

    def title(self, text: str) -> None:
        print(text, flush=True)

    def add(
        self,
        what: str,
        values: Sequence[float],
        unit: str = "s",
        limit: float | None = None,
        **more: float,
    ) -> float:
        """Add the median of some values; returns it."""
        median = statistics.median(values)
        figure = Figure(what, unit, median, min(values), max(values), limit, more)
        self.figures.append(figure)
        others = "".join(f"  {name} {value:,.2f}" for name, value in more.items())
        verdict = ""
        if limit is not None:
            verdict = f"  {'MISS' if figure.is_missed else 'ok'} (limit {limit:g} {unit})"
        spread = f" ({min(values):,.2f} to {max(values):,.2f})" if len(values) > 1 else ""
        print(f"  {what:<44} {median:9,.2f} {unit}{spread}{others}{verdict}", flush=True)
        return median

    def costs(self, what: str, costs: Sequence[Cost], limit: float | None = None) -> float:
        """Add the CPU of server and client together, with both and the wall clock beside it."""
        parts = ("wall", "server", "client")
        more = {part: statistics.median(getattr(cost, part) for cost in costs) for part in parts}
        return self.add(what, [cost.cpu for cost in costs], "s CPU", limit, **more)

    def write(self, file: Path) -> None:
        """Write all figures as JSON."""
        figures = [asdict(figure) for figure in self.figures]
        text = json.dumps({"machine": self.machine, "figures": figures}, indent=1)
        file.write_text(text + "\n", encoding="utf-8")


def _with_database(uri: str, database: str) -> str:
    from psycopg.conninfo import make_conninfo

    return make_conninfo(uri, dbname=database)


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(_stat(int(entry.name))[1]) == process:
                found.append(int(entry.name))
    return found


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name: state, parent, ..."""
    try:
        text = Path("/proc", str(process), "stat").read_text()
    except FileNotFoundError:  # it has just ended, and its parent counts it
        return ["Z", "0", *["0"] * 20]
    return text.rpartition(")")[2].split()


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
