"""The dashboard: how large the page is, and how soon a browser has drawn it.

The bytes of the page and of its parts, as they are and compressed, the time until Chromium has
drawn what is in view, and all, the time that a choice takes, the nodes of the document, and how
busy the machine was: its load.
"""

from __future__ import annotations

import base64
import gzip
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.measure import PROJECT, Report, Server
from runner import run
from runner.build.build import build
from runner.pages.dashboard.page import write
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.demo import Demo, seed

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
READY, DRAWN = 'body[data-ready="1"]', 'body[data-drawn="1"]'
KB = 1000
LIBRARY_LIMIT, LIBRARY_GZIP_LIMIT, OWN_LIMIT = 850 * KB, 295 * KB, 80 * KB
PAGE_LIMIT = 1300 * KB
READY_LIMIT, CHOICE_LIMIT = 1.0, 0.2  # s
NODES_LIMIT = 3000


def size(
    report: Report,
    what: str,
    content: bytes,
    limit: float | None = None,
    gzip_limit: float | None = None,
) -> None:
    packed = len(gzip.compress(content, 9))
    report.add(what, [len(content) / KB], "KB", limit and limit / KB)
    report.add(f"{what}, gzip", [packed / KB], "KB", gzip_limit and gzip_limit / KB)


def sizes(report: Report, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    size(report, "page", text.encode(), PAGE_LIMIT)
    found = re.findall(r'<script type="text/plain" id="packed-(\w+)">([^<]*)</script>', text)
    for name, content in found:
        size(report, f"{name}, unpacked", gzip.decompress(base64.b64decode(content)))
        report.add(f"{name}, as it is in the page", [len(content) / KB], "KB")
    pages = PROJECT / "runner" / "pages"
    library = (pages / "charts" / "charts.js").read_bytes()
    size(report, "library of charts", library, LIBRARY_LIMIT, LIBRARY_GZIP_LIMIT)
    static = pages / "static"
    own = [*sorted((static / "dashboard").glob("*.js")), static / "unpack.js"]
    own.append(static / "dashboard.css")
    size(report, "own script and styles", b"".join(file.read_bytes() for file in own), OWN_LIMIT)


def seconds(do: Callable[[], Any]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def loads(report: Report, page: Path, rounds: int) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        ready, drawn, choices, nodes = [], [], [], 0
        for _ in range(rounds):
            tab = browser.new_context(
                offline=True, viewport={"width": 1400, "height": 900}
            ).new_page()

            def opened(tab: Any = tab) -> None:
                tab.goto(page.as_uri())
                tab.wait_for_selector(READY)

            ready.append(seconds(opened))
            start = time.perf_counter()
            tab.wait_for_selector(DRAWN)
            drawn.append(ready[-1] + time.perf_counter() - start)
            nodes = tab.evaluate("document.querySelectorAll('*').length")
            for grain in ("month", "week"):
                button = tab.locator(f"label:has(input[name=grain][value={grain}])")
                choices.append(seconds(button.click))
                tab.wait_for_selector(DRAWN)
            tab.context.close()
        browser.close()
    report.add("until what is in view is drawn", ready, "s", READY_LIMIT)
    report.add("until all is drawn", drawn, "s")
    report.add("another grain", choices, "s", CHOICE_LIMIT)
    report.add("load of the machine", [os.getloadavg()[0]], "")
    report.add("nodes as it opens", [nodes], "", NODES_LIMIT)


def measure(server: Server, report: Report, events: int, users: int, rounds: int) -> None:
    """Measure the page of a demo warehouse."""
    database, manifest = server.database, load(PROJECT)
    schema.apply(database, manifest, Target())
    seed(database, PROJECT, Demo(events, users, 180, 1, None, False))
    run.ingest(database, PROJECT, run.Listener())
    build(database, manifest, Target())
    with tempfile.TemporaryDirectory(prefix="milepost-") as folder:
        page = Path(folder, "dashboard.html")
        report.add("to write the page", [seconds(lambda: write(database, PROJECT, page))])
        sizes(report, page)
        loads(report, page, rounds)
