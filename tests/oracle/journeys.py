"""acquisition and engagement_funnel: what users do in the first weeks, and what they cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.oracle.base import (
    EARN,
    EXACT,
    REDEEM,
    SEARCH,
    Campaign,
    Counted,
    Data,
    Row,
    Slice,
    grouped,
    in_time_order,
    is_complete,
    median_days,
    member,
    miles,
    next_period,
    period_start,
    ratio,
    total,
)

ACTIVATION = timedelta(days=7)
# The variable conversion_days of the manifest.
CONVERSION = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class History:
    """All events of one user, oldest first."""

    events: list[Counted]

    @property
    def first(self) -> Counted:
        return self.events[0]

    @property
    def first_month(self) -> date:
        return period_start(self.first.day, "month")

    def within(self, span: timedelta) -> list[Counted]:
        """The events from the first one on for so long, the end included."""
        return [event for event in self.events if event.at <= self.first.at + span]

    def week_after(self, number: int) -> date:
        return period_start(self.first.day, "week") + timedelta(weeks=number)

    def is_activated(self) -> bool:
        return first_step(self.within(ACTIVATION), EARN) is not None

    def is_active_in_week(self, number: int) -> bool:
        week = self.week_after(number)
        return any(period_start(event.day, "week") == week for event in self.events)

    def has_redeemed(self) -> bool:
        return first_step(self.events, REDEEM) is not None


def histories(events: Iterable[Counted]) -> list[History]:
    by_user = grouped(events, lambda event: event.user)
    return [History(in_time_order(rows)) for rows in by_user.values()]


def first_step(events: Iterable[Counted], event_type: str) -> Counted | None:
    return next((event for event in events if event.event_type == event_type), None)


# Acquisition


def campaigns_by_member(data: Data) -> dict[str, Campaign]:
    """What marketing knows of each source; of campaigns that share a member, the first by name."""
    found: dict[str, Campaign] = {}
    for campaign in sorted(data.campaigns, key=lambda campaign: campaign.utm_source):
        cost = campaign.monthly_cost
        if cost is not None and not cost.is_finite():
            campaign = replace(campaign, monthly_cost=None)
        found.setdefault(member(campaign.utm_source), campaign)
    return found


def dated_costs(data: Data) -> dict[tuple[str, date], Decimal]:
    """What each source cost in a month, where that was given."""
    costs: dict[tuple[str, date], Decimal] = {}
    for row in data.costs:
        if not isinstance(row.month, date) or not date(2000, 1, 1) <= row.month < date(
            9999, 12, 30
        ):
            continue
        if row.cost is None or not row.cost.is_finite():
            continue
        key = member(row.utm_source), period_start(row.month, "month")
        costs[key] = EXACT.add(costs.get(key, Decimal(0)), row.cost)
    return costs


def acquisition(data: Data) -> list[Row]:
    if not data.events:
        return []
    cohorts: dict[tuple[str, date], list[History]] = defaultdict(list)
    for history in histories(data.events):
        cohorts[history.first.utm_source, history.first_month].append(history)
    for source, month in dated_costs(data):
        if month <= data.last_day:
            cohorts[source, month].extend(())  # a month that cost something has its row
    return [
        acquisition_row(source, cohort_start, cohort, data)
        for (source, cohort_start), cohort in cohorts.items()
    ]


def acquisition_row(source: str, cohort_start: date, cohort: list[History], data: Data) -> Row:
    in_time = [one for one in cohort if data.is_over(one.first.at, ACTIVATION)]
    activated = sum(history.is_activated() for history in in_time)
    earned = total(miles(history.events, EARN) for history in cohort)
    cost, is_dated = cost_of(source, cohort_start, data)
    return {
        "utm_source": source,
        "cohort_start": cohort_start,
        "new_users": len(cohort),
        "activation_eligible": len(in_time),
        "activated_users": activated,
        "activation_rate": ratio(activated, len(in_time)),
        **weeks_later(cohort, 1, data.last_day),
        **weeks_later(cohort, 4, data.last_day),
        "miles_per_user": ratio(earned, len(cohort)),
        "redeemers": sum(history.has_redeemed() for history in cohort),
        "cost": cost,
        "cost_is_dated": is_dated,
        "cost_per_new_user": None if cost is None else ratio(cost, len(cohort)),
        "cost_per_activated_user": (
            ratio(cost, activated) if cost is not None and len(in_time) == len(cohort) else None
        ),
        "is_complete": is_complete(cohort_start, "month", data.last_day),
    }


def weeks_later(cohort: list[History], number: int, last_day: date) -> Row:
    eligible = [one for one in cohort if is_complete(one.week_after(number), "week", last_day)]
    retained = sum(history.is_active_in_week(number) for history in eligible)
    return {
        f"week_{number}_eligible": len(eligible),
        f"week_{number}_retained": retained,
        f"week_{number}_rate": ratio(retained, len(eligible)),
    }


def cost_of(source: str, month: date, data: Data) -> tuple[Decimal | None, bool | None]:
    """What a source cost in a month that is over, and whether that was said of this month."""
    dated = dated_costs(data)
    if not is_complete(month, "month", data.last_day):
        return None, None
    if any(name == source for name, _ in dated):
        cost = dated.get((source, month))
        return cost, None if cost is None else True
    campaign = campaigns_by_member(data).get(source)
    if campaign is None or campaign.monthly_cost is None:
        return None, None
    return campaign.monthly_cost, False


# The funnel


@dataclass(frozen=True, slots=True)
class Journey:
    """How far one user came in the first weeks: None for a step not taken."""

    cohort_start: date
    first: datetime
    search: Counted | None
    earn: Counted | None
    redeem: Counted | None
    has_earned: bool
    has_redeemed: bool


def engagement_funnel(data: Data) -> list[Row]:
    rows: list[Row] = []
    for part in data.slices:
        cohorts: dict[date, list[Journey]] = defaultdict(list)
        for history in histories(part.events):
            journey = journey_of(history)
            cohorts[journey.cohort_start].append(journey)
        rows.extend(
            funnel_row(part, cohort_start, cohort, data) for cohort_start, cohort in cohorts.items()
        )
    return rows


def journey_of(history: History) -> Journey:
    events = history.within(CONVERSION)
    search = first_step(events, SEARCH)
    earn = first_step_after(events, EARN, search)
    redeem = first_step_after(events, REDEEM, earn)
    return Journey(
        cohort_start=history.first_month,
        first=history.first.at,
        search=search,
        earn=earn,
        redeem=redeem,
        has_earned=first_step(events, EARN) is not None,
        has_redeemed=first_step(events, REDEEM) is not None,
    )


def first_step_after(
    events: Iterable[Counted], event_type: str, previous: Counted | None
) -> Counted | None:
    if previous is None:
        return None
    step = (previous.at, previous.event_id)
    return first_step((event for event in events if (event.at, event.event_id) > step), event_type)


def funnel_row(part: Slice, cohort_start: date, cohort: list[Journey], data: Data) -> Row:
    eligible = [journey for journey in cohort if data.is_over(journey.first, CONVERSION)]
    searched = sum(journey.search is not None for journey in eligible)
    earned = sum(journey.earn is not None for journey in eligible)
    redeemed = sum(journey.redeem is not None for journey in eligible)
    end_of_month = data.start_of(next_period(cohort_start, "month"))
    return {
        "cohort_start": cohort_start,
        **part.key,
        "users": len(cohort),
        "eligible_users": len(eligible),
        "searched": searched,
        "earned": earned,
        "redeemed": redeemed,
        "earned_any": sum(journey.has_earned for journey in eligible),
        "redeemed_any": sum(journey.has_redeemed for journey in eligible),
        "search_rate": ratio(searched, len(eligible)),
        "earn_rate": ratio(earned, searched),
        "redeem_rate": ratio(redeemed, earned),
        "overall_rate": ratio(redeemed, len(eligible)),
        "median_days_to_earn": median_days(
            waits((journey.search, journey.earn) for journey in eligible)
        ),
        "median_days_to_redeem": median_days(
            waits((journey.earn, journey.redeem) for journey in eligible)
        ),
        "is_complete": data.is_over(end_of_month, CONVERSION),
    }


def waits(steps: Iterable[tuple[Counted | None, Counted | None]]) -> list[timedelta]:
    return [
        later.at - earlier.at
        for earlier, later in steps
        if earlier is not None and later is not None
    ]
