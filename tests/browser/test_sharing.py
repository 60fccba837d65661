"""What leaves the page: a link, pictures of cards, and a file of one member alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from runner.pages.dashboard.page import write
from tests.browser.conftest import READY, Open, Shown, Warehouse
from tests.support import PROJECT, query
from tests.support.pages import data_of, decoded
from tests.support.sweeps import slow_but

CARDS = ("growth_accounting", "retention", "headlines", "segments")
ALLOWED = {"svg", "rect", "text", "g", "path", "line", "polyline", "defs", "clipPath", "title"}


def picture(shown: Shown, card: str, form: str, folder: Path) -> Path:
    with shown.page.expect_download() as download:
        shown.card(card).locator(f".{form}").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == f"{card}.{form}"
    return file


def texts(file: Path) -> list[str]:
    """All texts of a drawing, which must have nothing that fetches or runs something."""
    tree = ElementTree.parse(file)
    for element in tree.iter():
        assert element.tag.rpartition("}")[2] in ALLOWED, element.tag
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on") and "href" not in name, name
            assert not re.search(r"url\((?!#|\"#)", value), value
    return [text for text in ("".join(each.itertext()).strip() for each in tree.iter()) if text]


def test_a_link_leads_to_what_is_chosen(grown: Warehouse, show: Open) -> None:
    shown = show(grown.page, permissions=["clipboard-read", "clipboard-write"])
    shown.choose("country", "SG", "30", "day")
    shown.page.click("#link")
    shown.page.locator("#link", has_text="Link copied").wait_for()
    address = shown.page.evaluate("navigator.clipboard.readText()")
    assert address == shown.page.url
    figures = shown.page.inner_text("#card-headlines")
    assert show(grown.page, "#" + address.partition("#")[2]).page.inner_text("#card-headlines") == (
        figures
    )
    assert shown.complaints == []


@pytest.mark.parametrize("card", slow_but(CARDS, "growth_accounting", "headlines"))
def test_a_picture_has_the_figures_of_its_card(
    grown: Warehouse, show: Open, tmp_path: Path, card: str
) -> None:
    shown = show(grown.page, "#segment=country&member=SG")
    file = picture(shown, card, "svg", tmp_path)
    found = " ".join(texts(file))
    said = shown.card(card).evaluate(
        "card => { for (const tool of card.querySelectorAll('.tools, .all')) tool.remove();"
        " return card.innerText; }"
    )
    missing = [word for word in said.split() if word.strip(",") not in found]
    assert missing == []
    assert "Shown: Country Singapore, the last 90 days, by week. Data through" in found
    assert shown.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_a_picture_of_points_has_the_size_and_the_colours_of_the_card(
    grown: Warehouse, show: Open, tmp_path: Path, width: int, scheme: str
) -> None:
    shown = show(grown.page, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for card in ("growth_accounting", "retention"):
        content = picture(shown, card, "png", tmp_path).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        wide, high = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
        box = shown.card(card).bounding_box()
        assert wide >= 2 * int(box["width"])
        # A table that scrolls is drawn whole, beside which its title may need fewer lines.
        assert high >= 2 * int(box["height"]) or wide > 2 * box["width"] + 2
    svg = picture(shown, "growth_accounting", "svg", tmp_path).read_text()
    ground = shown.card("growth_accounting").evaluate(
        "card => getComputedStyle(card).backgroundColor"
    )
    assert f'fill="{ground}"' in svg
    assert_fits(shown)


def assert_fits(shown: Shown) -> None:
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_names_are_only_text_in_a_picture(
    hostile: Warehouse, show: Open, tmp_path: Path
) -> None:
    shown = show(hostile.page, "#grain=day")
    assert any("<script>" in text for text in texts(picture(shown, "miles", "svg", tmp_path)))
    assert picture(shown, "acquisition", "png", tmp_path).stat().st_size > 1000
    assert any("<img" in text for text in texts(tmp_path / "miles.svg"))


# --- a file of one member ----------------------------------------------------------------------------


def strings(part: Any) -> set[str]:
    if isinstance(part, dict):
        return {text for each in part.values() for text in strings(each)} | set(part)
    if isinstance(part, list):
        return {text for each in part for text in strings(each)}
    return {part} if isinstance(part, str) else set()


def test_a_file_of_one_member_has_nothing_of_others(
    grown: Warehouse, show: Open, tmp_path: Path
) -> None:
    file = tmp_path / "singapore.html"
    write(grown.database, PROJECT, file, 0o644, only=("country", "SG"))
    text = file.read_text()
    data = data_of(text)
    others = {
        row["slice_value"]
        for row in grown.rows("select distinct slice_value from reporting.kpi_daily")
    } - {"SG", "all"}
    sources = {row["utm_source"] for row in grown.rows("select * from reporting.acquisition")}
    assert len(others) > 5 and sources
    rows = {name: decoded(card["data"]) for name, card in data["cards"].items()}
    assert not (others | sources) & strings(rows)
    plain = re.sub(r'<script type="text/plain".*?</script>', "", text)
    assert not [
        name for name in others | sources if re.search(rf">\s*{re.escape(name)}\s*<", plain)
    ]
    for name, found in rows.items():
        assert {(row["slice"], row["slice_value"]) for row in found} == {("country", "SG")}, name
    days = grown.rows(
        "select day, dau from reporting.active_users_daily"
        " where slice = 'country' and slice_value = 'SG' order by day"
    )
    # While there were few users, nothing is shown.
    pairs = list(zip(rows["active_users"], days, strict=True))
    shown_days = [(row, day) for row, day in pairs if not row.get("is_withheld")]
    assert all(row["dau"] == day["dau"] for row, day in shown_days)
    assert len(shown_days) > 60
    shown = show(file)
    assert "Only country SG" in shown.page.inner_text("#only")
    assert shown.page.input_value("#segment") == "country"
    assert shown.page.locator("#segment option").all_inner_texts() == ["Country"]
    assert shown.page.locator("#reset").is_hidden()
    same = show(grown.page, "#segment=country&member=SG")
    for part in ("#card-headlines .body", "#card-retention table"):
        assert shown.page.inner_text(part) == same.page.inner_text(part)
    shown.page.locator("label:has(input[name=grain][value=month])").click()
    shown.page.locator("#reset").click()
    assert shown.page.input_value("#member") == "SG"
    assert shown.complaints == []


def test_a_file_of_one_member_has_no_notes_of_others(grown: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "singapore.html"
    query(
        grown.database,
        "insert into reporting.annotations (day, slice, slice_value, text) values"
        " ('2026-01-01', 'country', 'VN', 'theirs'), ('2026-01-01', 'country', 'SG', 'ours'),"
        " ('2026-01-01', 'all', 'all', 'for all')",
    )
    query(
        grown.database, "insert into reporting.goals values ('kpi_daily.dau', '2026-01-01', 4711)"
    )
    try:
        write(grown.database, PROJECT, file, only=("country", "SG"))
    finally:
        query(grown.database, "delete from reporting.annotations")
        query(grown.database, "delete from reporting.goals")
    data = data_of(file.read_text())
    assert {each["text"] for each in data["annotations"]} == {"ours", "for all"}
    assert data["goals"] == []


def test_the_address_asks_a_file_of_one_member_for_no_other(
    grown: Warehouse, show: Open, tmp_path: Path
) -> None:
    file = tmp_path / "singapore.html"
    write(grown.database, PROJECT, file, only=("country", "SG"))
    shown = show(file, "#segment=country&member=ID&grain=day")
    shown.page.wait_for_selector(READY)
    assert shown.page.input_value("#member") == "SG"
    assert shown.card("active_users").get_attribute("data-state") == "ready"
