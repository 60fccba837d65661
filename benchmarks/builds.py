"""Measures builds: what a delta costs, whether that grows with history, and a rebuild against psql.

    python -m benchmarks.builds [--rows 1000000 10000000] [--rounds 5] [--parts deltas full ...]

For each number of rows it starts a throw-away server with the settings that the embedded one has,
seeds that many events, of a hundredth as many users, ingests and builds them. Then it builds what
10,000 events of a new day change, one in a hundred up to three days late; one event of an old day;
one event of any age that is changed at its source; nothing at all. `full` is the whole warehouse,
filled in turn by one script in psql, by `build` into an empty target, and by `rebuild`, with the
same settings, indexes and checks. Prints medians, and beside them the limit where there is one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runner import embedded, schema
from runner.attempt import Summary
from runner.binaries import psql_path
from runner.build import build, look
from runner.compose import PRELUDE, Composer
from runner.database import Database, Session
from runner.manifest import LAYERS, Script, load
from runner.pipeline import IngestionPipeline
from runner.plan import order
from runner.rebuild import rebuild
from runner.seed import Demo, seed
from runner.target import Target

PROJECT = Path(__file__).parent.parent
PARTS = ("deltas", "nothing", "full")
EVENTS = 1
DELTA_LIMIT, ONE_LIMIT = 1.3, 0.6  # s
GROWTH_LIMIT = 1.3  # x the same delta at the first number of rows
FULL_LIMIT, TWO_LIMIT = 1.1, 0.7  # x psql
NOTHING_LIMIT = 0.5  # s of CPU
# Recomputed whole and linear in users: budgeted apart.
APART = (
    "reporting.acquisition",
    "reporting.category_recommendations",
    "reporting.engagement_funnel",
    "reporting.user_segments",
    "warehouse.agg_category_recommendations",
    "warehouse.agg_user_funnels",
    "warehouse.agg_user_profiles",
)
NEW_DAY = "10,000 new events, 1 % late"
QUIET = "set client_min_messages = warning;"
LIVE, TRIAL = Target(), Target("trial")

Do = Callable[[], Any]
COLUMNS = (
    "event_time, user_id, event_type, transaction_category, miles_amount, platform, utm_source,"
    " country"
)
# What 2,500 users did in the last weeks, four events each, they do again on the next day; one in
# sixty as somebody new. They have about 100 events each at any number of rows, so that only the
# history of the others grows. `created_at` is now, so the next ingest brings it.
DELTA = f"""
    insert into public.event_stream ({COLUMNS})
    with last_days as (
        select date_trunc('day', max(event_time)) as day from public.event_stream
    ),
    users as (
        select user_id, day, row_number() over (order by hashtext(user_id || day)) as rank
        from public.event_stream cross join last_days
        group by user_id, day
        having
            count(*) between 40 and 200
            and count(*) filter (where event_time > day - interval '28 days') >= 4
    ),
    recent as (
        select *, row_number() over (partition by user_id order by event_id) as place
        from public.event_stream inner join users using (user_id)
        where rank <= 2500 and event_time > day - interval '28 days'
    )
    select
        day + interval '1 day' + (event_time - date_trunc('day', event_time))
        - case when place = 1 and rank % 25 = 0 then 1 + rank % 3 else 0 end * interval '1 day',
        case when rank % 60 = 0 then day::date || '_' || rank else user_id end, event_type,
        transaction_category, miles_amount, platform, utm_source, country
    from recent
    where place <= 4
"""
ANY = """
    event_id = (
        select 1 + (random() * max(event_id))::bigint % max(event_id) from public.event_stream
    )
"""
LATE = f"""
    insert into public.event_stream ({COLUMNS})
    select {COLUMNS} from public.event_stream where {ANY}
"""
CHANGED = f"""
    update public.event_stream
    set
        event_time = event_time - interval '30 hours', transaction_category = 'travel',
        created_at = now()
    where {ANY}
"""


def say(what: str, figures: str, value: float = 0, limit: float = 0) -> None:
    verdict = f"  {'ok' if value <= limit else 'MISS'} (limit {limit})" if limit else ""
    print(f"  {what:<35} {figures}{verdict}", flush=True)


class Benchmark:
    def __init__(self, server: embedded.Server, rows: int, rounds: int) -> None:
        self.uri, self.rows, self.rounds = server.uri, rows, rounds
        self.database, self.manifest = Database(server.uri), load(PROJECT)
        schema.apply(self.database, self.manifest, LIVE)
        # An upsert sees changes too. The replica is made by the first ingest.
        self.run(
            f"update orchestrator.pipeline_definitions set write_mode = 'upsert'"
            f" where pipeline_id = {EVENTS}",
            "drop table warehouse.raw_event_stream cascade",
        )
        # Until two months ago: what comes lies behind it and not in the future.
        end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        end -= timedelta(days=60)
        days = 180 if rows <= 1_000_000 else 365
        seed(self.database, PROJECT, Demo(rows, rows // 100, days, 1, end, False))
        self.run("vacuum analyze public.event_stream")
        self.ingest(2)
        self.ingest(EVENTS)
        self.run("vacuum analyze")
        seconds = self.build(LIVE).seconds
        self.run("vacuum analyze", "checkpoint")
        say(f"first build, {days} days, {rows // 100:,} users", f"{seconds:.2f} s")

    def run(self, *texts: str) -> None:
        with self.database.session("benchmark") as session:
            for text in texts:
                session.run(text)

    def ingest(self, pipeline_id: int) -> int:
        loaded = IngestionPipeline(pipeline_id, self.database, PROJECT).run()
        return sum(run.counts.inserted + run.counts.updated for run in loaded)

    def build(self, target: Target) -> Summary:
        return build(self.database, self.manifest, target)

    def delta(self, text: str) -> Summary:
        """The build that follows from what a statement does to the source."""
        with self.database.session("benchmark") as session:
            rows = session.execute(text)
        time.sleep(3)  # it is settled then
        if self.ingest(EVENTS) != rows:
            sys.exit(f"failed: {rows:,} rows came or changed, and were not ingested")
        self.run("checkpoint")
        return self.build(LIVE)

    def deltas(self, smaller: dict[str, float]) -> None:
        """`smaller` has the seconds of the first number of rows, and gets them."""
        for what, text, limit in (
            (NEW_DAY, DELTA, 0 if smaller else DELTA_LIMIT),
            ("1 late event", LATE, ONE_LIMIT),
            ("1 changed event", CHANGED, ONE_LIMIT),
        ):
            builds = [self.delta(text) for _ in range(self.rounds)]
            median = self.tell(what, builds, limit)
            if what in smaller:
                growth = median / smaller[what]
                growth_limit = GROWTH_LIMIT if what == NEW_DAY else 0
                say("  against the first number of rows", f"{growth:.2f} x", growth, growth_limit)
            smaller.setdefault(what, median)

    def tell(self, what: str, builds: list[Summary], limit: float) -> float:
        """The seconds of builds but for what is budgeted apart, and their slowest scripts."""
        scripts: dict[str, list[float]] = {}
        for done in builds:
            for result in done.results:
                scripts.setdefault(result.step.script.key, []).append(result.seconds)
        medians = {key: statistics.median(found) for key, found in scripts.items()}
        apart = [sum(seconds) for seconds in zip(*(scripts[key] for key in APART), strict=True)]
        seconds = [done.seconds - own for done, own in zip(builds, apart, strict=True)]
        median: float = statistics.median(seconds)
        figures = f"{median:.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"
        others = ", ".join(f"{key} {medians[key]:.3f} s" for key in APART)
        say(what, f"{figures}, and {others}", median, limit)
        for key in sorted(medians, key=medians.__getitem__, reverse=True)[:12]:
            print(f"      {key:<40} {medians[key] * 1000:7.0f} ms", flush=True)
        return median

    def nothing(self) -> None:
        """CPU of the process; the server's is not in it."""
        command = [sys.executable, "-m", "runner", "--project", str(PROJECT), "run-all"]
        environment = {**os.environ, "DATABASE_URL": self.uri}
        quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)]
        found = []
        for _ in range(self.rounds):
            process = os.posix_spawn(command[0], command, environment, file_actions=quiet)
            _, status, usage = os.wait4(process, 0)
            if status:
                sys.exit(f"failed: {' '.join(command)}")
            found.append(usage.ru_utime + usage.ru_stime)
        median = statistics.median(found)
        say("run-all, nothing new", f"{median:.2f} s CPU", median, NOTHING_LIMIT)

    def full(self) -> None:
        with tempfile.TemporaryDirectory(prefix="milepost-") as name:
            script = Path(name, "plain.sql")
            script.write_text(self.plain(), encoding="utf-8")
            psql = [
                str(psql_path(embedded.MAJOR)),
                self.uri,
                "-qX",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                str(script),
            ]
            sides: dict[str, tuple[Do, float]] = {
                "one script in psql": (lambda: self.check_call(psql), 0),
                "build, empty target": (lambda: self.build(TRIAL), FULL_LIMIT),
                "rebuild -j 1": (lambda: self.rebuild(1), FULL_LIMIT),
                "rebuild -j 2": (lambda: self.rebuild(2), TWO_LIMIT),
            }
            found: dict[str, list[float]] = {side: [] for side in sides}
            for number in range(self.rounds):
                for side in sorted(sides, reverse=number % 2 == 1):
                    self.clear()
                    start = time.perf_counter()
                    sides[side][0]()
                    found[side].append(time.perf_counter() - start)
            self.clear()
        base = statistics.median(found["one script in psql"])
        for side, (_, limit) in sides.items():
            median = statistics.median(found[side])
            spread = f"({min(found[side]):.2f} to {max(found[side]):.2f})"
            say(side, f"{median:.2f} s {spread}  {median / base:.2f} x", median / base, limit)

    def plain(self) -> str:
        """One script that fills all tables of the trial target, as `rebuild` does."""
        with self.database.session("benchmark") as session:
            session.run("begin")
            positions = look(session, self.manifest, TRIAL)[0]
            composer = Composer(self.manifest, TRIAL, positions)
            texts = [piece.text for layer in LAYERS for piece in composer.layer(layer)]
            session.run("".join(texts))
            for script in order(self.manifest):
                texts += self.filled(session, composer, script)
            session.run("rollback")
        return "\n".join(
            [QUIET, "begin isolation level repeatable read;", PRELUDE, *texts, "commit;"]
        )

    def filled(self, session: Session, composer: Composer, script: Script) -> list[str]:
        definitions = composer.definitions(script)
        for piece in definitions:
            session.run(piece.text)  # the tables can then be asked for their indexes
        checks = [composer.check(check, "full").text for check in script.checks]
        return [
            *(piece.text for piece in definitions),
            *(piece.text for piece in composer.load(script, session)),
            *(f"select count(*) from ({check}) as bad;" for check in checks),
        ]

    def check_call(self, command: list[str]) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def rebuild(self, jobs: int) -> None:
        rebuild(self.database, self.manifest, LIVE, jobs)

    def clear(self) -> None:
        """The trial target goes, and was never built."""
        self.run(
            *(f"drop schema if exists {TRIAL.prefix}{layer} cascade" for layer in LAYERS),
            f"delete from orchestrator.built_scripts where target = '{TRIAL.name}'",
            "checkpoint",
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    smaller: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="milepost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for rows in options.rows:
            server = embedded.Server(folder / f"data-{rows}", embedded.FAST).child()
            try:
                print(f"{rows:,} rows, {options.rounds} rounds, PostgreSQL {embedded.MAJOR}")
                benchmark = Benchmark(server, rows, options.rounds)
                if "deltas" in options.parts:
                    benchmark.deltas(smaller)
                if "nothing" in options.parts:
                    benchmark.nothing()
                if "full" in options.parts:
                    benchmark.full()
            finally:
                server.close()


if __name__ == "__main__":
    main()
