"""A real browser, without a network, and pages of real warehouses for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runner.database.session import Database
from runner.pages.dashboard.page import write
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.demo import Demo, seed
from runner.setup.load_csv import load as load_file
from tests.support import PROJECT, REAL_FILE, earn, event, insert_events, query, run_all
from tests.support.databases import created, new_name
from tests.support.pages import HOSTILE

CHROMIUM = Path("/usr/bin/chromium")
# Nothing of it may ask a network for anything, and it runs as root in containers.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY = 'body[data-drawn="1"]'


@dataclass
class Shown:
    """A page in the browser, with all that went wrong or out in it."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def listen(self) -> None:
        for name, hear in self._listeners():
            self.page.on(name, hear)

    def leave(self) -> None:
        """Make the tab as good as new for who comes next."""
        for name, hear in self._listeners():
            self.page.remove_listener(name, hear)
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.goto("about:blank")
        self.page.mouse.move(0, 0)

    def _listeners(self) -> tuple[tuple[str, Callable[[Any], None]], ...]:
        return (
            ("console", self._hear_console),
            ("pageerror", self._hear_error),
            ("request", self._hear_request),
            ("dialog", self._hear_dialog),
        )

    def _hear_console(self, message: Any) -> None:
        self.complaints.append(message.text)

    def _hear_error(self, error: Any) -> None:
        self.complaints.append(str(error))

    def _hear_request(self, request: Any) -> None:
        self.requests.append(request.url)

    def _hear_dialog(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def choose(self, segment: str = "all", member: str = "all", range_: str = "90",
               grain: str = "week") -> None:  # fmt: skip
        """With the controls, as a person does."""
        self.page.select_option("#segment", segment)
        if segment != "all":
            self.page.select_option("#member", member)
        for name, value in (("range", range_), ("grain", grain)):
            self.page.locator(f"label:has(input[name={name}][value='{value}'])").click()
        self.page.wait_for_selector(READY)

    def card(self, name: str) -> Any:
        return self.page.locator(f"#card-{name}")

    def table(self, name: str) -> list[list[str]]:
        """The texts of a card's table; a chart's is asked for first."""
        card = self.card(name)
        toggle = card.locator(".toggle")
        if toggle.count() and toggle.get_attribute("aria-pressed") == "false":
            toggle.click()
        return list(
            card.evaluate(
                "card => [...card.querySelectorAll('tbody tr')]"
                ".map(row => [...row.children].map(cell => cell.textContent))"
            )
        )


Open = Callable[..., Shown]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser: {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def tabs() -> list[Any]:
    """Tabs that are free again, each in a context of its own. The browser has read the scripts of
    the page there, and need not do so for every test.
    """
    return []


@pytest.fixture
def show(browser: Any, tabs: list[Any]) -> Iterator[Open]:
    """Open a page in a tab of its own, without a network."""
    lent: list[Shown] = []
    contexts = []

    def opened(file: Path | str, hash_: str = "", **options: Any) -> Shown:
        is_served = isinstance(file, str)
        is_plain = not is_served and not options
        if is_plain and tabs:
            page = tabs.pop()
        else:
            # As high as the page: what is not in view is drawn later.
            size = {"viewport": {"width": 1280, "height": 12000}, **options}
            context = browser.new_context(offline=not is_served, **size)
            page = context.new_page()
            if not is_plain:
                contexts.append(context)
        shown = Shown(page)
        shown.listen()
        if is_plain:
            lent.append(shown)
        page.goto((file if isinstance(file, str) else file.as_uri()) + hash_)
        if options.get("java_script_enabled", True):
            page.wait_for_selector(READY)
        return shown

    yield opened
    for context in contexts:
        context.close()
    for shown in lent:
        shown.leave()
        tabs.append(shown.page)


@dataclass(frozen=True)
class Warehouse:
    """A built database and its page."""

    database: Database
    page: Path

    def rows(self, text: str, **values: Any) -> list[dict[str, Any]]:
        return query(self.database, text, **values)


def _filled(uri: str, folder: Path, fill: Callable[[Database], None]) -> Iterator[Warehouse]:
    with created(uri, new_name("browser")) as database:
        schema.apply(database, load(PROJECT), Target())
        fill(database)
        run_all(database)
        write(database, PROJECT, folder / "dashboard.html")
        yield Warehouse(database, folder / "dashboard.html")


def _grow(database: Database) -> None:
    seed(database, PROJECT, Demo(5_000, 200, 100, seed=3, end=None, append=False))


@pytest.fixture(scope="session")
def grown(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    yield from _filled(server_uri, tmp_path_factory.mktemp("grown"), _grow)


@pytest.fixture(scope="session")
def empty(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    yield from _filled(server_uri, tmp_path_factory.mktemp("empty"), lambda database: None)


@pytest.fixture(scope="session")
def real(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The real file, as if each of its events had come when it happened, a year and more ago."""
    if not REAL_FILE.is_file():
        pytest.skip(f"the real file is not here: {REAL_FILE}")
    yield from _filled(
        server_uri,
        tmp_path_factory.mktemp("real"),
        lambda database: load_file(database, REAL_FILE, as_history=True),
    )


@pytest.fixture(scope="session")
def demo(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Demo data that end on the last day of a month."""
    end = datetime(2026, 11, 1, tzinfo=UTC)
    yield from _filled(
        server_uri,
        tmp_path_factory.mktemp("demo"),
        lambda database: seed(database, PROJECT, Demo(20_000, 400, 200, 5, end, append=False)),
    )


def _one_day(database: Database) -> None:
    insert_events(database, [earn(0, f"u_{number}", 10) for number in range(6)])


@pytest.fixture(scope="session")
def one_day(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    yield from _filled(server_uri, tmp_path_factory.mktemp("day"), _one_day)


@pytest.fixture
def growing(server_uri: str, tmp_path: Path) -> Iterator[Warehouse]:
    """One day, of a test that will change it."""
    yield from _filled(server_uri, tmp_path, _one_day)


def _hostile(database: Database) -> None:
    names = {"utm_source": HOSTILE, "country": HOSTILE, "platform": HOSTILE}
    insert_events(
        database,
        [
            event(day, f"u_{number}", "miles_earned", transaction_category=HOSTILE,
                  miles_amount=10, **names)
            for day in range(3)
            for number in range(6)
        ],
    )  # fmt: skip


@pytest.fixture(scope="session")
def hostile(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    yield from _filled(server_uri, tmp_path_factory.mktemp("hostile"), _hostile)
