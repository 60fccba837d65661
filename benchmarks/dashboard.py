"""Measures the dashboard: how large the page is, and how soon a browser has drawn it.

    python -m benchmarks.dashboard [--rows 100000] [--users 2000] [--rounds 5]

Starts a throw-away server, seeds and builds the demo data, and writes the page. Prints the bytes of
the page and of its parts, as they are and compressed, the time until all is drawn in Chromium, the
time that a choice takes, and the nodes of the document. Beside them stands the limit where there is
one.
"""

from __future__ import annotations

import argparse
import gzip
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from runner.build.build import build
from runner.database import embedded
from runner.database.session import Database
from runner.ingest.pipeline import IngestionPipeline
from runner.pages.dashboard.page import write
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.demo import Demo, seed

PROJECT = Path(__file__).parent.parent
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
READY = 'body[data-ready="1"]'
KB = 1000
LIBRARY_LIMIT, LIBRARY_GZIP_LIMIT, OWN_LIMIT = 850 * KB, 295 * KB, 60 * KB
DATA_LIMIT, PAGE_LIMIT, PAGE_CAP = 500 * KB, 1500 * KB, 5000 * KB
READY_LIMIT, CHOICE_LIMIT = 3.0, 0.5  # s
NODES_LIMIT = 3000


def say(what: str, figure: str, value: float = 0, limit: float = 0) -> None:
    verdict = f"  {'ok' if value <= limit else 'MISS'} (limit {limit:,g})" if limit else ""
    print(f"  {what:<34} {figure:>12}{verdict}", flush=True)


def size(what: str, content: bytes, limit: float = 0, gzip_limit: float = 0) -> None:
    packed = len(gzip.compress(content, 9))
    say(what, f"{len(content) / KB:,.0f} KB", len(content) / KB, limit / KB)
    say(f"{what}, gzip", f"{packed / KB:,.0f} KB", packed / KB, gzip_limit / KB)


def sizes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    size("page", text.encode(), PAGE_LIMIT)
    say(
        "page, at most",
        f"{len(text.encode()) / KB:,.0f} KB",
        len(text.encode()) / KB,
        PAGE_CAP / KB,
    )
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    size("data", found[1].encode(), DATA_LIMIT)
    library = (PROJECT / "runner" / "charts" / "charts.js").read_bytes()
    size("library of charts", library, LIBRARY_LIMIT, LIBRARY_GZIP_LIMIT)
    own = [PROJECT / "runner" / "page" / f"dashboard.{kind}" for kind in ("js", "css")]
    size("own script and styles", b"".join(file.read_bytes() for file in own), OWN_LIMIT)


def seconds(do: Callable[[], Any]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def loads(page: Path, rounds: int) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        ready, choices, nodes = [], [], 0
        for _ in range(rounds):
            tab = browser.new_context(
                offline=True, viewport={"width": 1400, "height": 900}
            ).new_page()

            def opened(tab: Any = tab) -> None:
                tab.goto(page.as_uri())
                tab.wait_for_selector(READY)

            ready.append(seconds(opened))
            nodes = tab.evaluate("document.querySelectorAll('*').length")
            for grain in ("month", "week"):
                button = tab.locator(f"label:has(input[name=grain][value={grain}])")
                choices.append(seconds(button.click))
            tab.context.close()
        browser.close()
    for what, values, limit in (
        ("until all is drawn", ready, READY_LIMIT),
        ("another grain", choices, CHOICE_LIMIT),
    ):
        median = statistics.median(values)
        say(what, f"{median:.2f} s", median, limit)
    say("nodes as it opens", f"{nodes:,}", nodes, NODES_LIMIT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="milepost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = embedded.Server(folder / "data", embedded.TEST).child()
        try:
            database, manifest = Database(server.uri), load(PROJECT)
            schema.apply(database, manifest, Target())
            seed(database, PROJECT, Demo(asked.rows, asked.users, 180, 1, None, False))
            for pipeline_id in (1, 2):
                IngestionPipeline(pipeline_id, database, PROJECT).run()
            build(database, manifest, Target())
            page = folder / "dashboard.html"
            taken = seconds(lambda: write(database, PROJECT, page))
            print(f"{asked.rows:,} events of {asked.users:,} users")
            say("to write the page", f"{taken:.2f} s")
            sizes(page)
            loads(page, asked.rounds)
        finally:
            server.close()


if __name__ == "__main__":
    main()
