"""What the warehouse keeps of users in slices: their months, their first days and when they came
back, with the counts that follow. Written from the comments on the columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.oracle.base import (
    EARN,
    EXACT,
    FACTS,
    REDEEM,
    SEARCH,
    Counted,
    Data,
    Row,
    Slice,
    grouped,
    miles,
    period_start,
)
from tests.oracle.cohorts import DAY_NUMBERS

NO_DAY = "-infinity"


def agg_user_monthly(data: Data) -> list[Row]:
    rows: list[Row] = []
    for user, of_user in grouped(data.events, lambda event: event.user).items():
        places = grouped(
            of_user,
            lambda event: (
                period_start(event.day, "month"),
                event.platform,
                event.utm_source,
                event.country,
            ),
        )
        for (month, platform, utm_source, country), events in places.items():
            rows.append(
                {
                    "user_id": user,
                    "month": month,
                    "platform": platform,
                    "utm_source": utm_source,
                    "country": country,
                    **_figures(events),
                    "first_month": _first_month(of_user),
                    "first_month_on_platform": _first_month(
                        event for event in of_user if event.platform == platform
                    ),
                    "first_month_from_source": _first_month(
                        event for event in of_user if event.utm_source == utm_source
                    ),
                    "first_month_in_country": _first_month(
                        event for event in of_user if event.country == country
                    ),
                }
            )
    return rows


def _figures(events: list[Counted]) -> dict[str, Any]:
    types = Counter(event.event_type for event in events)
    earned = [event for event in events if event.event_type == EARN]
    return {
        "earned_count": types[EARN],
        "redeemed_count": types[REDEEM],
        "search_count": types[SEARCH],
        "share_count": types["share"],
        "like_count": types["like"],
        "unclassified_count": sum(types[name] for name in types if name not in FACTS),
        "miles_earned": miles(events, EARN),
        "miles_redeemed": miles(events, REDEEM),
        "first_earned_at": min((event.at for event in earned), default=None),
        "active_days": _bits(events),
        "earning_days": _bits(earned),
        "redeeming_days": _bits(event for event in events if event.event_type == REDEEM),
    }


def _first_month(events: Iterable[Counted]) -> date:
    return period_start(min(event.day for event in events), "month")


def _months(part: Slice) -> Iterator[tuple[str, date, dict[date, list[Counted]]]]:
    for user, events in grouped(part.events, lambda event: event.user).items():
        months = grouped(events, lambda event: period_start(event.day, "month"))
        yield user, min(months), months


def _bits(events: Iterable[Counted]) -> int:
    return sum(2 ** (day - 1) for day in {event.day.day for event in events})


def agg_slice_periods(data: Data) -> list[Row]:
    return [row for part in data.slices for row in _periods(part)]


def _periods(part: Slice) -> Iterator[Row]:
    groups: dict[tuple[str, date, date | str, int], list[list[Counted]]] = defaultdict(list)
    for _, first_month, months in _months(part):
        for month, events in months.items():
            active_days = len({event.day for event in events})
            groups["month", month, first_month, 0].append(events)
            groups["month", month, NO_DAY, active_days].append(events)
    transactions = [event for event in part.events if event.event_type in (EARN, REDEEM)]
    weeks = grouped(transactions, lambda event: (period_start(event.day, "week"), event.user))
    for (week, _), events in weeks.items():
        groups["week", week, NO_DAY, 0].append(events)
    for (grain, start, cohort_start, active_days), members in groups.items():
        types = [{event.event_type for event in events} for events in members]
        yield {
            **part.key,
            "grain": grain,
            "period_start": start,
            "cohort_start": cohort_start,
            "active_days": active_days,
            "users": len(members),
            "earning_users": sum(EARN in known for known in types),
            "redeeming_users": sum(REDEEM in known for known in types),
            "miles_earned": _sum(members, EARN) if grain == "month" else 0,
            "miles_redeemed": _sum(members, REDEEM) if grain == "month" else 0,
        }


def _sum(members: list[list[Counted]], event_type: str) -> Decimal:
    result = Decimal(0)
    for events in members:
        result = EXACT.add(result, miles(events, event_type))
    return result


def agg_user_returns(data: Data) -> list[Row]:
    return [
        {"user_id": user, **part.key, **_return(events)}
        for part in data.slices
        for user, events in grouped(part.events, lambda event: event.user).items()
    ]


def _return(events: list[Counted]) -> dict[str, Any]:
    days = {event.day for event in events}
    first_day = min(days)
    redemptions = [event.day for event in events if event.event_type == REDEEM]
    later = [day for day in days if day > first_day]
    returned = [
        number
        for number in DAY_NUMBERS
        if later and min(later) <= first_day + timedelta(days=number)
    ]
    return {
        "first_day": first_day,
        "active_ages": [
            number for number in DAY_NUMBERS if first_day + timedelta(days=number) in days
        ],
        "returned_within": min(returned, default=None),
        "first_redeemed_day": min(redemptions, default=None),
    }


def agg_cohort_users(data: Data) -> list[Row]:
    rows: list[Row] = []
    for part in data.slices:
        counts: Counter[tuple[str, date, int]] = Counter()
        for events in grouped(part.events, lambda event: event.user).values():
            counts.update(_marks(_return(events)))
        rows.extend(
            {
                **part.key,
                "figure": figure,
                "cohort_start": cohort_start,
                "number": number,
                "users": users,
            }
            for (figure, cohort_start, number), users in counts.items()
        )
    return rows


def _marks(user: dict[str, Any]) -> Iterator[tuple[str, date, int]]:
    first_day, redeemed = user["first_day"], user["first_redeemed_day"]
    yield "new", first_day, 0
    for number in user["active_ages"]:
        yield "active", first_day, number
    if user["returned_within"]:
        yield "returned", first_day, user["returned_within"]
    if redeemed:
        months = (redeemed.year - first_day.year) * 12 + redeemed.month - first_day.month
        yield "redeemed", period_start(first_day, "month"), months
