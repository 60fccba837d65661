"""The yardstick: what every reporting table must hold, computed from the raw rows in plain Python.

Owns the definitions of the metrics page a second time, written from that page alone and never from
the SQL, so that a mistake has to be made twice to go unseen. Favours the obvious over the fast. It
knows nothing of databases, of ingestion or of builds; the views over the orchestrator are not here.
tests/oracle_clusters.py has the k-means, and its own choices. In base.py is what all tables share;
tables that came later have modules of their own here.

Where the page leaves a choice, the most literal reading is taken:

- "before 2000-01-01" is an instant, midnight UTC, whatever the reporting time zone. A day after
  created_at is 24 hours and a week of activation 168, also over a change of the clocks.
- An event_time that is null has no day, so it is an insane time, as the infinite ones are.
- Missing means null or empty; words are compared by case. What is missing shares its row with the
  literal member `unknown`, campaigns included; a foreign event type keeps its own name in
  engagement_daily.
- A missing user_id is no user; a user who is literally named `unknown` is one.
- The last day is asked of the events that count; these of a later day are left out of everything
  then. Passive ones of a later day are too, and without a last day there are none.
- Passive events are in the slices of their own attributes, if no other event is there as well.
- "First day" of a slice is the day of its first event that counts, of whatever type: so also in
  miles_balance_daily, and so kpi_daily, miles_balance_daily and active_users_daily have the same
  days. "Days since the slice's first day" counts that day too: 1 on the first day.
- Windows that reach back before the first day are not scaled up (dau_7d_average alone is).
- In a slice's first period churned_users is 0 if the period is complete; nothing was there before.
- share_of_users, miles_per_transaction and retention_rate are given for incomplete periods as well;
  a category's previous period is the calendar's, active or not.
- A month that begins after the last day has no cohort, whatever it is said to cost. A month without
  a cost, of a source that has costs of others, has none.
- A row of campaign_costs without a finite cost, or a month that an event could be in, says nothing.
  A monthly_cost that is not finite is none. Of campaigns that share a member, the first by name is
  the one. Where there is no cost, cost_is_dated is null.
- In retention_days the row of a cohort has no number of cohorts; the average line has one.
- The period before is the calendar's, but a slice value has none before its own first period. Rates
  of change are (this - before) / before, also of a figure that is below zero.
- A member of kpi_drivers whose first event is in the period had 0 before; `all` is compared always.
- In the funnel the search may be the user's very first event; a step at the same moment as the one
  before it counts when its event_id is larger. A day is 24 hours. The start of a day is its first
  moment, also where the clocks are put back at midnight.
- The average line of retention has period_number 0 too.
- "Within 14 days": the first or last active day is 14 days or less before the last day.
- Ranks of miles are shared: who has as many miles as the last of the top fifth is in it.
- Medians of user_segments are of what users did in all. Groups of the same size are folded by name.
- If all users together are fewer than min_cell, `other` is them.
- A cluster without users counts as the smallest one of cluster_quality.
- A cluster that is shown as `other` has no label, and neither has a segment.
- Affinities and similarities are rounded to 6 digits; a score is computed from the rounded ones, and
  rounded too, and so the best of a user and its reason are found. A score that is 0 then is no row.
- The category `unknown` is neither recommended nor a reason, so nothing is similar to it. Ties of
  recommendations and reasons go to the first name in the order of characters' codes.
- Segments and categories are small by the users who have a recommendation. Without a group left to
  join it, `other` stays as small as it is. A category that is really named `other` is in it.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from itertools import combinations

from tests import oracle_clusters
from tests.oracle import cohorts, journeys, kpis
from tests.oracle.base import (
    DEPTHS,
    DIVISION,
    EARN,
    EXACT,
    FACTS,
    GRAINS,
    ONE_DAY,
    REDEEM,
    SEARCH,
    SIX_DIGITS,
    TOO_LATE,
    UNCLASSIFIED,
    UNKNOWN,
    Campaign,
    Cost,
    Counted,
    Data,
    Event,
    Row,
    Slice,
    Value,
    burn_rate,
    classify,
    counted_events,
    fact_counts,
    first_periods,
    grouped,
    in_time_order,
    instant,
    is_complete,
    known_day,
    member,
    miles,
    miles_by_day,
    miles_of,
    next_period,
    period_start,
    periods,
    prepare,
    previous_period,
    ratio,
    slices_of,
    total,
    users,
    users_by_period,
    users_within,
    window,
)

# What others ask this module for, beside the tables.
__all__ = [
    "FACTS",
    "TOO_LATE",
    "UNCLASSIFIED",
    "Value",
    "classify",
    "counted_events",
    "fact_counts",
    "in_time_order",
    "instant",
    "known_day",
    "member",
    "miles_of",
    "next_period",
]

OTHER, MIN_CELL = "other", 5
CHAMPION_MILES_SHARE = Decimal("0.2")
CLUSTER_COUNT = 5
MOST_CATEGORIES = 100
MODEL_USERS = 1000
COUNTS_TRIED = range(2, 9)
BEST = 5


# Tables of active users


def active_users_daily(data: Data) -> list[Row]:
    rows: list[Row] = []
    for part in data.slices:
        by_day = users_by_period(part.events, "day")
        first_day = part.first_day
        for day in periods(first_day, data.last_day, "day"):
            dau = len(users_within(by_day, window(day, 1)))
            mau = len(users_within(by_day, window(day, 28)))
            is_window_full = day >= first_day + timedelta(days=27)
            rows.append(
                {
                    "day": day,
                    **part.key,
                    "dau": dau,
                    "wau": len(users_within(by_day, window(day, 7))),
                    "mau": mau,
                    "stickiness": stickiness(by_day, day, mau) if is_window_full else None,
                    "is_window_full": is_window_full,
                    "is_complete": day < data.last_day,
                }
            )
    return rows


def stickiness(by_day: dict[date, set[str]], day: date, mau: int) -> Decimal | None:
    """The mean of 28 days' active users as a part of all of them, in one division."""
    return ratio(sum(len(by_day.get(one, ())) for one in window(day, 28)), 28 * mau)


def growth_accounting(data: Data) -> list[Row]:
    return [
        row
        for part in data.slices
        for grain in GRAINS
        for row in growth_of_slice(part, grain, data.last_day)
    ]


def growth_of_slice(part: Slice, grain: str, last_day: date) -> Iterator[Row]:
    by_period = users_by_period(part.events, grain)
    seen_before: set[str] = set()
    for start in periods(part.first_day, last_day, grain):
        active = by_period.get(start, set())
        previous = by_period.get(previous_period(start, grain), set())
        new = active - seen_before
        retained = active & previous
        resurrected = (active & seen_before) - previous
        churned = previous - active
        complete = is_complete(start, grain, last_day)
        yield {
            "grain": grain,
            "period_start": start,
            **part.key,
            "active_users": len(active),
            "new_users": len(new),
            "retained_users": len(retained),
            "resurrected_users": len(resurrected),
            # Who has not come yet may still come while the period runs.
            "churned_users": len(churned) if complete else None,
            "quick_ratio": ratio(len(new) + len(resurrected), len(churned)) if complete else None,
            "retention_rate": ratio(len(retained), len(previous)) if complete else None,
            "is_first_period": not seen_before,
            "is_complete": complete,
        }
        seen_before |= active


@dataclass(frozen=True, slots=True)
class Cell:
    """How many of a cohort came back after so many periods."""

    cohort_start: date
    period_number: int
    cohort_size: int
    active_users: int
    is_complete: bool


def retention(data: Data) -> list[Row]:
    rows: list[Row] = []
    for part in data.slices:
        for grain in ("week", "month"):
            cells = list(retention_cells(part, grain, data.last_day))
            rows.extend(average_line(part, grain, cells))
            rows.extend(
                retention_row(
                    part,
                    grain,
                    cell.cohort_start,
                    cell.period_number,
                    cell.cohort_size,
                    cell.active_users,
                    None,
                    cell.is_complete,
                )
                for cell in cells
            )
    return rows


def retention_cells(part: Slice, grain: str, last_day: date) -> Iterator[Cell]:
    by_period = users_by_period(part.events, grain)
    cohorts: dict[date, set[str]] = defaultdict(set)
    for user, cohort_start in first_periods(part.events, grain).items():
        cohorts[cohort_start].add(user)
    for cohort_start, cohort in sorted(cohorts.items()):
        for number, start in enumerate(periods(cohort_start, last_day, grain)):
            yield Cell(
                cohort_start=cohort_start,
                period_number=number,
                cohort_size=len(cohort),
                active_users=len(cohort & by_period.get(start, set())),
                is_complete=is_complete(start, grain, last_day),
            )


def average_line(part: Slice, grain: str, cells: list[Cell]) -> Iterator[Row]:
    complete = [cell for cell in cells if cell.is_complete]
    for number in sorted({cell.period_number for cell in complete}):
        same = [cell for cell in complete if cell.period_number == number]
        size = sum(cell.cohort_size for cell in same)
        active = sum(cell.active_users for cell in same)
        if size >= cohorts.AVERAGE_MIN_USERS:
            yield retention_row(part, grain, None, number, size, active, len(same), True)


def retention_row(
    part: Slice,
    grain: str,
    cohort_start: date | None,
    period_number: int,
    cohort_size: int,
    active_users: int,
    cohorts: int | None,
    complete: bool,
) -> Row:
    return {
        "grain": grain,
        "cohort_start": cohort_start,
        "period_number": period_number,
        **part.key,
        "cohort_size": cohort_size,
        "active_users": active_users,
        "retention_rate": ratio(active_users, cohort_size),
        "cohorts": cohorts,
        "is_complete": complete,
    }


# Tables of days


def kpi_daily(data: Data) -> list[Row]:
    return [row for part in data.slices for row in kpis_of_slice(part, data.last_day)]


def kpis_of_slice(part: Slice, last_day: date) -> Iterator[Row]:
    by_day = users_by_period(part.events, "day")
    new_users = Counter(first_periods(part.events, "day").values())
    events = Counter(event.day for event in part.events)
    earned = miles_by_day(part.events, EARN)
    redeemed = miles_by_day(part.events, REDEEM)
    first_day = part.first_day
    for day in periods(first_day, last_day, "day"):
        dau = len(by_day.get(day, ()))
        dau_of_7_days = sum(len(by_day.get(one, ())) for one in window(day, 7))
        days_so_far = (day - first_day).days + 1
        mau = len(users_within(by_day, window(day, 28)))
        yield {
            "day": day,
            **part.key,
            "dau": dau,
            "dau_7d_average": ratio(dau_of_7_days, min(7, days_so_far)),
            "wau": len(users_within(by_day, window(day, 7))),
            "mau": mau,
            "stickiness": stickiness(by_day, day, mau) if days_so_far >= 28 else None,
            "new_users": new_users[day],
            "events": events[day],
            "miles_earned": earned.get(day, Decimal(0)),
            "miles_redeemed": redeemed.get(day, Decimal(0)),
            "burn_rate": burn_rate(earned, redeemed, day),
            "is_complete": day < last_day,
        }


def engagement_daily(data: Data) -> list[Row]:
    rows: list[Row] = []
    is_sliced = len(data.slices) != 1
    for part in slices_of(data.events + data.passive, is_sliced):
        groups = grouped(part.events, lambda event: (event.day, event.event_type))
        for (day, event_type), events in sorted(groups.items()):
            rows.append(
                {
                    "day": day,
                    "event_type": event_type,
                    "depth": DEPTHS.get(event_type, 0),
                    **part.key,
                    "events": len(events),
                    "users": len(users(events)),
                    "is_complete": day < data.last_day,
                }
            )
    return rows


def miles_balance_daily(data: Data) -> list[Row]:
    rows: list[Row] = []
    for part in data.slices:
        earned = miles_by_day(part.events, EARN)
        redeemed = miles_by_day(part.events, REDEEM)
        outstanding = Decimal(0)
        for day in periods(part.first_day, data.last_day, "day"):
            earned_today = earned.get(day, Decimal(0))
            redeemed_today = redeemed.get(day, Decimal(0))
            net = EXACT.subtract(earned_today, redeemed_today)
            outstanding = EXACT.add(outstanding, net)
            rows.append(
                {
                    "day": day,
                    **part.key,
                    "miles_earned": earned_today,
                    "miles_redeemed": redeemed_today,
                    "net_miles": net,
                    "outstanding_miles": outstanding,
                    "burn_rate": burn_rate(earned, redeemed, day),
                    "is_complete": day < data.last_day,
                }
            )
    return rows


# Tables of categories


def miles_by_category(data: Data) -> list[Row]:
    return [
        row
        for part in data.slices
        for grain in GRAINS
        for direction, event_type in (("earned", EARN), ("redeemed", REDEEM))
        for row in miles_of_direction(part, grain, direction, event_type, data.last_day)
    ]


def miles_of_direction(
    part: Slice, grain: str, direction: str, event_type: str, last_day: date
) -> Iterator[Row]:
    transactions = [event for event in part.events if event.event_type == event_type]
    groups = grouped(transactions, lambda event: (period_start(event.day, grain), event.category))
    for (start, category), events in sorted(groups.items()):
        amount = miles(events, event_type)
        yield {
            "grain": grain,
            "period_start": start,
            "direction": direction,
            "transaction_category": category,
            **part.key,
            "miles": amount,
            "transactions": len(events),
            "users": len(users(events)),
            "miles_per_transaction": ratio(amount, len(events)),
            "is_complete": is_complete(start, grain, last_day),
        }


def category_performance(data: Data) -> list[Row]:
    return [row for grain in GRAINS for row in categories_of_grain(data, grain)]


def categories_of_grain(data: Data, grain: str) -> Iterator[Row]:
    # Likes and shares have no category, but whoever likes is an active user of the period.
    active = users_by_period(data.events, grain)
    first_day = min((event.day for event in data.events), default=data.last_day)
    categorised = [event for event in data.events if event.event_type in (EARN, REDEEM, SEARCH)]
    groups = grouped(categorised, lambda event: (period_start(event.day, grain), event.category))
    for (start, category), events in sorted(groups.items()):
        count = len(users(events))
        before = len(users(groups.get((previous_period(start, grain), category), [])))
        complete = is_complete(start, grain, data.last_day)
        is_whole = previous_period(start, grain) >= first_day
        yield {
            "grain": grain,
            "period_start": start,
            "transaction_category": category,
            "events": len(events),
            "users": count,
            "miles_earned": miles(events, EARN),
            "miles_redeemed": miles(events, REDEEM),
            "share_of_users": ratio(count, len(active[start])),
            # users / before - 1, in one division so that it is rounded once.
            "growth": ratio(count - before, before) if complete and is_whole else None,
            "is_complete": complete,
        }


# Tables of cohorts


# Users


@dataclass(frozen=True, slots=True)
class Profile:
    """Who a user is, and what the reports say of such users."""

    user: str
    first_day: date
    last_active_day: date
    active_days: int
    rules_until: tuple[date | str, ...]
    miles_earned: Decimal
    miles_redeemed: Decimal
    miles_earned_90d: Decimal
    has_top_miles: bool
    segment: str
    cluster: int


def cut_of(data: Data) -> date:
    """The day that models know of at most: the end of a month with enough users, or the last day."""
    first_days = [min(event.day for event in own) for own in by_user(data.events).values()]
    month_end = data.last_day.replace(day=1) - ONE_DAY
    if sum(day <= month_end for day in first_days) >= 10 * CLUSTER_COUNT:
        return month_end
    return data.last_day


def sample(data: Data) -> dict[str, list[Counted]]:
    """What models are fitted on: the events of some users up to the cut."""
    if not data.events:
        return {}
    cut = cut_of(data)
    seen = by_user([event for event in data.events if event.day <= cut])
    chosen = sorted(seen, key=lambda user: (oracle_clusters.md5(user), user))[:MODEL_USERS]
    return {user: seen[user] for user in chosen}


def figures(events: list[Counted], day: date) -> list[Decimal]:
    """The features of a user as of a day."""
    return [
        Decimal((day - max(event.day for event in events)).days),
        Decimal(len({event.day for event in events})),
        *(
            Decimal(sum(event.event_type == event_type for event in events))
            for event_type in ("like", "share", SEARCH, EARN, REDEEM)
        ),
        miles(events, EARN),
        miles(events, REDEEM),
        Decimal(
            len({event.category for event in events if event.event_type in (EARN, REDEEM, SEARCH)})
        ),
    ]


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """Clusters of the sample, and the scales on which they were found."""

    scales: list[oracle_clusters.Scale]
    places: dict[str, oracle_clusters.Place]

    def clusters(self, count: int) -> oracle_clusters.Clusters:
        return oracle_clusters.fit(self.places, count)


def cluster_model(data: Data) -> ClusterModel:
    seen = sample(data)
    cut = cut_of(data) if seen else data.last_day
    of_users = {user: figures(events, cut) for user, events in seen.items()}
    scales = oracle_clusters.scales(list(of_users.values()))
    return ClusterModel(
        scales,
        {user: oracle_clusters.place(values, scales) for user, values in of_users.items()},
    )


def clusters(data: Data) -> dict[str, int]:
    """The number of each user's cluster."""
    model = cluster_model(data)
    in_use = model.clusters(CLUSTER_COUNT)
    return {
        user: in_use.nearest(oracle_clusters.place(figures(events, data.last_day), model.scales))
        for user, events in by_user(data.events).items()
    }


def by_user(events: Iterable[Counted]) -> dict[str, list[Counted]]:
    return grouped(events, lambda event: event.user)


def profiles(data: Data) -> list[Profile]:
    people = grouped(data.events, lambda event: event.user)
    recent_miles = {
        user: miles((event for event in events if is_within(event, 90, data)), EARN)
        for user, events in people.items()
    }
    earners = sorted((amount for amount in recent_miles.values() if amount > 0), reverse=True)
    places = math.ceil(CHAMPION_MILES_SHARE * len(earners))
    cluster_of = clusters(data) if people else {}
    found = []
    for user, events in sorted(people.items()):
        days = {event.day for event in events}
        active_days_28d = len({event.day for event in events if is_within(event, 28, data)})
        active_days_90d = len({event.day for event in events if is_within(event, 90, data)})
        has_top_miles = places > 0 and recent_miles[user] >= earners[places - 1]
        recency = (data.last_day - max(days)).days
        rules = {
            "new": (data.last_day - min(days)).days <= 14,
            "champion": recency <= 7 and active_days_28d >= 12 and has_top_miles,
            "loyal": recency <= 14 and active_days_28d >= 6,
            "promising": recency <= 14,
            "at risk": recency <= 42 and active_days_90d >= 12,
            "hibernating": recency <= 90,
            "lost": True,
        }
        found.append(
            Profile(
                user=user,
                first_day=min(days),
                last_active_day=max(days),
                active_days=len(days),
                rules_until=rules_until(days),
                miles_earned=miles(events, EARN),
                miles_redeemed=miles(events, REDEEM),
                miles_earned_90d=recent_miles[user],
                has_top_miles=has_top_miles,
                segment=next(name for name, fits in rules.items() if fits),
                cluster=cluster_of[user],
            )
        )
    return found


def rules_until(days: set[date]) -> tuple[date | str, ...]:
    """On which last day of the data the rule of each segment fits for the last time, from new to
    hibernating, if the user never comes again; -infinity where it never does.
    """
    calendar = [
        min(days) + timedelta(days=number) for number in range((max(days) - min(days)).days + 91)
    ]

    def until(recency: int, wanted: int = 0, width: int = 1) -> date | str:
        if len(days) < wanted:
            return "-infinity"
        for day in reversed(calendar):
            first = day - timedelta(days=width - 1)
            if (day - max(days)).days <= recency and sum(map(first.__le__, days)) >= wanted:
                return day
        return "-infinity"

    return (
        min(days) + timedelta(days=14),
        until(7, 12, 28),
        until(14, 6, 28),
        until(14),
        until(42, 12, 90),
        until(90),
    )


def is_within(event: Counted, days: int, data: Data) -> bool:
    """Whether an event is in the window of so many days that ends on the last day."""
    return (data.last_day - event.day).days < days


def user_segments(data: Data) -> list[Row]:
    people = profiles(data)
    in_use = cluster_model(data).clusters(CLUSTER_COUNT) if people else None
    rows: list[Row] = []
    for kind in ("rule", "cluster"):
        groups: dict[str, list[Profile]] = defaultdict(list)
        for person in people:
            groups[person.segment if kind == "rule" else str(person.cluster)].append(person)
        rows.extend(
            {**segment_row(kind, name, group, data), "label": label_of(kind, name, in_use)}
            for name, group in folded(groups).items()
        )
    return rows


def label_of(kind: str, name: str, in_use: oracle_clusters.Clusters | None) -> str | None:
    if kind == "rule" or name == OTHER or in_use is None:
        return None
    return in_use.label(int(name))


def folded(groups: dict[str, list[Profile]]) -> dict[str, list[Profile]]:
    """Put groups that are too small to show into one."""
    names = shown_names({name: len(group) for name, group in groups.items()})
    shown: dict[str, list[Profile]] = defaultdict(list)
    for name, group in groups.items():
        shown[names[name]] += group
    return shown


def segment_row(kind: str, name: str, group: list[Profile], data: Data) -> Row:
    return {
        "kind": kind,
        "name": name,
        "users": len(group),
        "share": ratio(len(group), len(users(data.events))),
        "median_recency_days": median(
            [Decimal((data.last_day - person.last_active_day).days) for person in group]
        ),
        "median_active_days": median([Decimal(person.active_days) for person in group]),
        "median_miles_earned": median([person.miles_earned for person in group]),
        "median_miles_redeemed": median([person.miles_redeemed for person in group]),
    }


def median(values: list[Decimal]) -> Decimal | None:
    return ratio(total([statistics.median_low(values), statistics.median_high(values)]), 2)


def cluster_quality(data: Data) -> list[Row]:
    if not data.events:
        return []
    model = cluster_model(data)
    most = len(set(model.places.values()))
    return [
        quality_of(model, count, count == min(CLUSTER_COUNT, most))
        for count in sorted({min(count, most) for count in (*COUNTS_TRIED, CLUSTER_COUNT)})
    ]


def quality_of(model: ClusterModel, count: int, is_chosen: bool) -> Row:
    tried = model.clusters(count)
    squares = [
        sorted(oracle_clusters.squared(place, centre) for centre in tried.centres)
        for place in model.places.values()
    ]
    silhouettes = (
        [
            1 - DIVISION.sqrt(DIVISION.divide(Decimal(own), Decimal(after)))
            if after
            else Decimal(0)
            for own, after, *_ in squares
        ]
        if count > 1
        else []
    )
    return {
        "cluster_count": count,
        "users": len(squares),
        "inertia": ratio(Decimal(sum(own for own, *_ in squares)).scaleb(-12), 1),
        "simplified_silhouette": ratio(total(silhouettes), len(squares)) if count > 1 else None,
        "smallest_cluster": min(tried.sizes),
        "is_chosen": is_chosen,
    }


# Recommendations


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A category that a user never used, and what speaks for it most."""

    user: str
    category: str
    rank: int
    reason: str
    support: int
    score: Decimal


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike two categories are, and how many users used both."""

    cosine: Decimal
    users: int


@cache
def affinity(events: int) -> Decimal:
    return DIVISION.ln(Decimal(1 + events)).quantize(SIX_DIGITS, context=DIVISION)


def affinities(events: Iterable[Counted]) -> dict[str, dict[str, Decimal]]:
    """Return how much each user uses each category, by category and user; `unknown` is none."""
    uses = Counter(
        (event.category, event.user)
        for event in events
        if event.event_type in (EARN, REDEEM, SEARCH) and event.category != UNKNOWN
    )
    by_category: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for (category, user), count in uses.items():
        by_category[category][user] = affinity(count)
    return dict(by_category)


def similarities(
    by_category: dict[str, dict[str, Decimal]],
) -> dict[str, dict[str, Similarity]]:
    """Return what is similar to each category: those that share a user with it."""
    squares = {
        category: total(use * use for use in uses.values())
        for category, uses in by_category.items()
    }
    found: dict[str, dict[str, Similarity]] = {category: {} for category in by_category}
    for one, other in combinations(by_category, 2):
        both = by_category[one].keys() & by_category[other].keys()
        if both:
            product = total(by_category[one][user] * by_category[other][user] for user in both)
            length = DIVISION.sqrt(EXACT.multiply(squares[one], squares[other]))
            cosine = DIVISION.divide(product, length).quantize(SIX_DIGITS, context=DIVISION)
            found[one][other] = found[other][one] = Similarity(cosine, len(both))
    return found


def model_similarities(data: Data) -> dict[str, dict[str, Similarity]]:
    """What is similar to each category, by the sample: by what each of it uses most."""
    known = [event for of_user in sample(data).values() for event in most_used(of_user)]
    return similarities(affinities(known))


def most_used(events: list[Counted]) -> list[Counted]:
    """The events of a user's hundred categories with the most uses; of equal ones, by name."""
    counts = Counter(
        event.category
        for event in events
        if event.event_type in (EARN, REDEEM, SEARCH) and event.category != UNKNOWN
    )
    most = sorted(counts, key=lambda category: (-counts[category], category))[:MOST_CATEGORIES]
    return [event for event in events if event.category in most]


def recommendations(data: Data) -> list[Recommendation]:
    similar = model_similarities(data)
    by_user: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for category, uses in affinities(data.events).items():
        for user, use in uses.items():
            by_user[user][category] = use
    return [
        recommendation
        for user, used in by_user.items()
        for recommendation in recommendations_for(user, used, similar)
    ]


def recommendations_for(
    user: str, used: dict[str, Decimal], similar: dict[str, dict[str, Similarity]]
) -> Iterator[Recommendation]:
    found: list[tuple[Decimal, str, str]] = []
    for category in similar.keys() - used.keys():
        parts = {
            one: similar[category][one].cosine * use
            for one, use in used.items()
            if one in similar[category]
        }
        score = total(parts.values()).quantize(SIX_DIGITS, context=DIVISION)
        if score > 0:
            reason = min(parts, key=lambda one: (-parts[one], one))
            found.append((score, category, reason))
    for rank, (score, category, reason) in enumerate(
        sorted(found, key=lambda one: (-one[0], one[1]))[:BEST], start=1
    ):
        yield Recommendation(user, category, rank, reason, similar[category][reason].users, score)


def category_recommendations(data: Data) -> list[Row]:
    segments = {person.user: person.segment for person in profiles(data)}
    best = [one for one in recommendations(data) if one.rank == 1]
    names = shown_names(Counter(segments[one.user] for one in best))
    by_segment: dict[str, list[Recommendation]] = defaultdict(list)
    for one in best:
        by_segment[names[segments[one.user]]].append(one)
    return [
        row
        for segment, rows in by_segment.items()
        for row in recommendations_of_segment(segment, rows)
    ]


def recommendations_of_segment(segment: str, best: list[Recommendation]) -> Iterator[Row]:
    names = shown_names(Counter(one.category for one in best))
    by_category: dict[str, list[Recommendation]] = defaultdict(list)
    for one in best:
        by_category[names[one.category]].append(one)
    order = sorted(by_category, key=lambda name: (name == OTHER, -len(by_category[name]), name))
    for rank, category in enumerate(order, start=1):
        rows = by_category[category]
        yield {
            "segment": segment,
            "transaction_category": category,
            "rank": rank,
            "users": len(rows),
            "score": ratio(total(one.score for one in rows), len(rows)),
            "support": ratio(sum(one.support for one in rows), len(rows)),
        }


def shown_names(sizes: Mapping[str, int]) -> dict[str, str]:
    """Return the name that each group is shown under: small ones are `other`, and as long as these
    are too few, the next smallest is too.
    """
    others = [name for name, size in sizes.items() if size < MIN_CELL or name == OTHER]
    large = sorted(sizes.keys() - set(others), key=lambda name: (sizes[name], name))
    while others and large and sum(sizes[name] for name in others) < MIN_CELL:
        others.append(large.pop(0))
    return {name: OTHER if name in others else name for name in sizes}


# All of them

TABLES: dict[str, Callable[[Data], list[Row]]] = {
    "active_users_daily": active_users_daily,
    "growth_accounting": growth_accounting,
    "retention": retention,
    "kpi_daily": kpi_daily,
    "engagement_daily": engagement_daily,
    "miles_by_category": miles_by_category,
    "acquisition": journeys.acquisition,
    "miles_balance_daily": miles_balance_daily,
    "category_performance": category_performance,
    "engagement_funnel": journeys.engagement_funnel,
    "user_segments": user_segments,
    "cluster_quality": cluster_quality,
    "category_recommendations": category_recommendations,
    "kpi_periods": kpis.kpi_periods,
    "kpi_drivers": kpis.kpi_drivers,
    "active_days_monthly": cohorts.active_days_monthly,
    "retention_days": cohorts.retention_days,
    "cohort_value": cohorts.cohort_value,
}


def all_reports(
    events: Iterable[Event],
    campaigns: Iterable[Campaign],
    costs: Iterable[Cost] = (),
    *,
    timezone: str = "UTC",
    slices: bool = True,
) -> dict[str, list[Row]]:
    """Return the rows of every reporting table; `slices=False` gives slice `all` only."""
    data = prepare(events, campaigns, costs, timezone=timezone, slices=slices)
    return {name: table(data) for name, table in TABLES.items()}
