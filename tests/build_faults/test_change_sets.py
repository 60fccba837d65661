"""What a change of a row changes, worked out by hand: the places that a build recomputes, the
figures that differ afterwards, and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from tests.build_faults.world import FEBRUARY, World, earn, event, redeem, search

Rows = set[tuple[Any, ...]]

pytestmark = pytest.mark.slow


def day(number: int) -> date:
    return FEBRUARY.date() + timedelta(days=number)


def rows(world: World, text: str) -> Rows:
    return {tuple(row.values()) for row in world.all(text)}


def effect(world: World, change: Callable[[], object], text: str) -> tuple[Rows, Rows]:
    """The rows of a query that a change and a build remove, and those that they add."""
    before = rows(world, text)
    change()
    world.run_all()
    world.assert_exact()
    after = rows(world, text)
    return before - after, after - before


def touched(world: World) -> Rows:
    return rows(world, "select user_id, event_date from warehouse.changed_user_days")


KPIS = (
    "select day, dau, events, miles_earned, miles_redeemed from reporting.kpi_daily"
    " where slice = 'all'"
)
GROWTH = (
    "select grain, period_start, new_users, retained_users, resurrected_users, churned_users"
    " from reporting.growth_accounting where slice = 'all'"
)
COHORTS = (
    "select grain, cohort_start, period_number, active_users from reporting.retention"
    " where slice = 'all' and cohort_start is not null"
)
CATEGORIES = (
    "select transaction_category, events, miles_earned, miles_redeemed"
    " from warehouse.agg_category_periods where slice = 'all' and grain = 'month'"
)


def test_an_event_of_another_type_moves_its_miles_and_nothing_else(world: World) -> None:
    (number,) = world.insert(earn(10, "eve", miles=8))
    world.run_all()
    gone, come = effect(world, lambda: world.update(number, event_type="miles_redeemed"), KPIS)
    assert gone == {(day(10), 1, 1, 8, 0)}
    assert come == {(day(10), 1, 1, 0, 8)}
    assert touched(world) == {("eve", day(10))}
    assert world.one("select count(*) from warehouse.fact_miles_earned where user_id = 'eve'") == 0


def test_an_event_of_a_type_that_nobody_knows_leaves_no_miles(world: World) -> None:
    (number,) = world.insert(earn(10, "eve", miles=8))
    world.run_all()
    gone, come = effect(world, lambda: world.update(number, event_type="gift"), KPIS)
    assert gone == {(day(10), 1, 1, 8, 0)}
    assert come == {(day(10), 1, 1, 0, 0)}
    types = rows(world, "select event_type from warehouse.dim_event_types where depth = 0")
    assert types == {("cancelled",), ("gift",)}


def test_the_last_event_of_a_category_takes_the_category_with_it(world: World) -> None:
    (number,) = world.insert(earn(10, "eve", "spa", 8))
    world.run_all()
    names = "select transaction_category, is_earned from warehouse.dim_transaction_categories"
    gone, come = effect(world, lambda: world.update(number, transaction_category="bar"), names)
    assert (gone, come) == ({("spa", True)}, {("bar", True)})
    assert ("spa",) not in rows(
        world, "select transaction_category from warehouse.agg_category_daily"
    )
    assert touched(world) == {("eve", day(10))}


def test_an_event_of_another_category_leaves_the_rest_of_its_old_one(world: World) -> None:
    numbers = world.insert(earn(10, "eve", "spa", 8), redeem(11, "eve", "spa", 3))
    world.run_all()
    gone, come = effect(
        world, lambda: world.update(numbers[0], transaction_category=None), CATEGORIES
    )
    assert gone == {("spa", 2, 8, 3)}
    assert come == {("spa", 1, 0, 3), ("unknown", 1, 8, 0)}


def test_an_event_of_another_user_leaves_one_and_comes_to_the_other(world: World) -> None:
    (number,) = world.insert(earn(10, "eve", miles=8))
    world.run_all()
    users = "select user_id, first_day from warehouse.dim_users"
    gone, come = effect(world, lambda: world.update(number, user_id="fay"), users)
    assert (gone, come) == ({("eve", day(10))}, {("fay", day(10))})
    assert touched(world) == {("eve", day(10)), ("fay", day(10))}
    for table in ("agg_user_daily", "agg_user_periods", "agg_user_engagement", "fact_miles_earned"):
        found = rows(world, f"select user_id from warehouse.{table}")
        assert ("fay",) in found
        assert ("eve",) not in found


def test_an_event_that_passed_through_users_between_two_builds_is_with_the_last(
    world: World,
) -> None:
    (number,) = world.insert(earn(10, "eve", miles=8))
    world.run_all()
    for user in ("fay", "gus"):
        world.update(number, user_id=user)
        world.ingest()
    world.run_all()
    world.assert_exact()
    assert touched(world) == {(user, day(10)) for user in ("eve", "fay", "gus")}


def test_an_event_of_the_next_day_leaves_its_day_and_month(world: World) -> None:
    """From 31 January to 1 February, on both of which there are other events."""
    (number,) = world.insert(event(-1, "eve", country="MY"))
    world.run_all()
    gone, come = effect(
        world,
        lambda: world.update(number, event_time=FEBRUARY),
        "select slice_value, event_date, users from warehouse.agg_engagement_daily"
        " where slice in ('all', 'country')",
    )
    assert gone == {("all", day(-1), 2), ("MY", day(-1), 1), ("all", day(0), 2)}
    assert come == {("all", day(-1), 1), ("MY", day(0), 1), ("all", day(0), 3)}
    assert touched(world) == {("eve", day(-1)), ("eve", day(0))}
    months = "select period_start from warehouse.agg_user_periods where user_id = 'eve' and grain = 'month'"
    assert rows(world, months) == {(date(2026, 2, 1),)}


def test_an_event_of_another_country_moves_between_two_slices(world: World) -> None:
    (number,) = world.insert(earn(10, "eve", miles=8))
    world.run_all()
    gone, come = effect(
        world,
        lambda: world.update(number, country="VN"),
        "select slice, slice_value, users, miles_earned from warehouse.agg_engagement_daily"
        f" where event_date = '{day(10)}'",
    )
    assert gone == {("country", "SG", 1, 8)}
    assert come == {("country", "VN", 1, 8)}
    assert rows(world, "select country from warehouse.dim_users where user_id = 'eve'") == {("VN",)}


def test_an_event_that_is_written_again_as_it_was_changes_no_figure(world: World) -> None:
    (number,) = world.insert(earn(10, "eve"))
    world.run_all()
    shown = [table for table in world.tables() if "changed" not in table]
    before = {table: hash for table, hash in world.version().items() if table in shown}
    world.update(number, user_id="eve")
    assert world.run_all().run_id is not None
    assert {table: hash for table, hash in world.version().items() if table in shown} == before
    assert touched(world) == {("eve", day(10))}


def test_events_that_are_deleted_in_the_source_are_gone_once_it_is_reconciled(
    world: World,
) -> None:
    numbers = world.insert(earn(10, "eve", "spa", 8), search(11, "eve", "spa"))
    world.run_all()
    for number in numbers:
        world.delete(number)

    assert effect(world, lambda: None, KPIS) == (set(), set())
    gone, come = effect(world, world.pipeline().reconcile, KPIS)
    # The data end on 7 February again: days after it are none.
    assert gone == {(day(10), 1, 1, 8, 0), (day(11), 1, 1, 0, 0)} | {
        (day(number), 0, 0, 0, 0) for number in (7, 8, 9)
    }
    assert come == set()
    assert touched(world) == {("eve", day(10)), ("eve", day(11))}


def test_a_window_that_is_undone_and_filled_again_leaves_each_version_as_it_was(
    world: World,
) -> None:
    shown = [table for table in world.tables() if "changed" not in table]

    def version() -> dict[str, str]:
        return {table: hash for table, hash in world.version().items() if table in shown}

    before = version()
    world.insert(earn(-40, "eve", "spa", 8), event(10, "ann"), event(0, "bob"))
    ids = world.event_ids()
    world.update(ids[0], user_id="eve")
    world.run_all()
    after = version()
    run = "select max(_run_id) from warehouse.raw_event_stream"
    world.pipeline().undo(world.one(run))
    world.build()
    assert version() == before
    assert ("eve", day(-40)) in touched(world)
    world.pipeline().fill_gaps()
    world.ingest()
    world.build()
    assert version() == after
    world.assert_exact()


def test_a_late_event_makes_a_user_retained_who_had_been_resurrected(world: World) -> None:
    """Of the weeks of 12, 19 and 26 January, the second one was missing."""
    world.insert(event(-20, "eve"), event(-6, "eve"))
    world.run_all()
    gone, come = effect(
        world, lambda: world.insert(event(-13, "eve")), f"{GROWTH} and grain = 'week'"
    )
    before = {row[1]: row[2:] for row in gone}
    after = {row[1]: row[2:] for row in come}
    weeks = [date(2026, 1, 19), date(2026, 1, 26)]
    assert sorted(before) == sorted(after) == weeks
    changes = [
        tuple(new - old for old, new in zip(before[week], after[week], strict=True))
        for week in weeks
    ]
    # Retained rather than churned in the one, and so rather than resurrected in the other.
    assert changes == [(0, 1, 0, -1), (0, 1, -1, 0)]
    assert touched(world) == {("eve", day(-13))}


def test_an_older_first_event_moves_a_user_to_another_cohort_with_all_later_periods(
    world: World,
) -> None:
    world.insert(event(1, "eve"), event(8, "eve"))
    world.run_all()
    weekly = f"{COHORTS} and grain = 'week'"
    before = {row[1:3]: row[3] for row in rows(world, weekly)}
    effect(world, lambda: world.insert(event(-60, "eve")), weekly)
    after = {row[1:3]: row[3] for row in rows(world, weekly)}
    old, new = date(2026, 2, 2), date(2025, 12, 1)
    assert (old, 0) in before
    assert (old, 0) not in after
    assert (new, 0) not in before
    active = {number: count for (cohort, number), count in after.items() if cohort == new}
    # Nine and ten weeks after the first.
    assert {number for number, count in active.items() if count} == {0, 9, 10}


def test_an_event_is_in_the_trailing_windows_of_as_many_days_and_no_more(world: World) -> None:
    world.insert(event(60, "bob"))
    world.run_all()
    text = "select day, dau, wau, mau from reporting.active_users_daily where slice = 'all'"

    def change(*events: Any) -> dict[date, tuple[int, ...]]:
        gone, come = effect(world, lambda: world.insert(*events), text)
        before = {row[0]: row[1:] for row in gone}
        return {
            row[0]: tuple(new - old for old, new in zip(before[row[0]], row[1:], strict=True))
            for row in come
        }

    def windows(start: int, until: int = 99) -> dict[date, tuple[int, ...]]:
        """The first event of a user who returns after that many days."""
        return {
            day(start + number): (
                int(number == 0),
                int(number < 7 and number < until),
                int(number < 28 and number < until),
            )
            for number in range(min(28, until))
        }

    assert change(event(5, "eve")) == windows(5)
    # 27 days later: one day of the 28 is counted already.
    last = {**windows(32), day(32): (1, 1, 0)}
    assert change(event(32, "eve")) == last
    assert touched(world) == {("eve", day(32))}
    # Before both: in the windows up to the next event, a day before it leaves them.
    assert change(event(4, "eve")) == {day(4): (1, 1, 1)}


def test_a_late_event_touches_no_report_of_a_day_before_it_or_of_another_slice(
    world: World,
) -> None:
    world.insert(event(60, "bob"), event(3, "cat", country="TH", platform="web"))
    world.run_all()
    world.insert(event(5, "ann", "share"))
    summary = world.run_all()
    world.assert_exact()
    changes = {result.step.script.name: result.changes for result in summary.results}
    # ann was there on the 5th day, and the data end on the 60th: those 56 days of all, and of the
    # country, the platform and the source of ann. Not those of TH and web, nor the days before.
    daily = changes["active_users_daily"]
    assert (daily.inserted, daily.updated, daily.deleted) == (4 * 56, 0, 4 * 56)
    assert {row[0] for row in touched(world)} == {"ann"}


def steps_of(user: str) -> str:
    """Where a user is in the funnel of a slice: the days of the first event and of the steps."""
    return (
        "select slice_value, first_day, searched_at::date, earned_at::date, redeemed_at::date"
        f" from warehouse.agg_user_funnels where user_id = '{user}' and slice = 'platform'"
    )


def test_a_funnel_goes_on_from_its_last_step_and_is_finished_once(world: World) -> None:
    world.insert(search(10, "eve"), earn(12, "eve"))
    world.run_all()
    gone, come = effect(
        world,
        lambda: world.insert(search(13, "eve"), earn(14, "eve"), redeem(15, "eve")),
        steps_of("eve"),
    )
    assert gone == {("ios", day(10), day(10), day(12), None)}
    assert come == {("ios", day(10), day(10), day(12), day(15))}
    assert effect(
        world, lambda: world.insert(earn(16, "eve"), redeem(17, "eve")), steps_of("eve")
    ) == (set(), set())


def test_a_funnel_starts_again_from_what_changes_before_its_end(world: World) -> None:
    _, first_earn, *_ = world.insert(
        search(10, "eve"), earn(12, "eve"), redeem(14, "eve"), earn(15, "eve"), redeem(16, "eve")
    )
    world.run_all()
    # Hours before the redemption, on its day.
    redeemed_at = "select redeemed_at from warehouse.agg_user_funnels where user_id = 'eve'"
    gone, come = effect(world, lambda: world.insert(redeem(13.8, "eve")), redeemed_at)
    assert gone == {(FEBRUARY + timedelta(days=14),)}
    assert come == {(FEBRUARY + timedelta(days=13.8),)}
    _, come = effect(world, lambda: world.update(first_earn, event_type="like"), steps_of("eve"))
    assert come == {("ios", day(10), day(10), day(15), day(16))}
    # The time of who came earlier is over earlier, too: before the other steps.
    _, come = effect(
        world, lambda: world.insert(search(-10, "eve"), earn(-11, "eve")), steps_of("eve")
    )
    assert come == {("ios", day(-11), day(-10), day(15), day(16))}
    _, come = effect(world, lambda: world.insert(event(-12.1, "eve")), steps_of("eve"))
    assert come == {("ios", day(-12), day(-10), day(15), None)}


def test_an_event_of_another_platform_leaves_the_funnel_of_its_old_one(world: World) -> None:
    one, other = world.insert(search(10, "eve"), earn(12, "eve"))
    world.run_all()
    gone, come = effect(world, lambda: world.update(other, platform="web"), steps_of("eve"))
    assert gone == {("ios", day(10), day(10), day(12), None)}
    assert come == {("ios", day(10), day(10), None, None), ("web", day(12), None, None, None)}
    gone, come = effect(world, lambda: world.update(one, platform="web"), steps_of("eve"))
    assert gone == {("ios", day(10), day(10), None, None), ("web", day(12), None, None, None)}
    assert come == {("web", day(10), day(10), day(12), None)}
