"""A warehouse that has grown for four months, and what may happen to it next; for tests that make its
scripts wrong on purpose. Days are those of Havana, where midnight comes twice on 1 November 2020.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from runner.build.build import read_plan
from runner.build.compose import PRELUDE, Composer
from runner.build.plan import Step
from runner.database.session import Database, Session
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline
from tests import oracle, oracle_warehouse
from tests.oracle import EARN, REDEEM, SEARCH, Row
from tests.support import (
    PROJECT,
    campaigns,
    costs,
    frozen,
    ingest,
    insert_events,
    query,
    rebuild,
    source_events,
)
from tests.support.databases import let_rows_change

ZONE = "America/Havana"
DAY = timedelta(days=1)
# A Monday in the midst of a month: the first week is whole. A Sunday: its week is over a day later.
BEGIN, LAST = date(2020, 7, 27), date(2020, 12, 6)
NUMBERS = (1, 3, 7, 14, 30, 60, 90)
# First days on both sides of the borders of weeks and months, and of the day numbers that are over.
FIRST = [
    BEGIN,
    *(date(2020, month, 1) + side for month in (8, 9, 10, 11, 12) for side in (-DAY, 0 * DAY)),
    *(date(2020, 9, day) for day in (6, 7)),
    *(LAST - number * DAY - side for number in NUMBERS for side in (-DAY, 0 * DAY, DAY)),
]
AGES = (1, 2, 3, 4, 7, 8, 14, 15, 27, 28, 30, 31, 59, 60, 61, 89, 90, 91)

Change = Callable[[Database], None]


def moment(day: date, hour: float = 9) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(ZONE)) + timedelta(hours=hour)


def act(day: date, user: str, kind: str = "like", hour: float = 9, **values: Any) -> dict[str, Any]:
    return {
        "event_time": moment(day, hour),
        "created_at": moment(day, hour),
        "updated_at": moment(day, hour),
        "user_id": user,
        "event_type": kind,
        "platform": "ios",
        "utm_source": "google",
        "country": "CU",
        **values,
    }


def of_days(days: Iterable[date]) -> list[dict[str, Any]]:
    """What everybody does on these days."""
    draw = random.Random(17)
    events = []
    for number, first in enumerate(3 * FIRST):
        home = draw.choice(["CU", "US"])
        ages = [0, 0, *draw.choices(NUMBERS, k=3), *draw.choices(AGES, k=3)]
        for age in ages:
            kind = draw.choice([EARN, EARN, REDEEM, SEARCH, "like", "share", "odd"])
            miles = draw.choice([None, 0, 5, "7.25", "1.50", "0.5", -3])
            events.append(
                act(
                    first + age * DAY,
                    f"u{number}",
                    kind,
                    draw.choice([0, 9, 9, 23.99]),
                    miles_amount=miles if kind in (EARN, REDEEM) else None,
                    transaction_category=draw.choice(["dining", "hotel", None]),
                    platform=draw.choice(["ios", "ios", "web"]),
                    utm_source=draw.choice(["google", "google", "email", None]),
                    country=draw.choice([home, home, home, "MX"]),
                )
            )
    # There and never again: from then on quiet days, to the last one.
    events.append(act(date(2020, 8, 20), "once", REDEEM, country="VN", miles_amount=3))
    # Back at once, and long after that they redeem.
    events += [act(date(2020, 8, 20), "slow"), act(date(2020, 8, 21), "slow")]
    events.append(act(LAST + DAY, "slow", REDEEM, miles_amount=1))
    # Of the first day of a long month, and back after ninety days.
    events += [act(date(2020, 8, 1) + age * DAY, "august") for age in (0, 90)]
    wanted = set(days)
    return [event for event in events if event["event_time"].date() in wanted]


def prepare(database: Database) -> None:
    """All days but the last, ingested and built; the source may change its rows."""
    let_rows_change(database)
    with database.session("test") as session:
        session.run(
            "alter table public.event_stream drop constraint miles_amount_is_not_negative;"
            " update orchestrator.pipeline_definitions set on_delete = 'apply'"
            " where pipeline_name = 'event_stream'"
        )
    query(
        database,
        "insert into public.campaign_costs (utm_source, month, cost)"
        " values ('google', '2020-09-01', 10)",
    )
    insert_events(
        database, of_days(BEGIN + number * DAY for number in range((LAST - BEGIN).days + 1))
    )
    ingest(database)
    rebuild(database, manifest=in_zone())


def in_zone() -> Manifest:
    manifest = load(PROJECT)
    variables = {**manifest.variables, "reporting_timezone": ZONE}
    return dataclasses.replace(manifest, variables=variables)


# --- what happens next ------------------------------------------------------------------------------


def a_day_later(database: Database) -> None:
    insert_events(database, of_days([LAST + DAY]))


def somebody_was_back_after_ninety_days(database: Database) -> None:
    """Whose first day is the last of its month and week; nothing else has happened since."""
    (first,) = query(
        database,
        "select min(user_id) as user_id from warehouse.agg_user_returns"
        " where slice = 'all' and first_day = %(day)s and not active_ages && array[90]",
        day=date(2020, 8, 31),
    )
    insert_events(database, [act(date(2020, 8, 31) + 90 * DAY, first["user_id"], REDEEM)])


def late_ones(database: Database) -> None:
    """A month before the last day: others, other places of the same users, earlier first days."""
    insert_events(
        database,
        [
            act(date(2020, 11, 5), "late", EARN, miles_amount="2.5", country="PA"),
            act(date(2020, 11, 8), "u8", REDEEM, miles_amount=1, platform="tv", utm_source="email"),
            act(date(2020, 11, 6), "u64", SEARCH),
            act(date(2020, 11, 6), "u64", EARN, 10, miles_amount=4),
        ],
    )


def changed_and_deleted(database: Database) -> None:
    with database.session("test") as session:
        session.run(
            """
            update public.event_stream
            set
                event_time = event_time - interval '1 hour' * case event_id % 3 when 0 then 30 else 0 end,
                user_id = case when event_id % 3 = 1 then 'u5' else user_id end,
                country = case when event_id % 3 = 2 then 'PA' else country end,
                miles_amount = 2,
                updated_at = '2020-12-08'
            where event_id % 41 = 0;

            delete from public.event_stream
            where
                event_id % 37 = 0
                or user_id = 'once'
                or event_type = 'miles_redeemed' and event_id % 5 = 0
            """
        )
    reconcile(database)


def a_month_has_just_begun(database: Database) -> None:
    """What came behind its first day is gone; the week before is not over any more."""
    delete_since(database, "2020-12-02 05:00+00")


def a_month_is_about_to_end(database: Database) -> None:
    delete_since(database, "2020-12-01 05:00+00")


def an_earlier_begin(database: Database) -> None:
    """And somebody who redeemed on the first day, and was never back, has been back."""
    insert_events(
        database,
        [
            act(date(2020, 6, 30), "early", EARN, miles_amount=8, platform="web"),
            act(date(2020, 8, 25), "once", country="VN"),
        ],
    )


CHANGES: tuple[Change, ...] = (
    a_day_later,
    somebody_was_back_after_ninety_days,
    late_ones,
    changed_and_deleted,
    a_month_has_just_begun,
    a_month_is_about_to_end,
    an_earlier_begin,
)


def delete_since(database: Database, moment: str) -> None:
    query(database, "delete from public.event_stream where event_time >= %(moment)s", moment=moment)
    reconcile(database)


def reconcile(database: Database) -> None:
    RepairedPipeline(1, database, PROJECT).reconcile(force=True)


# --- a build that goes on from its middle, again and again ------------------------------------------


class Pending:
    """A build of what has happened, before the scripts under test: each mutant goes on from here."""

    def __init__(self, session: Session, database: Database, scripts: tuple[str, ...]) -> None:
        self.session = session
        self.expected = _expected(database)
        session.run("begin")
        session.run(PRELUDE)
        manifest = in_zone()
        self.positions, steps = read_plan(session, manifest, Target())
        self.steps = [step for step in steps if step.script.key in scripts]
        before = _ancestors(manifest, scripts)
        for step in steps:
            if step.script.key in before and step.mode != "skip":
                self._run(step, manifest)
        session.run("savepoint before")

    def _run(self, step: Step, manifest: Manifest) -> None:
        composer = Composer(manifest, Target(), self.positions)
        for piece in composer.update(step, self.session):
            self.session.run(piece.text, piece.file)

    def wrong_table(self, manifest: Manifest, is_full: bool = False) -> str | None:
        """The first table that differs from plain Python when the scripts run by these texts."""
        if is_full:
            composer = Composer(manifest, Target(), self.positions)
            for piece in composer.layer("warehouse"):
                self.session.run(piece.text, piece.file)
        try:
            for step in self.steps:
                script = manifest.scripts[step.script.key]
                mode = "full" if is_full else step.mode
                self._run(dataclasses.replace(step, script=script, mode=mode), manifest)
                for key in (f"{script.layer}.{table}" for table in script.tables):
                    found = {frozen(row) for row in self.session.rows(f"select * from {key}")}
                    if found != self.expected[key]:
                        return key
            return None
        finally:
            self.session.run("rollback to savepoint before")


@contextlib.contextmanager
def pending(database: Database, scripts: tuple[str, ...], change: Change) -> Iterator[Pending]:
    """A build of a change, of a database that `prepare` has made."""
    change(database)
    ingest(database)
    with database.session("test") as session:
        yield Pending(session, database, scripts)
        session.run("rollback")


def _expected(database: Database) -> dict[str, set[Any]]:
    known = source_events(database), campaigns(database), costs(database)
    tables: dict[str, list[Row]] = {
        f"warehouse.{name}": rows
        for name, rows in oracle_warehouse.all_tables(*known, timezone=ZONE).items()
    }
    reports = oracle.all_reports(*known, timezone=ZONE)
    tables |= {f"reporting.{name}": rows for name, rows in reports.items()}
    return {key: {frozen(row) for row in rows} for key, rows in tables.items()}


def _ancestors(manifest: Manifest, scripts: tuple[str, ...]) -> set[str]:
    """What the scripts need, and what that needs, but for themselves."""
    found: set[str] = set()
    fillers = manifest.fillers()
    todo = list(scripts)
    while todo:
        for need in manifest.scripts[todo.pop()].needs:
            if need in fillers and (key := fillers[need].key) not in found:
                found.add(key)
                todo.append(key)
    return found - set(scripts)


def mutated(manifest: Manifest, file: str, old: str, new: str) -> Manifest:
    """The manifest with another text in one place of a file."""
    text = manifest.read(Path(file))
    assert old in text, f"{file}: {old}"
    texts = dict.fromkeys((Path(file), PROJECT / file), text.replace(old, new))
    return dataclasses.replace(manifest, texts={**manifest.texts, **texts})
