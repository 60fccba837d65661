"""Names from right to left, and figures that are huge, negative or of one day, are shown as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.pages.dashboard.page import write
from tests.browser.conftest import Open, Shown, Warehouse

ARABIC, HEBREW = "\u0645\u0635\u0631 (1)", "\u05d9\u05e9\u05e8\u05d0\u05dc 2"
FIGURES = """-- Figures
-- Question: ?
-- Meaning: .
-- Show: figures

select figures.*, 'number' as form, 'the week before' as compared_with, 'up' as better,
    null::numeric[] as trend
from (values
    ('Debt', -1500, -1000), ('Turn', 500, -1000), ('Fall', -500, 1000),
    ('Huge', 123456789012345, 100000000000000)
) as figures (figure, value, previous);
"""
NAMES = f"""-- Names
-- Question: ?
-- Meaning: .
-- Columns:
--     name: Name, name
--     miles: Miles, number

select *
from (
    values ('{ARABIC}', -1234567), ('constructor', 7), ('{HEBREW}', 98765432101)
) as names (name, miles)
order by miles;
"""
DAYS = """-- Days
-- Question: ?
-- Meaning: .
-- Columns:
--     day: Day
--     miles: Miles, number

select date '2026-03-01' as day, -7 as miles;
"""
CHART = {
    "data": {"name": "rows"},
    "width": "container",
    "height": 90,
    "mark": "bar",
    "encoding": {
        "x": {"field": "day", "type": "ordinal"},
        "y": {"field": "miles", "type": "quantitative"},
    },
}


@pytest.fixture
def odd(one_day: Warehouse, show: Open, tmp_path: Path) -> Shown:
    folder = tmp_path / "dashboard"
    folder.mkdir()
    for name, sql in (("10_figures", FIGURES), ("20_names", NAMES), ("30_days", DAYS)):
        (folder / f"{name}.sql").write_text(sql, encoding="utf-8")
    (folder / "30_days.vl.json").write_text(json.dumps(CHART), encoding="utf-8")
    write(one_day.database, tmp_path, tmp_path / "odd.html")
    return show(tmp_path / "odd.html", "#range=all")


def test_what_is_odd_is_shown_as_it_is(odd: Shown) -> None:
    told = {
        each.get_attribute("data-figure"): each.inner_text()
        for each in odd.card("figures").locator("[data-figure]").all()
    }
    minus = "\N{MINUS SIGN}"
    assert f"{minus}1,500" in told["Debt"] and f"from {minus}1,000" in told["Debt"]
    assert "%" not in told["Debt"] + told["Turn"]  # of what is below zero, there is no part
    assert "150.0%" in told["Fall"]
    assert "123,456.8B" in told["Huge"] and "23.5%" in told["Huge"]
    # Names that run to the left leave columns and figures where they are; one that every object of
    # JavaScript has is a name like any other.
    assert odd.table("names") == [
        [ARABIC, f"{minus}1.2M"], ["Constructor", "7"], [HEBREW, "98.8B"]
    ]  # fmt: skip
    for line in odd.card("names").locator("tbody tr").all():
        name, miles = (each.bounding_box() for each in line.locator("th, td").all())
        assert name and miles and name["x"] < miles["x"]
    # A chart of one's own keeps the minus, too.
    axis = odd.card("days").locator(".role-axis-label text").all_text_contents()
    assert f"{minus}6" in axis and "6" not in axis, axis
    assert odd.table("days") == [["1 Mar 2026", f"{minus}7"]]
    assert odd.complaints == []
