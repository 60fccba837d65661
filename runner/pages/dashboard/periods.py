"""Periods, and which of them a range of days shows. static/dashboard/10_rows.js does the same."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from runner.pages.dashboard.cards import EVERYTHING

DATES = ("day", "period_start", "cohort_start")
# By day, the file has so many days of a member.
MEMBER_DAYS = 90


def start_of(day: date, grain: str | None) -> date:
    """Return the first day of the period that a day lies in."""
    if grain == "month":
        return day.replace(day=1)
    return day - timedelta(day.weekday()) if grain == "week" else day


def end_of(start: date, grain: str | None) -> date:
    """Return the last day of a period."""
    if grain == "month":
        return start_of(start + timedelta(31), grain) - timedelta(1)
    return start + timedelta(6) if grain == "week" else start


def first_shown(last: date, days: int, grain: str | None) -> date:
    """Return the first of the last days, or the first day of the last period that is over.

    On the last day of a month, 30 days would hold no month but the running one.
    """
    before = start_of(start_of(last, grain) - timedelta(1), grain)
    return min(last - timedelta(days - 1), before if grain in ("week", "month") else last)


def is_shown(start: str, grain: str | None, days: int, last: str) -> bool:
    """Return whether a period overlaps the last days."""
    end = end_of(date.fromisoformat(start), grain)
    return end >= first_shown(date.fromisoformat(last), days, grain)


def first_sent(last: str | None) -> date:
    """Return the first of the days that the file has of a member."""
    return date.fromisoformat(last) - timedelta(MEMBER_DAYS - 1) if last else date.min


def is_sent(row: Mapping[str, Any], last: str | None) -> bool:
    """Return whether the file has a row: by day, a member goes back 90 days."""
    is_old = row.get("grain") == "day" and row.get("period_start", "9999") < str(first_sent(last))
    return not is_old or row.get("slice", EVERYTHING) == EVERYTHING
