"""Removes each guard of builds in turn: a story that passes with the guard must fail without it.

Otherwise either the guard is superfluous, or the test of it is worthless.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from runner.build import build as building
from runner.build import plan, publish, transaction
from runner.compare.rebuild import rebuild
from runner.database import ledger
from runner.database.queries import named_query, queries
from runner.database.session import Database, LockHeld, Session
from runner.errors import RunnerError
from runner.project.target import Target
from tests.build_faults.death import BuildBoundary
from tests.build_faults.publications import COLUMN, reshape
from tests.build_faults.test_readers import reader
from tests.build_faults.world import FEBRUARY, World, earn, event, opened, redeem, search
from tests.ingest_faults.death import Boundary, watched
from tests.support.listeners import Hearing


class Patches:
    """Changes texts and functions for one test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
        self.monkeypatch = monkeypatch
        self.world = world

    def script(self, file: str, old: str, new: str) -> None:
        """Change the text of a script, and build everything from it."""
        self.world.edit(f"sql/{file}.sql", old, new)
        self.world.build("*")

    def query(self, name: str, old: str, new: str, file: str = "database/ledger") -> None:
        text = named_query(f"{file}.{name}")
        assert old in text
        self.monkeypatch.setitem(queries(f"{file}.sql"), name, text.replace(old, new))


# --- the stories: they raise if what they check does not hold ---------------------------------------


def built(world: World) -> None:
    world.run_all()
    world.assert_exact()


def event_that_moves_to_another_user(world: World) -> None:
    (number,) = world.insert(earn(-3, "eve"))
    built(world)
    world.update(number, user_id="fay")
    built(world)


def events_that_are_deleted(world: World) -> None:
    numbers = world.insert(earn(-3, "eve", "spa"), event(-3, "eve", country="VN"))
    built(world)
    for number in numbers:
        world.delete(number)
    world.pipeline().reconcile(force=True)
    built(world)


def late_run_of_another_pipeline(world: World) -> None:
    """A run begins before another pipeline's, and commits after a build that took that one."""

    def meanwhile(boundary: Boundary) -> None:
        world.ingest("utm_campaigns")
        world.build()

    at, has_struck = 12, True
    while has_struck:
        world.insert(earn(1, "eve"))
        world.set_campaign("google", at)
        boundary = Boundary(at, meanwhile)
        with watched(boundary):
            world.ingest("event_stream")
        built(world)
        has_struck = boundary.has_struck
        at += 11


def ingest_while_a_full_build_reads(world: World) -> None:
    """Rows that are ingested while a build runs are in none of its tables."""
    for at in (3, 6, 9, 12):
        rows = world.replica()
        world.build(
            "*",
            starting=lambda index, at=at: bring_one(world) if index == at else None,  # type: ignore[misc]
        )
        world.assert_equals_python(rows)


def bring_one(world: World) -> None:
    world.insert(earn(2, "eve"), event(2, "gus", "share"))
    world.ingest()


def wrong_figures(world: World) -> None:
    """A check finds a script that drops rows before readers see its table."""
    before = world.version()
    world.edit(
        "sql/warehouse/fact_miles_earned.sql",
        "where fact_table = 'fact_miles_earned'",
        "where fact_table = 'fact_miles_earned' and event_id % 2 = 0",
    )
    with contextlib.suppress(transaction.CheckFailed):
        world.build()
    assert world.version() == before


def two_builds(world: World) -> None:
    world.insert(earn(1, "eve"))
    world.ingest()
    conninfo = make_conninfo(world.database.conninfo, options="-c lock_timeout=500ms")

    def other(index: int) -> None:
        if index == 5:
            with (
                opened(Database(conninfo), world.project) as second,
                pytest.raises(LockHeld),
            ):
                second.build()

    world.build(starting=other)
    world.assert_exact()


def build_that_dies_at_its_end(world: World) -> None:
    """A build that fails after it recorded what it consumes has consumed nothing."""
    world.insert(earn(1, "eve"))
    world.ingest()
    with pytest.MonkeyPatch.context() as patch:

        def die(*values: Any, **named: Any) -> None:
            raise RunnerError("it dies")

        patch.setattr(ledger, "succeed", die)
        with pytest.raises(RunnerError, match="it dies"):
            world.build()
    built(world)


def build_that_was_given_up(world: World) -> None:
    """A build that another one has marked as abandoned, at any moment, does not publish."""
    given_up: set[int] = set()

    def give_up(boundary: Boundary) -> None:
        found = world.all(
            "update orchestrator.runs set status = 'abandoned', finished_at = now()"
            " where kind = 'build' and status = 'running' returning run_id"
        )
        given_up.update(row["run_id"] for row in found)

    for at in range(11, 35, 3):
        world.insert(earn(1, "eve"))
        world.ingest()
        with contextlib.suppress(RunnerError), watched(BuildBoundary(at, give_up)):
            world.build()
    assert given_up
    found = world.all(
        "select status from orchestrator.runs where run_id = any(%(ids)s)", ids=list(given_up)
    )
    assert {run["status"] for run in found} == {"abandoned"}


def column_of_a_replica_that_widens(world: World) -> None:
    """Changing a type rewrites the replica, which an older snapshot then sees empty."""
    world.set_campaign("google", 90)
    world.ingest()

    def widen(index: int) -> None:
        if index == 0:
            world.all("set lock_timeout = '50ms'")
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                world.all(
                    "alter table warehouse.raw_utm_campaigns"
                    " alter column monthly_cost type numeric(12, 2)"
                )

    rows = world.replica()
    world.build("dim_utm_sources", starting=widen)
    world.assert_equals_python(rows)


def the_same_days_again(world: World) -> None:
    """Days that change twice, and are then forced, count nothing twice."""
    for _ in range(2):
        world.insert(earn(-3), redeem(-3, "bob"), search(-3, "cat"))
        built(world)
    world.build("agg_user_daily")
    world.assert_exact()


def another_text_upstream(world: World) -> None:
    """When a view changes, everything that depends on it is rebuilt."""
    world.edit(
        "schema/warehouse/classified_events.sql",
        "when nullif(events.user_id, '') is null then 'no user_id'",
        "when nullif(events.user_id, '') is null or events.user_id = 'cat' then 'no user_id'",
    )
    world.build()
    world.assert_equals_rebuild()
    assert world.one("select count(*) from warehouse.dim_users where user_id = 'cat'") == 0


def another_time_zone(world: World) -> None:
    world.insert(earn(0.49, "eve"))
    built(world)
    world.timezone = "Asia/Singapore"
    world.build()
    world.assert_exact()


def another_column(world: World) -> None:
    reshape(world, COLUMN)
    world.build()
    assert world.one("select count(last_seen_date) from warehouse.dim_platforms") > 0


def another_type(world: World) -> None:
    """A type that changes only in the DDL of the table."""
    world.edit(
        "schema/warehouse/dim_dates.sql", "is_weekend boolean not null", "is_weekend boolean"
    )
    world.build()
    (found,) = world.all(
        "select attnotnull from pg_attribute where attname = 'is_weekend'"
        " and attrelid = 'warehouse.dim_dates'::regclass"
    )
    assert not found["attnotnull"]


def replica_that_was_emptied(world: World) -> None:
    world.all("delete from public.event_stream where user_id = 'bob'")
    world.all("truncate warehouse.raw_event_stream")
    built(world)


def table_that_was_dropped(world: World) -> None:
    world.all("drop table warehouse.dim_users")
    built(world)


def late_event_between_two_others(world: World) -> None:
    """The adjacent periods change too: a user who was resurrected in them is retained now."""
    world.insert(event(-20, "eve"), event(8, "eve"))
    built(world)
    for day in (7, -19, -40):
        world.insert(event(day, "eve"))
        built(world)


def two_days_of_a_week(world: World) -> None:
    """A user counts once in a week, even when another day of the week changes later."""
    world.insert(earn(2, "eve", "spa"))
    built(world)
    world.insert(earn(4, "eve", "spa"))
    built(world)


def two_platforms_of_a_day(world: World) -> None:
    """A user counts once in the total, and once on each platform."""
    spa = {"transaction_category": "spa", "miles_amount": 1}
    for platform in ("ios", "web"):
        world.insert(event(2, "eve", "miles_earned", **spa, platform=platform))
    built(world)


def month_that_ends(world: World) -> None:
    """When the last day moves, months without any change become complete."""
    world.insert(earn(1, "eve", "spa"))
    built(world)
    world.insert(event(40, "eve"))
    built(world)


def day_that_comes_after_its_event(world: World) -> None:
    """An event that arrived before its day counts once the day comes, without a change of its own."""
    came = event(12)["event_time"]
    world.insert({**earn(12.6, "eve", "spa"), "created_at": came}, earn(12, "bob"))
    built(world)
    world.insert(earn(13, "bob"))
    built(world)


def event_that_moves_to_another_country(world: World) -> None:
    """The country that it leaves has no other event on that day or later."""
    (number,) = world.insert(event(-3, "eve", country="VN"))
    world.insert(event(-9, "eve", country="VN"), event(-3, "fay"))
    built(world)
    world.update(number, country="TH")
    built(world)


def last_day_that_comes_and_goes(world: World) -> None:
    """When the last day moves, so do completeness and the end of dense reports, in all countries."""
    (number,) = world.insert(event(44, "eve", country="VN"))
    world.insert(event(1, "fay", country="TH"))
    built(world)
    world.delete(number)
    world.pipeline().reconcile(force=True)
    built(world)


def first_day_that_moves(world: World) -> None:
    """The first week of the data was incomplete. An earlier event makes it a complete one, which the
    next week is compared with, in every country.
    """
    world.insert(event(-100, "eve", country="TH"), event(-93, "fay", country="TH"))
    built(world)
    world.insert(event(-120, "gus", country="VN"))
    built(world)


def country_of_an_event_before_its_day(world: World) -> None:
    """An event of another country makes the day count; deleting it takes the day back."""
    came = event(12)["event_time"]
    world.insert({**event(12.6, "eve", country="VN"), "created_at": came}, event(12, "bob"))
    built(world)
    (number,) = world.insert(event(13, "bob"))
    built(world)
    world.delete(number)
    world.pipeline().reconcile(force=True)
    built(world)


def user_who_is_new_earlier(world: World) -> None:
    """A late event moves a user to a cohort of another month and source."""
    world.insert(event(1, "eve", utm_source="tiktok"))
    built(world)
    world.insert(event(-40, "eve", utm_source="google"))
    built(world)


def user_who_is_no_more(world: World) -> None:
    """The only event of a user becomes that of another user."""
    (number,) = world.insert(earn(-3, "eve"))
    built(world)
    world.update(number, user_id="ann")
    built(world)


def user_who_takes_the_place_of_another(world: World) -> None:
    """The cohort keeps its size, in all and of those whose time is over, but loses a finisher."""
    number, _, _, _ = world.insert(
        search(0, "eve"), earn(1, "eve"), search(0.2, "fay"), event(29, "gus")
    )
    built(world)
    world.update(number, event_time=FEBRUARY - timedelta(days=1))
    world.insert(event(27, "kim"))
    built(world)


def day_on_which_the_time_of_a_user_is_over(world: World) -> None:
    world.insert(search(0, "eve"), earn(2, "eve"), event(28, "fay"))
    built(world)
    world.insert(event(29, "fay"))
    built(world)


def late_step(world: World) -> None:
    """A late event between the steps of a user who has finished, and whose time is over."""
    world.insert(search(0, "eve"), earn(2, "eve"), redeem(9, "eve"), event(40, "fay"))
    built(world)
    world.insert(redeem(4, "eve"))
    built(world)


def failed_build(world: World) -> None:
    """The scripts of a build that failed are recorded as rolled back."""
    world.insert(earn(1, "eve"))
    world.ingest()
    world.edit("sql/reporting/kpi_daily.sql", "round(dau_7d / days_7d, 6)", "1 / 0")
    with pytest.raises(RunnerError):
        world.build()
    (*_, failed) = world.builds()
    assert (failed["succeeded"], failed["failed"]) == (0, 1)
    assert failed["rolled_back"] > 0


def dead_build(world: World) -> None:
    world.all(
        "insert into orchestrator.runs (kind, status, target) values ('build', 'running', 'live')"
    )
    built(world)


def reader_from_before(world: World) -> None:
    """While whole tables are rebuilt, an old snapshot still sees the old rows."""
    before = world.version()
    with reader(world, psycopg.IsolationLevel.REPEATABLE_READ) as early:
        early.execute("select 1 from pg_class limit 1")
        rebuild(world.database, world.manifest, Target())
        world.build("*")
        found = early.execute("select count(*) as days from reporting.kpi_daily").fetchone()
    assert found is not None
    assert found["days"] == world.one("select count(*) from reporting.kpi_daily")
    assert world.version() != before


def ingest_during_a_rebuild(world: World) -> None:
    """The workers of a rebuild have snapshots of their own, so replicas may not change meanwhile."""
    for at in (5, 12):
        rebuild(
            world.database,
            world.manifest,
            Target(),
            listener=Hearing(
                lambda step, index, count, at=at: (  # type: ignore[misc]
                    try_to_bring_one(world) if index == at else None
                )
            ),
        )
        world.build()
        world.assert_exact()


def try_to_bring_one(world: World) -> None:
    world.insert(earn(2, "eve"), event(2, "gus", "share"))
    with contextlib.suppress(LockHeld):
        world.ingest()


# --- the guards, and how each is removed --------------------------------------------------------------


def without_the_snapshot(patches: Patches) -> None:
    @contextlib.contextmanager
    def loose(self: Session) -> Iterator[None]:
        self.connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        with self.connection.transaction():
            yield

    patches.monkeypatch.setattr(Session, "transaction", loose)


def without_the_lock(patches: Patches) -> None:
    @contextlib.contextmanager
    def free(self: Session, *values: Any) -> Iterator[None]:
        yield

    patches.monkeypatch.setattr(Session, "lock", free)


def without_the_locks_of_pipelines(patches: Patches) -> None:
    text = named_query("database/locks.pipelines")
    assert "order by" in text
    patches.monkeypatch.setitem(
        queries("database/locks.sql"),
        "pipelines",
        text.replace("order by", "where false order by"),
    )


def with_consumption_that_stays(patches: Patches) -> None:
    """Removes both of the guards of this."""
    consume = ledger.consume

    def at_once(work: Session, *values: Any) -> None:
        with patches.world.database.session("test") as session:
            consume(session, *values)

    patches.monkeypatch.setattr(ledger, "consume", at_once)
    patches.query("positions", "and builds.status = 'succeeded'", "")


def with_one_position_for_all(patches: Patches) -> None:
    positions = ledger.positions

    def highest(session: Session, target: str) -> dict[str, Any]:
        found = positions(session, target)
        through = max(position.through for position in found.values())
        after = max(position.after for position in found.values())
        return {
            name: replace(position, after=after, through=max(through, after))
            for name, position in found.items()
        }

    patches.monkeypatch.setattr(ledger, "positions", highest)


def without_variables(patches: Patches) -> None:
    fingerprint = plan.fingerprint

    def blind(manifest: Any, script: Any) -> str:
        return fingerprint(replace(manifest, variables={}), script)

    for module in (plan, transaction):
        patches.monkeypatch.setattr(module, "fingerprint", blind)
    patches.world.build()


def without_definitions(patches: Patches) -> None:
    fingerprint = plan.fingerprint

    def blind(manifest: Any, script: Any) -> str:

        found = json.loads(fingerprint(manifest, script))
        return json.dumps({what: hash for what, hash in found.items() if "schema/" not in what})

    for module in (plan, transaction):
        patches.monkeypatch.setattr(module, "fingerprint", blind)
    patches.world.build()


def without_followers(patches: Patches) -> None:
    """Scripts that depend on a full one are skipped, and are not reshaped with it."""
    step_of = plan._step

    def alone(*values: Any) -> plan.Step:
        step = step_of(*values)
        return replace(step, mode="skip") if step.reason.startswith("follows") else step

    patches.monkeypatch.setattr(plan, "_step", alone)
    patches.monkeypatch.setattr(publish, "followers", lambda manifest, keys: set(keys))


def without_reshaping(patches: Patches) -> None:
    patches.monkeypatch.setattr(publish, "reshaped", lambda *values: [])


def with_tables_put_in_place_of_others(patches: Patches) -> None:
    patches.monkeypatch.setattr(publish.Publisher, "_is_new_shape", lambda *values: True)


MINUS, NOTHING = "-1 as sign,", "0 as sign,"
OF_REPLACED = "pipeline_id = {{ pipeline.event_stream }}"

Guard = tuple[Callable[[Patches], None], Callable[[World], None]]
GUARDS: dict[str, Guard] = {
    "former places of events": (
        lambda patches: patches.script("warehouse/changed_events", OF_REPLACED, "false"),
        event_that_moves_to_another_user,
    ),
    "former places of deleted events": (
        lambda patches: patches.script("warehouse/changed_events", OF_REPLACED, "false"),
        events_that_are_deleted,
    ),
    "former categories of events": (
        lambda patches: patches.script(
            "warehouse/changed_user_categories", OF_REPLACED, "false"
        ),
        event_that_moves_to_another_user,
    ),
    "a position of each pipeline": (with_one_position_for_all, late_run_of_another_pipeline),
    "one snapshot": (without_the_snapshot, ingest_while_a_full_build_reads),
    "blocking checks": (
        lambda patches: patches.monkeypatch.setattr(transaction, "run_checks", lambda *values: []),
        wrong_figures,
    ),
    "the build lock": (without_the_lock, two_builds),
    "what was consumed, only by builds that succeed": (
        with_consumption_that_stays,
        build_that_dies_at_its_end,
    ),
    "the fence": (
        lambda patches: patches.query("succeed", "and runs.status = 'running'", ""),
        build_that_was_given_up,
    ),
    "the hold on replicas": (
        lambda patches: patches.monkeypatch.setattr(building, "lock_replicas", lambda *values: []),
        column_of_a_replica_that_widens,
    ),
    "the difference in counts of days": (
        lambda patches: patches.script("warehouse/agg_user_daily", MINUS, NOTHING),
        the_same_days_again,
    ),
    "the difference in counts of categories": (
        lambda patches: patches.script(
            "warehouse/agg_user_category_daily", MINUS, NOTHING
        ),
        the_same_days_again,
    ),
    "the difference in counts of periods": (
        lambda patches: patches.script(
            "warehouse/agg_user_activity", "-1 as sign, old_days", "0 as sign, old_days"
        ),
        late_event_between_two_others,
    ),
    "days without an event": (
        lambda patches: patches.script(
            "warehouse/agg_user_daily", "where engagement.events = 0", "where false"
        ),
        events_that_are_deleted,
    ),
    "categories without an event": (
        lambda patches: patches.script(
            "warehouse/agg_user_category_daily", "\n    events = 0\n", "\n    events = -1\n"
        ),
        events_that_are_deleted,
    ),
    "who is counted already": (
        lambda patches: patches.script(
            "warehouse/agg_user_category_daily",
            "where event_date between span_start and span_end",
            "where changed_days.user_id is not null and event_date between span_start and span_end",
        ),
        two_days_of_a_week,
    ),
    "the period before a change": (
        lambda patches: patches.script(
            "warehouse/agg_user_activity",
            "greatest(kept_days, 1)",
            "coalesce(kept_days, 0) + 1",
        ),
        late_event_between_two_others,
    ),
    "several platforms of a user": (
        lambda patches: patches.script(
            "warehouse/agg_user_category_daily", "has_one_origin, false,", "has_one_origin, true,"
        ),
        two_platforms_of_a_day,
    ),
    "periods that are over by now": (
        lambda patches: patches.script(
            "reporting/miles_by_category",
            "is_complete is distinct from",
            "false and is_complete is distinct from",
        ),
        month_that_ends,
    ),
    "days of events that came before them": (
        lambda patches: patches.script(
            "warehouse/changed_user_days", "where through_run_id = ", "where 0 <> "
        ),
        day_that_comes_after_its_event,
    ),
    "categories of events that came before their day": (
        lambda patches: patches.script(
            "warehouse/changed_user_categories", "where transaction_category is not null", "where false"
        ),
        day_that_comes_after_its_event,
    ),
    "former slices of events": (
        lambda patches: patches.script("warehouse/changed_slices", OF_REPLACED, "false"),
        event_that_moves_to_another_country,
    ),
    "a last day that moves, in every slice": (
        lambda patches: patches.script(
            "warehouse/changed_slices", "where former.last_day is distinct from", "where false and former.last_day is distinct from"
        ),
        last_day_that_comes_and_goes,
    ),
    "a first day that moves, in every slice": (
        lambda patches: patches.script(
            "warehouse/changed_slices", "        min(event_date) <= (", "        false and min(event_date) <= ("
        ),
        first_day_that_moves,
    ),
    "slices of events that came before their day": (
        lambda patches: patches.script(
            "warehouse/changed_slices", "where event_date > (select min(since) from moved)", "where false"
        ),
        country_of_an_event_before_its_day,
    ),
    "cohorts that users leave": (
        lambda patches: patches.script("warehouse/agg_user_acquisition", MINUS, NOTHING),
        user_who_is_new_earlier,
    ),
    "days of sources that nobody is left of": (
        lambda patches: patches.script(
            "warehouse/agg_user_acquisition", "where users = 0", "where users = -1"
        ),
        user_who_is_new_earlier,
    ),
    "users who are gone": (
        lambda patches: patches.script(
            "warehouse/agg_user_acquisition", "and computed.user_id is null", "and false"
        ),
        user_who_is_no_more,
    ),
    "cohorts of funnels that users leave": (
        lambda patches: patches.script(
            "reporting/engagement_funnel",
            "(report.users, report.is_complete) is distinct from (sizes.users, sizes.is_complete)",
            "report.users is null",
        ),
        user_who_is_new_earlier,
    ),
    "cohorts that one enters and another leaves": (
        lambda patches: patches.script(
            "reporting/engagement_funnel", "where since <= first_day or since", "where since"
        ),
        user_who_takes_the_place_of_another,
    ),
    "cohorts of users whose time is over by now": (
        lambda patches: patches.script(
            "reporting/engagement_funnel", "over_on > least(", "false and over_on > least("
        ),
        day_on_which_the_time_of_a_user_is_over,
    ),
    "cohorts of a late step": (
        lambda patches: patches.script(
            "reporting/engagement_funnel", "or since <= over_on and over_on <= last_day", ""
        ),
        late_step,
    ),
    "funnels that are not through before the change": (
        lambda patches: patches.script(
            "warehouse/agg_user_funnels", "or since <= {{ warehouse }}.day_of(", "or false and since <= {{ warehouse }}.day_of("
        ),
        late_step,
    ),
    "funnels of users who are gone": (
        lambda patches: patches.script(
            "warehouse/agg_user_funnels", "and activity.user_id is null", "and false"
        ),
        user_who_is_no_more,
    ),
    "what follows from a text": (without_followers, another_text_upstream),
    "variables": (without_variables, another_time_zone),
    "definitions of tables": (without_definitions, another_type),
    "other columns": (without_reshaping, another_column),
    "the file of a replica": (
        lambda patches: patches.query(
            "positions", "files.file <> consumed.replica_file", "false and files.file is null"
        ),
        replica_that_was_emptied,
    ),
    "the very table": (
        lambda patches: patches.query("built_scripts", "having built.table_oids", "having true or built.table_oids"),
        table_that_was_dropped,
    ),
    "the end of dead builds": (
        lambda patches: patches.query("abandon_builds", "and status = 'running'", "and false"),
        dead_build,
    ),
    "the end of scripts of failed builds": (
        lambda patches: patches.query("roll_back_scripts", "and scripts.kind = 'script'", "and false"),
        failed_build,
    ),
    "rows that are gone": (
        lambda patches: patches.query("publish", "where {{ is_same_key }}", "where false", "build/changes"),
        events_that_are_deleted,
    ),
    "the difference rather than a new table": (
        with_tables_put_in_place_of_others,
        reader_from_before,
    ),
    "the locks of pipelines during a rebuild": (
        without_the_locks_of_pipelines,
        ingest_during_a_rebuild,
    ),
}  # fmt: skip


@pytest.fixture
def patches(monkeypatch: pytest.MonkeyPatch, world: World) -> Patches:
    return Patches(monkeypatch, world)


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
def test_with_its_guards_the_story_is_true(world: World, guard: str) -> None:
    _, story = GUARDS[guard]
    story(world)


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
def test_without_its_guard_the_story_is_false(patches: Patches, guard: str) -> None:
    take_away, story = GUARDS[guard]
    take_away(patches)
    with pytest.raises((AssertionError, RunnerError, psycopg.Error, pytest.fail.Exception)):
        story(patches.world)
