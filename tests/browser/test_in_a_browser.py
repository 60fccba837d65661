"""The dashboard in Chromium: its figures are those of the reports, and it keeps to itself."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from runner.pages.dashboard.cards import Card, Column, Dashboard
from runner.pages.dashboard.data import CardRows, Snapshot
from runner.pages.dashboard.page import page, write
from runner.pages.dashboard.serve import HOST, NewestPage, listen
from tests.browser.conftest import READY, Open, Shown, Warehouse
from tests.support import PROJECT, event, insert_events, query, run_all
from tests.support.pages import data_of, decoded

NOTHING = "\N{EN DASH}"
NONSENSE = re.compile(r"NaN|undefined|Infinity|\[object")
MIN_CELL = 5
GROWTH = ("new_users", "resurrected_users", "retained_users", "churned_users")


def number(value: Any) -> str:
    """As people read it: 9,999 and then 12.3k."""
    value = Decimal(value)
    for least, unit, letter in ((999_950, 10**6, "M"), (Decimal("9999.5"), 1000, "k")):
        if abs(value) >= least:
            return rounded(value / unit, 1) + letter
    return rounded(value, 0 if value == int(value) or abs(value) >= 100 else 1)


def rounded(value: Decimal, digits: int) -> str:
    step = Decimal(1).scaleb(-digits)
    return f"{value.quantize(step, rounding=ROUND_HALF_UP):,}".replace("-", "\N{MINUS SIGN}")


def percent(value: Any) -> str:
    return NOTHING if value is None else f"{rounded(Decimal(value) * 100, 1)}%"


def count(value: Any) -> str:
    return NOTHING if value is None else number(value)


def decimal(value: Any) -> str:
    return NOTHING if value is None else rounded(Decimal(value), 2)


def day(value: date) -> str:
    return f"{value.day} {value:%b} {value.year}"


def ends(start: date, grain: str) -> date:
    """The last day of a period."""
    if grain == "month":
        return (start + timedelta(31)).replace(day=1) - timedelta(1)
    return start + timedelta(6 if grain == "week" else 0)


def in_range(
    rows: list[dict[str, Any]], name: str, range_: str, last: date
) -> list[dict[str, Any]]:
    """The rows that overlap the last days; the last week or month that is over always is there."""
    if range_ == "all":
        return rows
    first = last - timedelta(days=int(range_) - 1)
    return [
        row
        for row in rows
        if row[name] is None
        or ends(row[name], row.get("grain", "day")) >= first
        or (ends(row[name], row.get("grain", "day")) < last and _is_last_over(row, name, last))
    ]


def _is_last_over(row: dict[str, Any], name: str, last: date) -> bool:
    """Whether the period after this one is the one that the last day lies in."""
    after = ends(row[name], row["grain"]) + timedelta(1) if "grain" in row else last
    return "grain" in row and after <= last <= ends(after, row["grain"])


def last_day(warehouse: Warehouse) -> date:
    found: date = warehouse.rows("select max(day) as day from reporting.kpi_daily")[0]["day"]
    return found


def last_full_day(warehouse: Warehouse) -> date:
    """The last day, if the sources were read 12 hours beyond its end; else the day before."""
    (row,) = warehouse.rows("select min(loaded_through) as through from reporting.freshness")
    last = last_day(warehouse)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1, hours=12)
    return last if row["through"] >= end else last - timedelta(1)


def members(warehouse: Warehouse) -> list[tuple[str, str]]:
    """One member of each slice, the busiest."""
    rows = warehouse.rows(
        "select distinct on (slice) slice, slice_value from reporting.kpi_daily"
        " group by slice, slice_value order by slice, sum(dau) desc, slice_value"
    )
    return [(row["slice"], row["slice_value"]) for row in rows]


def period(start: date, grain: str) -> str:
    return f"{start:%b} {start.year}" if grain == "month" else day(start)


def growth(warehouse: Warehouse, slice_: str, member: str, grain: str) -> list[dict[str, Any]]:
    return warehouse.rows(
        "select * from reporting.growth_accounting where slice = %(slice)s"
        " and slice_value = %(member)s and grain = %(grain)s order by period_start",
        slice=slice_,
        member=member,
        grain=grain,
    )


def assert_whole(shown: Shown) -> None:
    assert shown.complaints == []
    assert len(shown.requests) == 1
    assert not NONSENSE.search(shown.page.inner_text("body"))
    paths = shown.page.evaluate(
        "[...document.querySelectorAll('.chart path')].map(path => path.getAttribute('d')).join()"
    )
    assert not NONSENSE.search(paths)


# --- the figures ------------------------------------------------------------------------------------


def assert_figures(warehouse: Warehouse, shown: Shown, slice_: str, member: str, grain: str,
                   range_: str) -> None:  # fmt: skip
    last = last_day(warehouse)
    values = {"slice": slice_, "member": member}
    where = "where slice = %(slice)s and slice_value = %(member)s"
    shown.choose(slice_, member, range_, grain)

    # By day, the file has the last 90 of a member. Of few, there is nothing.
    days = "90" if grain == "day" and slice_ != "all" and range_ == "all" else range_
    kept = shown_rows(warehouse, "growth_accounting", slice_, member)
    wanted = in_range(growth(warehouse, slice_, member, grain), "period_start", days, last)
    assert shown.table("growth_accounting") == [
        [
            period(row["period_start"], grain),
            *(count(row[name]) for name in ("new_users", "resurrected_users", "retained_users")),
            count(row["churned_users"]),
            count(row["active_users"]),
            count(
                None
                if row["churned_users"] is None
                else row["new_users"] + row["resurrected_users"] - row["churned_users"]
            ),
            decimal(row["quick_ratio"]),
            percent(row["retention_rate"]),
        ]
        for row in reversed(wanted)
        if (grain, str(row["period_start"])) in kept
    ]

    rows = warehouse.rows(
        f"select * from reporting.active_users_daily {where} order by day", **values
    )
    kept = shown_rows(warehouse, "active_users", slice_, member)
    wanted = in_range(rows, "day", range_, last)
    assert [line[:5] for line in shown.table("active_users")] == [
        [day(row["day"]), *(count(row[name]) for name in ("mau", "wau", "dau")),
         percent(row["stickiness"])]
        for row in reversed(wanted)
        if (None, str(row["day"])) in kept
    ]  # fmt: skip
    assert len(kept) > 60 or slice_ != "all"

    # Retention has no days, and of few no weeks: the nearest.
    cells = card_rows(warehouse, "retention", slice_, member)
    readable = [row for row in cells if not row.get("is_withheld")] or cells
    grains = {row["grain"] for row in readable}
    by = "week" if grain != "month" and "week" in grains else "month"
    rows = warehouse.rows(
        f"select * from reporting.retention {where} and grain = %(grain)s and period_number > 0"
        " and cohort_start is not null order by cohort_start, period_number",
        **values,
        grain=by,
    )
    kept = {str(row["cohort_start"]) for row in readable if row["grain"] == by}
    known = [row for row in rows if str(row["cohort_start"]) in kept]
    wanted = in_range(known, "cohort_start", range_, last)
    lines = [
        [period(cohort, by), count((cells := list(found))[0]["cohort_size"]),
         *(percent(cell["retention_rate"]) for cell in cells)]
        for cohort, found in itertools.groupby(wanted, key=lambda row: row["cohort_start"])
    ]  # fmt: skip
    assert all(row["cohort_size"] >= MIN_CELL for row in wanted)
    table = [[cell for cell in line if cell] for line in shown.table("retention")]
    if table and table[0][0] == ("All cohorts" if range_ == "all" else f"Last {range_} days"):
        average = averages(wanted)  # of the cohorts that are shown
        _, size, *rates = table.pop(0)
        assert size == count(average[0][0])
        assert rates == [percent(rate) for _, rate in average]
    else:
        assert not averages(wanted)
    assert table == lines
    assert_headlines(warehouse, shown, values)


def card_rows(warehouse: Warehouse, card: str, slice_: str, member: str) -> list[dict[str, Any]]:
    """The rows of a member in the page's data."""
    rows = decoded(data_of(warehouse.page.read_text())["cards"][card]["data"])
    return [row for row in rows if (row["slice"], row["slice_value"]) == (slice_, member)]


def shown_rows(warehouse: Warehouse, card: str, slice_: str, member: str) -> set[Any]:
    """The periods of a member that are not withheld."""
    return {
        (row.get("grain"), row.get("period_start", row.get("day")))
        for row in card_rows(warehouse, card, slice_, member)
        if not row.get("is_withheld")
    }


def averages(rows: list[dict[str, Any]]) -> list[tuple[int, Decimal]]:
    """Size and rate by period, of the complete cells of twenty users or more together."""
    found = []
    for _, group in itertools.groupby(
        sorted(rows, key=lambda row: row["period_number"]), key=lambda row: row["period_number"]
    ):
        cells = [row for row in group if row["is_complete"]]
        size = sum(row["cohort_size"] for row in cells)
        if size >= 20:
            found.append((size, Decimal(sum(row["active_users"] for row in cells)) / size))
    return found


def assert_headlines(warehouse: Warehouse, shown: Shown, values: dict[str, str]) -> None:
    """Those of the last day that is over; a running one would show a fall that is none."""
    found = warehouse.rows(
        "select kpi.*, balance.outstanding_miles from reporting.kpi_daily as kpi"
        " inner join reporting.miles_balance_daily as balance using (day, slice, slice_value)"
        " where slice = %(slice)s and slice_value = %(member)s and day <= %(day)s order by day",
        **values,
        day=last_full_day(warehouse),
    )
    kpi, month, before = found[-1], found[-28:], found[-56:-28]
    *_, week = (
        row
        for row in growth(warehouse, values["slice"], values["member"], "week")
        if row["is_complete"]
    )
    # The average of Retention, over the cohorts that it shows.
    slice_, member = values["slice"], values["member"]
    fourth = [
        row
        for row in card_rows(warehouse, "retention", slice_, member)
        if (row["grain"], row["range"], row["period_number"]) == ("week", "all", 4)
        and not row.get("is_withheld")
    ]
    # Of a member, miles are those of the last full month, as far as the balance shows them.
    is_all = slice_ == "all"
    balance = [
        row
        for row in card_rows(warehouse, "miles_balance", slice_, member)
        if row["grain"] == "month" and row["is_complete"]
    ]
    months = warehouse.rows(
        "select * from reporting.kpi_periods where grain = 'month' and is_complete"
        " and slice = %(slice)s and slice_value = %(member)s order by period_start",
        **values,
    )
    earned, redeemed, outstanding = (
        (months[-1][name] if balance[-1][name] is not None else None)
        for name in ("miles_earned", "miles_redeemed", "outstanding_miles")
    ) if not is_all else (
        sum(row["miles_earned"] for row in month),
        sum(row["miles_redeemed"] for row in month),
        kpi["outstanding_miles"],
    )  # fmt: skip
    value = "[data-figure^='{}'] .value"
    for figure, text in (
        ("Daily users", count(kpi["dau_7d_average"])),
        ("Weekly users", count(kpi["wau"])),
        ("Monthly users", count(kpi["mau"])),
        ("Stickiness", percent(kpi["stickiness"])),
        ("Burn rate", percent(kpi["burn_rate"])),
        ("Quick ratio", decimal(week["quick_ratio"])),
        ("Week-4 retention", percent(fourth[0]["retention_rate"] if fourth else None)),
        ("Miles earned", count(earned)),
        ("Miles redeemed", count(redeemed)),
        ("Outstanding", count(outstanding)),
    ):
        assert shown.page.inner_text(value.format(figure)) == text, figure
    said = shown.page.inner_text("[data-figure^='Miles earned'] .change")
    earned = sum(row["miles_earned"] for row in before)
    assert (f"from {count(earned)}, 28 days before" if is_all else "the last full month") in said


def test_each_figure_is_that_of_the_report(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    choices = zip(
        members(grown), ("week", "day", "month", "week"), ("90", "30", "all", "all"), strict=True
    )
    for (slice_, member), grain, range_ in choices:
        assert_figures(grown, shown, slice_, member, grain, range_)
    assert_whole(shown)


@pytest.mark.slow
def test_each_figure_is_that_of_the_report_whatever_is_chosen(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    for (slice_, member), grain, range_ in itertools.product(
        members(grown), ("day", "week", "month"), ("30", "90", "all")
    ):
        assert_figures(grown, shown, slice_, member, grain, range_)
    assert_whole(shown)


def test_bars_are_drawn_for_each_figure_that_is_not_zero(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#range=all")
    kept = shown_rows(grown, "growth_accounting", "all", "all")
    rows = [
        row
        for row in growth(grown, "all", "all", "week")
        if ("week", str(row["period_start"])) in kept
    ]
    drawn = shown.card("growth_accounting").evaluate(
        "card => [...card.querySelectorAll('.mark-rect.role-mark path')]"
        ".filter(bar => bar.getBoundingClientRect().height >= 0.5)"
        ".map(bar => [bar.getAttribute('fill'), bar.getBoundingClientRect().height])"
    )
    legend = shown.card("growth_accounting").evaluate(
        "card => [...card.querySelectorAll('.legend li')]"
        ".map(entry => [entry.textContent, entry.querySelector('i').style.background])"
    )
    fills = {label: colour for label, colour in legend}
    counts = Counter(fill for fill, _ in drawn)
    for name, label in zip(GROWTH, ("New", "Resurrected", "Retained", "Churned"), strict=True):
        assert counts[fills[label]] == sum(bool(row[name]) for row in rows), name
    # Heights are as the figures are.
    heights = [height for fill, height in drawn if fill == fills["Retained"]]
    retained = [row["retained_users"] for row in rows if row["retained_users"]]
    largest = max(retained)
    for height, users in zip(heights, retained, strict=True):
        assert height == pytest.approx(max(heights) * users / largest, abs=1.5)


def test_every_chart_is_drawn(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    sizes = shown.page.evaluate(
        "[...document.querySelectorAll('.card[data-show=chart]')].map(card => {"
        " const box = card.querySelector('.chart svg').getBoundingClientRect();"
        " return [card.dataset.card, box.width, box.height] })"
    )
    assert len(sizes) >= 5
    assert all(width > 200 and height > 80 for _, width, height in sizes), sizes


def test_what_is_drawn_beside_tables_is_what_the_reports_say(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#range=all")
    rows = [row for row in card_rows(grown, "funnel", "all", "all") if row["is_complete"]]
    steps = ("eligible_users", "searched", "earned", "redeemed")
    sums = [sum(row[step] for row in rows if not row.get("is_withheld")) for step in steps]
    told = shown.card("funnel").locator(".mark-text.role-mark text").all_text_contents()
    assert sums[0] > 20
    assert {f"{each:,}" for each in sums} | {
        f"{rounded(Decimal(each) / sums[0] * 100, 0)}%" for each in sums
    } <= set(told)
    # The average, and each of the three newest cohorts that are three periods old.
    cells = [row for row in card_rows(grown, "retention", "all", "all") if row["grain"] == "week"]
    old = {
        row["cohort_start"]
        for row in cells
        if row["is_complete"] and row["period_number"] > 2 and row["cohort_start"]
        if not row.get("is_withheld")
    }
    lines = shown.card("retention").locator(".mark-line.role-mark path").count()
    assert lines == 1 + min(3, len(old)) > 1
    (month,) = grown.rows(
        "select max(month) as month from reporting.active_days_monthly where is_complete"
    )
    days = grown.rows(
        "select * from reporting.active_days_monthly"
        " where month = %(month)s and slice = 'all' and users > 0",
        **month,
    )
    heights = shown.card("power_curve").evaluate(
        "card => [...card.querySelectorAll('.mark-rect.role-mark path')].filter(bar =>"
        " bar.getAttribute('opacity') !== '0.001').map(bar => bar.getBoundingClientRect().height)"
    )
    assert sum(height >= 0.5 for height in heights) == len(days) > 5


def test_costs_have_their_currency_and_nobody_is_offered_other(
    grown: Warehouse, show: Open
) -> None:
    shown = show(grown.page)
    costs = [line[-1] for line in shown.table("acquisition")]
    assert any(re.fullmatch(r"SGD\xa0\d+\.\d\d", cost) for cost in costs)
    assert all(cost == NOTHING or cost.startswith("SGD") for cost in costs)
    offers = decoded(data_of(grown.page.read_text())["cards"]["recommendations"]["data"])
    assert offers and "other" not in {row["transaction_category"] for row in offers}
    assert shown.page.inner_text("#controls label >> nth=0").startswith("Show")


def test_what_is_saved_is_what_is_shown(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#grain=month&range=all")
    found = saved(shown, "growth_accounting")
    wanted = growth(grown, "all", "all", "month")
    assert [row["period_start"] for row in found] == [str(row["period_start"]) for row in wanted]
    for name in ("active_users", "new_users", "churned_users"):
        assert [row[name] for row in found] == [
            "" if row[name] is None else str(row[name]) for row in wanted
        ]


def tips(shown: Shown, card: str, steps: int) -> list[str]:
    """The tooltips on the way through a chart, from left to right."""
    chart = shown.card(card).locator(".chart svg").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    texts = []
    for step in range(steps):
        shown.page.mouse.move(
            box["x"] + box["width"] * (0.12 + 0.88 * step / steps), box["y"] + box["height"] / 3
        )
        if shown.page.locator("#tip").is_visible():
            texts.append(shown.page.inner_text("#tip"))
    assert texts, card
    return texts


def saved(shown: Shown, card: str) -> list[dict[str, str]]:
    with shown.page.expect_download() as download:
        shown.card(card).locator(".csv").click()
    assert download.value.suggested_filename == f"{card}.csv"
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))


@pytest.mark.slow
def test_the_series_of_a_chart_add_up_to_the_report(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    for slice_, member in members(grown):
        shown.choose(slice_, member, "all", "week")
        for card, value, parts, table in (
            ("miles", "miles", "direction", "miles_by_category"),
            ("engagement", "events", "event_type", "engagement_daily"),
        ):
            by = "period_start" if card == "miles" else "date_trunc('week', day::timestamp)::date"
            grain = "and grain = 'week'" if card == "miles" else ""
            wanted = grown.rows(
                f"select {by}::text as period, {parts} as part, sum({value}) as value"
                f" from reporting.{table} where slice = %(slice)s and slice_value = %(member)s"
                f" {grain} group by 1, 2",
                slice=slice_,
                member=member,
            )
            found: Counter[tuple[str, str]] = Counter()
            withheld = set()
            for row in saved(shown, card):
                if row.get("total"):  # the sum of all categories
                    continue
                key = row["period_start"], row[parts]
                if row[value]:
                    found[key] += Decimal(row[value])
                else:
                    withheld.add(key)
            sums = {(row["period"], row["part"]): row["value"] for row in wanted}
            assert set(found) | withheld == set(sums), card
            assert slice_ != "all" or len(withheld) < len(sums), card
            for key in set(sums) - withheld:
                assert found[key] == sums[key], (card, key)


@pytest.mark.slow
def test_a_tooltip_tells_the_figures_of_its_period(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#range=all")
    rows = growth(grown, "all", "all", "week")
    row = rows[len(rows) // 2]
    texts = tips(shown, "growth_accounting", 90)
    (found,) = {text for text in texts if text.startswith(day(row["period_start"]))}
    told = dict(re.findall(r"^([^\n\t]+)\t(.+)$", found, re.MULTILINE))
    assert told["New"] == count(row["new_users"])
    assert told["Retained"] == count(row["retained_users"])
    assert told["Resurrected"] == count(row["resurrected_users"])
    assert told["Churned"] == count(row["churned_users"])
    assert told["Active"] == count(row["active_users"])
    # Each of the periods has one, and it is its own.
    starts = {text.splitlines()[0].removesuffix(" (in progress)") for text in texts}
    assert starts == {day(each["period_start"]) for each in rows}


@pytest.mark.parametrize(
    "zone",
    [
        "America/New_York",
        *(pytest.param(zone, marks=pytest.mark.slow) for zone in ("UTC", "Asia/Singapore")),
    ],
)
def test_days_are_the_same_wherever_the_reader_is(grown: Warehouse, show: Open, zone: str) -> None:
    shown = show(grown.page, "#range=all&grain=month", timezone_id=zone)
    starts = [row["period_start"] for row in growth(grown, "all", "all", "month")]
    assert [line[0] for line in shown.table("growth_accounting")] == [
        f"{each:%b} {each.year}" for each in reversed(starts)
    ]
    labels = labels_of(shown, "miles")
    assert labels
    assert labels == [f"{each:%b} {each.year}" for each in starts][: len(labels)]
    told = [
        text.splitlines()[0].removesuffix(" (in progress)") for text in tips(shown, "miles", 12)
    ]
    assert set(told) <= {f"{each:%b} {each.year}" for each in starts}
    assert shown.page.get_attribute("#standing time >> nth=1", "datetime") == str(last_day(grown))


# --- what can be done -------------------------------------------------------------------------------


def labels_of(shown: Shown, card: str) -> list[str]:
    """The labels of the x axis, from left to right."""
    found = shown.card(card).evaluate(
        "card => [...card.querySelectorAll('.role-axis-label text')]"
        ".filter(text => /[A-Z][a-z]{2}/.test(text.textContent)"
        " && getComputedStyle(text).opacity !== '0' && text.getAttribute('opacity') !== '0')"
        ".map(text => [text.getBoundingClientRect().x, text.textContent])"
    )
    return [text for _, text in sorted(found)]


@pytest.mark.slow
def test_the_axis_is_in_order_after_each_change_of_the_grain(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#range=all")
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    last = last_day(grown)

    def when(label: str) -> date:
        found = re.match(r"(\d+)? ?([A-Z][a-z]{2})(?: (\d+))?", label)
        assert found, label
        month = months.index(found[2]) + 1
        year = int(found[3]) if found[3] else last.year - (month > last.month)
        return date(year if year > 99 else 2000 + year, month, int(found[1] or 1))

    for grain in ("day", "week", "month", "week", "day"):
        shown.choose(range_="all", grain=grain)
        starts = [when(label) for label in labels_of(shown, "growth_accounting")]
        assert len(starts) > 1
        assert starts == sorted(set(starts)), grain
    assert shown.complaints == []


@pytest.mark.slow
def test_a_choice_is_in_the_address_and_reset_takes_it_back(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    page = shown.page
    assert page.is_hidden("#reset")
    slice_, member = members(grown)[1]
    shown.choose(slice_, member, "30", "month")
    page.reload()
    page.wait_for_selector(READY)
    assert page.input_value("#segment") == slice_
    assert page.input_value("#member") == member
    assert page.is_checked("input[name=range][value='30']")
    assert page.is_checked("input[name=grain][value=month]")
    page.click("#reset")
    assert page.input_value("#segment") == "all"
    assert page.is_checked("input[name=range][value='90']")
    assert "#" not in page.url
    assert page.is_hidden("#reset")


@pytest.mark.slow
def test_light_and_dark_are_two_pages(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = shown.page.evaluate(background)
    shown.page.click("#theme")
    dark = shown.page.evaluate(background)
    assert light != dark
    assert show(grown.page, color_scheme="dark").page.evaluate(background) == dark


def test_a_definition_is_one_click_away(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    about = shown.card("growth_accounting").locator(".about")
    assert not about.locator(".source").is_visible()
    about.locator("summary").click()
    assert "reporting.growth_accounting" in about.locator(".source").inner_text()


@pytest.mark.slow
def test_who_has_no_mouse_reaches_everything(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    page = shown.page
    wanted = page.evaluate(
        "[...document.querySelectorAll('select, button, summary, input:checked, #compare')]"
        ".filter(element => element.checkVisibility()).length"
    )
    reached, unseen = set(), []
    for _ in range(wanted * 3):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(() => { const element = document.activeElement;"
            " if (element === document.body) return null;"
            " const all = [...document.querySelectorAll('*')];"
            " const seen = element.matches('input[type=radio]') ? element.nextElementSibling : element;"
            " const style = getComputedStyle(seen);"
            " return [all.indexOf(element), element.matches('select, button, summary, input'),"
            " style.outlineStyle !== 'none' || style.boxShadow !== 'none', element.outerHTML] })()"
        )
        if found is None:
            break
        if found[1]:
            reached.add(found[0])
        if not found[2]:
            unseen.append(found[3][:80])
    assert len(reached) == wanted
    assert unseen == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_who_does_not_see_well_can_read_it(grown: Warehouse, show: Open, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    shown = show(grown.page, color_scheme=scheme, bypass_csp=True)

    def serious() -> list[str]:
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:120]}"
            for each in axe.Axe().run(shown.page).response["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    assert serious() == []
    # Members beside each other, compared, tables in the place of charts, nothing in the range.
    shown.page.evaluate(
        "location.hash = 'segment=country&member=SG&with=[%22MY%22]&grain=day&compare=1'"
    )
    shown.page.wait_for_selector("#reset")
    shown.page.locator(".toggle:visible").first.click()
    shown.page.locator(".about summary").nth(1).click()
    assert serious() == []
    shown.page.evaluate("location.hash = 'range=2020-01-01..2020-02-01'")
    shown.page.wait_for_selector("#card-miles[data-state=empty]")
    assert serious() == []


# --- what it must not do ----------------------------------------------------------------------------


def test_a_script_that_is_not_its_own_does_not_run(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    shown.page.evaluate(
        "(() => { const script = document.createElement('script');"
        " script.textContent = 'window.ran = true'; document.body.append(script);"
        " const image = document.createElement('img'); image.src = 'http://127.0.0.1:9/x';"
        " image.setAttribute('onerror', 'window.ran = true'); document.body.append(image) })()"
    )
    shown.page.wait_for_timeout(200)
    assert shown.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in shown.complaints)


def test_names_are_text_wherever_they_stand(hostile: Warehouse, show: Open) -> None:
    shown = show(hostile.page)
    for slice_, member in members(hostile):
        shown.choose(slice_, member, "all", "day")
        assert "<img" in shown.card("miles").locator(".legend").inner_text()
        assert any("<img" in text for text in tips(shown, "miles", 12))
    assert shown.page.locator("img").count() == 0
    assert_whole(shown)


# --- what is not there ------------------------------------------------------------------------------


def test_a_chart_that_cannot_be_drawn_says_so_and_spoils_no_other(
    one_day: Warehouse, show: Open, tmp_path: Path
) -> None:
    (tmp_path / "dashboard").mkdir()
    for path in (PROJECT / "dashboard").glob("*_active_users.*"):
        (tmp_path / "dashboard" / path.name).write_bytes(path.read_bytes())
    for number, change in ((30, {"transform": [{"filter": "datum.("}]}), (40, {"width": "far"})):
        card = (
            "-- Odd\n-- Question: ?\n-- Meaning: .\nselect kpi.day from reporting.kpi_daily as kpi"
        )
        (tmp_path / "dashboard" / f"{number}_odd{number}.sql").write_text(card)
        spec = {"data": {"name": "rows"}, "mark": "bar", "encoding": {"x": {"field": "day"}}}
        file = tmp_path / "dashboard" / f"{number}_odd{number}.vl.json"
        file.write_text(json.dumps({**spec, **change}))
    file = tmp_path / "page.html"
    write(one_day.database, tmp_path, file)
    shown = show(file)
    assert "This chart cannot be drawn: " in shown.card("odd30").inner_text()
    assert shown.card("odd30").locator("tbody tr").count() > 0
    assert shown.card("active_users").locator(".chart svg").count() == 1


def test_an_empty_warehouse_is_a_page_without_data(empty: Warehouse, show: Open) -> None:
    shown = show(empty.page)
    assert "No data yet." in shown.card("active_users").inner_text()
    assert_whole(shown)


def test_what_is_empty_says_why(one_day: Warehouse, show: Open) -> None:
    shown = show(one_day.page)
    for card, why in (
        ("changes", "no week is over"),
        ("retention", "no cohort is a week old"),
        ("power_curve", "needs a whole month"),
        ("recommendations", "No category can be offered"),
        ("funnel", "Nothing to draw yet: no period is over."),
    ):
        assert why in shown.card(card).locator(".nothing").inner_text(), card
    assert shown.card("power_curve").locator("button:visible").count() == 0
    # What is one day old is a point, not a line without length, and nobody can have been lost.
    for card in ("active_users", "miles_balance"):
        assert shown.card(card).locator(".mark-symbol.role-mark path").count() > 0, card
    assert shown.card("growth_accounting").locator("svg text", has_text="?").count() == 0
    shown.page.evaluate("location.hash = 'range=2020-01-01..2020-02-01'")
    shown.card("active_users").locator(".nothing", has_text="No events in this range.").wait_for()
    assert "Nobody joined in this range." in shown.card("funnel").inner_text()
    shown.card("active_users").locator(".nothing button").click()
    assert shown.card("active_users").get_attribute("data-state") == "ready"
    plain = show(one_day.page, java_script_enabled=False)
    assert "no week is over" in plain.card("changes").inner_text()
    assert_whole(shown)


@pytest.mark.slow
def test_one_day_is_a_page_that_promises_nothing(one_day: Warehouse, show: Open) -> None:
    shown = show(one_day.page, "#grain=day")
    ((start, new, *_),) = shown.table("growth_accounting")
    assert (start, new) == ("1 Jan 2026", "6")
    assert shown.page.inner_text("[data-figure^='Quick ratio'] .value") == NOTHING
    assert_whole(shown)


TABLES = ("growth_accounting", "active_users", "retention", "acquisition", "segments")
TEXT = "elements => elements.map(element => element.textContent.replace(/\\s+/g, ' ').trim())"


def assert_figures_and_tables_are_there(plain: Any, scripted: Shown) -> None:
    """The same rows, the newest ones; a figure that the script shortens (12.3k) is there in full."""
    for selector in (".figure h3", ".figure .value", ".figure .as-of"):
        found = plain.locator(selector).evaluate_all(TEXT)
        assert found
        assert_same([found], [scripted.page.locator(selector).evaluate_all(TEXT)])
    for name in TABLES:
        rows = plain.locator(f"#card-{name} tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.children].map(cell => cell.textContent.trim()))"
        )
        assert 0 < len(rows) <= 15, name
        firsts = {line[0] for line in rows}
        lines = [[cell.strip() for cell in line] for line in scripted.table(name)]
        same = [line[: len(rows[0])] for line in lines if line[0] in firsts]
        assert_same(rows, same)


def test_without_scripts_figures_and_tables_are_there_and_are_the_same(
    grown: Warehouse, show: Open
) -> None:
    plain = show(grown.page, java_script_enabled=False).page
    assert "Open this file in a browser" in plain.inner_text("#plain")
    assert "more rows are shown where scripts run" in plain.inner_text("#card-active_users")
    assert_figures_and_tables_are_there(plain, show(grown.page))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("delete globalThis.DecompressionStream", "This browser is too old"),
        ("globalThis.atob = () => 'H4sI'", "This file is damaged"),
    ],
)
def test_where_the_page_cannot_be_unpacked_it_says_so_and_shows_its_tables(
    grown: Warehouse, browser: Any, show: Open, why: str, said: str
) -> None:
    page = browser.new_context(offline=True).new_page()
    page.add_init_script(why)
    page.goto(grown.page.as_uri())
    page.wait_for_selector("#plain")
    assert said in page.inner_text("#plain")
    assert page.locator("#card-segments tbody tr").count() > 0
    assert page.locator("#controls").is_hidden()
    assert page.locator("img").count() == 0
    if "atob" not in why:
        assert_figures_and_tables_are_there(page, show(grown.page))
    page.context.close()


def assert_same(plain: list[list[str]], scripted: list[list[str]]) -> None:
    assert [len(line) for line in plain] == [len(line) for line in scripted]
    for full, short in zip(itertools.chain(*plain), itertools.chain(*scripted), strict=True):
        is_long = re.fullmatch(r"\d[\d,]{5,}", full)
        assert short == (number(Decimal(full.replace(",", ""))) if is_long else full)


# --- rows made by hand ------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path, show: Open) -> Callable[..., Shown]:
    """Open a page whose one card, named made, has these rows."""

    def opened(rows: list[dict[str, Any]], card: str = "table", hash_: str = "",
               forms: dict[str, str | None] | None = None) -> Shown:  # fmt: skip
        columns = {name: Column(name, name, form) for name, form in (forms or {}).items()}
        one = Card(
            "made", Path("dashboard/10_made.sql"), "", "Made", "?", ".", card, "full", columns
        )
        file = tmp_path / "page.html"
        snapshot = Snapshot(Dashboard(None, (one,)), "x", [CardRows(one, rows)])
        file.write_text(page(snapshot, datetime(2026, 4, 1, tzinfo=UTC)))
        return show(file, hash_)

    return opened


VALUES: list[tuple[Any, str | None, str]] = [
    (0, None, "0"),
    (9999, "number", "9,999"),
    (9999.5, "number", "10.0k"),
    (12345, "number", "12.3k"),
    (999_949, "number", "999.9k"),
    (999_950, "number", "1.0M"),
    (-1234, "number", "\u22121,234"),
    (68.142857, "number", "68.1"),
    (0.12345, "percent", "12.3%"),
    (1, "percent", "100.0%"),
    (1.005, "decimal", "1.00"),  # what is stored is a little less
    (0.125, "decimal", "0.13"),
    (-0.00001, "decimal", "0.00"),
    (None, "percent", NOTHING),
    (True, None, "yes"),
    ("2026-03-01", None, "1 Mar 2026"),
    ("2026-03-01T04:05:06Z", "time", "1 Mar 2026, 04:05"),
    ("2026-03-01", "text", "2026-03-01"),
    ("All cohorts", None, "All cohorts"),
]


def test_values_are_written_as_people_read_them(made: Callable[..., Shown]) -> None:
    names = [f"c{place}" for place in range(len(VALUES))]
    row = dict(zip(names, (value for value, _, _ in VALUES), strict=True))
    shown = made([row], forms=dict(zip(names, (form for _, form, _ in VALUES), strict=True)))
    assert shown.table("made") == [[said for _, _, said in VALUES]]


def test_change_says_how_much_and_whether_that_is_good(made: Callable[..., Shown]) -> None:
    row = {"figure": "x", "value": 110, "previous": 100, "form": "number", "better": "up",
           "compared_with": "then", "trend": None}  # fmt: skip
    rate = {**row, "value": 0.1, "previous": 0.124, "form": "percent", "better": ""}
    changes = [{}, {"better": "down"}, {"value": 100}, rate, {"previous": None}, {"previous": 0}]
    shown = made([{**row, **change} for change in changes], "figures")
    found = shown.page.locator(".change").evaluate_all(
        "all => all.map(one => [one.querySelector('b').className, one.textContent.trim()])"
    )
    assert found == [
        ["good", "\u25b2 10.0% from 100, then"],
        ["bad", "\u25b2 10.0% from 100, then"],
        ["", "= 0.0% from 100, then"],
        ["", "\u25bc 2.4 pts from 12.4%, then"],
        ["", "then"],
        ["", "then"],
    ]


def test_the_page_opens_with_everything_of_90_days_by_week(made: Callable[..., Shown]) -> None:
    starts = [("day", "2026-04-01"), ("week", "2025-12-22"), ("week", "2025-12-29"),
              ("week", "2026-03-30"), ("month", "2026-03-01")]  # fmt: skip
    rows = [
        {"slice": part, "slice_value": part, "grain": grain, "period_start": start, "day": start}
        for part in ("all", "ios")
        for grain, start in starts
    ]
    forms = {"slice": None, "grain": None, "period_start": "text"}
    shown = made(rows, forms=forms)
    assert shown.table("made") == [
        ["all", "week", "2025-12-29"],  # its last day is the first of the ninety
        ["all", "week", "2026-03-30"],
    ]
    without_weeks = [row for row in rows if row["grain"] != "week"]
    assert [line[1] for line in made(without_weeks, forms=forms).table("made")] == ["month"]


def test_ranges_are_chosen_and_not_added_up(made: Callable[..., Shown]) -> None:
    rows = [{"range": name, "day": "2020-01-01"} for name in ("30", "90", "all")]
    assert made(rows, forms={"range": "text"}).table("made") == [["90"]]


# --- served -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_served_follows_the_builds(growing: Warehouse, show: Open) -> None:
    server = listen(NewestPage(growing.database, PROJECT), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        shown = show(f"http://{HOST}:{server.server_address[1]}/", "#grain=day")
        assert len(shown.table("growth_accounting")) == 1
        insert_events(growing.database, [event(1, "u_1", "share")])
        query(growing.database, "select pg_sleep(1.1)")
        run_all(growing.database)
        shown.page.reload()
        shown.page.wait_for_selector(READY)
        assert len(shown.table("growth_accounting")) == 2
        assert shown.complaints == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_data_of_the_page_are_json(grown: Warehouse, show: Open) -> None:
    found = show(grown.page).page.evaluate("document.getElementById('data').textContent")
    assert json.loads(found)["cards"]
