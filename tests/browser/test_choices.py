"""What a reader can do with the page: show, compare, choose dates, switch series off, print, keep."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.pages.dashboard.cards import load
from runner.pages.dashboard.page import write
from tests.browser.conftest import READY, Open, Shown, Warehouse
from tests.support import PROJECT, query
from tests.support.pages import data_of, decoded

WIDTHS = (
    "[...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right"
)


@pytest.fixture
def noted(grown: Warehouse, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A page with what people have noted, and the day of it."""
    (row,) = grown.rows("select (max(day) - 20)::text as day from reporting.kpi_daily")
    day = row["day"]
    query(
        grown.database,
        "insert into reporting.annotations (day, slice, slice_value, text) values"
        " (%(day)s, 'all', 'all', 'Double <b>miles</b>'), (%(day)s, 'country', 'SG', 'Outage')",
        day=day,
    )
    query(
        grown.database,
        "insert into reporting.goals (figure, from_day, value) values"
        " ('active_users_daily.mau', %(day)s, 77)",
        day=day,
    )
    write(grown.database, PROJECT, tmp_path / "noted.html")
    yield tmp_path / "noted.html", day
    query(grown.database, "delete from reporting.annotations")
    query(grown.database, "delete from reporting.goals")


def test_what_people_noted_is_drawn_on_each_chart_with_days(
    noted: tuple[Path, str], show: Open
) -> None:
    file, _ = noted
    shown = show(file)
    for card in ("active_users", "growth_accounting", "miles", "miles_balance", "engagement"):
        said = shown.card(card).locator(".notes li").all_inner_texts()
        assert len(said) == 1 and said[0].endswith("Double <b>miles</b>"), card
        assert shown.card(card).locator(".mark-rule line").count() >= 1, card
    assert "Goal: Monthly" in shown.card("active_users").locator("svg").text_content()
    shown.choose("country", "SG")
    assert len(shown.card("miles").locator(".notes li").all()) == 2
    assert "Goal" not in shown.card("active_users").locator("svg").text_content()
    assert shown.complaints == []


def test_no_row_of_the_file_stands_on_few_users(grown: Warehouse) -> None:
    data = data_of(grown.page.read_text())["cards"]
    bases = {card.name: card.base for card in load(PROJECT).cards if card.base}
    assert len(bases) > 8
    withheld = 0
    for name, base in bases.items():
        for row in decoded(data[name]["data"]):
            assert row[base] is None or row[base] == 0 or row[base] >= 5, (name, row)
            if row.get("is_withheld"):
                withheld += 1
                assert row[base] is None
    small = grown.rows(
        "select count(*) as cohorts from reporting.retention where grain = 'week'"
        " and cohort_size < 5 and slice = 'all' and period_number = 1"
    )
    assert withheld > small[0]["cohorts"] > 0


def test_a_sentence_leads_to_its_figures(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#grain=month")
    said = shown.card("changes").locator("li").all_inner_texts()
    assert 1 <= len(said) <= 6
    (row,) = grown.rows(
        "select active_change from reporting.kpi_periods where grain = 'month' and slice = 'all'"
        " and is_complete order by period_start desc limit 1"
    )
    wanted = f"Active users {row['active_change'] * 100:+.1f}%".replace("-", "\N{MINUS SIGN}")
    assert said[0].startswith(wanted) or abs(row["active_change"]) < 0.02
    link = shown.card("changes").locator("li a[href*='member=']").first
    address = link.get_attribute("href") or ""
    link.click()
    member = re.search(r"member=([^&]+)", address)
    assert member and shown.page.input_value("#member") == member[1]
    assert shown.page.evaluate("location.hash") == address


@pytest.mark.slow
def test_a_sentence_about_everybody_shows_everybody_and_its_period(
    grown: Warehouse, show: Open
) -> None:
    shown = show(grown.page)
    link = shown.card("changes").locator("li a").first
    assert "member" not in (link.get_attribute("href") or "")
    shown.choose("country", "SG", "all", "month")
    # Its address keeps what it does not change.
    link = shown.card("changes").locator("li a").first
    assert link.get_attribute("href") == "#range=all&grain=month"
    shown.page.evaluate("location.hash = 'segment=country&member=SG&range=2020-01-01..2020-02-01'")
    shown.page.wait_for_function("!document.querySelector('#dates').hidden")
    link = shown.card("changes").locator("li a").first
    address = link.get_attribute("href")
    link.click()
    assert shown.page.input_value("#segment") == "all"
    assert shown.page.is_checked("input[name=range][value='90']")
    assert shown.page.evaluate("location.hash || '#'") == address


def test_a_click_on_a_country_or_source_shows_it(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    button = shown.card("places").locator("button.show").first
    button.click()
    assert shown.page.input_value("#segment") == "country"
    name = shown.page.locator("#member option:checked").inner_text()
    assert "segment=country" in shown.page.url
    assert f"Country {name}" in (shown.page.text_content("#printed") or "")
    # Cards that show everybody all the same say so.
    for card in ("segments", "recommendations", "acquisition", "categories", "changes"):
        assert "All users" in shown.card(card).locator(".aside").inner_text(), card
    assert shown.card("freshness").locator(".aside").is_hidden()


@pytest.mark.slow
def test_compare_draws_the_period_before(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#range=30&grain=day")
    shown.page.check("#compare")
    assert "compare=1" in shown.page.url
    rows = grown.rows(
        "select day::text, dau from reporting.kpi_daily where slice = 'all' order by day desc"
    )
    shown.card("growth_accounting").locator(".chart svg").first.scroll_into_view_if_needed()
    box = shown.card("growth_accounting").locator(".chart svg").first.bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 120)
    told = shown.page.inner_text("#tip")
    assert f"before {rows[30]['dau']}" in told.replace("\n", " ")
    assert shown.card("growth_accounting").locator(".legend .before").count() == 1
    assert "30 days before" in shown.page.inner_text("[data-figure='Weekly users'] .change")
    shown.page.uncheck("#compare")
    assert "28 days before" in shown.page.inner_text("[data-figure='Weekly users'] .change")


def test_compare_says_how_much_each_chart_has_moved(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#range=30&grain=day&compare=1")
    rows = grown.rows("select dau from reporting.kpi_daily where slice = 'all' order by day")
    users = [row["dau"] for row in rows]
    # A running day is left out, and so is the one that it is compared with.
    data = decoded(data_of(grown.page.read_text())["cards"]["active_users"]["data"])
    is_over = [row["is_complete"] for row in data if row["slice"] == "all"][-30:]
    now = sum(itertools.compress(users[-30:], is_over))
    before = sum(itertools.compress(users[-60:-30], is_over))
    said = shown.card("active_users").locator(".changes li").all_inner_texts()
    wanted = f"{abs(now / before - 1) * 100:.1f}%"
    assert any(each.startswith("Daily") and wanted in each for each in said), said
    for card in ("growth_accounting", "miles", "miles_balance", "engagement"):
        assert shown.card(card).locator(".changes li").count() >= 1, card
    shown.page.locator("label:has(input[name=range][value='90'])").click()
    shown.page.wait_for_selector(READY)
    later = shown.card("active_users").locator(".changes li").all_inner_texts()
    assert later != said
    shown.page.uncheck("#compare")
    shown.page.wait_for_selector(READY)
    assert shown.page.locator(".changes").count() == 0
    assert shown.complaints == []


@pytest.mark.slow
def test_members_are_drawn_beside_each_other(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, "#segment=country&member=SG")
    assert shown.page.locator("#with").is_visible()
    shown.page.click("#with summary")
    boxes = shown.page.locator("#with input")
    names = [boxes.nth(at).get_attribute("value") for at in range(2)]
    for at in range(2):
        boxes.nth(at).check()
    shown.page.wait_for_selector(READY)
    for card in ("active_users", "growth_accounting", "miles", "miles_balance", "engagement"):
        lines = shown.card(card).locator(".legend button").all_inner_texts()
        assert len(lines) == 3 and lines[0].strip() == "Singapore", card
        # Of few users, there is no line.
        least = 3 if card in ("active_users", "growth_accounting") else 1
        assert shown.card(card).locator(".mark-line path").count() >= least, card
    told = shown.page.text_content("#printed") or ""
    assert ", with " in told
    # A link shows the same; a click on a name takes its line away.
    shown = show(grown.page, "#" + shown.page.url.partition("#")[2])
    legend = shown.card("active_users").locator(".legend button")
    before = shown.card("active_users").locator(".mark-line path").count()
    legend.nth(1).click()
    assert shown.card("active_users").locator(".mark-line path").count() < before
    assert names[0] and f'"{names[0]}"' in shown.page.evaluate("decodeURIComponent(location.hash)")
    shown.page.select_option("#segment", "platform")
    assert "with=" not in shown.page.url
    assert shown.complaints == []


@pytest.mark.slow
def test_what_is_not_in_view_is_drawn_after_what_is(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, viewport={"width": 1400, "height": 900})
    # As soon as the choice is made, what is in view shows it, and what is below follows.
    assert shown.page.evaluate(
        "() => { document.querySelector('input[name=grain][value=month]').click();"
        " return document.body.dataset.drawn === undefined }"
    )
    shown.page.wait_for_selector(READY)
    wanted = shown.page.evaluate("document.querySelector('#card-engagement').dataset.rows")
    fresh = show(grown.page, "#grain=month")
    assert fresh.card("engagement").get_attribute("data-rows") == wanted
    assert shown.complaints == []


@pytest.mark.slow
def test_two_dates_are_a_range(grown: Warehouse, show: Open) -> None:
    (row,) = grown.rows(
        "select (max(day) - 40)::text as first, (max(day) - 31)::text as last"
        " from reporting.kpi_daily"
    )
    shown = show(grown.page, "#grain=day")
    shown.page.locator("label:has(input[value='dates'])").click()
    shown.page.fill("#from", row["first"])
    shown.page.fill("#to", row["last"])
    assert f"range={row['first']}..{row['last']}" in shown.page.url
    assert len(shown.table("active_users")) == 10
    assert "Of the last 90 days." in shown.card("acquisition").locator(".aside").inner_text()


def test_a_legend_switches_its_series(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page)
    bars = "card => [...card.querySelectorAll('.mark-rect.role-mark path')].filter(bar => bar.getBoundingClientRect().height >= 0.5 && bar.getAttribute('fill') === card.querySelector('.legend i').style.background).length"
    card = shown.card("growth_accounting")
    colour = card.locator(".legend button").first
    before = card.evaluate(bars)
    colour.click()
    assert card.locator(".legend button").first.get_attribute("aria-pressed") == "false"
    assert before > 0 == card.evaluate(bars)
    card.locator(".legend button").first.click()
    assert card.evaluate(bars) == before
    assert shown.complaints == []


@pytest.mark.slow
def test_the_theme_stays_when_the_page_is_loaded_again(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, color_scheme="light")
    shown.page.click("#theme")
    dark = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    shown.page.reload()
    shown.page.wait_for_selector(READY)
    assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


@pytest.mark.slow
def test_where_a_browser_keeps_nothing_the_address_keeps_the_theme(
    grown: Warehouse, show: Open
) -> None:
    shown = show(grown.page, color_scheme="light")
    shown.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied') } })"
    )
    shown.page.reload()
    shown.page.wait_for_selector(READY)
    shown.page.click("#theme")
    assert "theme=dark" in shown.page.url
    shown.page.reload()
    shown.page.wait_for_selector(READY)
    assert shown.page.get_attribute("html", "data-theme") == "dark"


@pytest.mark.slow
def test_on_paper_everything_is_there_and_nothing_is_cut(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, color_scheme="dark", viewport={"width": 1400, "height": 900})
    pdf = shown.page.pdf(format="A4", print_background=True)
    assert 4 <= max(int(each) for each in re.findall(rb"/Count (\d+)", pdf)) <= 16
    assert shown.page.get_attribute("html", "data-printing") is None
    shown.page.set_viewport_size({"width": 703, "height": 1000})  # A4 less its margins
    shown.page.emulate_media(media="print")
    shown.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.page.evaluate(f"{WIDTHS} > 705).map(each => each.outerHTML.slice(0, 80))") == []
    assert shown.page.locator(".all").count() == 0
    assert shown.page.is_hidden("footer")  # alone on a page, it would say less than above
    assert "hatched" in shown.page.evaluate(
        "getComputedStyle(document.querySelector('#printed'), '::after').content"
    )
    rows = shown.page.evaluate(
        "[...document.querySelectorAll('.card')].filter(card => card.querySelector('tbody'))"
        ".map(card => [card.dataset.card, +card.dataset.rows,"
        " card.querySelectorAll('tbody tr').length])"
    )
    counts = {name: (wanted, found) for name, wanted, found in rows}
    assert counts["checks"][0] == counts["checks"][1] > 12
    assert counts["categories"][1] > 12
    shown.page.evaluate("dispatchEvent(new Event('afterprint'))")


@pytest.mark.parametrize("width", [390, pytest.param(1400, marks=pytest.mark.slow)])
def test_no_page_is_wider_than_its_window_and_what_is_cut_says_so(
    grown: Warehouse, show: Open, width: int
) -> None:
    shown = show(grown.page, "#range=all", viewport={"width": width, "height": 900})
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    cut = shown.page.evaluate(
        "[...document.querySelectorAll('.scroll')].map(each => [each.scrollWidth > each.clientWidth + 2,"
        " each.parentElement.classList.contains('more'), getComputedStyle(each).overflowX])"
    )
    assert all(is_cut == is_said and overflow == "auto" for is_cut, is_said, overflow in cut)
    scroll = shown.card("retention").locator(".scroll")
    scroll.evaluate("each => { each.scrollLeft = 1e6 }")
    shown.page.wait_for_selector("#card-retention .framed:not(.more)", state="attached")


def minus(shown: Shown) -> Any:
    return shown.card("miles").evaluate(
        "card => [...card.querySelectorAll('.role-axis-label text')].map(each => each.textContent)"
    )


def test_axes_keep_the_minus(grown: Warehouse, show: Open) -> None:
    assert any(label.startswith("\N{MINUS SIGN}") for label in minus(show(grown.page)))
