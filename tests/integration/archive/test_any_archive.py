"""Any events, changed and late, with months archived in between, and facts in months or not: what is
built is what plain Python says, and what a rebuild makes of the rows that are left.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.archive.archive import archive
from runner.build.build import build
from runner.compare.rebuild import verify
from runner.database.session import Database
from runner.errors import RunnerError
from runner.ingest.attempt import Listener
from runner.project.manifest import load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline, open_pipeline
from tests.support import earn, insert_events, query, scalar
from tests.support.databases import Moulds
from tests.support.months import FIRST, in_months, monthly_project

LIVE = Target()
MONTHS = ("2026-02", "2026-03", "2026-04")

days = st.integers(0, 119)
users = st.sampled_from(["u_1", "u_2", "u_new", None])
steps = st.one_of(
    st.tuples(st.just("insert"), days, users),  # it happened then, and is written now
    st.tuples(st.just("back-date"), days, users),  # and is said to have been written then
    st.tuples(st.just("change"), st.integers(1, 240), users),
    st.tuples(st.just("ingest")),
    st.tuples(st.just("build"), st.booleans()),
    st.tuples(st.just("archive"), st.sampled_from(MONTHS)),
    st.tuples(st.just("reconcile")),
)
ONE = settings(
    max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False
)


class World:
    """A source, what an ingest has seen of it, and the day before which months are archived.

    `seen` is what the facts should say: an event of an archived month stays as it was.
    """

    def __init__(self, database: Database, folder: Path, months: bool) -> None:
        self.database, self.folder = database, folder
        found = load(monthly_project())
        self.manifest = replace(found, variables={**found.variables, "monthly_facts": months})
        self.seen: dict[int, dict[str, Any]] = {}
        self.before = datetime(1, 1, 1, tzinfo=UTC)
        self.ingest()  # of this database, and not of the one that it was cloned from

    @property
    def pipeline(self) -> RepairedPipeline:
        return open_pipeline(self.database, monthly_project(), "event_stream", Listener())

    def look(self) -> None:
        """Note what the source says of months that are not archived."""
        for row in query(self.database, "select * from public.event_stream"):
            if row["created_at"] >= self.before:
                self.seen[row["event_id"]] = row

    def insert(self, day: int, user: str | None, **more: Any) -> None:
        insert_events(self.database, [{**earn(day, "", 7), "user_id": user, **more}])

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("insert", day, user):
                self.insert(day, user)
            case ("back-date", day, user):
                self.insert(day, user, created_at=FIRST + timedelta(days=day))
            case ("change", event, user):
                with self.database.session("test") as session:
                    session.rows(
                        "update public.event_stream set user_id = %(user)s,"
                        " event_time = event_time - interval '1 day' where event_id = %(event)s",
                        {"user": user, "event": event},
                    )
            case ("ingest",):
                self.ingest()
            case ("reconcile",):
                self.ingest()
                self.pipeline.reconcile()
            case ("build", is_full):
                build(self.database, self.manifest, LIVE, ["changed_events"] if is_full else [])
            case ("archive", month):
                self.archive(month)

    def ingest(self) -> None:
        self.pipeline.run(sweep=True)
        self.look()

    def archive(self, month: str) -> None:
        try:
            archive(self.database, self.manifest, month, self.folder)
        except RunnerError as error:
            assert "has not built all of its rows" in error.message
        high = scalar(self.database, "select max(high) from orchestrator.archived_months")
        self.before = high or self.before

    def assert_right(self) -> None:
        """The facts are what was seen, and all else is what a rebuild makes of them."""
        self.ingest()
        build(self.database, self.manifest, LIVE)
        found = query(
            self.database,
            "select event_id, user_id, event_date, miles_earned from warehouse.fact_miles_earned"
            " union all select event_id, user_id, event_date, null"
            " from warehouse.fact_social_engagements",
        )
        wanted = [
            (row["event_id"], row["user_id"], self.day(row), row["miles_amount"])
            for row in self.seen.values()
            if row["user_id"]
        ]
        assert sorted(map(tuple, (row.values() for row in found))) == sorted(wanted)
        assert not verify(self.database, self.manifest, LIVE, jobs=1).differences

    def day(self, row: dict[str, Any]) -> date:
        return row["event_time"].astimezone(UTC).date()


def follow(moulds: Moulds, months: bool, history: list[tuple[Any, ...]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    try:
        with moulds.clone(in_months) as database:
            world = World(database, folder / "archive", months)
            for step in history:
                world.do(step)
            world.assert_right()
    finally:
        shutil.rmtree(folder)


@ONE
@given(months=st.booleans(), history=st.lists(steps, min_size=3, max_size=6))
def test_any_history_with_archived_months_is_built_as_if_from_scratch(
    moulds: Moulds, no_margin: None, months: bool, history: list[tuple[Any, ...]]
) -> None:
    follow(moulds, months, [*history[:2], ("build", False), ("archive", "2026-03"), *history[2:]])


@pytest.mark.slow
@settings(ONE, max_examples=2)
@given(months=st.booleans(), history=st.lists(steps, min_size=6, max_size=14))
def test_any_long_history_with_archived_months_is_built_as_if_from_scratch(
    moulds: Moulds, no_margin: None, months: bool, history: list[tuple[Any, ...]]
) -> None:
    follow(moulds, months, history)
