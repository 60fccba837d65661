"""active_days_monthly, retention_days and cohort_value: how often users come, whether they come
back, and what they are worth later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import accumulate

from tests.oracle.base import (
    EARN,
    REDEEM,
    Counted,
    Data,
    Row,
    Slice,
    grouped,
    is_complete,
    miles,
    next_period,
    period_start,
    periods,
    ratio,
    users,
)

DAY_NUMBERS = (1, 3, 7, 14, 30, 60, 90)
AVERAGE_MIN_USERS = 20


def active_days_monthly(data: Data) -> list[Row]:
    rows: list[Row] = []
    for part in data.slices:
        months = grouped(part.events, lambda event: period_start(event.day, "month"))
        for month, events in months.items():
            of_user = grouped(events, lambda event: event.user)
            counts = Counter(len({event.day for event in own}) for own in of_user.values())
            rows.extend(
                {
                    "month": month,
                    "active_days": active_days,
                    **part.key,
                    "users": count,
                    "is_complete": is_complete(month, "month", data.last_day),
                }
                for active_days, count in counts.items()
            )
    return rows


def retention_days(data: Data) -> list[Row]:
    return [
        row
        for part in data.slices
        for grain in ("week", "month")
        for number in DAY_NUMBERS
        for row in _returns(part, grain, number, data.last_day)
    ]


def _returns(part: Slice, grain: str, number: int, last_day: date) -> Iterator[Row]:
    of_user = grouped(part.events, lambda event: event.user)
    days = {user: sorted({event.day for event in events}) for user, events in of_user.items()}
    cohorts: dict[date, list[list[date]]] = {}
    for active in days.values():
        cohorts.setdefault(period_start(active[0], grain), []).append(active)
    complete = []
    for cohort_start, cohort in cohorts.items():
        last_of_cohort = next_period(cohort_start, grain) - timedelta(days=1)
        eligible = [active for active in cohort if _later(active, number) < last_day]
        row = {
            "cohort_size": len(cohort),
            "eligible_users": len(eligible),
            "retained_users": sum(_later(active, number) in active for active in eligible),
            "returned_users": sum(
                any(active[0] < day <= _later(active, number) for day in active)
                for active in eligible
            ),
        }
        is_over = last_day > last_of_cohort + timedelta(days=number)
        if is_over:
            complete.append(row)
        if eligible:
            yield _line(part, grain, number, row, cohort_start, None, is_over)
    sums = {name: sum(row[name] for row in complete) for name in (complete or [{}])[0]}
    if complete and sums["cohort_size"] >= AVERAGE_MIN_USERS:
        yield _line(part, grain, number, sums, None, len(complete), True)


def _later(active: list[date], number: int) -> date:
    return active[0] + timedelta(days=number)


def _line(
    part: Slice,
    grain: str,
    number: int,
    counts: dict[str, int],
    cohort_start: date | None,
    cohorts: int | None,
    is_over: bool,
) -> Row:
    return {
        "grain": grain,
        "cohort_start": cohort_start,
        "day_number": number,
        **part.key,
        **counts,
        "retention_rate": ratio(counts["retained_users"], counts["eligible_users"]),
        "return_rate": ratio(counts["returned_users"], counts["eligible_users"]),
        "cohorts": cohorts,
        "is_complete": is_over,
    }


def cohort_value(data: Data) -> list[Row]:
    return [row for part in data.slices for row in _values(part, data.last_day)]


def _values(part: Slice, last_day: date) -> Iterator[Row]:
    cohorts: dict[date, list[list[Counted]]] = {}
    for events in grouped(part.events, lambda event: event.user).values():
        first_month = period_start(min(event.day for event in events), "month")
        cohorts.setdefault(first_month, []).append(events)
    for cohort_start, cohort in cohorts.items():
        events = [event for own in cohort for event in own]
        months = list(periods(cohort_start, last_day, "month"))
        of_months = [_within(events, month) for month in months]
        for number, so_far in enumerate(accumulate(of_months)):
            earned, redeemed = miles(so_far, EARN), miles(so_far, REDEEM)
            redemptions = [event for event in so_far if event.event_type == REDEEM]
            yield {
                "cohort_start": cohort_start,
                "period_number": number,
                **part.key,
                "cohort_size": len(cohort),
                "miles_earned": earned,
                "miles_redeemed": redeemed,
                "miles_earned_per_user": ratio(earned, len(cohort)),
                "redemption_rate": ratio(redeemed, earned),
                "redeemers": len(users(redemptions)),
                "is_complete": is_complete(months[number], "month", last_day),
            }


def _within(events: Iterable[Counted], month: date) -> list[Counted]:
    return [event for event in events if period_start(event.day, "month") == month]
