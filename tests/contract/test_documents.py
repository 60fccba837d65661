"""README.md and the pages in docs/ say what is true: figures, columns, tables, files and names."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import click
import pytest

from runner.cli.main import cli
from runner.database.session import Database
from runner.pages.docs.page import documents
from runner.project.manifest import load
from tests import oracle
from tests.oracle import EARN, Campaign, Cost, Counted, Event, Row
from tests.support import PROJECT, query

METRICS = (PROJECT / "docs/metrics.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", METRICS, flags=re.MULTILINE | re.DOTALL))
REPORTS = [script.name for script in load(PROJECT).scripts.values() if script.layer == "reporting"]
LEDGER_VIEWS = "pipeline_runs, freshness, data_checks"
SHARED = "What all reports share"

# The text of the manual: not the generated reference of commands, which has its own test.
PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(PROJECT.glob("docs/**/*.md")),
]

each_report = pytest.mark.parametrize("name", REPORTS)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


# --- docs/metrics.md ------------------------------------------------------------------------------


@each_report
def test_each_report_has_a_section_that_names_each_column(name: str, database: Database) -> None:
    said = SECTIONS[name] + SECTIONS[SHARED]
    assert [column for column in _columns(database, name) if f"`{column}`" not in said] == []


@each_report
def test_each_report_says_how_to_read_it_and_how_not(name: str) -> None:
    assert "**Read it like this, not like that.**" in SECTIONS[name]


@pytest.mark.parametrize("name", LEDGER_VIEWS.split(", "))
def test_each_view_over_the_runs_is_explained(name: str, database: Database) -> None:
    said = SECTIONS[LEDGER_VIEWS]
    assert [column for column in _columns(database, name) if f"`{column}`" not in said] == []


def test_each_section_that_is_no_report_is_known() -> None:
    # Reports that a project may not have yet are explained already.
    assert set(REPORTS) <= set(SECTIONS)
    for name in SECTIONS:
        assert re.fullmatch(r"[a-z_]+", name) or name in (LEDGER_VIEWS, SHARED, "The example")


@pytest.mark.parametrize("name", [name for name in SECTIONS if name in oracle.TABLES])
def test_each_figure_is_the_one_that_plain_python_computes(name: str) -> None:
    rows = oracle.all_reports(_events(), _campaigns(), _costs())[name]
    # The others begin with what the report does not have: they are about columns, rules or users.
    examples = [table for table in _tables(SECTIONS[name]) if next(iter(table[0])) in rows[0]]
    shown = [row for table in examples for row in table]
    assert shown, "no example"
    for row in shown:
        wanted = {"slice": "all", **row} if "slice" in rows[0] else row
        found = [one for one in rows if all(_cell(one[key]) == wanted[key] for key in wanted)]
        assert len(found) == 1, f"{name}: {row} is none of {_near(rows, wanted)}"


def test_each_segment_is_the_one_that_plain_python_finds() -> None:
    shown = [table for table in _tables(SECTIONS["user_segments"]) if "user_id" in table[0]]
    assert shown == [list(_segments(_counted()))]


def test_each_recommendation_is_the_one_that_plain_python_finds() -> None:
    tables = _tables(SECTIONS["category_recommendations"])
    shown = [table for table in tables if "user_id" in table[0]]
    assert shown == [list(_recommendations(oracle.prepare(_events(), [])))]


def test_each_limit_of_categories_is_the_one_in_the_manifest() -> None:
    said = re.findall(r"`(category_[a-z_]+)` ([\d.]+)", SECTIONS["agg_category_profiles"])
    variables = load(PROJECT).variables
    assert dict(said) == {
        name: str(value) for name, value in variables.items() if name.startswith("category_")
    }


def test_no_text_has_a_figure_that_no_test_sees() -> None:
    """In sentences only what defines a figure may stand: lengths of windows, limits, an example."""
    known = {"0", "1", "3", "7", "12", "14", "24", "27", "28", "42", "90", "168", "300", "2000"}
    known |= {"30", "31", "60", "99", "0.1", "0.25", "2026-01-05", "2026-01-01"}
    for name, text in SECTIONS.items():
        sentences = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
        figures = set(re.findall(r"(?<![\w_])\d[\d.-]*\d|(?<![\w_])\d", sentences))
        assert figures <= known, f"{name}: {figures - known}"


def _columns(database: Database, name: str) -> list[str]:
    rows = query(
        database,
        "select attname::text as name from pg_attribute"
        " where attrelid = %(table)s::regclass and attnum > 0 and not attisdropped",
        table=f"reporting.{name}",
    )
    return [row["name"] for row in rows]


def _tables(text: str) -> list[list[dict[str, str]]]:
    """The tables of a text: rows by the names of their columns, without the reasons."""
    tables = []
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        header, _, *lines = (
            [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
        )
        rows = [dict(zip(header, line, strict=True)) for line in lines]
        tables.append([{k: row[k] for k in row if k != "why"} for row in rows])
    return tables


def _events() -> list[Event]:
    (table,) = _tables(SECTIONS["The example"])
    events = []
    for row in table:
        values = {name: value or None for name, value in row.items()}
        miles = values.pop("miles_amount")
        at = datetime.fromisoformat(row["event_time"]).replace(tzinfo=UTC)
        arrived = max(at, datetime(2026, 1, 1, tzinfo=UTC))
        values |= {
            "event_id": int(row["event_id"]),
            "event_time": at,
            "miles_amount": Decimal(miles) if miles else None,
            "created_at": arrived,
        }
        events.append(Event(**values))
    return events


def _campaigns() -> list[Campaign]:
    return [
        Campaign(row["source"], None, None, True, Decimal(row["cost"]))
        for row in _given("`utm_campaigns`")
    ]


def _costs() -> list[Cost]:
    return [
        Cost(row["source"], date.fromisoformat(row["month"]), Decimal(row["cost"]))
        for row in _given("`campaign_costs`")
    ]


def _given(where: str) -> list[dict[str, str]]:
    tables = _tables(SECTIONS["acquisition"])
    [given] = [table for table in tables if "given in" in table[0]]
    return [row for row in given if row["given in"] == where]


def _counted() -> list[Counted]:
    return oracle.counted_events(_events(), "UTC")


def _cell(value: oracle.Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _near(rows: Iterable[Row], wanted: dict[str, str]) -> list[Row]:
    """Rows of the same period, for a person to compare with."""
    first = next(key for key in wanted if key not in ("slice", "grain"))
    return [row for row in rows if _cell(row[first]) == wanted[first]][:5]


def _segments(events: list[Counted]) -> Iterator[dict[str, str]]:
    last = max(event.day for event in events)
    people = oracle.grouped(events, lambda event: event.user)
    miles = {
        user: sum(
            event.miles
            for event in of_user
            if event.event_type == EARN and (last - event.day).days < 90
        )
        for user, of_user in people.items()
    }
    earners = sorted((amount for amount in miles.values() if amount > 0), reverse=True)
    least = earners[math.ceil(Decimal("0.2") * len(earners)) - 1]
    for user, of_user in sorted(people.items()):
        days = {(last - event.day).days for event in of_user}
        recency, frequency = min(days), sum(day < 28 for day in days)
        is_busy = sum(day < 90 for day in days) >= 12
        rules = {
            "new": max(days) <= 14,
            "champion": recency <= 7 and frequency >= 12 and miles[user] >= least,
            "loyal": recency <= 14 and frequency >= 6,
            "promising": recency <= 14,
            "at risk": recency <= 42 and is_busy,
            "hibernating": recency <= 90,
            "lost": True,
        }
        yield {"user_id": user, "segment": next(name for name in rules if rules[name])}


def _recommendations(data: oracle.Data) -> Iterator[dict[str, str]]:
    for one in sorted(oracle.recommendations(data), key=lambda one: (one.user, one.rank)):
        yield {
            "user_id": one.user,
            "transaction_category": one.category,
            "rank": str(one.rank),
            "score": _cell(one.score),
            "support": str(one.support),
            "reason": one.reason,
        }


# --- docs/schema.dbml -----------------------------------------------------------------------------


def test_the_diagram_is_that_of_the_catalogue(database: Database) -> None:
    file = PROJECT / "docs/schema.dbml"
    made = documents(database, load(PROJECT), [file])[file]
    assert file.read_text(encoding="utf-8") == made, "bring it up to date: make docs"


# --- docs/architecture.md -------------------------------------------------------------------------

ARCHITECTURE = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
# `runner/run.py`, or `runner/run.py:run_all`, or `runner/run.py:Class.method`.
NAMED = re.findall(
    r"`((?:runner|sql|schema|tests|dashboard|docs)/[\w./-]*)(?::([\w.]+))?`", ARCHITECTURE
)


def test_the_architecture_page_names_only_files_that_exist() -> None:
    assert len(NAMED) > 50
    assert [path for path, _ in NAMED if not (PROJECT / path).exists()] == []


def test_the_architecture_page_names_only_functions_and_classes_that_their_files_define() -> None:
    named = sorted({(path, name) for path, name in NAMED if name})
    assert len(named) > 25
    missing = [f"{path}:{name}" for path, name in named if name not in _defined(PROJECT / path)]
    assert missing == []


def test_the_architecture_page_describes_each_package() -> None:
    packages = {file.parent for file in (PROJECT / "runner").glob("*/__init__.py")}
    packages |= set((PROJECT / "runner").glob("*.py")) - set((PROJECT / "runner").glob("__*__.py"))
    described = {heading for _, heading in _headings(ARCHITECTURE)}
    for package in packages:
        name = f"`{package.relative_to(PROJECT)}`"
        assert any(name in heading for heading in described), f"{name} has no section"


def _defined(file: Path) -> set[str]:
    """The functions, classes and methods of a module, methods as Class.method."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
            found |= {f"{node.name}.{method}" for method in methods}
    return found


# --- all pages ------------------------------------------------------------------------------------


@each_page
def test_each_path_of_code_in_a_page_exists(page: Path) -> None:
    paths = re.findall(r"(?<![\w/.])(?:runner|docs|benchmarks)/[\w./*-]*[\w*]", _prose(page))
    assert [path for path in paths if not any(PROJECT.glob(path))] == []


@each_page
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", _prose(page)):
        path, _, anchor = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(link)
    assert broken == []


def test_the_readme_can_be_read_in_ten_minutes_and_leads_to_every_page_and_command() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 200
    pages = {page.relative_to(PROJECT).as_posix() for page in (PROJECT / "docs").glob("*.md")}
    assert pages <= _reached(PROJECT / "README.md")
    table = readme[readme.index("| `python -m runner ...` |") :]
    commands = cli.list_commands(click.Context(cli))
    assert [name for name in commands if not re.search(rf"`{name}[ `]", table)] == []


def _prose(page: Path) -> str:
    """A page without its blocks of code."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _headings(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^(#+) (.+)$", text, flags=re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = (heading.lower() for _, heading in _headings(_prose(page)))
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}


def _reached(page: Path) -> set[str]:
    """The pages of docs/ that a page links to."""
    links = re.findall(r"\]\((docs/\w[\w-]*\.md)", page.read_text(encoding="utf-8"))
    return set(links)
