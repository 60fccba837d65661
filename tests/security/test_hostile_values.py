"""What stands in the orchestrator's tables reaches SQL as a value or a name, never as SQL."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from psycopg import sql

from runner.database.session import Database, QueryFailed
from runner.errors import RunnerError
from tests.support import earn, ingest, insert_events, query, rebuild, run_all, scalar
from tests.support.commands import command

# Each ends a literal, a name, a parenthesis, a comment or a placeholder, and then goes on.
ENDINGS = ("", "'", '"', ")", "')", '")', "*/", "$$", "}}", "text)")
ATTACK = "; create role {role} superuser; --"
# What made a superuser of whoever may write pipeline_definitions: two tables where one was meant.
TWO_TABLES = (
    "timestamptz, _run_id bigint); create role {role} superuser;"
    " create table public.second (event_id bigint"
)


def attacks(role: str) -> list[str]:
    return [ending + ATTACK.format(role=role) for ending in ENDINGS]


def roles(database: Database, role: str) -> int:
    return int(scalar(database, "select count(*) as n from pg_roles where rolname = %(r)s", r=role))


@pytest.fixture
def role(database: Database) -> str:
    return f"evil_{scalar(database, 'select current_database() as name')}"


def test_types_are_types(database: Database, role: str) -> None:
    insert_events(database, [earn(1, "u_1", 100)])
    query(database, "drop table warehouse.raw_event_stream cascade")
    for attack in (TWO_TABLES.format(role=role), *attacks(role), "text --", "text /* */"):
        types = json.dumps({"created_at": attack})
        query(
            database,
            "update orchestrator.pipeline_definitions set column_types = %(types)s::jsonb"
            " where pipeline_name = 'event_stream'",
            types=types,
        )
        with suppress(RunnerError):
            ingest(database, "event_stream")
        assert not roles(database, role), attack
        with pytest.raises(RunnerError, match="column_types"):
            ingest(database, "event_stream")


@pytest.mark.parametrize("word", ["varchar(2)", "character varying (2)", 'pg_catalog."varchar"(2)'])
def test_types_may_be_written_as_postgresql_reads_them(database: Database, word: str) -> None:
    insert_events(database, [earn(1, "u_1", 100)])
    query(
        database,
        "update orchestrator.pipeline_definitions set column_types = %(types)s::jsonb"
        " where pipeline_name = 'event_stream'",
        types=json.dumps({"country": word}),
    )
    ingest(database, "event_stream")
    shown = "select country from warehouse.raw_event_stream"
    assert query(database, shown) == [{"country": "SG"}]


# Every column that may hold a text, in every table.
COLUMNS = """
select format('%I.%I', schemas.nspname, classes.relname) as table, attributes.attname as column,
    attributes.atttypid::regtype::text as type
from pg_attribute as attributes
join pg_class as classes on classes.oid = attributes.attrelid
join pg_namespace as schemas on schemas.oid = classes.relnamespace
where schemas.nspname = 'orchestrator' and classes.relkind = 'r' and attributes.attnum > 0
    and not attributes.attisdropped and attributes.attgenerated = ''
    and attributes.atttypid::regtype::text in ('text', 'text[]', 'jsonb')
order by classes.relname, attributes.attnum
"""


def test_no_text_of_the_orchestrator_is_run(database: Database, role: str) -> None:
    insert_events(database, [earn(day, f"u_{day % 3}", 100) for day in range(5)])
    run_all(database)
    rebuild(database, "dev")
    columns = query(database, COLUMNS)
    written = set()
    for number, column in enumerate(columns):
        attack = attacks(role)[number % len(ENDINGS)]
        shapes = {
            "text": [attack, f"public.{attack}".replace(".", "", attack.count("."))],
            "text[]": [[attack]],
            "jsonb": [json.dumps({attack: attack}), json.dumps([attack])],
        }
        write = sql.SQL("update {} set {} = %(value)s::{}").format(
            sql.SQL(column["table"]), sql.Identifier(column["column"]), sql.SQL(column["type"])
        )
        for value in shapes[column["type"]]:
            with database.session("test") as session, suppress(QueryFailed):
                session.rows(write.as_string(), {"value": value})
                written.add((column["table"], column["column"]))
                break
    assert len(written) > len(columns) / 2
    for each in ("ingest", "plan", "render", "build", "status", "runs", "logs", "checks", "verify"):
        assert "Traceback" not in command(each, database=database).stderr
    assert "Traceback" not in command("pipelines", "list", database=database).stderr
    assert not roles(database, role)
