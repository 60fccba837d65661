"""Renders a snapshot as one HTML file that makes no requests."""

import base64
import gzip
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from runner.database.session import Database
from runner.errors import RunnerError
from runner.pages.dashboard import plain as tables
from runner.pages.dashboard.data import (
    LIVE,
    Member,
    Result,
    Snapshot,
    encoded,
    plain,
    read,
    script_json,
)
from runner.pages.html import FOLDER, digest, fill, static
from runner.project.files import put
from runner.project.target import Target

CHARTS = Path(__file__).parents[1] / "charts" / "charts.js"
LARGEST_BYTES = 5_000_000


def policy(*, served: bool = False) -> str:
    """Return the content security policy; as a header it also forbids other pages to frame this."""
    framing = "; frame-ancestors 'none'" if served else ""
    scripts = " ".join(f"'{digest(each)}'" for each in (static("unpack.js"), script()))
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline';"
        f" img-src data: blob:; base-uri 'none'; form-action 'none'{framing}"
    )


@cache
def script() -> str:
    """Return the script of the page: the charts library and ours, in one scope of their own."""
    parts = sorted(path.name for path in (FOLDER / "dashboard").glob("*.js"))
    ours = "\n".join(static(f"dashboard/{name}") for name in parts)
    return f"(() => {{\n{CHARTS.read_text(encoding='utf-8')}\n{ours}}})();"


def packed(text: str) -> str:
    """Compress a text for static/unpack.js. Base64 has no character that ends an element."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@cache
def _packed_script() -> str:
    return packed(script())


def page(found: Snapshot, generated_at: datetime) -> str:
    """Return the whole page. The same snapshot and time give the same bytes."""
    days = [row["day"] for each in found.results for row in each.rows if row.get("day")]
    last = max(days, default=None)
    cards = {result.card.name: _described(result) for result in found.results}
    text = fill(
        "dashboard.html",
        title=found.dashboard.page.title if found.dashboard.page else found.database,
        about=found.dashboard.page,
        policy=Markup(policy()),
        style=Markup(static("dashboard.css")),
        unpack=Markup(static("unpack.js")),
        script=_packed_script(),
        data=packed(script_json({"last": last, "cards": cards, "only": found.only})),
        cards=[_opening(result, last) for result in found.results],
        found=found,
        first=min(days, default=None),
        last=last,
        generated=plain(generated_at),
        health=next(
            (r.card for r in found.results if "reporting.data_checks" in r.card.tables), None
        ),
        written=tables.written,
    )
    size = len(text.encode())
    if size > LARGEST_BYTES:
        largest = max(found.results, key=lambda result: len(script_json(encoded(result.rows))))
        raise RunnerError(
            f"the page would have {size:,} bytes, and {LARGEST_BYTES:,} is the most",
            f"let {largest.card.path} return fewer rows: it has {len(largest.rows):,}",
        )
    return text


def render(
    database: Database, project: Path, target: Target = LIVE, only: Member | None = None
) -> str:
    """Read the reports of a target and return the page, of everybody or of one member."""
    return page(read(database, project, target, only), datetime.now(UTC))


def write(
    database: Database,
    project: Path,
    file: Path,
    mode: int = 0o640,
    target: Target = LIVE,
    only: Member | None = None,
) -> None:
    """Write the page; a new one is readable by owner and group, as it holds figures."""
    put(file, render(database, project, target, only), mode)


def _described(result: Result) -> Mapping[str, Any]:
    card = result.card
    return {
        "title": card.title,
        "show": card.show,
        "columns": [
            {name: value for name, value in asdict(column).items() if value is not None}
            for column in tables.columns(card, result.rows)
        ],
        "spec": card.spec,
        "rows": len(result.rows),
        "data": encoded(result.rows),
    }


def _opening(result: Result, last: str | None) -> Mapping[str, Any]:
    """Return what the template needs of a card."""
    card, rows = result.card, tables.chosen(result.rows, last)
    few = rows if card.show == "figures" else tables.newest(rows)
    return {
        "card": card,
        "rows": few,
        "missing": result.missing,
        "table": tables.table(card, few) if few and card.show != "figures" else None,
        "left_out": len(rows) - len(few),
        # The SQL behind its tables, by the convention that a path is a name.
        "scripts": [f"sql/{table.replace('.', '/')}.sql" for table in card.tables],
    }
