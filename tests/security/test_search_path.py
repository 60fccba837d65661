"""Nothing of a session's state decides which function, operator or table a statement of ours means."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runner.database.session import Database
from runner.status import status
from tests.support import PROJECT, earn, ingest, insert_events, query, run_all, scalar

# What mallory may do: create in public, as everybody may in databases that come from version 14.
TRAPS = """
create table public.caught (who text, how text);
grant all on public.caught to public;
create function public.format(text, integer, text, text) returns text language plpgsql as $$
begin
    insert into public.caught values (current_user, 'format');
    return 'mallory';
end $$;
create function public.name_is(name, text) returns boolean language plpgsql as $$
begin
    insert into public.caught values (current_user, 'name = text');
    return $1 operator(pg_catalog.=) $2;
end $$;
create operator public.= (function = public.name_is, leftarg = name, rightarg = text);
create function public.nulls(text, text, text, text) returns integer language plpgsql as $$
begin
    insert into public.caught values (current_user, 'num_nulls');
    return 0;
end $$;
alter function public.nulls rename to num_nulls;
"""


@pytest.fixture
def mallory(database: Database) -> str:
    """Somebody who may create in public and nothing else; returns how they connect."""
    name = f"mallory_{scalar(database, 'select current_database() as name')}"
    query(database, f"drop role if exists {name}")
    query(database, f"create role {name} login password 'm'")
    query(database, f"grant create on schema public to {name}")
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(name)))
        connection.execute(TRAPS)
    return make_conninfo(database.conninfo, user=name, password="m")


def caught(database: Database) -> list[dict[str, str]]:
    return query(database, "select distinct who, how from public.caught order by how")


def test_functions_that_somebody_else_made_are_never_called(
    database: Database, no_margin: None, mallory: str
) -> None:
    insert_events(database, [earn(day, f"u_{day % 3}", 100) for day in range(40)])
    with psycopg.connect(mallory, application_name="waits") as waiting:  # held_by says so: format()
        waiting.execute("select 1")
        run_all(database)
        status(database, PROJECT)
    assert scalar(database, "select count(*) from warehouse.fact_miles_earned") == 40
    assert caught(database) == []


def test_a_report_of_ours_calls_nothing_of_theirs_in_the_session_of_its_reader(
    database: Database, mallory: str
) -> None:
    with psycopg.connect(database.conninfo) as reader:
        reader.execute(
            "select * from warehouse.slice_groups(true, true, 'SG', 'ios', 'x')"
        ).fetchall()
        reader.execute("select * from warehouse.periods('2026-01-01')").fetchall()
    assert caught(database) == []


@pytest.mark.parametrize("where", ["address", "database"])
def test_every_session_looks_in_the_catalogue_alone(database: Database, where: str) -> None:
    conninfo = database.conninfo
    if where == "address":
        conninfo = make_conninfo(conninfo, options="-c search_path=public,pg_catalog")
    else:
        name = scalar(database, "select current_database() as name")
        query(database, f"alter database {name} set search_path = public, pg_catalog")
    with Database(conninfo).session("test") as session:
        assert session.row("select current_schemas(true)::text[] as path")["path"] == ["pg_catalog"]
        session.run("create temporary table pg_class (relname name)")
        assert session.row("select count(*) > 100 as is_real from pg_class")["is_real"]


@pytest.mark.parametrize("key", ["citext", "word"])
def test_keys_are_compared_as_their_type_compares_them(database: Database, key: str) -> None:
    """citext is equal whatever the case of its letters, and its operators are in public."""
    query(database, "create schema crm")
    query(database, "create extension citext schema public")
    query(database, "create domain public.word as public.citext")
    query(
        database,
        f"create table crm.people (email public.{key} primary key, city text,"
        " updated_at timestamptz default now())",
    )
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " cursor_column, key_columns, write_mode)"
        " values ('people', 'crm.people', 'updated_at', '{email}', 'upsert')",
    )
    query(database, "insert into crm.people (email, city) values ('Ann@x', 'Rome'), ('b@x', '')")
    query(database, "update crm.people set updated_at = now() - interval '1 hour'")
    ingest(database, "people")
    query(database, "update crm.people set email = 'ann@X', city = 'Oslo' where city = 'Rome'")
    query(database, "update crm.people set updated_at = now() - interval '1 minute'")
    runs = ingest(database, "people")
    assert sum(run.counts.inserted for run in runs) == 0
    assert sum(run.counts.updated for run in runs) == 2
    assert query(database, "select email::text, city from warehouse.raw_people order by 1") == [
        {"email": "ann@X", "city": "Oslo"},
        {"email": "b@x", "city": ""},
    ]
