"""The page of `docs` in Chromium: the lineage is drawn, and a table that is pointed at is traced."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runner.pages.docs.page import documents
from runner.project.manifest import load
from tests.browser.conftest import Warehouse
from tests.support import PROJECT

BOXES = """() => [...document.querySelectorAll('#drawing a')].map(node => {
    const box = node.getBoundingClientRect();
    return [node.dataset.node, node.dataset.needs, box.left, box.top, box.right, box.bottom];
})"""


@pytest.fixture
def docs(empty: Warehouse, tmp_path: Path) -> Path:
    file = tmp_path / "docs.html"
    file.write_text(documents(empty.database, load(PROJECT), [file])[file])
    return file


@pytest.mark.slow
@pytest.mark.parametrize("width", [1300, 390])
def test_the_lineage_is_drawn_at_any_width(browser: Any, docs: Path, width: int) -> None:
    context = browser.new_context(
        offline=True, bypass_csp=True, viewport={"width": width, "height": 900}
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(docs.as_uri())
    page.wait_for_selector("#drawing path[d]", state="attached")
    boxes = page.evaluate(BOXES)
    bottoms = {name: bottom for name, _, _, _, _, bottom in boxes}
    needs = [(need, name) for name, found, *_ in boxes for need in found.split()]
    paths = page.locator("#drawing path").evaluate_all(
        "all => all.map(path => path.getAttribute('d'))"
    )
    assert len(paths) == len(needs) > 40
    assert all(re.fullmatch(r"M[\d.,]+C[\d., ]+", path) for path in paths)
    assert all(left >= 0 and right <= width for _, _, left, _, right, _ in boxes)
    tops = {name: top for name, _, _, top, _, _ in boxes}
    assert all(bottoms[need] < tops[name] for need, name in needs)

    page.hover("[data-node='warehouse.raw_event_stream']")
    traced = page.locator("#drawing a.on").evaluate_all("all => all.map(one => one.dataset.node)")
    assert {"public.event_stream", "reporting.retention"} <= set(traced)
    assert "public.utm_campaigns" not in traced
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    # A column is found by its name, and leads to its row, which says where it is from and who reads it.
    page.fill("#find", "churned_users")
    hits = page.locator("#hits a")
    hits.first.wait_for()
    assert hits.all_inner_texts() == [
        "warehouse.agg_period_activity.churned_users",
        "reporting.growth_accounting.churned_users",
    ]
    # Of the two tables that are left: of all, this would take minutes.
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    found = axe.Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    hits.last.click()
    row = page.locator(
        page.evaluate("'#' + CSS.escape(decodeURIComponent(location.hash.slice(1)))")
    )
    assert row.is_visible()
    assert "from warehouse.agg_period_activity.churned_users" in row.inner_text()
    row.locator("summary").click()
    reader = row.locator("a", has_text="card growth_accounting")
    reader.click()
    assert page.locator("#dashboard").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    context.close()
