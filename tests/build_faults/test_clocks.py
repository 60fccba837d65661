"""Clocks that run ahead or wrong, types that nobody announced and amounts that are none: what ends a
day, what counts, and what a build says of it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.build.transaction import CheckFailed
from runner.errors import UsageError
from tests import oracle
from tests.build_faults.steps import Build, Delete, Ingest, Reconcile, Step, Undo
from tests.build_faults.world import FEBRUARY, World, cloned, earn, event
from tests.support.sweeps import slow_but

CATEGORY = "dining"


def at(day: int, hour: float, created: float | None = None, **values: Any) -> dict[str, Any]:
    """An event at an hour of a day of February 2026, and the time when its row was created."""
    midnight = datetime(2026, 2, day, tzinfo=UTC)
    time = midnight + timedelta(hours=hour)
    came = time if created is None else midnight + timedelta(hours=created)
    return {**event(0), **values, "event_time": time, "created_at": came}


def last_day(world: World) -> date:
    found: date = world.one("select max(calendar_date) from warehouse.dim_dates")
    return found


def growth(world: World, day: int) -> list[dict[str, Any]]:
    return world.all(
        "select active_users, churned_users, is_complete from reporting.growth_accounting"
        f" where grain = 'day' and slice = 'all' and period_start = '2026-02-{day}'"
    )


def warnings(world: World, check: str) -> list[dict[str, Any]]:
    """The rows of the last result of a check."""
    found: list[dict[str, Any]] = world.one(
        "select sample from orchestrator.check_results where check_name = %(check)s"
        " order by check_result_id desc limit 1",
        check=check,
    )
    return found


def test_an_event_of_tomorrow_closes_nothing(world: World) -> None:
    """50 users a day, three of them on the 23rd, when the event of a fast clock arrived."""
    crowd = [f"user {number}" for number in range(50)]
    world.insert(*[at(day, 12, user_id=user) for day in (21, 22) for user in crowd])
    world.insert(*[at(23, 0.5, user_id=user) for user in crowd[:3]])
    world.run_all()
    before = growth(world, 23)
    assert before == [{"active_users": 3, "churned_users": None, "is_complete": False}]
    (early,) = world.insert(at(24, 0.5, created=-23, user_id=crowd[7]))
    world.run_all()
    world.assert_exact()
    assert last_day(world) == date(2026, 2, 23)
    assert growth(world, 23) == before and growth(world, 24) == []
    assert (
        world.one(
            "select count(*) from warehouse.fact_social_engagements where event_id = %(id)s",
            id=early,
        )
        == 1
    )
    # The day comes, and with it the event, though nobody touched it.
    world.insert(at(24, 8, user_id=crowd[9]))
    world.run_all()
    world.assert_exact()
    assert growth(world, 24) == [{"active_users": 2, "churned_users": None, "is_complete": False}]
    assert growth(world, 23)[0]["churned_users"] == 47


@pytest.mark.slow
def test_the_last_day_moves_back_and_forth_and_early_events_with_it(world: World) -> None:
    """A day that is reached, left and reached again, in each table that depends on it."""
    spa = {"event_type": "miles_earned", "transaction_category": "spa", "miles_amount": 7}
    world.insert(
        at(11, 0.5, created=-2, user_id="eve", **spa),
        at(11, 1, created=-1, user_id="ann", event_type="gift"),
        at(10, 12, user_id="bob"),
    )
    world.run_all()
    world.assert_exact()
    assert last_day(world) == date(2026, 2, 10)
    assert world.one("select count(*) from warehouse.dim_users where user_id = 'eve'") == 0
    (number,) = world.insert(at(12, 9, user_id="bob"))
    world.run_all()
    world.assert_exact()
    assert (
        world.one("select count(*) from warehouse.agg_user_categories where user_id = 'eve'") == 1
    )
    world.update(number, event_time=FEBRUARY)
    world.run_all()
    world.assert_exact()
    assert last_day(world) == date(2026, 2, 10)
    world.update(number, event_time=datetime(2026, 2, 11, 3, tzinfo=UTC))
    world.run_all()
    world.assert_exact()
    assert last_day(world) == date(2026, 2, 11)
    world.delete(number)
    Reconcile("event_stream").do(world)
    world.build()
    world.assert_exact()
    assert last_day(world) == date(2026, 2, 10)


def test_early_events_alone_are_no_report(world: World) -> None:
    world.all("delete from public.event_stream")
    Reconcile("event_stream").do(world)
    world.insert(at(11, 0.5, created=-2, user_id="eve"))
    world.run_all()
    world.assert_exact()
    assert world.all("select * from reporting.kpi_daily") == []
    assert world.one("select last_day from warehouse.last_day") == date(2026, 2, 10)


@pytest.mark.parametrize(
    "moment", slow_but(["9999-12-31 00:00+00", "9999-12-30 00:00+00", "infinity"], "infinity")
)
def test_a_time_at_the_end_of_the_calendar_stops_no_build(world: World, moment: str) -> None:
    numbers = world.insert({**earn(3, "eve"), "event_time": moment})
    world.insert({**earn(3, "eve"), "event_time": moment, "created_at": "2026-01-01"})
    world.run_all()
    world.assert_exact()
    reason = "select reason from warehouse.fact_unclassified_events where event_id = %(id)s"
    assert world.one(reason, id=numbers[0]) == "insane time"
    world.update(numbers[0], event_time=FEBRUARY)
    world.run_all()
    world.assert_exact()


@pytest.mark.slow
def test_a_type_that_nobody_announced_is_named_and_then_passive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.insert(*[event(7, f"user {number}", "push_delivered") for number in range(60)])
    world.insert(event(7, "ann"), event(12, "cat", "push_delivered", country="XX"))
    done = world.run_all()
    named = [{"event_type": "push_delivered", "events": 61, "users": 61}]
    assert warnings(world, "fact_unclassified_events.new_types") == named
    assert any("push_delivered" in warning for warning in done.warnings)
    world.assert_exact()
    day = "select dau from reporting.kpi_daily where day = '2026-02-08' and slice = 'all'"
    assert world.one(day) == 61
    # Known by now: another one of it is no news, and neither is one that changes.
    (number,) = world.insert(event(7, "ann", "push_delivered"))
    world.run_all()
    assert warnings(world, "fact_unclassified_events.new_types") == []
    world.update(number, country="MY")
    world.run_all()
    assert warnings(world, "fact_unclassified_events.new_types") == []

    world.edit(
        "sql/manifest.toml", "passive_event_types = []", 'passive_event_types = ["push_delivered"]'
    )
    monkeypatch.setattr(oracle.base, "PASSIVE", ("push_delivered",))
    world.build()
    world.assert_exact()
    assert world.one(day) == 1
    assert last_day(world) == date(2026, 2, 8)
    pushed = "select events from reporting.engagement_daily where event_type = 'push_delivered' and slice = 'all'"
    assert world.one(pushed) == 61
    world.insert(event(7, "eve", "push_delivered"))
    world.run_all()
    world.assert_exact()
    assert world.one(pushed) == 62


def test_a_type_that_has_a_fact_can_not_be_passive(world: World) -> None:
    before = world.version()
    world.edit("sql/manifest.toml", "passive_event_types = []", 'passive_event_types = ["like"]')
    runs = world.one("select count(*) from orchestrator.runs")
    with pytest.raises(UsageError, match=r"sql/manifest.toml: passive_event_types names like"):
        world.build()
    assert world.version() == before
    assert world.one("select count(*) from orchestrator.runs") == runs
    world.edit(
        "sql/manifest.toml", 'passive_event_types = ["like"]', 'passive_event_types = "like"'
    )
    with pytest.raises(UsageError, match=r"sql/manifest.toml"):
        world.build()


def test_absurd_miles_count_as_none_and_are_counted(world: World) -> None:
    amounts = ["NaN", "Infinity", "1e131071", "1000000000000.01", "1000000000000", "7"]
    world.insert(*[earn(7, "ann", "spa", amount) for amount in amounts])
    world.run_all()
    world.assert_exact()
    (found,) = warnings(world, "changed_events.amounts")
    assert (found["event_type"], found["events"]) == ("miles_earned", 4)
    spa = (
        "select miles_earned, earned_count from warehouse.agg_category_periods"
        " where grain = 'day' and slice = 'all' and transaction_category = 'spa'"
    )
    (row,) = world.all(spa)
    assert (row["miles_earned"], row["earned_count"]) == (1000000000007, 6)


def test_an_empty_text_is_a_missing_one(world: World) -> None:
    numbers = world.insert(event(7, "", "like"), event(7, "ann", "", country="", platform=""))
    world.run_all()
    world.assert_exact()
    reasons = world.all(
        "select reason from warehouse.fact_unclassified_events where event_id = any(%(ids)s) order by event_id",
        ids=numbers,
    )
    assert [row["reason"] for row in reasons] == ["no user_id", "unknown event type"]


def test_the_time_is_read_in_one_place(world: World) -> None:
    """A source whose times are eight hours behind: changed there, all rows follow, those that are
    replaced too.
    """
    (number,) = world.insert(event(1.4, "eve"))
    world.run_all()
    world.edit(
        "schema/warehouse.sql",
        "then (moment at time zone zone)::date",
        "then ((moment + interval '8 hours') at time zone zone)::date",
    )
    world.build()
    moved = "select event_date from warehouse.fact_social_engagements where event_id = %(id)s"
    assert world.one(moved, id=number) == date(2026, 2, 3)
    world.update(number, country="MY")
    world.run_all()
    world.assert_equals_rebuild()
    assert world.all(moved, id=number) == [{"event_date": date(2026, 2, 3)}]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        # It reads the time of a row otherwise than that of a replaced one.
        pytest.param(
            "schema/warehouse/classified_events.sql",
            "{{ warehouse }}.day_of(events.event_time, {{ reporting_timezone }}) as event_date",
            "{{ warehouse }}.day_of(events.event_time + interval '8 hours', {{ reporting_timezone }}) as event_date",
            marks=pytest.mark.slow,
        ),
        # It loses rows.
        (
            "schema/warehouse/classified_events.sql",
            "from {{ raw }}.raw_event_stream\n",
            "from {{ raw }}.raw_event_stream where country <> 'MY'\n",
        ),
    ],
)  # fmt: skip
def test_a_row_that_is_in_no_fact_or_in_two_stops_the_build(
    world: World, file: str, old: str, new: str
) -> None:
    (number,) = world.insert(event(1.4, "eve"))
    world.run_all()
    world.edit(file, old, new)
    world.build()
    before = world.version()
    world.update(number, country="MY", event_time=FEBRUARY)
    world.ingest()
    with pytest.raises(CheckFailed, match=r"fact_unclassified_events\.check"):
        world.build()
    assert world.version() == before


# Around the midnights of three days, from a clock that is right, fast, or slow.
moments = st.tuples(
    st.sampled_from([10, 11, 12]),
    st.sampled_from([0.25, 12, 23.75]),
    st.sampled_from([0, -1, -13, -23.9, 24]),
)
some = st.builds(
    lambda moment, user, kind, country, platform: at(
        moment[0], moment[1], moment[1] + moment[2], user_id=user, event_type=kind,
        transaction_category=CATEGORY, miles_amount=5 if kind == "miles_earned" else None,
        country=country, platform=platform,
    ),
    moments, st.sampled_from(["ann", "eve", "fay"]), st.sampled_from(["miles_earned", "like", "gift"]),
    st.sampled_from(["SG", "TH", "VN"]), st.sampled_from(["ios", "web"]),
)  # fmt: skip


class Change:
    def __init__(self, which: int, values: dict[str, Any]) -> None:
        self.which, self.values = which, values

    def __repr__(self) -> str:
        return f"Change({self.which}, {self.values})"

    def do(self, world: World) -> None:
        if ids := world.event_ids():
            world.update(ids[self.which % len(ids)], **self.values)


class Add(Change):
    def do(self, world: World) -> None:
        world.insert(self.values)


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Add, st.just(0), some),
    st.builds(Change, st.integers(0, 40), some),
    st.builds(Delete, st.integers(0, 40), st.booleans()),
    st.builds(Undo, st.integers(0, 3)),
    st.just(Ingest(("event_stream",))),
    st.just(Reconcile("event_stream")),
    st.just(Build()),
)
FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@FEW
@given(st.lists(steps, min_size=8, max_size=16))
def test_wherever_clocks_are_the_tables_are_those_of_a_rebuild(
    server_uri: str, mould: str, history: list[Step]
) -> None:
    with cloned(server_uri, mould) as world:
        for step in history:
            step.do(world)
        world.ingest()
        Build().do(world)
