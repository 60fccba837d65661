"""Drift on a real server: which types follow, and what hangs on a column while it changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.database.queries import named_query
from runner.database.session import Database, QueryFailed
from runner.errors import StartError
from runner.ingest.columns import Column
from runner.ingest.drift import Drift, apply, plan
from runner.ingest.pipelines import PipelineDefinition
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, ingest, insert_events, query, run_all

DEFINITION = PipelineDefinition(
    pipeline_id=1,
    pipeline_name="things",
    source_relation="public.things",
    target_relation="warehouse.raw_things",
    cursor_column="updated_at",
    key_columns=("id",),
)
EVENTS: dict[str, Any] = {
    "pipeline_name": "event_stream",
    "source_relation": "public.event_stream",
    "target_relation": "warehouse.raw_event_stream",
    "cursor_column": "created_at",
    "key_columns": ("event_id",),
}
FOLLOWED = [
    ("varchar(10)", "varchar(20)"),
    ("varchar(10)", "varchar"),
    ("varchar(10)", "text"),
    ("char(3)", "char(5)"),
    ("char(3)", "text"),
    ("char(3)", "varchar(3)"),
    ("numeric(8,2)", "numeric(12,4)"),
    ("numeric(8,2)", "numeric"),
    ("numeric(3,-2)", "numeric(6,0)"),
    ("numeric(2,5)", "numeric(4,6)"),
    ("timestamp(0)", "timestamp"),
    ("timestamptz(0)", "timestamptz(3)"),
    ("time(0)", "time"),
    ("interval(3)", "interval"),
    ("smallint", "integer"),
    ("integer", "bigint"),
    ("integer", "numeric"),
    ("integer", "numeric(10,0)"),
    ("bigint", "numeric(22,3)"),
    ("real", "double precision"),
    ("integer", "double precision"),
    ("date", "timestamp"),
    ("date", "timestamp(0)"),
    ("integer[]", "bigint[]"),
    ("varchar(3)[]", "varchar(5)[]"),
    ("cidr", "inet"),
]
REFUSED = [
    ("varchar(20)", "varchar(10)"),
    ("text", "varchar(10)"),
    ("text", "char"),
    ("text", "name"),
    ("text", "integer"),
    ("integer", "text"),
    ("numeric(8,2)", "numeric(8,4)"),
    ("numeric(8,2)", "numeric(12,1)"),
    ("numeric", "numeric(12,2)"),
    ("numeric(12,2)", "integer"),
    ("numeric", "double precision"),
    ("bigint", "integer"),
    ("bigint", "double precision"),
    ("integer", "real"),
    ("integer", "numeric(10,2)"),
    ("timestamp", "timestamp(0)"),
    ("timestamp", "timestamptz"),
    ("timestamptz", "timestamp"),
    ("date", "timestamptz"),
    ("interval", "interval(3)"),
    ("bit(3)", "bit(5)"),
    ("boolean", "text"),
    ("public.mood", "text"),
    ("text", "public.mood"),
    ("integer[]", "integer"),
    ("integer", "integer[]"),
    ("json", "jsonb"),
    ("text", "regclass"),
    ("macaddr8", "macaddr"),
]


def prepare(database: Database, before: str, after: str) -> None:
    """A source with a column of one type, and its replica with one of another."""
    with database.session("test") as session:
        session.run(
            "create type public.mood as enum ('good', 'bad');"
            f"create table public.things (value {after}, id int primary key, updated_at timestamptz);"
            "create table warehouse.raw_things ("
            f"    id int primary key, updated_at timestamptz, value {before}, _run_id bigint not null)"
        )


def columns(database: Database, relation: str) -> dict[str, Column]:
    rows = query(database, named_query("ingest/columns.columns"), relation=relation)
    return {row["name"]: Column(**row) for row in rows}


def follow(database: Database, **changed: Any) -> Drift:
    definition = replace(DEFINITION, **changed)
    source = list(columns(database, definition.source_relation).values())
    stored = list(columns(database, definition.target_relation).values())
    with database.session("test") as session, session.transaction():
        drift = plan(session, definition, source, stored)
        apply(session, drift)
    return drift


@pytest.mark.parametrize(("before", "after"), FOLLOWED)
def test_a_wider_type_follows(database: Database, before: str, after: str) -> None:
    prepare(database, before, after)
    follow(database)
    source, stored = columns(database, "public.things"), columns(database, "warehouse.raw_things")
    assert stored["value"].type == source["value"].type
    assert follow(database).statements == []


@pytest.mark.parametrize(("before", "after"), REFUSED)
def test_any_other_type_stops_and_nothing_changes(
    database: Database, before: str, after: str
) -> None:
    prepare(database, before, after)
    stored = columns(database, "warehouse.raw_things")
    with pytest.raises(StartError, match=r"things: public\.things\.value is now "):
        follow(database)
    assert columns(database, "warehouse.raw_things") == stored


def test_the_shipped_view_stays_with_all_that_people_did_to_it(empty_database: Database) -> None:
    database = empty_database
    with database.session("test") as session:
        session.run(
            """
            create table public.event_stream (
                event_id bigint generated always as identity primary key,
                event_time timestamptz not null,
                user_id varchar(20),
                event_type varchar(20),
                transaction_category text,
                miles_amount integer,
                platform char(7),
                utm_source text,
                country text,
                created_at timestamptz not null default now()
            )
            """
        )
    schema.apply(database, load(PROJECT), Target())
    with database.session("test") as session:
        session.run(
            """
            insert into warehouse.raw_event_stream values
            (1, '2026-01-01', 'one', 'like', null, 7, 'ios', null, null, '2026-01-01', 1);
            alter view warehouse.classified_events set (security_barrier = true);
            grant select on warehouse.classified_events to pg_monitor;
            grant select (user_id) on warehouse.classified_events to public;
            create view warehouse.mine as select user_id from warehouse.classified_events;
            create materialized view warehouse.theirs as select * from warehouse.classified_events;
            alter table public.event_stream
            alter column user_id type text,
            alter column miles_amount type numeric,
            alter column platform type text
            """
        )
    looks = """
        select
            views.oid, views.relowner, views.relacl::text, views.reloptions,
            array(select events::text from warehouse.classified_events as events) as events,
            array(
                select attacl::text from pg_attribute where attrelid = views.oid order by attnum
            ) as column_grants,
            array(
                select description from pg_description where objoid = views.oid order by objsubid
            ) as comments,
            array(select mine.user_id from warehouse.mine) as users
        from pg_class as views
        where views.oid = 'warehouse.classified_events'::regclass
    """
    before = query(database, looks)
    drift = follow(database, **EVENTS)
    assert tuple(drift.widened) == ("user_id", "miles_amount", "platform")
    assert query(database, looks) == before
    assert "like" in before[0]["events"][0]


@pytest.mark.parametrize(
    ("dependent", "name"),
    [
        ("view public.passes_on as select value from warehouse.raw_things", "public.passes_on"),
        ("materialized view public.keeps as select value from warehouse.raw_things", "keeps"),
        (
            "function public.reads() returns bigint begin atomic"
            " select max(value) from warehouse.raw_things; end",
            "reads()",
        ),
    ],
)
def test_what_cannot_follow_is_named_with_a_way_out(
    database: Database, dependent: str, name: str
) -> None:
    prepare(database, "integer", "bigint")
    query(database, f"create {dependent}")
    with pytest.raises(StartError, match=r"value of warehouse\.raw_things was") as caught:
        follow(database)
    assert name in f"{caught.value.message} {caught.value.hint}"
    assert columns(database, "warehouse.raw_things")["value"].type == "integer"


def test_columns_come_go_and_come_back(database: Database) -> None:
    prepare(database, "varchar(3)[]", "varchar(3)[]")
    with database.session("test") as session:
        session.run(
            "alter table warehouse.raw_things alter column value set not null;"
            "alter table public.things drop column value,"
            " add column \"a {strange} 'name'\" public.mood"
        )
    assert len(follow(database).sentences) == 2
    assert follow(database).statements == []
    query(database, "insert into warehouse.raw_things (id, _run_id) values (1, 1)")
    query(database, "alter table public.things add column value varchar(5)[]")
    assert len(follow(database).sentences) == 2
    assert columns(database, "warehouse.raw_things")["value"].comment == "value of public.things."
    assert follow(database).statements == []


def test_a_wider_key_follows_with_its_constraint(database: Database) -> None:
    prepare(database, "text", "text")
    query(database, "insert into warehouse.raw_things (id, _run_id) values (1, 1)")
    query(database, "alter table public.things alter column id type bigint")
    follow(database)
    query(database, "insert into warehouse.raw_things (id, _run_id) values (3000000000, 1)")
    with pytest.raises(QueryFailed, match="duplicate key"):
        query(database, "insert into warehouse.raw_things (id, _run_id) values (1, 1)")


def test_the_transaction_that_widens_sees_the_rows_that_were_there(database: Database) -> None:
    prepare(database, "integer", "bigint")
    insert = "insert into warehouse.raw_things (id, value, _run_id) values (1, 5, 1)"
    query(database, insert)
    source = list(columns(database, "public.things").values())
    stored = list(columns(database, "warehouse.raw_things").values())
    with database.session("test") as session, session.transaction():
        apply(session, plan(session, DEFINITION, source, stored))
        assert session.row("select value from warehouse.raw_things") == {"value": 5}


def test_an_ingest_follows_its_source_fills_the_new_column_and_says_so(database: Database) -> None:
    insert_events(database, [{"event_time": "2026-01-01", "user_id": "one"}])
    run_all(database)
    query(database, "update orchestrator.pipeline_definitions set on_column_drop = 'follow'")
    query(database, "alter table public.event_stream add column app_version text default '1.0'")
    query(database, "alter table public.event_stream drop column country")
    insert_events(database, [{"event_time": "2026-01-02", "app_version": "1.1"}])
    ingest(database)
    found = query(database, "select app_version from warehouse.raw_event_stream order by event_id")
    assert [row["app_version"] for row in found] == ["1.0", "1.1"]
    said = [row["message"] for row in query(database, "select message from orchestrator.logs")]
    assert any("column app_version text was added" in message for message in said)
    assert any("column country is no longer in" in message for message in said)
    before = len(said)
    insert_events(database, [{"event_time": "2026-01-03"}])
    ingest(database)
    assert len(query(database, "select message from orchestrator.logs")) == before


def test_an_ingest_that_cannot_follow_changes_nothing_and_goes_on_once_it_can(
    database: Database,
) -> None:
    insert_events(database, [{"event_time": "2026-01-01", "miles_amount": 5}])
    ingest(database)
    query(
        database,
        "alter table public.event_stream drop constraint miles_amount_is_not_negative,"
        " alter column miles_amount type text using miles_amount::text",
    )
    insert_events(database, [{"event_time": "2026-01-02", "miles_amount": "6"}])
    with pytest.raises(StartError, match="miles_amount is now text"):
        ingest(database)
    failed = query(database, "select error from orchestrator.runs where status = 'failed'")
    assert "miles_amount is now text" in failed[0]["error"]
    query(
        database,
        'update orchestrator.pipeline_definitions set column_types = \'{"miles_amount": "numeric"}\''
        " where pipeline_name = 'event_stream'",
    )
    ingest(database)
    found = query(database, "select sum(miles_amount) as miles from warehouse.raw_event_stream")
    assert found == [{"miles": 11}]
