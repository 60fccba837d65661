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
from runner.pages.dashboard import tables
from runner.pages.dashboard.cards import CHART_SHOWS
from runner.pages.dashboard.data import (
    LIVE,
    CardRows,
    Member,
    Snapshot,
    by_column,
    plain,
    read,
    script_json,
)
from runner.pages.html import FOLDER, digest, fill, put, static
from runner.project.target import Target

CHARTS = Path(__file__).parents[1] / "charts" / "charts.js"
LARGEST_BYTES = 5_000_000
OLD_HOURS, STALE_HOURS = 26, 50
HEALTH = {"reporting.data_checks", "reporting.freshness", "reporting.pipeline_runs"}


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
    days = [day for each in found.results for day in each.days]
    about = found.dashboard.page
    known: dict[str, Any] = {
        "first": min(days, default=None),
        "last": max(days, default=None),
        "min_cell": found.min_cell,
        **found.notes,
        "currency": about.currency if about else "",
        "spelt": tables.SPELT,
        "before": tables.BEFORE,
    }
    cards = {each.card.name: _for_script(each) for each in found.results}
    text = fill(
        "dashboard.html",
        title=about.title if about else found.database,
        about=about,
        policy=Markup(policy()),
        style=Markup(static("dashboard.css")),
        unpack=Markup(static("unpack.js")),
        script=_packed_script(),
        data=packed(script_json({**known, "cards": cards, "only": found.only})),
        cards=[_for_template(each, known["last"], known["currency"]) for each in found.results],
        found=found,
        newest=_newest(found),
        first=known["first"],
        last=known["last"],
        generated=plain(generated_at),
        health=next(
            (r.card for r in found.results if r.card.tables == ["reporting.data_checks"]), None
        ),
        written=tables.written,
        sentence=tables.sentence,
    )
    size = len(text.encode())
    if size > LARGEST_BYTES:
        largest = max(found.results, key=lambda result: len(script_json(by_column(result.rows))))
        raise RunnerError(
            f"the page would have {size:,} bytes, and {LARGEST_BYTES:,} is the most",
            f"let {largest.card.path} return fewer rows: it has {len(largest.rows):,}",
        )
    return text


def _newest(found: Snapshot) -> Mapping[str, str] | None:
    """Return when the newest event happened, and how long that was before the sources were read."""
    if not found.newest_event:
        return None
    age = tone = ""
    if found.loaded_through:
        between = datetime.fromisoformat(found.loaded_through)
        hours = (between - datetime.fromisoformat(found.newest_event)).total_seconds() / 3600
        if hours >= 1:
            age = f"{hours // 24:,.0f} days" if hours >= 48 else f"{hours // 1:.0f} h"
        tone = "stale" if hours > STALE_HOURS else "old" if hours > OLD_HOURS else ""
    return {"time": found.newest_event, "day": found.newest_event[:10], "age": age, "tone": tone}


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


def _for_script(result: CardRows) -> Mapping[str, Any]:
    """Return what the script needs of a card."""
    card, columns = result.card, tables.columns(result.card, result.rows)
    return {
        "title": card.title,
        "show": card.show,
        "empty": card.empty,
        "columns": [
            {name: value for name, value in asdict(column).items() if value is not None}
            for column in columns
        ],
        "spec": card.spec,
        # Cards about the state of the data have no users, whoever is shown.
        "of_users": not set(card.tables) <= HEALTH,
        "rows": len(result.rows),
        "data": by_column(result.rows),
    }


def _for_template(result: CardRows, last: str | None, currency: str) -> Mapping[str, Any]:
    """Return what the template needs of a card, for readers without JavaScript."""
    card, rows = result.card, tables.chosen(result.rows, last)
    few = rows if card.show == "figures" else tables.newest(rows)
    has_table = few and card.show in ("table", *CHART_SHOWS)
    return {
        "card": card,
        "rows": few,
        "missing": result.missing,
        "table": tables.table(card, few, currency) if has_table else None,
        "left_out": len(rows) - len(few),
    }
