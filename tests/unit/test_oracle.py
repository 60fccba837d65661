"""The oracle against figures worked out by hand, and against what is known of the real file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests import oracle
from tests.oracle import Campaign, Cost, Event, Row, Value

REAL_FILE = Path(__file__).parents[3] / "shared" / "data" / "event_stream.csv"

# March 2025: the 3rd, 10th, 17th, 24th and 31st are Mondays.
MONDAY = date(2025, 3, 3)
SECOND_MONDAY = date(2025, 3, 10)
THIRD_MONDAY = date(2025, 3, 17)
FOURTH_MONDAY = date(2025, 3, 24)
MARCH = date(2025, 3, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def event(
    event_id: int,
    time: str | float | None,
    user: str | None = "ann",
    event_type: str | None = "like",
    miles: str | None = None,
    *,
    category: str | None = None,
    platform: str | None = "ios",
    source: str | None = "google",
    country: str | None = "SG",
    created: str | None = None,
) -> Event:
    event_time = at(time) if isinstance(time, str) else time
    arrived = event_time if isinstance(event_time, datetime) else at("2025-03-03")
    return Event(
        event_id=event_id,
        event_time=event_time,
        user_id=user,
        event_type=event_type,
        transaction_category=category,
        miles_amount=None if miles is None else Decimal(miles),
        platform=platform,
        utm_source=source,
        country=country,
        created_at=arrived if created is None else at(created),
    )


def rows_of(
    table: str, events: Iterable[Event], campaigns: Iterable[Campaign] = (), **where: Value
) -> list[Row]:
    """Return the rows of a table that match, without the columns that were asked for."""
    if table not in ("acquisition", "category_performance"):
        where = {"slice": "all", "slice_value": "all", **where}
    return [
        {column: value for column, value in row.items() if column not in where}
        for row in oracle.all_reports(events, campaigns)[table]
        if all(row[column] == value for column, value in where.items())
    ]


def test_late_event_counts_on_its_own_day() -> None:
    # The like of the 3rd arrives a week late. Last day: the 5th. So three days, the middle one
    # empty, and the late event on the first.
    events = [
        event(1, "2025-03-05 08:00", "ann"),
        event(2, "2025-03-03 08:00", "ben", created="2025-03-12 08:00"),
    ]
    assert rows_of("active_users_daily", events) == [
        {
            "day": date(2025, 3, day),
            "dau": dau,
            "wau": wau,
            "mau": wau,
            "stickiness": None,
            "is_window_full": False,
            "is_complete": day < 5,
        }
        for day, dau, wau in [(3, 1, 1), (4, 0, 1), (5, 1, 2)]
    ]


def test_churned_user_who_returns_is_resurrected() -> None:
    # Weeks:   3rd   10th   17th   24th (running: the last day is the 24th)
    # ann       x      -      x      -
    # ben       x      x      -      x
    events = [
        event(1, "2025-03-03 10:00", "ann"),
        event(2, "2025-03-09 10:00", "ben"),
        event(3, "2025-03-10 10:00", "ben"),
        event(4, "2025-03-23 23:59", "ann"),
        event(5, "2025-03-24 00:00", "ben"),
    ]
    names = ["active_users", "new_users", "retained_users", "resurrected_users", "churned_users"]
    rows = rows_of("growth_accounting", events, grain="week")
    assert [(row["period_start"], *(row[name] for name in names)) for row in rows] == [
        (MONDAY, 2, 2, 0, 0, 0),
        (SECOND_MONDAY, 1, 0, 1, 0, 1),
        (THIRD_MONDAY, 1, 0, 0, 1, 1),
        (FOURTH_MONDAY, 1, 0, 0, 1, None),
    ]
    # quick_ratio: 2/0, 0/1, 1/1, running. retention_rate: of nobody, 1/2, 0/1, running.
    assert [row["quick_ratio"] for row in rows] == [None, 0, 1, None]
    assert [row["retention_rate"] for row in rows] == [None, Decimal("0.5"), 0, None]


def test_week_is_incomplete_on_its_own_sunday_and_complete_on_the_monday_after() -> None:
    sunday = [event(1, "2025-03-03 10:00"), event(2, "2025-03-09 23:59:59")]
    monday = [*sunday, event(3, "2025-03-10 00:00")]
    [running] = rows_of("growth_accounting", sunday, grain="week")
    assert running["is_complete"] is False
    assert running["churned_users"] is None
    first, second = rows_of("growth_accounting", monday, grain="week")
    assert (first["is_complete"], first["churned_users"]) == (True, 0)
    assert (second["is_complete"], second["churned_users"]) == (False, None)


def test_quiet_slice_runs_to_the_last_day_of_all() -> None:
    # Android has one event, on the 3rd; ios has the last, on the 10th. The week of the 3rd is
    # complete for Android too, and its next week exists with nobody in it.
    events = [
        event(1, "2025-03-03 10:00", platform="android"),
        event(2, "2025-03-10 10:00", platform="ios"),
    ]
    rows = rows_of(
        "growth_accounting", events, grain="week", slice="platform", slice_value="android"
    )
    assert [(row["active_users"], row["is_complete"]) for row in rows] == [(1, True), (0, False)]
    # The first day of a slice is its own, and so are its users: ann is new on ios.
    kpis = rows_of("kpi_daily", events, slice="platform", slice_value="ios")
    assert [(row["day"], row["new_users"]) for row in kpis] == [(SECOND_MONDAY, 1)]


def test_average_line_of_retention_sums_only_complete_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oracle.cohorts, "AVERAGE_MIN_USERS", 2)
    # Cohorts by week; the last day is Monday the 17th, so the week of the 17th is running.
    #                 size   period 0   1    2
    # 3rd  (ann, ben)   2        2      1    1 (running)
    # 10th (cat)        1        1      0 (running)
    # 17th (dan)        1        1 (running)
    # Average: period 0 = 3 of 3, period 1 = 1 of 2, period 2 has no complete cell.
    events = [
        event(1, "2025-03-03 10:00", "ann"),
        event(2, "2025-03-04 10:00", "ben"),
        event(3, "2025-03-10 10:00", "ann"),
        event(4, "2025-03-11 10:00", "cat"),
        event(5, "2025-03-17 10:00", "ben"),
        event(6, "2025-03-17 10:00", "dan"),
    ]
    rows = rows_of("retention", events, grain="week")
    columns = [
        "cohort_start",
        "period_number",
        "cohort_size",
        "active_users",
        "retention_rate",
        "cohorts",
        "is_complete",
    ]
    assert [tuple(row[column] for column in columns) for row in rows] == [
        (None, 0, 3, 3, 1, 2, True),
        (None, 1, 2, 1, Decimal("0.5"), 1, True),
        (MONDAY, 0, 2, 2, 1, None, True),
        (MONDAY, 1, 2, 1, Decimal("0.5"), None, True),
        (MONDAY, 2, 2, 1, Decimal("0.5"), None, False),
        (SECOND_MONDAY, 0, 1, 1, 1, None, True),
        (SECOND_MONDAY, 1, 1, 0, 0, None, False),
        (THIRD_MONDAY, 0, 1, 1, 1, None, False),
    ]
    # By month there is one running cell, so there is no average line.
    assert [row["cohort_start"] for row in rows_of("retention", events, grain="month")] == [MARCH]


def test_earning_after_exactly_168_hours_is_activation() -> None:
    # ann earns at the 168th hour, ben a microsecond later. They earn 10 + 5 miles: 7.5 a user. The
    # week of the 10th is complete on the 17th, that of the 31st is not yet; ben is active in the
    # week of the 10th as well. March runs, so it costs nothing.
    events = [
        event(1, "2025-03-03 10:00", "ann"),
        event(2, "2025-03-10 10:00", "ann", "miles_earned", "10"),
        event(3, "2025-03-03 10:00", "ben"),
        event(4, "2025-03-10 10:00:00.000001", "ben", "miles_earned", "5"),
        event(5, "2025-03-17 10:00", "ben", "miles_redeemed", "4", source="tiktok"),
    ]
    campaigns = [Campaign("google", "spring", "search", True, Decimal("9"))]
    assert rows_of("acquisition", events, campaigns) == [
        {
            "utm_source": "google",
            "cohort_start": MARCH,
            "new_users": 2,
            "activation_eligible": 2,
            "activated_users": 1,
            "activation_rate": Decimal("0.5"),
            "week_1_eligible": 2,
            "week_1_retained": 2,
            "week_1_rate": 1,
            "week_4_eligible": 0,
            "week_4_retained": 0,
            "week_4_rate": None,
            "miles_per_user": Decimal("7.5"),
            "redeemers": 1,
            "cost": None,
            "cost_is_dated": None,
            "cost_per_new_user": None,
            "cost_per_activated_user": None,
            "is_complete": False,
        }
    ]


def test_a_rate_stands_on_users_whose_time_is_over() -> None:
    # ann's week 1 is that of the 10th, complete; ben's is that of the 17th, which is running. The
    # 168 hours of ben, who came at midnight, end with the 16th: he counts, cat does not.
    events = [
        event(1, "2025-03-03 10:00", "ann", source=None),
        event(2, "2025-03-10 00:00", "ben", source=None),
        event(3, "2025-03-10 00:00:00.000001", "cat", "miles_earned", "1", source=None),
        event(4, "2025-03-17 10:00", "ann"),
    ]
    [row] = rows_of("acquisition", events, utm_source="unknown")
    assert (row["new_users"], row["week_1_eligible"], row["week_1_retained"]) == (3, 1, 0)
    assert (row["activation_eligible"], row["activated_users"]) == (2, 0)


def test_a_month_that_is_over_costs_what_was_given_for_it() -> None:
    # google has costs of its own: 2 + 3 in March, none of February, 9 of April, which runs. tiktok
    # has only what it costs now; bing cost something in March and brought nobody. May is to come.
    events = [
        event(1, "2025-02-03 10:00", "old"),
        event(2, "2025-03-03 10:00", "ann"),
        event(3, "2025-03-03 10:00", "ben", source="tiktok"),
        event(4, "2025-03-04 10:00", "ben", "miles_earned", "1", source="tiktok"),
        event(5, "2025-04-03 10:00", "cat"),
        event(6, "2025-03-03 10:00", "dan", source="email"),
    ]
    campaigns = [
        Campaign("google", None, None, True, Decimal(70)),
        Campaign("tiktok", None, None, True, Decimal(8)),
        Campaign("email", None, None, True, Decimal("NaN")),
    ]
    costs = [
        Cost("google", date(2025, 3, 1), Decimal(2)),
        Cost("google", date(2025, 3, 31), Decimal(3)),
        Cost("google", date(2025, 4, 1), Decimal(9)),
        Cost("google", date(2025, 2, 1), Decimal("NaN")),
        Cost("bing", date(2025, 3, 1), Decimal(4)),
        Cost("bing", date(2025, 5, 1), Decimal(4)),
        Cost("bing", date(1999, 12, 31), Decimal(4)),
    ]
    rows = oracle.all_reports(events, campaigns, costs)["acquisition"]
    names = ("cost", "cost_is_dated", "cost_per_new_user", "cost_per_activated_user")
    found = {
        (row["utm_source"], row["cohort_start"]): tuple(row[name] for name in names) for row in rows
    }
    nothing = (None,) * 4
    assert found == {
        ("google", date(2025, 2, 1)): nothing,
        ("google", MARCH): (5, True, 5, None),
        ("google", date(2025, 4, 1)): nothing,
        ("tiktok", MARCH): (8, False, 8, 8),
        ("email", MARCH): nothing,
        ("bing", MARCH): (4, True, None, None),
    }


def test_source_of_a_user_is_that_of_the_lower_event_id_at_the_same_moment() -> None:
    events = [
        event(2, "2025-03-03 10:00", source="tiktok"),
        event(1, "2025-03-03 10:00", source="google"),
    ]
    assert [row["utm_source"] for row in rows_of("acquisition", events)] == ["google"]


def test_event_without_a_user_counts_nowhere() -> None:
    nobody = event(1, "2025-03-03 10:00", None, "miles_earned", "10")
    assert oracle.classify(nobody) == ("fact_unclassified_events", "no user_id")
    # Neither its day nor its miles exist, nor does it move the last day.
    events = [nobody, event(2, "2025-03-04 10:00"), event(3, "2025-03-09 10:00", None)]
    [row] = rows_of("kpi_daily", events)
    assert (row["day"], row["events"], row["miles_earned"]) == (date(2025, 3, 4), 1, 0)
    assert all(rows == [] for rows in oracle.all_reports([nobody], []).values())


def test_event_two_days_ahead_of_its_arrival_is_insane() -> None:
    ahead = event(1, "2025-03-05 10:00", created="2025-03-03 10:00")
    just_one_day = event(2, "2025-03-04 10:00", created="2025-03-03 10:00")
    assert oracle.classify(ahead) == ("fact_unclassified_events", "insane time")
    assert oracle.classify(just_one_day) == ("fact_social_engagements", None)
    # It counts once somebody else's day has come so far.
    assert rows_of("active_users_daily", [ahead, just_one_day]) == []
    [row] = rows_of("active_users_daily", [ahead, just_one_day, event(3, "2025-03-04 00:10")])
    assert (row["day"], row["dau"]) == (date(2025, 3, 4), 1)


@pytest.mark.parametrize(
    ("strange", "reason"),
    [
        (event(1, float("inf")), "insane time"),
        (event(1, float("-inf")), "insane time"),
        (event(1, None), "insane time"),
        (event(1, "1999-12-31 23:59:59"), "insane time"),
        (event(1, float("inf"), None, "gift"), "no user_id"),
        (event(1, float("inf"), "ann", "gift"), "insane time"),
        (event(1, "2000-01-01 00:00", "ann", "gift"), "unknown event type"),
        (event(1, "2025-03-03 10:00", "ann", None), "unknown event type"),
    ],
)
def test_first_reason_that_applies_is_the_reason(strange: Event, reason: str) -> None:
    assert oracle.classify(strange) == ("fact_unclassified_events", reason)


def test_unknown_event_type_is_activity_without_miles_or_category() -> None:
    # ann's gift carries a category and miles, but only an earn or a redeem moves miles.
    events = [
        event(1, "2025-03-03 10:00", "ann", "gift", "10", category="dining"),
        event(2, "2025-03-03 11:00", "ben", None),
    ]
    assert rows_of("engagement_daily", events) == [
        {
            "day": MONDAY,
            "event_type": name,
            "depth": 0,
            "events": 1,
            "users": 1,
            "is_complete": False,
        }
        for name in ("gift", "unknown")
    ]
    [row] = rows_of("kpi_daily", events)
    assert (row["dau"], row["events"], row["miles_earned"]) == (2, 2, 0)
    assert rows_of("category_performance", events) == []


def test_halves_are_rounded_away_from_zero() -> None:
    # 0.000005 miles in 2 transactions: 0.0000025 each. Rounding to even would give 0.000002.
    events = [
        event(1, "2025-03-03 10:00", "ann", "miles_earned", "0.000005", category="dining"),
        event(2, "2025-03-03 11:00", "ann", "miles_earned", category="dining"),
    ]
    assert rows_of("miles_by_category", events, grain="day") == [
        {
            "period_start": MONDAY,
            "direction": "earned",
            "transaction_category": "dining",
            "miles": Decimal("0.000005"),
            "transactions": 2,
            "users": 1,
            "miles_per_transaction": Decimal("0.000003"),
            "is_complete": False,
        }
    ]
    assert oracle.ratio(-5, 2_000_000) == Decimal("-0.000003")
    assert oracle.ratio(2, 3) == Decimal("0.666667")


def test_sums_are_exact_however_long() -> None:
    events = [
        event(1, "2025-03-03 10:00", "ann", "miles_earned", "1" + 12 * "0"),
        event(2, "2025-03-03 11:00", "ann", "miles_earned", "0." + 40 * "0" + "1"),
    ]
    [row] = rows_of("miles_balance_daily", events)
    assert row["outstanding_miles"] == Decimal("1" + 12 * "0" + "." + 40 * "0" + "1")


def test_kpis_average_over_the_days_so_far_and_burn_over_28_days() -> None:
    # The 3rd: ann and ben, 100 earned. The 4th: ann, 50 redeemed. The 31st: ann, 10 redeemed.
    # The window of the 30th still reaches the 3rd; that of the 31st holds no earned miles.
    events = [
        event(1, "2025-03-03 10:00", "ann", "miles_earned", "100"),
        event(2, "2025-03-03 10:00", "ben"),
        event(3, "2025-03-04 10:00", "ann", "miles_redeemed", "50"),
        event(4, "2025-03-31 10:00", "ann", "miles_redeemed", "10"),
    ]
    rows = {row["day"]: row for row in rows_of("kpi_daily", events)}
    assert len(rows) == 29
    averages = {day: rows[date(2025, 3, day)]["dau_7d_average"] for day in (3, 4, 9, 10)}
    # 2/1, 3/2, 3/7, and without the 3rd 1/7.
    assert averages == {3: 2, 4: Decimal("1.5"), 9: Decimal("0.428571"), 10: Decimal("0.142857")}
    burn = {day: rows[date(2025, 3, day)]["burn_rate"] for day in (3, 4, 30, 31)}
    assert burn == {3: 0, 4: Decimal("0.5"), 30: Decimal("0.5"), 31: None}
    assert [rows[date(2025, 3, day)]["mau"] for day in (30, 31)] == [2, 1]
    balance = rows_of("miles_balance_daily", events)[-1]
    assert (balance["net_miles"], balance["outstanding_miles"]) == (-10, 40)
    full = [row["day"] for row in rows_of("active_users_daily", events) if row["is_window_full"]]
    assert full == [date(2025, 3, 30), date(2025, 3, 31)]


def test_stickiness_of_nobody_is_null() -> None:
    # 28 days after the only event of the slice its window is empty.
    events = [
        event(1, "2025-03-03 10:00", country="TH"),
        event(2, "2025-03-31 10:00", country="SG"),
    ]
    rows = rows_of("active_users_daily", events, slice="country", slice_value="TH")
    assert [(row["mau"], row["stickiness"]) for row in rows[-2:]] == [
        (1, Decimal("0.035714")),
        (0, None),
    ]
    assert rows[-3]["stickiness"] is None  # the window has 27 days


def test_category_grows_over_the_previous_calendar_week() -> None:
    # Dining: the 3rd ann and ben, the 10th ann, the 17th nobody, the 24th ann (running: null).
    # cat likes in the first week: she is an active user, so dining has 2 of 3.
    events = [
        event(1, "2025-03-03 10:00", "ann", "miles_earned", "10", category="dining"),
        event(2, "2025-03-03 11:00", "ben", "reward_search", category="dining"),
        event(3, "2025-03-03 12:00", "cat"),
        event(4, "2025-03-10 10:00", "ann", "miles_redeemed", "4", category="dining"),
        event(5, "2025-03-24 10:00", "ann", "miles_earned", "1", category="dining"),
        event(6, "2025-03-31 10:00", "ann", "miles_earned", "1"),
    ]
    rows = rows_of("category_performance", events, grain="week")
    columns = ["period_start", "transaction_category", "events", "users", "share_of_users"]
    assert [(*(row[name] for name in columns), row["growth"]) for row in rows] == [
        (MONDAY, "dining", 2, 2, Decimal("0.666667"), None),
        (SECOND_MONDAY, "dining", 1, 1, 1, Decimal("-0.5")),
        (FOURTH_MONDAY, "dining", 1, 1, 1, None),
        (date(2025, 3, 31), "unknown", 1, 1, 1, None),
    ]
    assert [(row["miles_earned"], row["miles_redeemed"]) for row in rows[:2]] == [(10, 0), (0, 4)]


def test_funnel_takes_the_first_step_after_the_previous_step() -> None:
    # ann earns before she searches, which does not count, then a day later: 1 day.
    # ben searches and earns at the same moment, the earn with the larger id: 0 days.
    # cat earns and searches at the same moment, the earn with the smaller id: searched only.
    # dan earns when 28 days are just over, and so he does not; eve's are not over.
    # Medians: to earn (0 + 1) / 2 days; to redeem only ann, after 18 hours.
    events = [
        event(1, "2025-03-03 10:00", "ann", "miles_earned", "1"),
        event(2, "2025-03-04 10:00", "ann", "reward_search"),
        event(3, "2025-03-05 10:00", "ann", "miles_earned", "1"),
        event(4, "2025-03-06 04:00", "ann", "miles_redeemed", "1"),
        event(5, "2025-03-03 10:00", "ben", "reward_search"),
        event(6, "2025-03-03 10:00", "ben", "miles_earned", "1"),
        event(7, "2025-03-03 10:00", "cat", "miles_earned", "1"),
        event(8, "2025-03-03 10:00", "cat", "reward_search"),
        event(9, "2025-03-04 00:00", "dan", "reward_search"),
        event(10, "2025-04-01 00:00:00.000001", "dan", "miles_earned", "1"),
        event(11, "2025-03-04 00:00:00.000001", "eve", "reward_search"),
    ]
    assert rows_of("engagement_funnel", events) == [
        {
            "cohort_start": MARCH,
            "users": 5,
            "eligible_users": 4,
            "searched": 4,
            "earned": 2,
            "redeemed": 1,
            "earned_any": 3,
            "redeemed_any": 1,
            "search_rate": 1,
            "earn_rate": Decimal("0.5"),
            "redeem_rate": Decimal("0.5"),
            "overall_rate": Decimal("0.25"),
            "median_days_to_earn": Decimal("0.5"),
            "median_days_to_redeem": Decimal("0.75"),
            "is_complete": False,
        }
    ]


def test_recommendation_is_because_of_the_category_that_adds_most() -> None:
    uses = [
        ("ann", ("air", "spa")),
        ("ben", ("bar", "spa")),
        ("cat", ("bar", "spa")),
        ("dan", ("air", "bar")),
        # No reason for anything, and nothing to recommend.
        ("eve", ("bar", "unknown")),
        ("fay", ("zoo",)),
    ]
    events = [
        event(number, "2025-03-03 10:00", user, "reward_search", category=category)
        for number, (user, category) in enumerate(
            (user, category) for user, categories in uses for category in categories
        )
    ]
    found = {
        (one.user, one.rank): (one.category, one.reason, one.support, one.score)
        for one in oracle.recommendations(oracle.prepare(events, []))
    }
    # Cosines: bar and spa 2 / sqrt(4 * 3), air and spa 1 / sqrt(2 * 3), air and bar 1 / sqrt(2 * 4).
    bar_spa, air_spa, air_bar, ln_2 = map(Decimal, ("0.577350", "0.408248", "0.353553", "0.693147"))
    assert found == {
        ("ann", 1): ("bar", "spa", 2, round((air_bar + bar_spa) * ln_2, 6)),
        ("ben", 1): ("air", "spa", 1, round((air_bar + air_spa) * ln_2, 6)),
        ("cat", 1): ("air", "spa", 1, round((air_bar + air_spa) * ln_2, 6)),
        ("dan", 1): ("spa", "bar", 2, round((air_spa + bar_spa) * ln_2, 6)),
        ("eve", 1): ("spa", "bar", 2, round(bar_spa * ln_2, 6)),
        ("eve", 2): ("air", "bar", 1, round(air_bar * ln_2, 6)),
    }


def test_small_groups_are_other_with_the_next_smallest_if_they_are_too_few() -> None:
    shown = oracle.shown_names({"a": 2, "b": 6, "c": 5, "d": 9})
    assert shown == {"a": "other", "b": "b", "c": "other", "d": "d"}
    shown = oracle.shown_names({"a": 2, "b": 3, "c": 5})
    assert shown == {"a": "other", "b": "other", "c": "c"}
    assert oracle.shown_names({"a": 2, "b": 1}) == {"a": "other", "b": "other"}
    assert oracle.shown_names({"other": 1, "b": 5}) == {"other": "other", "b": "other"}


def test_day_is_the_day_of_the_reporting_timezone() -> None:
    # 16:30 in UTC is half past midnight of the next day in Singapore.
    tables = oracle.all_reports(
        [event(1, "2025-03-03 16:30")], [], timezone="Asia/Singapore", slices=False
    )
    assert [row["day"] for row in tables["kpi_daily"]] == [date(2025, 3, 4)]


def real_events() -> list[Event]:
    with REAL_FILE.open(newline="") as file:
        return [
            event(
                number,
                row["event_time"],
                row["user_id"] or None,
                row["event_type"] or None,
                row["miles_amount"] or None,
                category=row["transaction_category"] or None,
                platform=row["platform"] or None,
                source=row["utm_source"] or None,
                country=row["country"] or None,
            )
            for number, row in enumerate(csv.DictReader(file), start=1)
        ]


@pytest.mark.slow
@pytest.mark.skipif(not REAL_FILE.exists(), reason="no ../shared/data/event_stream.csv")
def test_real_file_adds_up() -> None:
    events = real_events()
    assert oracle.fact_counts(events) == {
        "fact_miles_earned": 5613,
        "fact_miles_redeemed": 1362,
        "fact_reward_searches": 1533,
        "fact_social_engagements": 979 + 513,
        "fact_unclassified_events": 0,
    }
    tables = oracle.all_reports(events, [])
    for name in ("all", "country", "platform", "utm_source"):
        kpis = [row for row in tables["kpi_daily"] if row["slice"] == name]
        assert sum(figure(row, "events") for row in kpis) == 10_000
    whole = [row for row in tables["kpi_daily"] if row["slice"] == "all"]
    assert (whole[0]["day"], whole[-1]["day"]) == (date(2025, 3, 7), date(2025, 6, 5))
    assert sum(figure(row, "new_users") for row in whole) == 100
    assert sum(figure(row, "new_users") for row in tables["acquisition"]) == 100
    check_growth(tables["growth_accounting"])


def check_growth(rows: list[Row]) -> None:
    """Check the two identities that growth accounting promises."""
    by_key = {
        (row["grain"], row["period_start"], row["slice"], row["slice_value"]): row for row in rows
    }
    compared = 0
    for (grain, start, *part), row in by_key.items():
        assert figure(row, "active_users") == sum(
            figure(row, name) for name in ("new_users", "retained_users", "resurrected_users")
        )
        assert isinstance(start, date)
        assert isinstance(grain, str)
        before = by_key.get((grain, previous(start, grain), part[0], part[1]))
        if before is not None and row["is_complete"]:
            compared += 1
            assert figure(before, "active_users") == (
                figure(row, "retained_users") + figure(row, "churned_users")
            )
    assert compared > 100


def previous(start: date, grain: str) -> date:
    if grain == "month":
        return (start - timedelta(days=1)).replace(day=1)
    return start - timedelta(days=7 if grain == "week" else 1)


def figure(row: Row, column: str) -> int:
    value = row[column]
    assert isinstance(value, int)
    return value
