"""Who reads the reports sees counts, and nobody's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from runner.database.session import Database
from runner.errors import RunnerError
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import (
    PROJECT,
    earn,
    event,
    ingest,
    insert_events,
    query,
    roles,
    run_all,
    scalar,
)

PERSON = "person-4711"


@pytest.fixture
def reader(database: Database) -> Iterator[Database]:
    """The reports of a person, with a check and an ingest that failed over them, as a BI tool."""
    insert_events(
        database,
        [earn(day, PERSON, 100) for day in range(40)]
        + [event(day, PERSON, kind) for day in range(40) for kind in ("share", "reward_search")],
    )
    run_all(database)
    query(
        database,
        "update orchestrator.check_results set sample = jsonb_build_array(jsonb_build_object("
        "'user_id', %(person)s::text))",
        person=PERSON,
    )
    query(
        database,
        "alter table warehouse.raw_event_stream add constraint nobody check (user_id is null)"
        " not valid",
    )
    query(database, "update orchestrator.pipeline_definitions set max_rejected_share = 0")
    insert_events(database, [earn(41, PERSON, 100)])
    with suppress(RunnerError):
        ingest(database, "event_stream")
    assert PERSON in scalar(database, "select string_agg(error, ' ') from orchestrator.runs")
    with roles.dropped(database):
        schema.apply(database, load(PROJECT), Target(), roles=True)
        yield roles.login(database, "reader")


def test_no_column_of_the_reports_names_a_person(reader: Database) -> None:
    tables = query(
        reader,
        "select format('%I.%I', nspname, relname) as name from pg_class"
        " inner join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname = 'reporting' and relkind in ('r', 'v')",
    )
    assert len(tables) > 15
    named = [
        table["name"]
        for table in tables
        for found in query(
            reader, f"select to_jsonb(rows.*)::text as row from {table['name']} as rows"
        )
        if PERSON in found["row"]
    ]
    assert named == []


def test_who_may_read_the_orchestrator_sees_why_a_run_failed(
    reader: Database, database: Database
) -> None:
    failed = "select error from reporting.pipeline_runs where status = 'failed'"
    assert all(row["error"] is None for row in query(reader, failed))
    assert any(PERSON in row["error"] for row in query(database, failed))
