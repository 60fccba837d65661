"""Reads the rows of each card and the state of the data, all in one snapshot."""

import json
import math
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from runner.database import ledger
from runner.database.queries import named_query
from runner.database.session import Database, QueryFailed, Row, Session
from runner.errors import StartError, UsageError, did_you_mean
from runner.pages.dashboard.cards import EVERYTHING, SLICE, Card, Dashboard, load
from runner.pages.dashboard.periods import end_of, is_sent
from runner.pages.dashboard.repeats import with_repeated
from runner.pages.dashboard.small_groups import withhold
from runner.pages.html import showable
from runner.project.graph import reports_of
from runner.project.manifest import MANIFEST
from runner.project.manifest import load as load_manifest
from runner.project.target import Target, replica_name

STATEMENT_TIMEOUT = "60s"
MISSING = ("42P01", "3F000")  # no such table, no such schema
# How many users a group needs to be shown, unless the manifest has a variable min_cell.
MIN_CELL = 5
# Of the reports that a late pipeline holds back, this many are named.
NAMED = 3
LIVE = Target()
# The columns with the member of a row; the second pair if a card does not follow Show.
MEMBERS = (SLICE, ("dimension", "member"))
PERIOD = (*SLICE, "grain", "period_start")
member_of, period_of = itemgetter(*SLICE), itemgetter(*PERIOD)
# A slice, such as country, and one of its members.
Member = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CardRows:
    """A card with its rows, or the reason why there are none."""

    card: Card
    rows: Sequence[Row]
    missing: str = ""

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []

    @property
    def days(self) -> list[str]:
        return [row["day"] for row in self.rows if row.get("day")]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the reports. Times are ISO texts in UTC."""

    dashboard: Dashboard
    database: str
    results: Sequence[CardRows]
    loaded_through: str | None = None
    last_status: str | None = None
    failed_checks: Sequence[str] = field(default_factory=list)
    behind: Sequence[Row] = field(default_factory=list)
    min_cell: int = MIN_CELL
    newest_event: str | None = None
    notes: dict[str, list[Row]] = field(default_factory=dict)
    only: Member | None = None


def read(
    database: Database, project: Path, target: Target = LIVE, only: Member | None = None
) -> Snapshot:
    """Run all queries in one read-only transaction. Raises StartError without cards or schema.

    With a member, cards have its rows alone, and cards without slices, which are about everybody,
    are left out. Raises UsageError if the page does not show the member.
    """
    dashboard = load(project)
    with database.session("milepost dashboard") as session, session.transaction():
        require(session)
        begin(session)
        least = _min_cell(project)
        members = None
        if dashboard.page:
            found = run(session, dashboard.page, target).rows
            members = {member_of(row) for row in found if (row.get("users") or least) >= least}
        results = [run(session, card, target) for card in dashboard.cards]
        last = max((day for each in results for day in each.days), default=None)
        text = _of_target(named_query("pages/dashboard/data.standing"), target)
        [standing] = _plain_rows(session.rows(text))
        shown: dict[str, CardRows] = {}
        for each in sorted(results, key=lambda each: bool(each.card.withheld_with)):
            other = shown.get(each.card.withheld_with or "")
            elsewhere = _withheld_periods(other) if other else set()
            shown[each.card.name] = _without_small(each, members, least, last, elsewhere)
        results = [
            _with_past_periods(shown[each.card.name], standing["loaded_through"])
            for each in results
        ]
        rows_of = {each.card.name: each.rows for each in results}
        results = [replace(each, rows=with_repeated(each.rows, rows_of)) for each in results]
        return Snapshot(
            dashboard=dashboard,
            database=session.row("select current_database()::text as name")["name"],
            results=results if only is None else _of_member(results, only),
            min_cell=least,
            behind=_behind(session, project, target),
            notes=_notes(session, members, only),
            only=only,
            **standing,
        )


def require(session: Session) -> None:
    """Raise StartError unless there are reports of this version.

    A role that may read nothing but reports cannot see the version. For such a role, a card that
    does not fit the reports fails on its own.
    """
    [found] = session.named("pages/dashboard/data.reach")
    if not found["is_kept_out"]:
        ledger.require(session)
    elif not found["reads_reports"]:
        raise StartError(
            "this role may read neither the ledger nor the reports",
            "put it into the group of readers: docs/security.md",
        )


def begin(session: Session) -> None:
    """Make the transaction read-only, and limit each query to a minute."""
    session.run(f"set transaction read only; set local statement_timeout = '{STATEMENT_TIMEOUT}'")


def run(session: Session, card: Card, target: Target = LIVE) -> CardRows:
    """Return the rows of a card; if a table is missing, the page says so."""
    try:
        with session.savepoint():
            found = session.query(_of_target(card.sql, target), card.path)
    except QueryFailed as error:
        if error.sqlstate not in MISSING:
            error.hint = error.hint or "python -m runner dashboard --check tries every card"
            raise
        return CardRows(card, [], error.reason)
    return CardRows(card, _plain_rows(found))


def _of_target(text: str, target: Target) -> str:
    """Return a query that reads the reports of a target. Cards name the live ones."""
    return text if target.is_live else re.sub(r"\breporting\.", f"{target.prefix}reporting.", text)


def _plain_rows(rows: Sequence[Row]) -> list[Row]:
    once = cache(plain)  # most texts, days and numbers come again and again
    cached = (str, date, Decimal)
    return [
        {name: (once if type(value) in cached else plain)(value) for name, value in row.items()}
        for row in rows
    ]


def plain(value: Any) -> Any:
    """Return a value that JSON can hold; NaN and infinity become null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal | float):
        if not math.isfinite(value):
            return None
        is_whole = isinstance(value, Decimal) and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else showable(str(value))


def _min_cell(project: Path) -> int:
    """Return how many users a group needs to be shown."""
    if not (project / MANIFEST).is_file():
        return MIN_CELL
    return int(str(load_manifest(project).variables.get("min_cell", MIN_CELL)))


def _without_small(
    result: CardRows,
    members: Set[Member] | None,
    least: int,
    last: str | None,
    elsewhere: Set[tuple[Any, ...]],  # periods that another card withholds
) -> CardRows:
    """Withhold small groups and periods that another card withholds, and drop unlisted members."""
    unlisted: set[int] = set()
    names = next((names for names in MEMBERS if set(names) <= set(result.columns)), None)
    if members is not None and names:
        unlisted = {
            place
            for place, row in enumerate(result.rows)
            if row[names[0]] != EVERYTHING and (row[names[0]], row[names[1]]) not in members
        }
    with_them = {
        at for at, row in enumerate(result.rows) if elsewhere and period_of(row) in elsewhere
    }
    # What has to be withheld follows from all rows, so the others are dropped afterwards.
    rows = withhold(result.card, result.rows, least, unlisted | with_them, last)
    kept = [
        row
        for place, row in enumerate(rows)
        if row is not None and place not in unlisted and is_sent(row, last)
    ]
    return replace(result, rows=kept)


def _withheld_periods(result: CardRows) -> set[tuple[Any, ...]]:
    """Return the periods of members whose sum over all names is withheld."""
    names = [column.name for column in result.card.columns.values() if column.is_name]
    return {
        tuple(row.get(name) for name in PERIOD)
        for row in result.rows
        if row.get("is_withheld") and all(row[name] is None for name in names)
    }


def _with_past_periods(result: CardRows, loaded_through: str | None) -> CardRows:
    """Mark periods as complete once the sources were read beyond their end, anywhere on earth.

    To the reports, the last period is running until newer events come.
    """
    dated = next((name for name in ("day", "period_start") if name in result.columns), None)
    if not dated or "is_complete" not in result.columns or not loaded_through:
        return result
    now = datetime.fromisoformat(loaded_through)

    @cache
    def is_past(start: str, grain: str | None) -> bool:
        end = datetime.combine(end_of(date.fromisoformat(start), grain), time.min, UTC)
        return now >= end + timedelta(days=1, hours=12)

    rows = [
        {**row, "is_complete": True}
        if not row["is_complete"] and row[dated] and is_past(row[dated], row.get("grain"))
        else row
        for row in result.rows
    ]
    return replace(result, rows=rows)


def _of_member(results: Sequence[CardRows], only: Member) -> list[CardRows]:
    """Return the cards that have slices, with the rows of one member."""
    sliced = [result for result in results if set(SLICE) <= set(result.columns)]
    members = {member_of(row) for each in sliced for row in each.rows}
    if only not in members:
        name, value = only
        known = sorted(str(each) for slice_, each in members if slice_ == name)
        if not known:
            names = sorted({str(slice_) for slice_, _ in members} - {EVERYTHING})
            near = did_you_mean(name, names) or f"there are {', '.join(names) or 'none'}"
            raise UsageError(f"{name} is not a slice of the page", near)
        near = did_you_mean(value, known) or "members with few users are not shown: page.sql"
        raise UsageError(f"the page shows no {name} {value}", near)
    return [
        replace(each, rows=[row for row in each.rows if member_of(row) == only]) for each in sliced
    ]


def _behind(session: Session, project: Path, target: Target) -> list[Row]:
    """Return the pipelines that load no new rows, and the reports that they hold back."""
    rows = session.rows(_of_target(named_query("pages/dashboard/data.behind"), target))
    if not rows or not (project / MANIFEST).is_file():
        return []
    manifest = load_manifest(project)
    found = []
    for row in rows:
        keys = reports_of(manifest, row["replica"].removeprefix(replica_name("")))
        names = [key.partition(".")[2] for key in keys]
        more = f" and {len(names) - NAMED} more reports" if len(names) > NAMED else ""
        reports = ", ".join(names[:NAMED]) + more
        found.append({**row, "since": plain(row["since"]), "reports": reports})
    return [row for row in found if row["reports"]]


def _notes(
    session: Session, members: Set[Member] | None, only: Member | None
) -> dict[str, list[Row]]:
    """Return the annotations of everybody and of the members that are shown, and the goals.

    Goals are for everybody's figures, which the page of one member does not have.
    """
    if not session.named("pages/dashboard/data.has_notes")[0]["has_notes"]:
        return {}
    goals, annotations = (
        _plain_rows(session.named(f"pages/dashboard/data.{name}"))
        for name in ("goals", "annotations")
    )
    members = {only} if only else members
    if members is not None:
        annotations = [
            row for row in annotations if row["slice"] == EVERYTHING or member_of(row) in members
        ]
    return {"annotations": annotations, "goals": [] if only else goals}


def by_column(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return rows by column, so that each name stands there once.

    Repeated values are left to the compression of the page. Encoding them first made 57,000 rows
    10 % smaller, and took 0.3 s of CPU instead of 0.2 s.
    """
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def script_json(value: Any) -> str:
    """Return JSON in which no HTML parser finds markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
