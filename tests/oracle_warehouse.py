"""The yardstick of the warehouse: its dimensions, facts and aggregates, computed in plain Python.

Written from the comments on the columns and from the metrics page, never from the SQL: what no
report shows would else be held only against a rebuild by the same text. Shares with tests/oracle.py
what an event is, what a day is and what counts; knows nothing of databases, of builds or of what
has changed.

Where a comment leaves a choice, the most literal reading is taken:

- "Seen", "its oldest event", "an event in the category": of the events that count. So a type is no
  event type yet if only events without a user or with an insane time have it.
- Times that are infinite or null, before 1900 or on 9999-12-30 or later make no day; every other
  time does, an insane one too.
- An event that earned miles is one of that type, also if it earned none.
- `unknown` can be a favourite category; names are in the order of their characters' codes.
- A user of unknown types only is engaged to depth 0.
- The counts of agg_period_activity look at the calendar, not at the last day: who is not back the
  day after the last one has churned then. A row where all figures are 0 is no row.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests import oracle, oracle_clusters, oracle_slices
from tests.oracle import (
    DEPTHS,
    EARN,
    FACTS,
    GRAINS,
    ONE_DAY,
    REDEEM,
    SEARCH,
    UNCLASSIFIED,
    Campaign,
    Cost,
    Counted,
    Data,
    Event,
    Row,
    classify,
    grouped,
    in_time_order,
    journeys,
    miles,
    next_period,
    period_start,
    previous_period,
    ratio,
    users,
    users_within,
    window,
)

NO_DAY = "-infinity"
FIRST_DAY = datetime(1900, 1, 1, tzinfo=UTC)
# What belongs to a category.
TRANSACTIONS = (EARN, REDEEM, SEARCH)
# The windows of engagement, by the ends of the columns' names.
WINDOWS = {"lifetime": None, "7d": 7, "28d": 28, "90d": 90}
TRAILING = (7, 28)


@dataclass(frozen=True, slots=True)
class Source:
    """The raw rows, and what counts of them."""

    raw: list[Event]
    zone: ZoneInfo
    data: Data

    @property
    def counted(self) -> list[Counted]:
        return self.data.events


# Facts


def fact(name: str, columns: Callable[[Event], Row]) -> Callable[[Source], list[Row]]:
    """Return the table function of a fact: what all facts have, and its own columns."""

    def rows(source: Source) -> list[Row]:
        return [
            {
                "user_id": oracle.member(event.user_id),
                "event_date": day_of(event, source.zone),
                "event_id": event.event_id,
                "platform": oracle.member(event.platform),
                "utm_source": oracle.member(event.utm_source),
                "country": oracle.member(event.country),
                "event_time": time_of(event),
                "known_date": oracle.known_day(event, source.zone),
                "created_date": oracle.instant(event.created_at).date(),
                **columns(event),
            }
            for event in source.raw
            if classify(event)[0] == name
        ]

    return rows


def day_of(event: Event, zone: ZoneInfo) -> date | str:
    if isinstance(event.event_time, datetime):
        at = oracle.instant(event.event_time)
        if FIRST_DAY <= at < oracle.TOO_LATE:
            return at.astimezone(zone).date()
    return NO_DAY


def time_of(event: Event) -> datetime | str:
    if isinstance(event.event_time, datetime):
        return oracle.instant(event.event_time)
    return "infinity" if event.event_time == float("inf") else "-infinity"


def category_of(event: Event) -> Row:
    return {"transaction_category": oracle.member(event.transaction_category)}


def earned(event: Event) -> Row:
    return {**category_of(event), "miles_earned": oracle.miles_of(event)}


def redeemed(event: Event) -> Row:
    return {**category_of(event), "miles_redeemed": oracle.miles_of(event)}


def engagement(event: Event) -> Row:
    return {"engagement": event.event_type}


def unclassified(event: Event) -> Row:
    return {
        **category_of(event),
        "reason": classify(event)[1],
        "event_type": oracle.member(event.event_type),
        "miles_amount": oracle.miles_of(event),
    }


# Dimensions


def last_day(source: Source) -> list[Row]:
    days = [day for event in source.raw if (day := oracle.known_day(event, source.zone))]
    return [{"last_day": max(days)}] if days else []


def dim_dates(source: Source) -> list[Row]:
    days = [event.day for event in source.counted]
    return [
        {
            "calendar_date": day,
            "week_start": period_start(day, "week"),
            "month_start": period_start(day, "month"),
            "quarter_start": date(day.year, {1: 1, 2: 4, 3: 7, 4: 10}[(day.month + 2) // 3], 1),
            "iso_year": day.isocalendar().year,
            "iso_week": day.isocalendar().week,
            "weekday": day.isoweekday(),
            "is_weekend": day.strftime("%a") in ("Sat", "Sun"),
        }
        for day in (oracle.periods(min(days), source.data.last_day, "day") if days else ())
    ]


def dim_users(source: Source) -> list[Row]:
    rows: list[Row] = []
    for user, events in by_user(source.counted).items():
        oldest, newest = in_time_order(events)[0], in_time_order(events)[-1]
        rows.append(
            {
                "user_id": user,
                "country": newest.country,
                "first_utm_source": oldest.utm_source,
                "first_platform": oldest.platform,
                "first_day": oldest.day,
                "first_week": period_start(oldest.day, "week"),
                "first_month": period_start(oldest.day, "month"),
                "first_seen_at": oldest.at,
                "last_seen_at": newest.at,
            }
        )
    return rows


def dim_transaction_categories(source: Source) -> list[Row]:
    return [
        {
            "transaction_category": category,
            "is_earned": bool(of_type(events, EARN)),
            "is_redeemed": bool(of_type(events, REDEEM)),
            "is_searched": bool(of_type(events, SEARCH)),
            "first_seen_date": first_day(events),
        }
        for category, events in by_category(source.counted).items()
    ]


def dim_utm_sources(source: Source) -> list[Row]:
    known = journeys.campaigns_by_member(source.data)
    rows: list[Row] = []
    for name, events in grouped(source.counted, lambda event: event.utm_source).items():
        campaign = known.get(name)
        rows.append(
            {
                "utm_source": name,
                "campaign": campaign.campaign if campaign else None,
                "channel": campaign.channel if campaign else None,
                "is_paid": campaign.is_paid if campaign else None,
                "monthly_cost": campaign.monthly_cost if campaign else None,
                "first_seen_date": first_day(events),
            }
        )
    return rows


def dim_platforms(source: Source) -> list[Row]:
    groups = grouped(source.counted, lambda event: event.platform)
    return [
        {"platform": name, "first_seen_date": first_day(events)} for name, events in groups.items()
    ]


def dim_countries(source: Source) -> list[Row]:
    groups = grouped(source.counted, lambda event: event.country)
    return [
        {"country": name, "first_seen_date": first_day(events)} for name, events in groups.items()
    ]


def dim_event_types(source: Source) -> list[Row]:
    seen = {event.event_type for event in source.counted + source.data.passive}
    return [
        {
            "event_type": name,
            "fact_table": FACTS.get(name, UNCLASSIFIED),
            "depth": DEPTHS.get(name, 0),
        }
        for name in seen | set(FACTS)
    ]


# Aggregates of days


def agg_user_daily(source: Source) -> list[Row]:
    groups = grouped(
        source.counted,
        lambda event: (event.user, event.day, event.platform, event.utm_source, event.country),
    )
    rows: list[Row] = []
    for (user, day, platform, utm_source, country), events in groups.items():
        ordered = in_time_order(events)
        rows.append(
            {
                "user_id": user,
                "event_date": day,
                "platform": platform,
                "utm_source": utm_source,
                "country": country,
                "earned_count": len(of_type(events, EARN)),
                "redeemed_count": len(of_type(events, REDEEM)),
                "search_count": len(of_type(events, SEARCH)),
                "share_count": len(of_type(events, "share")),
                "like_count": len(of_type(events, "like")),
                "unclassified_count": sum(event.event_type not in FACTS for event in events),
                "miles_earned": miles(events, EARN),
                "miles_redeemed": miles(events, REDEEM),
                "first_event_id": ordered[0].event_id,
                "last_event_id": ordered[-1].event_id,
                "first_event_at": ordered[0].at,
                "last_event_at": ordered[-1].at,
                "first_earned_at": first_time(events, EARN),
            }
        )
    return rows


def agg_engagement_daily(source: Source) -> list[Row]:
    rows: list[Row] = []
    for part in source.data.slices:
        for day, events in grouped(part.events, lambda event: event.day).items():
            rows.append(
                {
                    **part.key,
                    "event_date": day,
                    "users": len(users(events)),
                    "events": len(events),
                    "earning_users": len(users(of_type(events, EARN))),
                    "earned_count": len(of_type(events, EARN)),
                    "redeeming_users": len(users(of_type(events, REDEEM))),
                    "redeemed_count": len(of_type(events, REDEEM)),
                    "searching_users": len(users(of_type(events, SEARCH))),
                    "search_count": len(of_type(events, SEARCH)),
                    "sharing_users": len(users(of_type(events, "share"))),
                    "share_count": len(of_type(events, "share")),
                    "liking_users": len(users(of_type(events, "like"))),
                    "like_count": len(of_type(events, "like")),
                    "miles_earned": miles(events, EARN),
                    "miles_redeemed": miles(events, REDEEM),
                }
            )
    return rows


def agg_user_category_daily(source: Source) -> list[Row]:
    groups = grouped(
        transactions(source.counted),
        lambda event: (
            event.user,
            event.day,
            event.category,
            event.platform,
            event.utm_source,
            event.country,
        ),
    )
    return [
        {
            "user_id": user,
            "event_date": day,
            "transaction_category": category,
            "platform": platform,
            "utm_source": utm_source,
            "country": country,
            "earned_count": len(of_type(events, EARN)),
            "redeemed_count": len(of_type(events, REDEEM)),
            "search_count": len(of_type(events, SEARCH)),
            "miles_earned": miles(events, EARN),
            "miles_redeemed": miles(events, REDEEM),
            "last_event_at": max(event.at for event in events),
        }
        for (user, day, category, platform, utm_source, country), events in groups.items()
    ]


def agg_category_daily(source: Source) -> list[Row]:
    of_day = Counter(event.day for event in transactions(source.counted))
    rows: list[Row] = []
    for category, events in by_category(source.counted).items():
        by_day = grouped(events, lambda event: event.day)
        for day, today in by_day.items():
            this_week = sum(len(by_day.get(one, ())) for one in window(day, 7))
            week_before = sum(
                len(by_day.get(one, ())) for one in window(day - timedelta(days=7), 7)
            )
            rows.append(
                {
                    "transaction_category": category,
                    "event_date": day,
                    "users": len(users(today)),
                    "events": len(today),
                    "miles_earned": miles(today, EARN),
                    "miles_redeemed": miles(today, REDEEM),
                    "share_of_events": ratio(len(today), of_day[day]),
                    "trend_7d": ratio(this_week - week_before, week_before),
                }
            )
    return rows


# Aggregates of periods


def agg_category_periods(source: Source) -> list[Row]:
    return [
        {
            **part.key,
            "grain": grain,
            "period_start": start,
            "transaction_category": category,
            "users": len(users(events)),
            "events": len(events),
            "earning_users": len(users(of_type(events, EARN))),
            "earned_count": len(of_type(events, EARN)),
            "redeeming_users": len(users(of_type(events, REDEEM))),
            "redeemed_count": len(of_type(events, REDEEM)),
            "search_count": len(of_type(events, SEARCH)),
            "miles_earned": miles(events, EARN),
            "miles_redeemed": miles(events, REDEEM),
        }
        for part in source.data.slices
        for category, of_category in by_category(part.events).items()
        for grain in GRAINS
        for start, events in by_period(of_category, grain).items()
    ]


def agg_user_activity(source: Source) -> list[Row]:
    lists = agg_user_active_days(source)
    of_all = {row["user_id"]: row["active_days"] for row in lists if row["slice"] == "all"}

    def is_own(row: Row) -> bool:
        return row["slice"] == "all" or row["active_days"] != of_all[row["user_id"]]

    return [{**row, "active_days": row["active_days"] if is_own(row) else None} for row in lists]


def agg_user_active_days(source: Source) -> list[Row]:
    return [
        {"user_id": user, **part.key, "active_days": sorted({event.day for event in events})}
        for part in source.data.slices
        for user, events in by_user(part.events).items()
    ]


def agg_user_periods(source: Source) -> list[Row]:
    rows: list[Row] = []
    for user, events in by_user(source.counted).items():
        for grain in GRAINS:
            starts = sorted(by_period(events, grain))
            for number, start in enumerate(starts):
                rows.append(
                    {
                        "user_id": user,
                        "grain": grain,
                        "period_start": start,
                        "first_period": starts[0],
                        "previous_period": starts[number - 1] if number > 0 else None,
                        "next_period": starts[number + 1] if start < starts[-1] else None,
                    }
                )
    return rows


def agg_period_activity(source: Source) -> list[Row]:
    return [
        {**part.key, **row}
        for part in source.data.slices
        for grain in GRAINS
        for cohort_start, cohort in cohorts(part.events, grain).items()
        for row in activity_of_cohort(grain, cohort_start, cohort)
        if any(isinstance(figure, int) and figure != 0 for figure in row.values())
    ]


def cohorts(events: list[Counted], grain: str) -> dict[date | str, list[Counted]]:
    """Return the events of each cohort; of days there is only one."""
    first_periods = oracle.first_periods(events, grain)
    groups: dict[date | str, list[Counted]] = defaultdict(list)
    for event in events:
        groups[NO_DAY if grain == "day" else first_periods[event.user]].append(event)
    return groups


def activity_of_cohort(
    grain: str, cohort_start: date | str, events: list[Counted]
) -> Iterator[Row]:
    active_in = oracle.users_by_period(events, grain)
    # Something can happen in an active period, in the one after it, and when a window has passed.
    moments = set(active_in) | {next_period(start, grain) for start in active_in}
    if grain == "day":
        moments |= {day + timedelta(days=length) for day in active_in for length in TRAILING}
    seen_before: set[str] = set()
    for start in sorted(moments):
        active = active_in.get(start, set())
        previous = active_in.get(previous_period(start, grain), set())
        row: Row = {
            "grain": grain,
            "cohort_start": cohort_start,
            "period_start": start,
            "active_users": len(active),
            "new_users": len(active - seen_before),
            "retained_users": len(active & previous),
            "resurrected_users": len((active & seen_before) - previous),
            "churned_users": len(previous - active),
        }
        for length in TRAILING:
            today = users_within(active_in, window(start, length))
            yesterday = users_within(active_in, window(start - ONE_DAY, length))
            row[f"trailing_{length}_day_change"] = (
                len(today - yesterday) - len(yesterday - today) if grain == "day" else 0
            )
        yield row
        seen_before |= active


# Aggregates of users


def agg_user_engagement(source: Source) -> list[Row]:
    rows: list[Row] = []
    for user, events in by_user(source.counted).items():
        last_active_day = max(event.day for event in events)
        row: Row = {
            "user_id": user,
            "earned_count_lifetime": len(of_type(events, EARN)),
            "redeemed_count_lifetime": len(of_type(events, REDEEM)),
            "search_count_lifetime": len(of_type(events, SEARCH)),
            "share_count_lifetime": len(of_type(events, "share")),
            "like_count_lifetime": len(of_type(events, "like")),
            "category_count_lifetime": len({event.category for event in transactions(events)}),
            "last_active_day": last_active_day,
            "first_earned_at": first_time(events, EARN),
        }
        for name, length in WINDOWS.items():
            days = None if length is None else set(window(last_active_day, length))
            row.update(
                (f"{column}_{name}", value)
                for column, value in engagement_of(
                    [event for event in events if days is None or event.day in days]
                ).items()
            )
        rows.append(row)
    return rows


def engagement_of(events: list[Counted]) -> Row:
    return {
        "active_days": len({event.day for event in events}),
        "event_count": len(events),
        "miles_earned": miles(events, EARN),
        "miles_redeemed": miles(events, REDEEM),
        "depth": max(DEPTHS.get(event.event_type, 0) for event in events),
        "favourite_category": favourite_category(events),
    }


def favourite_category(events: list[Counted]) -> str | None:
    counts = Counter(event.category for event in transactions(events))
    return min(counts, key=lambda category: (-counts[category], category), default=None)


def agg_user_funnels(source: Source) -> list[Row]:
    rows: list[Row] = []
    for part in source.data.slices:
        for user, events in grouped(part.events, lambda event: event.user).items():
            history = journeys.History(in_time_order(events))
            journey = journeys.journey_of(history)
            rows.append(
                {
                    "user_id": user,
                    **part.key,
                    "first_day": history.first.day,
                    "first_at": history.first.at,
                    "over_on": over_on(source.data, history.first.at, journeys.CONVERSION),
                    "searched_at": journey.search.at if journey.search else None,
                    "earned_at": journey.earn.at if journey.earn else None,
                    "redeemed_at": journey.redeem.at if journey.redeem else None,
                    "has_earned": journey.has_earned,
                    "has_redeemed": journey.has_redeemed,
                }
            )
    return rows


def over_on(data: Data, first: datetime, span: timedelta) -> date:
    """The first day by whose start a span from a first event on is over."""
    day = (first + span).astimezone(UTC).date() - 2 * ONE_DAY
    while data.start_of(day) < first + span:
        day += ONE_DAY
    return day


def agg_user_acquisition(source: Source) -> list[Row]:
    rows: list[Row] = []
    for user, events in by_user(source.counted).items():
        history = journeys.History(in_time_order(events))
        rows.append(
            {
                "user_id": user,
                "utm_source": history.first.utm_source,
                "first_day": history.first.day,
                "over_on": over_on(source.data, history.first.at, journeys.ACTIVATION),
                "is_activated": history.is_activated(),
                "is_back_in_week_1": history.is_active_in_week(1),
                "is_back_in_week_4": history.is_active_in_week(4),
                "has_redeemed": history.has_redeemed(),
                "miles_earned": miles(events, EARN),
            }
        )
    return rows


def agg_acquisition_daily(source: Source) -> list[Row]:
    days: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in agg_user_acquisition(source):
        days[row["utm_source"], row["first_day"], row["over_on"]].append(row)
    return [
        {
            "utm_source": utm_source,
            "first_day": first_day,
            "over_on": over,
            "users": len(rows),
            "activated_users": sum(bool(row["is_activated"]) for row in rows),
            "week_1_users": sum(bool(row["is_back_in_week_1"]) for row in rows),
            "week_4_users": sum(bool(row["is_back_in_week_4"]) for row in rows),
            "redeemers": sum(bool(row["has_redeemed"]) for row in rows),
            "miles_earned": oracle.total(Decimal(str(row["miles_earned"])) for row in rows),
        }
        for (utm_source, first_day, over), rows in days.items()
    ]


def agg_campaign_costs(source: Source) -> list[Row]:
    return [
        {"utm_source": utm_source, "month": month, "cost": cost}
        for (utm_source, month), cost in journeys.dated_costs(source.data).items()
    ]


# Profiles of users


def model_sample(source: Source) -> list[Row]:
    rows: list[Row] = []
    for user, events in oracle.sample(source.data).items():
        cut = oracle.cut_of(source.data)
        values = oracle.figures(events, cut)
        names = ("recency", "active_days", "likes", "shares", "searches", "earns", "redeems")
        rows.append(
            {
                "user_id": user,
                "cut": cut,
                **dict(zip(names, values[:7], strict=True)),
                "miles_earned": max(values[7], Decimal(0)),
                "miles_redeemed": max(values[8], Decimal(0)),
                "category_events": dict(Counter(event.category for event in transactions(events))),
            }
        )
    return rows


def model_user_clusters(source: Source) -> list[Row]:
    if not source.counted:
        return []
    model = oracle.cluster_model(source.data)
    clusters = model.clusters(oracle.CLUSTER_COUNT)
    return [
        {
            "cluster": number,
            "label": clusters.label(number),
            "position": position,
            "feature": feature,
            "centre": Decimal(centre[position - 1]).scaleb(-6),
            "mean": model.scales[position - 1].mean,
            "deviation": model.scales[position - 1].deviation,
        }
        for number, centre in enumerate(clusters.centres, start=1)
        for position, feature in enumerate(oracle_clusters.FEATURES, start=1)
    ]


# What a user did in all, without recency, by the columns of agg_user_features.
FEATURES = (
    "active_days",
    "likes",
    "shares",
    "searches",
    "earns",
    "redeems",
    "miles_earned",
    "miles_redeemed",
    "categories",
)


def agg_user_features(source: Source) -> list[Row]:
    return [
        {
            "user_id": user,
            **dict(
                zip(
                    FEATURES,
                    map(
                        oracle_clusters.logarithm,
                        oracle.figures(events, source.data.last_day)[1:],
                    ),
                    strict=True,
                )
            ),
        }
        for user, events in by_user(source.counted).items()
    ]


RULES = ("new", "champion", "loyal", "promising", "at risk", "hibernating")


def agg_user_profiles(source: Source) -> list[Row]:
    return [
        {
            "user_id": one.user,
            "segment": one.segment,
            "cluster": one.cluster,
            "last_active_day": one.last_active_day,
            "active_days_lifetime": one.active_days,
            "miles_earned_lifetime": one.miles_earned,
            "miles_redeemed_lifetime": one.miles_redeemed,
            "miles_earned_90d": one.miles_earned_90d,
            "has_top_miles": one.has_top_miles,
            "rules_until": list(one.rules_until),
            "segment_until": dict(zip(RULES, one.rules_until, strict=True)).get(
                one.segment, "infinity"
            ),
        }
        for one in oracle.profiles(source.data)
    ]


# Aggregates of categories


def agg_user_categories(source: Source) -> list[Row]:
    groups = grouped(transactions(source.counted), lambda event: (event.user, event.category))
    return [
        {
            "user_id": user,
            "transaction_category": category,
            **figures_of_category(events),
            "affinity": oracle.affinity(len(events)),
            "last_event_at": max(event.at for event in events),
        }
        for (user, category), events in groups.items()
    ]


def agg_category_engagement(source: Source) -> list[Row]:
    categorised = transactions(source.counted)
    recent, before = last_windows(source)
    rows: list[Row] = []
    for category, events in by_category(source.counted).items():
        events_28d = sum(event.day in recent for event in events)
        events_28d_before = sum(event.day in before for event in events)
        rows.append(
            {
                "transaction_category": category,
                **figures_of_category(events),
                "users": len(users(events)),
                "share_of_events": ratio(len(events), len(categorised)),
                "events_28d": events_28d,
                "events_28d_before": events_28d_before,
                "trend_28d": ratio(events_28d - events_28d_before, events_28d_before),
            }
        )
    return rows


def figures_of_category(events: list[Counted]) -> Row:
    return {
        "events": len(events),
        "earned_count": len(of_type(events, EARN)),
        "redeemed_count": len(of_type(events, REDEEM)),
        "search_count": len(of_type(events, SEARCH)),
        "miles_earned": miles(events, EARN),
        "miles_redeemed": miles(events, REDEEM),
        "first_event_date": first_day(events),
        "last_event_date": max(event.day for event in events),
    }


def last_windows(source: Source) -> tuple[set[date], set[date]]:
    """Return the last 28 days of the data, and the 28 days before them."""
    last_day = source.data.last_day
    if not source.counted:
        return set(), set()
    return set(window(last_day, 28)), set(window(last_day - timedelta(days=28), 28))


def agg_category_profiles(source: Source) -> list[Row]:
    recent, before = last_windows(source)
    in_all = [
        sum(event.day in days for event in transactions(source.counted))
        for days in (recent, before)
    ]
    categories = by_category(source.counted)
    order = sorted(categories, key=lambda name: (-len(users(categories[name])), name))
    rows: list[Row] = []
    for rank, category in enumerate(order, start=1):
        events = categories[category]
        of_users = Counter(event.user for event in events)
        now, then = (sum(event.day in days for event in events) for days in (recent, before))
        row: Row = {
            "transaction_category": category,
            "roles": ", ".join(
                name
                for name, event_type in (("earn", EARN), ("redeem", REDEEM), ("search", SEARCH))
                if of_type(events, event_type)
            ),
            "rank": rank,
            "users": len(of_users),
            "reach": ratio(len(of_users), len(users(source.counted))),
            "repeat_rate": ratio(sum(count > 1 for count in of_users.values()), len(of_users)),
            "median_events_per_user": ratio(
                statistics.median_low(of_users.values())
                + statistics.median_high(of_users.values()),
                2,
            ),
            "events_28d": now,
            "events_28d_before": then,
            "share_trend_28d": ratio(now * in_all[1] - then * in_all[0], then * in_all[0]),
            "first_event_date": first_day(events),
            "last_event_date": max(event.day for event in events),
        }
        rows.append({**row, "segment": category_segment(row, is_new=first_day(events) in recent)})
    return rows


def category_segment(row: Any, *, is_new: bool) -> str:
    trend = row["share_trend_28d"]
    if trend is None or row["events_28d"] + row["events_28d_before"] < 50:
        trend = 0
    rules = {
        "new": is_new,
        "fading": row["events_28d"] == 0 or trend <= Decimal("-0.25"),
        "rising": trend >= Decimal("0.25"),
        "staple": row["reach"] >= Decimal("0.2") and row["repeat_rate"] >= Decimal("0.5"),
        "niche": row["reach"] < Decimal("0.1"),
        "steady": True,
    }
    return next(name for name, fits in rules.items() if fits)


def model_category_similarities(source: Source) -> list[Row]:
    similar = oracle.model_similarities(source.data)
    return [
        {
            "transaction_category": one,
            "similar_category": other,
            "users": similarity.users,
            "similarity": similarity.cosine,
        }
        for one, others in similar.items()
        for other, similarity in others.items()
    ]


def agg_category_recommendations(source: Source) -> list[Row]:
    return [
        {
            "user_id": one.user,
            "transaction_category": one.category,
            "rank": one.rank,
            "reason": one.reason,
            "support": one.support,
            "score": one.score,
        }
        for one in oracle.recommendations(source.data)
    ]


# Groups


def of_type(events: Iterable[Counted], event_type: str) -> list[Counted]:
    return [event for event in events if event.event_type == event_type]


def transactions(events: Iterable[Counted]) -> list[Counted]:
    return [event for event in events if event.event_type in TRANSACTIONS]


def by_user(events: Iterable[Counted]) -> dict[str, list[Counted]]:
    return grouped(events, lambda event: event.user)


def by_category(events: Iterable[Counted]) -> dict[str, list[Counted]]:
    return grouped(transactions(events), lambda event: event.category)


def by_period(events: Iterable[Counted], grain: str) -> dict[date, list[Counted]]:
    return grouped(events, lambda event: period_start(event.day, grain))


def first_day(events: Iterable[Counted]) -> date:
    return min(event.day for event in events)


def first_time(events: Iterable[Counted], event_type: str) -> datetime | None:
    return min((event.at for event in of_type(events, event_type)), default=None)


# All of them

TABLES: dict[str, Callable[[Source], list[Row]]] = {
    "fact_miles_earned": fact("fact_miles_earned", earned),
    "fact_miles_redeemed": fact("fact_miles_redeemed", redeemed),
    "fact_reward_searches": fact("fact_reward_searches", category_of),
    "fact_social_engagements": fact("fact_social_engagements", engagement),
    "fact_unclassified_events": fact("fact_unclassified_events", unclassified),
    "last_day": last_day,
    "dim_dates": dim_dates,
    "dim_users": dim_users,
    "dim_transaction_categories": dim_transaction_categories,
    "dim_utm_sources": dim_utm_sources,
    "dim_platforms": dim_platforms,
    "dim_countries": dim_countries,
    "dim_event_types": dim_event_types,
    "agg_user_daily": agg_user_daily,
    "agg_engagement_daily": agg_engagement_daily,
    "agg_user_category_daily": agg_user_category_daily,
    "agg_category_daily": agg_category_daily,
    "agg_category_periods": agg_category_periods,
    "agg_user_activity": agg_user_activity,
    "agg_user_active_days": agg_user_active_days,
    "agg_user_periods": agg_user_periods,
    "agg_period_activity": agg_period_activity,
    "agg_user_monthly": lambda source: oracle_slices.agg_user_monthly(source.data),
    "agg_slice_periods": lambda source: oracle_slices.agg_slice_periods(source.data),
    "agg_user_returns": lambda source: oracle_slices.agg_user_returns(source.data),
    "agg_cohort_users": lambda source: oracle_slices.agg_cohort_users(source.data),
    "agg_user_engagement": agg_user_engagement,
    "agg_user_funnels": agg_user_funnels,
    "agg_user_acquisition": agg_user_acquisition,
    "agg_acquisition_daily": agg_acquisition_daily,
    "agg_campaign_costs": agg_campaign_costs,
    "model_sample": model_sample,
    "model_user_clusters": model_user_clusters,
    "agg_user_features": agg_user_features,
    "agg_user_profiles": agg_user_profiles,
    "agg_user_categories": agg_user_categories,
    "agg_category_engagement": agg_category_engagement,
    "agg_category_profiles": agg_category_profiles,
    "model_category_similarities": model_category_similarities,
    "agg_category_recommendations": agg_category_recommendations,
}


def all_tables(
    events: Iterable[Event],
    campaigns: Iterable[Campaign],
    costs: Iterable[Cost] = (),
    *,
    timezone: str = "UTC",
) -> dict[str, list[Row]]:
    """Return the rows of every table of the warehouse but the replicas and the changes."""
    raw = list(events)
    data = oracle.prepare(raw, campaigns, costs, timezone=timezone)
    source = Source(raw, ZoneInfo(timezone), data)
    return {name: table(source) for name, table in TABLES.items()}
