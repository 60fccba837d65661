"""Cards, texts and encodings of the dashboard, where no database is asked."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runner.errors import StartError
from runner.pages.dashboard.cards import Column, load
from runner.pages.dashboard.data import by_column, plain, script_json
from runner.pages.dashboard.page import CHARTS
from runner.pages.dashboard.spec import problems
from runner.pages.dashboard.tables import chosen, table, written
from runner.project.manifest import load as load_manifest
from tests.support import PROJECT
from tests.support.pages import decoded

CARD = """\
-- Orders
-- Question: How many?
-- Meaning:  Orders of the day,
--           and nothing else.
-- Columns:
--     day: Day
--     share: Share of all, percent, bar

select daily.day, daily.share from reporting.orders_daily as daily -- reporting.not_this
"""
SPEC: dict[str, Any] = {
    "data": {"name": "rows"},
    "mark": "bar",
    "encoding": {"x": {"field": "day"}, "y": {"field": "share"}},
}


def project(folder: Path, text: str = CARD, spec: Any = None, name: str = "10_orders") -> Path:
    (folder / "dashboard").mkdir(exist_ok=True)
    (folder / "dashboard" / f"{name}.sql").write_text(text)
    if spec is not None:
        content = spec if isinstance(spec, str) else json.dumps(spec)
        (folder / "dashboard" / f"{name}.vl.json").write_text(content)
    return folder


# --- cards ----------------------------------------------------------------------------------------


def test_a_card_is_what_its_header_says(tmp_path: Path) -> None:
    (card,) = load(project(tmp_path)).cards
    assert (card.name, card.title, card.question) == ("orders", "Orders", "How many?")
    assert card.meaning == "Orders of the day, and nothing else."
    assert (card.show, card.width, card.tables) == ("table", "full", ["reporting.orders_daily"])
    assert list(card.columns.values()) == [
        Column("day", "Day"),
        Column("share", "Share of all", "percent", "bar"),
    ]


def test_a_card_with_a_spec_is_a_chart(tmp_path: Path) -> None:
    (card,) = load(project(tmp_path, spec=SPEC)).cards
    assert (card.show, card.spec) == ("chart", SPEC)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- Orders\n", "\n", "dashboard/10_orders.sql:1: no title"),
        ("-- Question: How many?\n", "", "dashboard/10_orders.sql:1: no Question:"),
        ("Meaning: ", "Purpose: ", ":3: Purpose: is not one of"),
        ("-- Meaning:", "-- Question: Again?\n-- Meaning:", ":3: Question: appears twice"),
        (
            "-- Question:",
            "-- stray words\n-- Question:",
            ":2: 'stray words' comes before Question:",
        ),
        ("-- Columns:", "-- Show: chart\n-- Columns:", "Show: chart is not known"),
        ("-- Columns:", "-- Width: wide\n-- Columns:", "Width: wide is not known"),
        ("day: Day", "day is Day", "'day is Day' cannot be read"),
        ("percent, bar", "percent, pie", "'share: Share of all, percent, pie': one of"),
        ("percent, bar", "percent, number", "at most"),
    ],
)
def test_a_header_that_cannot_be_read_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in CARD
    with pytest.raises(StartError) as raised:
        load(project(tmp_path, CARD.replace(old, new, 1)))
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{", "dashboard/10_orders.vl.json:1: the file ends too early"),
        ('{\n"data": {"name": "rows"},\n}', ".vl.json:2: a comma too many"),
        ('{\n"data": {"name": "rows"},,\n"mark": "bar"}', ".vl.json:2: a comma too many"),
        ('{\n"data": {"name": "rows"},\n"a": [1,\n2,\n]}', ".vl.json:4: a comma too many"),
        ('{\n"data": {"name": "rows"}\n"mark": "bar"}', ".vl.json:2: a comma is missing"),
        ('{\n"data": {"name": "rows"},\n"height": NaN}', ".vl.json:3: NaN is not a number of"),
        ('{\n"data": {"name": "rows"},\n"height": 1e999}', ".vl.json:3: 1e999 is too large"),
        ('{"data": {"name": "rows"},\n"title": "\\ud800"}', r":2: \ud800 is half a character"),
        ('{"data": {"name": "rows"},\n"mark": "bar",\n"mark": "line"}', ":3: mark appears twice"),
        ('{"data": {"name": "rows"}, "height": 1' + "0" * 5000 + "}", "number is too long"),
        ("[" * 100_000, ".vl.json:1: too deep"),
        ([], 'the data of a chart are the rows of its query: "data": {"name": "rows"}'),
        ({**SPEC, "data": {"values": []}}, '"data": {"name": "rows"}'),
    ],
)
def test_a_spec_draws_the_rows_of_its_query(tmp_path: Path, spec: Any, said: str) -> None:
    with pytest.raises(StartError) as raised:
        load(project(tmp_path, spec=spec))
    assert said in raised.value.message
    assert "docs/dashboard.md" in (raised.value.hint or "")


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="has no cards"):
        load(tmp_path)
    project(tmp_path, spec=SPEC)
    (tmp_path / "dashboard" / "20_alone.vl.json").write_text(json.dumps(SPEC))
    with pytest.raises(StartError, match=r"20_alone\.vl\.json has no query"):
        load(tmp_path)
    project(tmp_path, name="20_alone")
    project(tmp_path, name="30_orders")
    with pytest.raises(StartError, match="are both named orders"):
        load(tmp_path)


def test_no_card_that_ships_has_two_columns_of_one_name() -> None:
    for card in load(PROJECT).cards:
        labels = [column.label for column in card.columns.values()]
        assert len(set(labels)) == len(labels), card.path


def test_the_cards_that_ship_read_reports_of_the_manifest() -> None:
    views = {"reporting.pipeline_runs", "reporting.freshness", "reporting.data_checks"}
    known = views | set(load_manifest(PROJECT).scripts)
    for card in load(PROJECT).cards:
        assert card.tables, card.path
        assert set(card.tables) <= known, card.path


# --- specs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {"name": "rows", "url": "https://example.org"}}, "url is not allowed"),
        ({"encoding": {"href": {"field": "day"}}}, "href is not allowed"),
        ({"mark": {"type": "image"}}, "mark image is not known"),
        ({"mark": "bra"}, "mark bra is not known; did you mean bar?"),
        ({"encodings": {}}, "encodings is not known; did you mean encoding?"),
        ({"encoding": {"colour": {"field": "day"}}}, "encoding colour is not known"),
        ({"encoding": {"x": {"field": "dya"}}}, "dya is neither a column"),
        ({"transform": [{"filter": "datum.shear > 1"}]}, "shear is neither a column"),
        ({"transform": [{"fold": ["day", "wau"]}]}, "wau is neither a column"),
        ({"transform": [{"lookup": "day"}]}, "lookup is not allowed"),
        ({"mark": {"type": "bar", "color": "--frist"}}, "--frist is not a colour of the page"),
        ({"layer": [{"mark": "bar", "encoding": {"y": {"field": "z"}}}]}, "z is neither"),
        ({"encoding": {"x": 5}}, "encoding x is not an object"),
        ({"encoding": {"tooltip": ["day"]}}, "encoding tooltip is not an object"),
        ({"height": "tall"}, 'height is neither a number nor "container"'),
        ({"width": True}, 'width is neither a number nor "container"'),
    ],
)
def test_a_spec_that_would_not_draw_as_meant_is_told(change: Any, said: str) -> None:
    found = problems({**SPEC, **change}, ["day", "share"])
    assert any(said in problem for _, problem in found), found
    text = json.dumps({**SPEC, **change})
    assert all(token in text for token, problem in found if "neither" not in problem), found


def test_fields_that_a_transform_makes_are_known_below_it() -> None:
    spec = {
        "data": {"name": "rows"},
        "transform": [{"fold": ["dau", "wau"], "as": ["of", "users"]}],
        "layer": [
            {"mark": "line", "encoding": {"y": {"field": "users"}, "color": {"field": "of"}}},
            {
                "transform": [
                    {"window": [{"op": "row_number", "as": "place"}]},
                    {"filter": "datum.place === 1"},
                ],
                "mark": "text",
                "encoding": {"text": {"field": "users"}},
            },
        ],
    }
    assert problems(spec, ["dau", "wau"]) == []
    assert problems({**spec, "encoding": {"x": {"field": "place"}}}, ["dau", "wau"]) != []


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "form", "said"),
    [
        (0, None, "0"),
        (12345, "number", "12,345"),
        (-1234, "number", "\u22121,234"),
        (68.142857, "number", "68.1"),
        (0.12345, "percent", "12.3%"),
        (1, "percent", "100.0%"),
        (1.005, "decimal", "1.00"),  # what is stored is a little less
        (0.125, "decimal", "0.13"),
        (-0.00001, "decimal", "0.00"),
        (None, "percent", "\u2013"),
        (True, None, "yes"),
        ("2026-03-01", None, "1 Mar 2026"),
        ("2026-03-01T04:05:06Z", "time", "1 Mar 2026, 04:05"),
        ("2026-03-01", "text", "2026-03-01"),
        ("All cohorts", None, "All cohorts"),
    ],
)
def test_plain_tables_have_figures_in_full(value: Any, form: str | None, said: str) -> None:
    assert written(value, form) == said


def test_values_become_what_json_has() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [
        plain(value)
        for value in (
            Decimal("1.50"), Decimal(7), Decimal("NaN"), float("inf"), date(2026, 1, 2), moment,
            [Decimal(1), None], None, True, "a\x00\u202e",
        )
    ] == [1.5, 7, None, None, "2026-01-02", "2026-01-02T03:04:05Z", [1, None], None, True, "a\ufffd\ufffd"]  # fmt: skip


def test_rows_come_back_from_their_columns() -> None:
    rows = [
        {"slice": "all", "n": n, "flag": n > 1, "maybe": None if n % 2 else "x", "line": [n, None]}
        for n in (0, 0, 0, 1, 1, 2, True, 3)
    ]
    columns = by_column(rows)
    assert decoded(columns) == rows
    assert columns["n"] == [0, 0, 0, 1, 1, 2, True, 3]
    assert by_column([]) == {}


def test_json_in_a_page_is_no_markup() -> None:
    hostile = {"</script><!--": "<img onerror=alert(1)>&\u2028\u2029'\"\\"}
    text = script_json(hostile)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile


# --- what is shown first --------------------------------------------------------------------------


def test_the_page_opens_with_everything_of_90_days_by_week() -> None:
    rows = [
        {"slice": part, "slice_value": part, "grain": grain, "period_start": start}
        for part in ("all", "ios")
        for grain, start in [
            ("day", "2026-04-01"),
            ("week", "2025-12-22"),
            ("week", "2025-12-29"),
            ("week", "2026-03-30"),
            ("month", "2026-03-01"),
        ]
    ]
    shown = chosen(rows, "2026-04-01")
    assert [(row["slice"], row["grain"], row["period_start"]) for row in shown] == [
        ("all", "week", "2025-12-29"),  # its last day is the first of the ninety
        ("all", "week", "2026-03-30"),
    ]
    without_weeks = [row for row in rows if row["grain"] != "week"]
    assert {row["grain"] for row in chosen(without_weeks, "2026-04-01")} == {"month"}


def test_ranges_are_chosen_and_not_added_up() -> None:
    rows = [{"range": name, "day": "2020-01-01"} for name in ("30", "90", "all")]
    assert chosen(rows, "2026-04-01") == [{"range": "90", "day": "2020-01-01"}]


def test_a_column_across_makes_a_triangle(tmp_path: Path) -> None:
    text = CARD.replace("share: Share of all, percent, bar", "step: Later, across")
    text = text.replace("step: Later, across", "step: Later, across\n--     n: Users, number")
    (card,) = load(project(tmp_path, text)).cards
    cells = [("a", 1, 9), ("a", 2, 7), ("b", 1, 8)]
    rows = [{"day": day, "step": step, "n": n, "is_complete": day == "a"} for day, step, n in cells]
    found = table(card, rows)
    assert list(found.heads) == ["Day", "1", "2"]
    assert list(found.rows) == [
        [("a", False), ("9", False), ("7", False)],
        [("b", False), ("8", True), ("", False)],
    ]


# --- what the package ships -----------------------------------------------------------------------


def test_the_library_is_the_one_that_was_built() -> None:
    content = CHARTS.read_bytes()
    said = CHARTS.with_name("charts.js.sha256").read_text().split()
    assert said == [hashlib.sha256(content).hexdigest(), "charts.js"]
    assert len(content) <= 850_000
    assert len(gzip.compress(content, 9)) <= 295_000
    assert b"</script" not in content.lower() and b"<!--" not in content


def test_each_package_in_the_library_has_its_licence() -> None:
    text = CHARTS.with_name("LICENSES").read_text()
    parts = text.split("\n----\n")
    lock = json.loads(CHARTS.with_name("package-lock.json").read_text())["packages"]
    assert len(parts) > 40
    for part in parts:
        found = re.search(
            r"^([a-z0-9@/-]+) (\S+): (BSD-3-Clause|ISC)\n\n.*opyright", part, re.M | re.S
        )
        assert found, part[:200]
        assert lock[f"node_modules/{found[1]}"]["version"] == found[2]


def test_our_own_part_of_the_page_stays_small() -> None:
    static = PROJECT / "runner" / "pages" / "static"
    own = [*(static / "dashboard").glob("*.js"), static / "unpack.js", static / "dashboard.css"]
    assert len(own) > 5
    assert sum(file.stat().st_size for file in own) <= 80_000
