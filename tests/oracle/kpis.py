"""kpi_periods and kpi_drivers: totals of a period, and who moved them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from tests.oracle.base import (
    EARN,
    EXACT,
    GRAINS,
    REDEEM,
    Data,
    Row,
    Slice,
    first_periods,
    grouped,
    is_complete,
    miles,
    period_start,
    periods,
    previous_period,
    ratio,
    users,
)

# The changes of kpi_periods, and of what.
CHANGES = {
    "active_change": "active_users",
    "new_change": "new_users",
    "earned_change": "miles_earned",
    "redeemed_change": "miles_redeemed",
}
FIGURES = ("active_users", "new_users", "miles_earned", "miles_redeemed")


def kpi_periods(data: Data) -> list[Row]:
    return [row for part in data.slices for grain in GRAINS for row in _periods(part, grain, data)]


def _periods(part: Slice, grain: str, data: Data) -> Iterator[Row]:
    totals = _totals(part, grain, data.last_day)
    outstanding = Decimal(0)  # of this period and of all before it
    for start, figures in totals.items():
        before = totals.get(previous_period(start, grain))
        if not (figures["is_complete"] and _is_whole(previous_period(start, grain), data)):
            before = None
        active, earned = figures["active_users"], figures["miles_earned"]
        net = EXACT.subtract(earned, figures["miles_redeemed"])
        outstanding = EXACT.add(outstanding, net)
        yield {
            "grain": grain,
            "period_start": start,
            **part.key,
            **figures,
            "events_per_active_user": ratio(figures["events"], active),
            "net_miles": net,
            "outstanding_miles": outstanding,
            "miles_per_active_user": ratio(earned, active),
            "redemption_rate": ratio(figures["miles_redeemed"], earned),
            **{
                name: _change(figures[figure], before[figure]) if before else None
                for name, figure in CHANGES.items()
            },
        }


def _totals(part: Slice, grain: str, last_day: date) -> dict[date, dict[str, int | Decimal | bool]]:
    """What can be counted in each period of a slice, from its first to the last."""
    of_period = grouped(part.events, lambda event: period_start(event.day, grain))
    first = first_periods(part.events, grain)
    found = {}
    for start in periods(part.first_day, last_day, grain):
        events = of_period.get(start, [])
        active = users(events)
        found[start] = {
            "active_users": len(active),
            "new_users": sum(first[user] == start for user in active),
            "events": len(events),
            "miles_earned": miles(events, EARN),
            "miles_redeemed": miles(events, REDEEM),
            "earning_users": len(users(one for one in events if one.event_type == EARN)),
            "redeeming_users": len(users(one for one in events if one.event_type == REDEEM)),
            "is_complete": is_complete(start, grain, last_day),
        }
    return found


def _is_whole(start: date, data: Data) -> bool:
    """Whether the data, those of all, reach back to the first day of a period."""
    return start >= data.first_day


def _change(now: Decimal | int, before: Decimal | int) -> Decimal | None:
    return ratio(EXACT.subtract(Decimal(now), Decimal(before)), before)


def kpi_drivers(data: Data) -> list[Row]:
    return [row for grain in ("week", "month") for row in _drivers(data, grain)]


def _drivers(data: Data, grain: str) -> Iterator[Row]:
    totals = {
        part.name + "/" + part.value: _totals(part, grain, data.last_day) for part in data.slices
    }
    for start, everybody in totals.get("all/all", {}).items():
        before = previous_period(start, grain)
        if not (everybody["is_complete"] and _is_whole(before, data)):
            continue
        nothing = dict.fromkeys((*FIGURES, "events"), 0)
        for figure in FIGURES:
            change_of_all = Decimal(everybody[figure] - totals["all/all"][before][figure])
            for name in ("country", "platform", "utm_source"):
                rows = []
                for part in data.slices:
                    found = totals[part.name + "/" + part.value]
                    now, then = found.get(start, nothing), found.get(before, nothing)
                    if part.name == name and (now["events"] or then["events"]):
                        change = Decimal(now[figure] - then[figure])
                        rows.append(
                            {
                                "grain": grain,
                                "period_start": start,
                                "figure": figure,
                                **part.key,
                                "value": Decimal(now[figure]),
                                "previous_value": Decimal(then[figure]),
                                "change": change,
                                "share_of_change": ratio(change, change_of_all),
                            }
                        )
                rows.sort(key=lambda row: (-abs(row["change"]), row["slice_value"].encode()))
                for rank, row in enumerate(rows, start=1):
                    yield {**row, "rank": rank}
