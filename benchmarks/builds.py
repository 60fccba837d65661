"""Builds: a whole first build, a rebuild, and what new rows cost, beside the same SQL in psql.

The floor is one script for psql that holds what a build would run: the same scripts, checks and
indexes, rendered beforehand. Both sides run in turn, each first in every other round. Nothing is
left out: a figure is all tables of a build, with the client.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import PROJECT, RUNNER, Cost, Report, Server
from runner import run
from runner.build.build import build, read_plan
from runner.build.compose import PRELUDE, Composer
from runner.build.transaction import BuildResult
from runner.compare.rebuild import rebuild
from runner.database import embedded
from runner.database.embedded.binaries import psql_path
from runner.database.session import Session
from runner.preview.render import rendered
from runner.project.graph import order
from runner.project.manifest import LAYERS, Script, load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.demo import Demo, seed

LIVE, TRIAL = Target(), Target("trial")
EVENTS = "event_stream"
SLOWEST = 8  # scripts that are named below a figure

# The budgets, at a million events of 10,000 users; one that holds at ten million too is named so.
LIMITS = {
    ("first build", 1_000_000): 32.0,
    ("typical delta", 1_000_000): 1.5,
    ("typical delta", 10_000_000): 2.5,
    ("typical delta, models fitted anew", 1_000_000): 1.5,
    ("typical delta, models fitted anew", 10_000_000): 2.5,
    ("harsh delta", 1_000_000): 4.0,
    ("one late event", 1_000_000): 0.6,
    ("one late event", 10_000_000): 0.6,
    ("one changed event", 1_000_000): 0.6,
    ("one changed event", 10_000_000): 0.6,
}
FIRST_LIMIT = 0.6  # x its CPU, wall
# What growth accounting, cohorts, acquisition and funnel add to a typical delta, with their checks.
GROWTH_LIMIT = 0.25
GROWTH = (
    "agg_user_returns",
    "agg_campaign_costs",
    "agg_user_acquisition",
    "agg_user_funnels",
    "acquisition",
    "active_days_monthly",
    "cohort_value",
    "engagement_funnel",
    "kpi_drivers",
    "kpi_periods",
    "retention_days",
)
REBUILD_LIMITS = {1: 1.1, 2: 0.65}  # x the floor, wall
NOTHING_LIMIT, MEMORY_LIMIT, START_LIMIT = 0.5, 60.0, 0.25

COLUMNS = (
    "event_time, user_id, event_type, transaction_category, miles_amount, platform, utm_source,"
    " country"
)
TYPICAL_LATE = "1 + rank % 3"
# What 2,500 users did in the last weeks, four events each, they do again on the next day; one in
# sixty as somebody new, one in a hundred up to three days late. They have about 100 events each at
# any number of rows, so that only the history of the others grows. `created_at` is now, so the next
# ingest brings it.
TYPICAL = f"""
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
        - case when place = 1 and rank % 25 = 0 then {TYPICAL_LATE} else 0 end * interval '1 day',
        case when rank % 60 = 0 then day::date || '_' || rank else user_id end, event_type,
        transaction_category, miles_amount, platform, utm_source, country
    from recent
    where place <= 4
"""
# Late by a month and more, as at the begin of a month by some days: models are fitted anew.
REFIT = TYPICAL.replace(TYPICAL_LATE, "40 + rank % 3")
# Ten thousand events drawn from all of history happen again on the next day: most users change.
HARSH = f"""
    insert into public.event_stream ({COLUMNS})
    select
        last.day + interval '1 day' + (event_time - date_trunc('day', event_time)), user_id,
        event_type, transaction_category, miles_amount, platform, utm_source, country
    from public.event_stream
    cross join (select date_trunc('day', max(event_time)) as day from public.event_stream) as last
    order by hashint8(event_id # extract(epoch from last.day)::bigint)
    limit 10000
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
DELTAS = {
    "typical delta": TYPICAL,
    "typical delta, models fitted anew": REFIT,
    "harsh delta": HARSH,
    "one late event": LATE,
    "one changed event": CHANGED,
}


class Builds:
    """A warehouse of so many events, built again and again."""

    def __init__(self, server: Server, report: Report, rows: int, rounds: int) -> None:
        self.server, self.report, self.rows, self.rounds = server, report, rows, rounds
        self.database, self.manifest = server.database, load(PROJECT)
        schema.apply(self.database, self.manifest, LIVE)
        # An upsert sees changes too. The replica is made by the first ingest.
        server.run(
            "update orchestrator.pipeline_definitions set write_mode = 'upsert'"
            f" where pipeline_name = '{EVENTS}'",
            "drop table warehouse.raw_event_stream cascade",
        )
        # Until two months ago: what comes lies behind it and not in the future. In the middle of a
        # month: figures must not depend on today's date, and at its begin late events reach into
        # what the models were fitted on.
        end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        end = (end - timedelta(days=60)).replace(day=15)
        self.days = 180 if rows <= 1_000_000 else 365
        seed(self.database, PROJECT, Demo(rows, rows // 100, self.days, 1, end, False))
        server.run("vacuum analyze public.event_stream")
        run.ingest(self.database, PROJECT, run.Listener())
        server.run("vacuum analyze", "checkpoint")

    def measure(self, parts: tuple[str, ...]) -> None:
        """Measure what was asked for; the rest needs a first build all the same."""
        if "first" in parts:
            self.first()
        build(self.database, self.manifest, LIVE)
        self.server.run("vacuum analyze", "checkpoint")
        if "rebuild" in parts:
            self.rebuilds()
        if "deltas" in parts:
            for what, text in DELTAS.items():
                self.delta(what, text)
        if "nothing" in parts:
            self.nothing()

    def first(self) -> None:
        """A first build, of an empty target, beside the floor."""
        with self.script("plain.sql", self.plain()) as psql:
            sides: dict[str, Callable[[], Any]] = {
                "floor, one psql script": lambda: subprocess.run(psql, check=True),
                "first build, one worker": lambda: self.first_build(1),
                "first build, two workers": lambda: self.first_build(2),
            }
            costs = self.in_turn(sides, self.clear)
        limit = LIMITS.get(("first build", self.rows))
        for what, found in costs.items():
            is_ours = what.startswith("first build")
            self.report.costs(self.named(what), found, limit if is_ours else None)
        ratios = [cost.wall / cost.cpu for cost in costs["first build, two workers"]]
        what = self.named("first build, two workers, wall")
        self.report.add(what, ratios, "x its CPU", FIRST_LIMIT if limit else None)

    def first_build(self, jobs: int) -> None:
        build(self.database, self.manifest, TRIAL, jobs=jobs)

    def rebuilds(self) -> None:
        """A rebuild with one worker and with two, against the floor, as ratios of wall clock."""
        with self.script("plain.sql", self.plain()) as psql:
            sides: dict[str, Callable[[], Any]] = {
                "floor": lambda: subprocess.run(psql, check=True),
                "rebuild -j 1": lambda: rebuild(self.database, self.manifest, LIVE, 1),
                "rebuild -j 2": lambda: rebuild(self.database, self.manifest, LIVE, 2),
            }
            costs = self.in_turn(sides, self.clear)
        for jobs, limit in REBUILD_LIMITS.items():
            pairs = zip(costs[f"rebuild -j {jobs}"], costs["floor"], strict=True)
            ratios = [own.wall / floor.wall for own, floor in pairs]
            self.report.add(self.named(f"rebuild -j {jobs}"), ratios, "x floor", limit)
            self.report.costs(self.named(f"rebuild -j {jobs}, all"), costs[f"rebuild -j {jobs}"])

    def delta(self, what: str, text: str) -> None:
        """A build of new rows, and of the same rows by the same SQL in psql, rolled back."""
        costs: list[Cost] = []
        floors: list[Cost] = []
        builds: list[BuildResult] = []
        for _ in range(self.rounds):
            with self.database.session("benchmark") as session:
                rows = session.run(text)
            time.sleep(3)  # it is settled then
            runs = run.ingest(self.database, PROJECT, run.Listener(), pipeline=EVENTS)
            came = sum(each.counts.inserted + each.counts.updated for each in runs)
            if came != rows:
                sys.exit(f"failed: {rows:,} rows came or changed, and {came:,} were ingested")
            pending = rendered(self.database, self.manifest, LIVE, (), False)
            head, _, tail = pending.rpartition("commit;")
            self.server.run("checkpoint")
            with self.script("delta.sql", f"{head}rollback;{tail}") as psql:
                command = tuple(psql)
                floors.append(self.server.cost(lambda c=command: subprocess.run(c, check=True)))
            self.server.run("checkpoint")
            costs.append(
                self.server.cost(lambda: builds.append(build(self.database, self.manifest, LIVE)))
            )
        self.report.costs(self.named(what), costs, LIMITS.get((what, self.rows)))
        self.report.costs(self.named(f"{what}, floor"), floors)
        if text is TYPICAL:
            unknown = set(GROWTH) - {script.name for script in self.manifest.scripts.values()}
            if unknown:  # a figure that leaves some out would be too low
                sys.exit(f"failed: there are no scripts {', '.join(sorted(unknown))}")
            growth = [seconds_of(done, GROWTH) for done in builds]
            limit = GROWTH_LIMIT if self.rows == 1_000_000 else None
            self.report.add(self.named(f"{what}, reports of growth"), growth, "s", limit)
        self.name_slowest(builds)

    def name_slowest(self, builds: list[BuildResult]) -> None:
        seconds: dict[str, float] = {}
        for done in builds:
            for result in done.results:
                key = result.step.script.key
                seconds[key] = seconds.get(key, 0.0) + result.seconds / len(builds)
        for key in sorted(seconds, key=seconds.__getitem__, reverse=True)[:SLOWEST]:
            print(f"      {key:<42} {seconds[key] * 1000:7.0f} ms", flush=True)

    def nothing(self) -> None:
        """A round that finds nothing, in a process of its own."""
        found = [self.server.command_cost([*RUNNER, "run-all"]) for _ in range(self.rounds)]
        self.report.costs(
            self.named("run-all, nothing new"), [cost for cost, _ in found], NOTHING_LIMIT
        )
        peaks = [peak for _, peak in found]
        self.report.add(self.named("run-all, peak memory"), peaks, "MB", MEMORY_LIMIT)

    def named(self, what: str) -> str:
        return f"{what}, {self.rows:,} events"

    def in_turn(
        self, sides: dict[str, Callable[[], Any]], before: Callable[[], None]
    ) -> dict[str, list[Cost]]:
        """The costs of each side; each begins in every other round."""
        costs: dict[str, list[Cost]] = {side: [] for side in sides}
        for number in range(self.rounds):
            for side in sorted(sides, reverse=number % 2 == 1):
                before()
                costs[side].append(self.server.cost(sides[side]))
        before()
        return costs

    def script(self, name: str, text: str) -> _Script:
        return _Script(self.server.uri, name, text)

    def plain(self) -> str:
        """One script that fills all tables of an empty target, with their indexes and checks."""
        with self.database.session("benchmark") as session:
            session.run("begin")
            positions = read_plan(session, self.manifest, TRIAL)[0]
            composer = Composer(self.manifest, TRIAL, positions)
            texts = [piece.text for layer in LAYERS for piece in composer.layer(layer)]
            session.run("".join(texts))
            for script in order(self.manifest):
                texts += self.filled(session, composer, script)
            session.run("rollback")
        quiet = "set client_min_messages = warning;"
        begin = "begin isolation level repeatable read;"
        return "\n".join([quiet, begin, PRELUDE, *texts, "commit;"])

    def filled(self, session: Session, composer: Composer, script: Script) -> list[str]:
        texts = []
        for piece in composer.create(script, session):
            if piece.is_ddl:
                session.run(piece.text)  # the tables can then be asked for their indexes
            texts.append(piece.text)
        checks = [composer.check(check, "full").text for check in script.checks]
        return [*texts, *(f"select count(*) from ({check}\n) as bad;" for check in checks)]

    def clear(self) -> None:
        """The trial target goes, and was never built."""
        self.server.run(
            *(f"drop schema if exists {TRIAL.prefix}{layer} cascade" for layer in LAYERS),
            f"delete from orchestrator.built_scripts where target = '{TRIAL.name}'",
            "checkpoint",
        )


class _Script:
    """A script in a file, and the psql that runs it: to be used in `with`."""

    def __init__(self, uri: str, name: str, text: str) -> None:
        self.uri, self.name, self.text = uri, name, text

    def __enter__(self) -> list[str]:
        self.folder = tempfile.TemporaryDirectory(prefix="milepost-")
        file = Path(self.folder.name, self.name)
        file.write_text(self.text, encoding="utf-8")
        psql = str(psql_path(embedded.MAJOR))
        return [
            psql,
            self.uri,
            "-qXAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-o",
            "/dev/null",
            "-f",
            str(file),
        ]

    def __exit__(self, *error: object) -> None:
        self.folder.cleanup()


def seconds_of(done: BuildResult, names: Collection[str]) -> float:
    """How long some scripts took, with their checks."""
    return sum(each.seconds for each in done.results if each.step.script.name in names)
