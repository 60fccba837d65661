"""Periods, and which of them a range of days shows.

static/dashboard/10_rows.js has the same rules, because people choose ranges in the browser. They
are here too, because the tables for readers without JavaScript and the figures that are withheld
from a range have to be known when the page is written. A change belongs in both files.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from runner.pages.dashboard.cards import EVERYTHING

DATES = ("day", "period_start", "cohort_start")
# The days of a member that the file has.
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


def is_shown(start: str, grain: str | None, days: int, last: str) -> bool:
    """Return whether a period overlaps the last days.

    The last full week or month always counts as overlapping: on the last day of a month, 30 days
    would show no month but the running one.
    """
    end = date.fromisoformat(last)
    first = end - timedelta(days - 1)
    if grain in ("week", "month"):
        first = min(first, start_of(start_of(end, grain) - timedelta(1), grain))
    return end_of(date.fromisoformat(start), grain) >= first


def first_sent(last: str | None) -> date:
    """Return the first of the days that the file has of a member."""
    return date.fromisoformat(last) - timedelta(MEMBER_DAYS - 1) if last else date.min


def is_sent(row: Mapping[str, Any], last: str | None) -> bool:
    """Return whether the file has a row: by day, it has only the last 90 days of a member."""
    is_old = row.get("grain") == "day" and row.get("period_start", "9999") < str(first_sent(last))
    return not is_old or row.get("slice", EVERYTHING) == EVERYTHING
