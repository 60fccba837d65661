"""Steps that can happen to a warehouse, to be drawn in any order."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from hypothesis import strategies as st

from runner.compare.rebuild import rebuild, verify
from runner.errors import RunnerError
from runner.project.target import Target
from tests.build_faults.death import BuildBoundary
from tests.build_faults.publications import COLUMN, TYPE, add_line, reshape
from tests.build_faults.world import FEBRUARY, World
from tests.ingest_faults.death import Boundary, terminate, watched


class Step(Protocol):
    def do(self, world: World) -> None: ...


# --- in the source ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Add:
    events: list[dict[str, Any]]

    def do(self, world: World) -> None:
        world.insert(*self.events)


@dataclass(frozen=True)
class Repeat:
    """The same event again, under another key."""

    which: int

    def do(self, world: World) -> None:
        if ids := world.event_ids():
            world.all(
                """
                insert into public.event_stream (
                    event_time, user_id, event_type, transaction_category, miles_amount, platform,
                    utm_source, country
                )
                select
                    event_time, user_id, event_type, transaction_category, miles_amount, platform,
                    utm_source, country
                from public.event_stream where event_id = %(event_id)s
                """,
                event_id=ids[self.which % len(ids)],
            )


@dataclass(frozen=True)
class Change:
    """One or more attributes of an event."""

    which: int
    values: dict[str, Any]

    def do(self, world: World) -> None:
        if ids := world.event_ids():
            world.update(ids[self.which % len(ids)], **self.values)


@dataclass(frozen=True)
class Delete:
    """All of a user's events, or one."""

    which: int
    is_all_of_user: bool

    def do(self, world: World) -> None:
        if ids := world.event_ids():
            event_id = ids[self.which % len(ids)]
            world.all(
                """
                delete from public.event_stream where event_id = %(event_id)s
                or %(is_all)s and user_id = (
                    select user_id from public.event_stream where event_id = %(event_id)s
                )
                """,
                event_id=event_id,
                is_all=self.is_all_of_user,
            )


@dataclass(frozen=True)
class Campaign:
    """A row of utm_campaigns is written or deleted."""

    utm_source: str
    cost: int | None

    def do(self, world: World) -> None:
        if self.cost is None:
            world.all(
                "delete from public.utm_campaigns where utm_source = %(name)s", name=self.utm_source
            )
        else:
            world.set_campaign(self.utm_source, self.cost, self.cost > 50)


@dataclass(frozen=True)
class Cost:
    """The cost of a campaign in a month is written or deleted."""

    utm_source: str
    month: str
    cost: int | None

    def do(self, world: World) -> None:
        if self.cost is None:
            world.all(
                "delete from public.campaign_costs"
                " where utm_source = %(name)s and month = %(month)s",
                name=self.utm_source,
                month=self.month,
            )
        else:
            world.set_cost(self.utm_source, self.month, self.cost)


# --- on the way in ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ingest:
    names: tuple[str, ...]

    def do(self, world: World) -> None:
        world.ingest(*self.names)


@dataclass(frozen=True)
class Reconcile:
    name: str

    def do(self, world: World) -> None:
        world.pipeline(self.name).reconcile(force=True)


@dataclass(frozen=True)
class Undo:
    """Undo one of the newest runs that changed rows, perhaps another undo."""

    which: int

    def do(self, world: World) -> None:
        runs = world.all(
            """
            select runs.run_id, pipelines.pipeline_name
            from orchestrator.runs as runs
            inner join orchestrator.pipeline_definitions as pipelines using (pipeline_id)
            where
                runs.status = 'succeeded'
                and runs.kind <> 'undo'
                and runs.rows_inserted + runs.rows_updated + runs.rows_deleted > 0
            order by runs.run_id desc
            limit 4
            """
        )
        if runs:
            run = runs[self.which % len(runs)]
            world.pipeline(run["pipeline_name"]).undo(run["run_id"])


@dataclass(frozen=True)
class FillGaps:
    def do(self, world: World) -> None:
        world.pipeline().fill_gaps()


@dataclass(frozen=True)
class Empty:
    """A replica is emptied; the next ingest fills it."""

    name: str

    def do(self, world: World) -> None:
        world.all(f"truncate warehouse.raw_{self.name}")
        world.ingest(self.name)


# --- in the project ---------------------------------------------------------------------------------

SHAPES = {"a column": COLUMN, "a type": TYPE}
FILES = (
    "sql/warehouse/changed_events.sql",
    "sql/warehouse/fact_miles_earned.sql",
    "sql/warehouse/fact_unclassified_events.check.sql",
    "sql/warehouse/agg_user_daily.sql",
    "sql/warehouse/agg_user_activity.sql",
    "sql/warehouse/dim_utm_sources.sql",
    "sql/reporting/kpi_daily.sql",
    "schema/warehouse/classified_events.sql",
    "schema/warehouse/agg_category_periods.sql",
    "schema/warehouse/dim_users.sql",
    "schema/reporting/retention.sql",
)


@dataclass(frozen=True)
class Edit:
    file: str

    def do(self, world: World) -> None:
        add_line(world, self.file)


@dataclass(frozen=True)
class Reshape:
    """Tables get other columns, or those that they had before."""

    shape: str

    def do(self, world: World) -> None:
        reshape(world, SHAPES[self.shape])


@dataclass(frozen=True)
class Move:
    """The time zone of reports changes."""

    timezone: str

    def do(self, world: World) -> None:
        world.timezone = self.timezone


@dataclass(frozen=True)
class Months:
    """Facts become partitioned by month, or no longer."""

    are_wanted: bool

    def do(self, world: World) -> None:
        world.has_months = self.are_wanted


@dataclass(frozen=True)
class Drop:
    """A table is dropped; the next build fills it."""

    table: str

    def do(self, world: World) -> None:
        world.all(f"drop table if exists {self.table} cascade")  # with its views


# --- builds -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    """A build, steps that others take before some of its scripts, and perhaps its death.

    Then all that is asked of a version: it is what the replicas said when it began, and what a
    rebuild says once nothing is pending.
    """

    forced: tuple[str, ...] = ()
    beside: tuple[tuple[int, tuple[Step, ...]], ...] = ()
    death: tuple[str, int] | None = None

    def do(self, world: World) -> None:
        tables = world.tables()
        is_whole = all(
            world.one("select to_regclass(%(table)s) is not null", table=table) for table in tables
        )
        before = world.version() if is_whole else None
        rows = world.replica()
        if not self._is_published(world) and before is not None:
            assert world.version() == before
        elif world.builds()[-1]["status"] == "succeeded":
            world.assert_equals_python(rows)
        world.build()
        world.assert_exact()
        assert world.build().run_id is None

    def _is_published(self, world: World) -> bool:
        """Whether this build changed what readers see."""
        known = len(world.builds())

        def strike(boundary: Boundary) -> None:
            assert self.death is not None
            if pid := getattr(boundary, self.death[0]):
                terminate(world.database.conninfo, pid)

        def starting(index: int) -> None:
            for at, steps in self.beside:
                if at == index:
                    for step in steps:
                        step.do(world)

        with contextlib.ExitStack() as stack:
            if self.death:
                boundary = BuildBoundary(self.death[1], strike)
                stack.enter_context(watched(boundary))
                stack.enter_context(contextlib.suppress(RunnerError))
            world.build(*self.forced, starting=starting)
        builds = world.builds()[known:]
        return any(build["status"] == "succeeded" for build in builds)


@dataclass(frozen=True)
class Rebuild:
    """Rebuild all tables and publish what differs; a comparison then finds no difference."""

    jobs: int

    def do(self, world: World) -> None:
        rebuild(world.database, world.manifest, Target(), self.jobs)
        world.assert_exact()
        assert world.build().run_id is None
        assert verify(world.database, world.manifest, Target(), self.jobs).differences == ()


# --- drawn ------------------------------------------------------------------------------------------

PIPELINES = ("event_stream", "utm_campaigns", "campaign_costs")
ZONES = ("UTC", "Asia/Singapore", "America/New_York")
TABLES = (
    "warehouse.fact_miles_earned",
    "warehouse.agg_engagement_daily",
    "warehouse.agg_period_activity",
    "warehouse.agg_user_funnels",
    "warehouse.agg_acquisition_daily",
    "warehouse.agg_user_categories",
    "warehouse.dim_users",
    "reporting.retention",
    "reporting.kpi_daily",
)
FORCED = (
    "*",
    "changed_events",
    "fact_miles_earned",
    "agg_user_daily",
    "agg_user_category_daily",
    "agg_user_activity",
    "agg_user_acquisition",
    "agg_user_funnels",
    "model_user_clusters",
    "dim_users",
    "kpi_daily",
)

numbers = st.integers(0, 40)

# Days on both sides of weeks, months and windows of 28; hours at which zones disagree on the day.
times = st.one_of(
    st.builds(
        lambda day, hour: FEBRUARY + timedelta(days=day, hours=hour),
        st.sampled_from([-60, -32, -31, -29, -28, -27, -8, -7, -6, -2, -1, 0, 1, 6, 7, 27, 28]),
        st.sampled_from([-12, -5, 0, 4.5, 11.75]),
    ),
    st.sampled_from(["infinity", "1999-12-31 23:59:59+00"]),
)
ATTRIBUTES: dict[str, st.SearchStrategy[Any]] = {
    "event_time": times,
    "user_id": st.sampled_from(["ann", "bob", "cat", "dan", None]),
    "event_type": st.sampled_from(
        ["miles_earned", "miles_redeemed", "reward_search", "share", "like", "odd", None]
    ),
    "transaction_category": st.sampled_from(["dining", "flight", "hotel", None]),
    "miles_amount": st.sampled_from([None, 0, 5, "7.25"]),
    "platform": st.sampled_from(["ios", "web", None]),
    "utm_source": st.sampled_from(["google", "email", None]),
    "country": st.sampled_from(["SG", "TH", "unknown"]),
}
events = st.fixed_dictionaries(ATTRIBUTES)
one_attribute = st.one_of(
    [st.fixed_dictionaries({name: values}) for name, values in ATTRIBUTES.items()]
)

in_the_source: st.SearchStrategy[Step] = st.one_of(
    st.builds(Add, st.lists(events, min_size=1, max_size=5)),
    st.builds(Repeat, numbers),
    st.builds(Change, numbers, one_attribute),
    st.builds(Change, numbers, one_attribute),
    st.builds(Change, numbers, events),
    st.builds(Delete, numbers, st.booleans()),
    st.builds(Campaign, ATTRIBUTES["utm_source"].filter(bool), st.sampled_from([None, 10, 90])),
    st.builds(
        Cost,
        st.sampled_from(["google", "email", "nobody"]),
        # Before the data, two days of one month, one that is over at times, one that is to come.
        st.sampled_from(["2025-11-01", "2026-01-01", "2026-01-31", "2026-02-14", "2026-12-01"]),
        st.sampled_from([None, 0, 7]),
    ),
)
on_the_way_in: st.SearchStrategy[Step] = st.one_of(
    st.just(Ingest(PIPELINES)),
    st.builds(Ingest, st.sampled_from([PIPELINES, *((name,) for name in PIPELINES)])),
    st.builds(Reconcile, st.sampled_from(PIPELINES)),
    st.builds(Undo, st.integers(0, 3)),
    st.just(FillGaps()),
)
in_the_project: st.SearchStrategy[Step] = st.one_of(
    st.builds(Edit, st.sampled_from(FILES)),
    st.builds(Reshape, st.sampled_from(sorted(SHAPES))),
    st.builds(Move, st.sampled_from(ZONES)),
    st.builds(Months, st.booleans()),
    st.builds(Drop, st.sampled_from(TABLES)),
    st.builds(Empty, st.sampled_from(PIPELINES)),
)
beside = st.tuples(
    st.integers(0, 35),
    st.tuples(in_the_source, in_the_source, on_the_way_in),
)
builds: st.SearchStrategy[Step] = st.builds(
    Build,
    st.one_of(st.just(()), st.tuples(st.sampled_from(FORCED))),
    st.lists(beside, max_size=2).map(tuple),
    st.one_of(
        st.none(), st.tuples(st.sampled_from(["work", "work", "evidence"]), st.integers(1, 260))
    ),
)
rebuilds: st.SearchStrategy[Step] = st.builds(Rebuild, st.integers(1, 2))
steps: st.SearchStrategy[Step] = st.one_of(
    in_the_source,
    in_the_source,
    on_the_way_in,
    on_the_way_in,
    in_the_project,
    builds,
    builds,
    rebuilds,
)
