"""A column that the source dropped: where scripts read it, nothing goes on as if it were there."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.database.session import Database
from runner.ingest.drift import readers
from tests.support import earn, edit, insert_events, query, scalar
from tests.support.commands import assert_refused, command
from tests.support.sweeps import slow_but

DROP = "alter table public.event_stream drop column transaction_category cascade"
ROWS = "select count(*) from warehouse.raw_event_stream"


def allow(database: Database, policy: str) -> None:
    query(
        database,
        "update orchestrator.pipeline_definitions set on_column_drop = %(policy)s"
        " where pipeline_name = 'event_stream' returning 1",
        policy=policy,
    )


def without_category(day: int) -> dict[str, object]:
    event = earn(day, "u_9", 5)
    del event["transaction_category"]
    return event


def test_a_dropped_column_that_scripts_read_stops_the_run(built: Database) -> None:
    before = scalar(built, ROWS)
    query(built, f"do $$ begin {DROP}; end $$; select 1")
    insert_events(built, [without_category(31)])
    for _ in range(2):  # it is not said once and then forgotten
        done = command("run-all", "--quiet", database=built)
        assert_refused(done, 1, "transaction_category", "schema/warehouse/classified_events.sql")
        assert "on_column_drop" in done.stderr
    assert scalar(built, ROWS) == before
    query(built, "alter table public.event_stream add column transaction_category text; select 1")
    assert command("run-all", database=built).returncode == 0
    assert scalar(built, ROWS) == before + 1


@pytest.mark.parametrize("policy", slow_but(["warn", "follow"], "warn"))
def test_a_dropped_column_is_followed_where_that_is_asked_for(built: Database, policy: str) -> None:
    query(built, f"do $$ begin {DROP}; end $$; select 1")
    insert_events(built, [without_category(31)])
    allow(built, policy)
    done = command("run-all", "--quiet", database=built)
    assert done.returncode == 0, done.stderr
    assert ("transaction_category" in done.stderr) == (policy == "warn")
    assert "transaction_category" not in command("run-all", database=built).stderr


def test_a_dropped_column_that_nothing_reads_is_followed(built: Database) -> None:
    query(built, "alter table public.event_stream add column mood text; select 1")
    assert command("ingest", database=built).returncode == 0
    query(built, "alter table public.event_stream drop column mood; select 1")
    insert_events(built, [earn(31, "u_9", 5)])
    done = command("run-all", database=built)
    assert done.returncode == 0, done.stderr
    assert "column mood is no longer in public.event_stream" in done.stdout


def test_columns_are_read_under_any_spelling(project: Path) -> None:
    file = "sql/warehouse/changed_events.sql"
    for text, column in [
        ("events.Mood", "mood"),
        ('events."Mo od"', "Mo od"),
        ("to_jsonb(events.*)", "anything"),
        ("* from x", "anything"),
    ]:
        before = (project / file).read_text()
        edit(project, file, "select", f"select {text}, ")
        found = readers(project, "warehouse.raw_event_stream", [column])
        assert [str(path) for path in found[column]] == [file]
        (project / file).write_text(before + f"\n-- {column}\n")
        assert readers(project, "warehouse.raw_event_stream", [column]) == {}
    assert readers(project, "warehouse.raw_other", ["event_time"]) == {}
