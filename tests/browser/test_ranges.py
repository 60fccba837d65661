"""A period is shown if it overlaps the range: every range, grain and card, also at month ends."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.pages.dashboard.cards import Card, Column, Dashboard
from runner.pages.dashboard.data import CardRows, Snapshot
from runner.pages.dashboard.page import page
from tests.browser.conftest import Open, Shown, Warehouse
from tests.support.pages import data_of, decoded
from tests.support.sweeps import slow_but

GRAINS = ("day", "week", "month")
LENGTHS = ("30", "90", "all")
RANGES = (*LENGTHS, "2026-02-10..2026-03-04")
OF_NEW_USERS = ("retention", "return_days", "funnel", "cohort_value", "acquisition")
DATES = ("day", "period_start", "cohort_start")


def days_of(start: date, grain: str | None) -> set[date]:
    """All days of a period, one by one."""
    days = {start}
    while grain in ("week", "month"):
        following = max(days) + timedelta(1)
        begins = following.day == 1 if grain == "month" else following.isoweekday() == 1
        if begins:
            break
        days.add(following)
    return days


def wanted(starts: Iterable[date], grain: str | None, range_: str, last: date) -> set[date]:
    """The periods with a day in the range, and the last one that is over before the last day's."""
    starts = set(starts)
    if range_ == "all":
        return starts
    if ".." in range_:
        first, end = map(date.fromisoformat, range_.split(".."))
    else:
        first, end = last - timedelta(int(range_) - 1), last
    shown = {start for start in starts if any(first <= day <= end for day in days_of(start, grain))}
    if ".." not in range_ and grain in ("week", "month"):
        following = {start: max(days_of(start, grain)) + timedelta(1) for start in starts}
        shown |= {start for start in starts if last in days_of(following[start], grain)}
    return shown


LASTS = [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 31),
         date(2026, 4, 30), date(2026, 5, 30), date(2024, 2, 29), date(2026, 6, 14)]  # fmt: skip


@pytest.mark.parametrize("last", slow_but(LASTS, LASTS[3]), ids=str)
def test_a_period_is_shown_if_it_overlaps_the_range(tmp_path: Path, show: Open, last: date) -> None:
    days = [last - timedelta(number) for number in range(200)]
    rows: list[dict[str, Any]] = [
        {"grain": grain, "period_start": day.isoformat(), "day": last.isoformat()}
        for grain in GRAINS
        for day in sorted(days)
        if grain == "day" or day.day == 1 or day == min(days) or day.isoweekday() == 1
        if grain != "month" or day.day == 1
        if grain != "week" or day.isoweekday() == 1
    ]
    rows = [{key: row[key] for key in ("grain", "period_start")} for row in rows]
    columns = {"period_start": Column("period_start", "From", "text")}
    card = Card(
        "made", Path("dashboard/10_made.sql"), "", "Made", "?", ".", "table", "full", columns
    )
    one_day = Card("last", Path("dashboard/20_last.sql"), "", "Last", "?", ".", "table", "full", {})
    results = [CardRows(card, rows), CardRows(one_day, [{"day": last.isoformat()}])]
    snapshot = Snapshot(Dashboard(None, (card, one_day)), "x", results)
    file = tmp_path / "page.html"
    file.write_text(page(snapshot, datetime(2026, 7, 1, tzinfo=UTC)))
    shown = show(file)
    for grain, range_ in itertools.product(GRAINS, RANGES):
        go(shown, range_, grain)
        known = [date.fromisoformat(row["period_start"]) for row in rows if row["grain"] == grain]
        found = periods(shown, "made")
        assert found == {day.isoformat() for day in wanted(known, grain, range_, last)}, range_


def go(shown: Shown, range_: str, grain: str) -> None:
    shown.page.evaluate("words => { location.hash = words }", f"range={range_}&grain={grain}")
    radio = "dates" if ".." in range_ else range_
    for name, value in (("range", radio), ("grain", grain)):
        shown.page.wait_for_selector(
            f"input[name={name}][value='{value}']:checked", state="attached"
        )


def periods(shown: Shown, card: str) -> set[str]:
    if shown.card(card).locator(".all").count():
        shown.card(card).locator(".all").click()
    found = shown.card(card).locator("tbody th").all_inner_texts()
    assert len(found) == len(set(found))
    return set(found)


def assert_all_cards(
    warehouse: Warehouse, shown: Shown, choices: Iterable[tuple[str, str]]
) -> None:
    """Each card has as many rows as its data have in the range; no range is empty on one that has."""
    data = data_of(warehouse.page.read_text())
    last = date.fromisoformat(data["last"])
    for grain, range_ in choices:
        go(shown, range_, grain)
        for name, card in data["cards"].items():
            rows = [row for row in decoded(card["data"]) if row.get("slice", "all") == "all"]
            known = {row["grain"] for row in rows if "grain" in row}
            by = next((each for each in GRAINS[GRAINS.index(grain) :] if each in known), None)
            rows = [row for row in rows if row.get("grain", by) == by or not known]
            dated = next((each for each in DATES if rows and each in rows[0]), None)
            starts = {date.fromisoformat(row[dated]) for row in rows if dated and row[dated]}
            kept = {day.isoformat() for day in wanted(starts, by, range_, last)}
            expected = [
                row
                for row in rows
                if (row["range"] == range_ if row.get("range") else not dated or row[dated] is None
                    or row[dated] in kept)
            ]  # fmt: skip
            said = shown.card(name).get_attribute("data-rows")
            assert int(said or -1) == len(expected), (name, grain, range_)
            # There may be no new users in a range, but there are figures.
            assert expected or not rows or name in OF_NEW_USERS, (name, grain, range_)


@pytest.mark.slow
def test_each_card_shows_what_overlaps_the_range_on_the_real_file(
    real: Warehouse, show: Open
) -> None:
    shown = show(real.page)
    assert_all_cards(real, shown, zip(GRAINS, LENGTHS, strict=True))
    # The page that opens has no card without rows but the one that has nothing to recommend.
    shown = show(real.page)
    empty = shown.page.locator(".card[data-state=empty]").evaluate_all(
        "all => all.map(card => card.dataset.card)"
    )
    assert set(empty) <= {"recommendations"}
    for card in empty:
        assert "No category can be offered" in shown.card(card).inner_text()
    # Whom the last week lost is not known while no event follows it, and no line is promised of one.
    assert shown.card("growth_accounting").locator("svg text", has_text="?").count() == 1
    assert "line" not in shown.page.inner_text("[data-figure='Week-4 retention'] .change")
    assert shown.page.is_hidden("#reset")
    # A year and more lies between the newest event and the load: red, and the last day is over.
    assert re.fullmatch(
        r"5 Jun 2025, \d{3,} days before the load", shown.page.inner_text("#newest").strip()
    )
    assert shown.page.locator("#newest .stale").count() == 1
    # Each load read the source; what has been quiet since its newest row is the source.
    behind = shown.page.inner_text(".notice.behind")
    assert re.match(r"No new rows of event_stream since 5 Jun 2025, 20:28 UTC: ", behind)
    # What is said to have changed in Categories stands in that card.
    said = shown.page.inner_text("#card-changes")
    assert "Lululemon" in said and "in the week of 26 May 2025" in said
    assert "26 May to 1 Jun 2025" in shown.page.inner_text("#card-categories")
    growth = [row[3] for row in shown.table("categories") if row[0] == "Lululemon"]
    assert len(growth) == 1 and growth[0] in said
    assert "5 Jun 2025" in shown.page.inner_text("[data-figure='Weekly users'] .as-of")
    assert "so far" not in shown.page.inner_text("#card-headlines .figures")
    data = data_of(real.page.read_text())["cards"]
    for card in ("growth_accounting", "miles", "engagement"):  # its week and month are over, too
        assert all(row["is_complete"] for row in decoded(data[card]["data"])), card


@pytest.mark.slow
def test_each_card_shows_what_overlaps_any_range_on_the_real_file(
    real: Warehouse, show: Open
) -> None:
    assert_all_cards(real, show(real.page), itertools.product(GRAINS, LENGTHS))


@pytest.mark.slow
def test_each_card_shows_what_overlaps_the_range_at_a_month_end(
    demo: Warehouse, show: Open
) -> None:
    shown = show(demo.page)
    assert_all_cards(demo, shown, itertools.product(GRAINS, LENGTHS))
    go(shown, "30", "month")  # not the running month alone
    assert int(shown.card("growth_accounting").get_attribute("data-rows") or 0) == 2
