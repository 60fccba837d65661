"""What all tables of the oracle share: which events count, slices, the calendar, figures."""

from __future__ import annotations

import hashlib
import statistics
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

Value = date | Decimal | int | str | bool | None
Row = dict[str, Value]
Key = TypeVar("Key", bound=Hashable)

UNKNOWN = "unknown"
EARN, REDEEM, SEARCH = "miles_earned", "miles_redeemed", "reward_search"
DEPTHS = {"like": 1, "share": 2, SEARCH: 3, EARN: 4, REDEEM: 5}
FACTS = {
    EARN: "fact_miles_earned",
    REDEEM: "fact_miles_redeemed",
    SEARCH: "fact_reward_searches",
    "share": "fact_social_engagements",
    "like": "fact_social_engagements",
}
UNCLASSIFIED = "fact_unclassified_events"
NO_USER, INSANE_TIME, UNKNOWN_TYPE = "no user_id", "insane time", "unknown event type"

GRAINS = ("day", "week", "month")
ONE_DAY = timedelta(days=1)
LONGEST_NAME = 200
EARLIEST, TOO_LATE = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
ABSURD = Decimal(10) ** 12
# The variable of the manifest.
PASSIVE: tuple[str, ...] = ()

# The default context would round sums to 28 digits and rates to even.
EXACT = Context(prec=1000)
DIVISION = Context(prec=100, rounding=ROUND_HALF_UP)
SIX_DIGITS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Event:
    """A raw row of event_stream; an infinite event_time is float('inf') or float('-inf')."""

    event_id: int
    event_time: datetime | float | None
    user_id: str | None
    event_type: str | None
    transaction_category: str | None
    miles_amount: Decimal | None
    platform: str | None
    utm_source: str | None
    country: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Campaign:
    """A raw row of utm_campaigns."""

    utm_source: str
    campaign: str | None
    channel: str | None
    is_paid: bool
    monthly_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Cost:
    """A raw row of campaign_costs; a month that is infinite is a float, or the word for it."""

    utm_source: str | None
    month: date | float | str | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Counted:
    """An event that counts, with its day and without nulls."""

    event_id: int
    at: datetime
    day: date
    user: str
    event_type: str
    category: str
    miles: Decimal
    platform: str
    utm_source: str
    country: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The events of one member; nothing else exists for its metrics."""

    name: str
    value: str
    events: list[Counted]

    @property
    def first_day(self) -> date:
        return min(event.day for event in self.events)

    @property
    def key(self) -> Row:
        return {"slice": self.name, "slice_value": self.value}


@dataclass(frozen=True, slots=True)
class Data:
    """What the tables are computed from: the events up to the last day, whole and in slices; and the
    passive ones.
    """

    events: list[Counted]
    passive: list[Counted]
    slices: list[Slice]
    campaigns: list[Campaign]
    costs: list[Cost]
    first_day: date
    last_day: date
    zone: ZoneInfo

    def is_over(self, first: datetime, span: timedelta) -> bool:
        """Whether a span from a first event on is over by the start of the last day."""
        return first + span <= self.start_of(self.last_day)

    def start_of(self, day: date) -> datetime:
        """The first moment of a day, also where midnight comes twice or never."""
        return instant(datetime.combine(day, time(), self.zone))


# Which events count


def classify(event: Event) -> tuple[str, str | None]:
    """Return the fact table of an event, and the reason when that is the unclassified one."""
    if not event.user_id:
        return UNCLASSIFIED, NO_USER
    if is_insane(event):
        return UNCLASSIFIED, INSANE_TIME
    if event.event_type not in FACTS:
        return UNCLASSIFIED, UNKNOWN_TYPE
    return FACTS[event.event_type], None


def is_insane(event: Event) -> bool:
    if not isinstance(event.event_time, datetime):
        return True
    at = instant(event.event_time)
    return at < EARLIEST or at >= TOO_LATE or at - instant(event.created_at) > ONE_DAY


def instant(moment: datetime) -> datetime:
    # Python compares and subtracts two times of the same zone by the clock on the wall; UTC has
    # no changes of the clock.
    return moment.astimezone(UTC)


def fact_counts(events: Iterable[Event]) -> dict[str, int]:
    """Return the number of rows of each fact table."""
    counts = dict.fromkeys([*FACTS.values(), UNCLASSIFIED], 0)
    for event in events:
        counts[classify(event)[0]] += 1
    return counts


def counted_events(events: Iterable[Event], timezone: str) -> list[Counted]:
    """The events with a user and a sane time, passive ones included, of whatever day."""
    zone = ZoneInfo(timezone)
    return [
        counted(event, event.user_id, event.event_time, zone)
        for event in events
        if classify(event)[1] in (None, UNKNOWN_TYPE)
        # classify has made sure of both; the type checker cannot know.
        and event.user_id is not None
        and isinstance(event.event_time, datetime)
    ]


def known_day(event: Event, zone: ZoneInfo) -> date | None:
    """The day by which an event proves that the data go on; None if it does not count."""
    if not isinstance(event.event_time, datetime):
        return None
    if classify(event)[1] not in (None, UNKNOWN_TYPE) or member(event.event_type) in PASSIVE:
        return None
    return min(instant(event.event_time), instant(event.created_at)).astimezone(zone).date()


def counted(event: Event, user: str, event_time: datetime, zone: ZoneInfo) -> Counted:
    return Counted(
        event_id=event.event_id,
        at=instant(event_time),
        day=event_time.astimezone(zone).date(),
        user=member(user),
        event_type=member(event.event_type),
        category=member(event.transaction_category),
        miles=miles_of(event),
        platform=member(event.platform),
        utm_source=member(event.utm_source),
        country=member(event.country),
    )


def member(name: str | None) -> str:
    """Name a member: what is missing is unknown, and what is too long for a key is cut, with its
    hash behind it.
    """
    if not name:
        return UNKNOWN
    if len(name) <= LONGEST_NAME:
        return name
    return name[:160] + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def miles_of(event: Event) -> Decimal:
    """Return the miles of an event; what is missing, no finite number or absurd is 0."""
    miles = event.miles_amount
    if miles is None or not miles.is_finite() or miles.copy_abs() > ABSURD:
        return Decimal(0)
    return miles


# Slices


def prepare(
    events: Iterable[Event],
    campaigns: Iterable[Campaign],
    costs: Iterable[Cost] = (),
    *,
    timezone: str = "UTC",
    slices: bool = True,
) -> Data:
    """Return the input of the table functions; without `slices` there is only slice `all`."""
    events, zone = list(events), ZoneInfo(timezone)
    # Without events there are no rows either, so nothing asks for this date.
    days = [day for event in events if (day := known_day(event, zone))]
    last_day = max(days, default=date.min)
    until_then = [event for event in counted_events(events, timezone) if event.day <= last_day]
    counting = [event for event in until_then if event.event_type not in PASSIVE]
    passive = [event for event in until_then if event.event_type in PASSIVE]
    return Data(
        events=counting,
        passive=passive,
        slices=list(slices_of(counting, slices)),
        campaigns=list(campaigns),
        costs=list(costs),
        first_day=min((event.day for event in counting), default=last_day),
        last_day=last_day,
        zone=zone,
    )


def slices_of(events: list[Counted], members: bool) -> Iterator[Slice]:
    if events:
        yield Slice("all", "all", events)
    if not members:
        return
    attributes: dict[str, Callable[[Counted], str]] = {
        "country": lambda event: event.country,
        "platform": lambda event: event.platform,
        "utm_source": lambda event: event.utm_source,
    }
    for name, attribute in attributes.items():
        for value, rows in sorted(grouped(events, attribute).items()):
            yield Slice(name, value, rows)


def grouped(events: Iterable[Counted], key: Callable[[Counted], Key]) -> dict[Key, list[Counted]]:
    groups: dict[Key, list[Counted]] = defaultdict(list)
    for event in events:
        groups[key(event)].append(event)
    return dict(groups)


# The calendar


def period_start(day: date, grain: str) -> date:
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "month" else day


def next_period(start: date, grain: str) -> date:
    # 31 days after the first of a month is always a day of the next month.
    days = {"day": 1, "week": 7, "month": 31}[grain]
    return period_start(start + timedelta(days=days), grain)


def previous_period(start: date, grain: str) -> date:
    return period_start(start - ONE_DAY, grain)


def periods(first_day: date, last_day: date, grain: str) -> Iterator[date]:
    """Yield the periods from that of the first day to that of the last, active or not."""
    start = period_start(first_day, grain)
    while start <= last_day:
        yield start
        start = next_period(start, grain)


def is_complete(start: date, grain: str, last_day: date) -> bool:
    last_day_of_period = next_period(start, grain) - ONE_DAY
    return last_day > last_day_of_period


def window(day: date, length: int) -> list[date]:
    """Return the days of the window that ends on a day."""
    return [day - timedelta(days=back) for back in range(length)]


# Figures


def total(amounts: Iterable[Decimal]) -> Decimal:
    result = Decimal(0)
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def miles(events: Iterable[Counted], event_type: str) -> Decimal:
    return total(event.miles for event in events if event.event_type == event_type)


def ratio(numerator: Decimal | int, denominator: Decimal | int) -> Decimal | None:
    """Divide, rounded to 6 digits half away from zero; null when the denominator is zero."""
    if denominator == 0:
        return None
    quotient = DIVISION.divide(Decimal(numerator), Decimal(denominator))
    return quotient.quantize(SIX_DIGITS, context=DIVISION)


def median_days(waits: list[timedelta]) -> Decimal | None:
    if not waits:
        return None
    # Halving a timedelta would round to a microsecond, so the two middle values are added first.
    middle = statistics.median_low(waits) + statistics.median_high(waits)
    return ratio(middle // timedelta(microseconds=1), 2 * (ONE_DAY // timedelta(microseconds=1)))


def users(events: Iterable[Counted]) -> set[str]:
    return {event.user for event in events}


def users_by_period(events: Iterable[Counted], grain: str) -> dict[date, set[str]]:
    by_period = grouped(events, lambda event: period_start(event.day, grain))
    return {start: users(rows) for start, rows in by_period.items()}


def users_within(by_day: dict[date, set[str]], days: list[date]) -> set[str]:
    return set[str]().union(*(by_day.get(day, ()) for day in days))


def first_periods(events: Iterable[Counted], grain: str) -> dict[str, date]:
    by_user = grouped(events, lambda event: event.user)
    return {
        user: period_start(min(event.day for event in rows), grain)
        for user, rows in by_user.items()
    }


def miles_by_day(events: Iterable[Counted], event_type: str) -> dict[date, Decimal]:
    by_day = grouped(events, lambda event: event.day)
    return {day: miles(rows, event_type) for day, rows in by_day.items()}


def burn_rate(
    earned: dict[date, Decimal], redeemed: dict[date, Decimal], day: date
) -> Decimal | None:
    days = window(day, 28)
    return ratio(
        total(redeemed.get(one, Decimal(0)) for one in days),
        total(earned.get(one, Decimal(0)) for one in days),
    )


def in_time_order(events: Iterable[Counted]) -> list[Counted]:
    return sorted(events, key=lambda event: (event.at, event.event_id))
