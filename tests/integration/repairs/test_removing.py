"""A pipeline that no script needs can be removed, with its replica or without."""

from __future__ import annotations

import psycopg
import pytest

from runner.database.session import PIPELINE_LOCK, Database
from tests.support import ingest, query, scalar
from tests.support.commands import assert_refused, command
from tests.support.sweeps import slow_but


@pytest.fixture
def partners(built: Database, no_margin: None) -> Database:
    """A pipeline that has run twice, and whose rows have changed."""
    query(built, "create table public.partners (name text primary key, updated_at timestamptz)")
    query(built, "insert into public.partners values ('a', now()), ('b', now())")
    query(
        built,
        "insert into orchestrator.pipeline_definitions"
        " (pipeline_name, source_relation, cursor_column, key_columns, write_mode)"
        " values ('partners', 'public.partners', 'updated_at', '{name}', 'upsert')",
    )
    ingest(built, "partners")
    query(built, "update public.partners set updated_at = now() where name = 'a'")
    ingest(built, "partners")
    assert scalar(built, "select count(*) from orchestrator.replaced_rows") == 1
    return built


def remnants(database: Database) -> int:
    return int(
        scalar(
            database,
            "select (select count(*) from orchestrator.pipeline_definitions"
            "        where pipeline_name = 'partners')"
            "  + (select count(*) from orchestrator.runs where pipeline_id not in"
            "     (select pipeline_id from orchestrator.pipeline_definitions))",
        )
    )


@pytest.mark.parametrize("replica", slow_but(["keep", "drop"], "drop"))
def test_it_goes_with_its_runs_and_the_replica_as_asked(partners: Database, replica: str) -> None:
    words = ("pipelines", "remove", "partners", "--replica", replica, "--yes")
    done = command(*words, database=partners)
    assert done.returncode == 0, done.stderr
    assert "partners is removed" in done.stdout
    assert remnants(partners) == 0
    stays = scalar(partners, "select to_regclass('warehouse.raw_partners') is not null")
    assert stays == (replica == "keep")
    assert scalar(partners, "select count(*) from public.partners") == 2
    for follows in ("run-all", "verify"):
        assert command(follows, database=partners).returncode == 0


def test_what_a_script_needs_is_refused_with_its_name(built: Database) -> None:
    done = command("pipelines", "remove", "utm_campaigns", "--yes", database=built)
    assert_refused(
        done,
        3,
        "warehouse.raw_utm_campaigns, which utm_campaigns fills, is read by warehouse.dim_utm_sources",
    )


def test_nothing_is_removed_unasked(partners: Database) -> None:
    words = ("pipelines", "remove", "partners")
    assert_refused(command(*words, "--yes", database=partners), 2, "--replica keep")
    assert command(*words, "--replica", "drop", database=partners).returncode == 2
    assert remnants(partners) == 1


def test_nothing_is_removed_while_it_ingests(partners: Database) -> None:
    number = scalar(
        partners,
        "select pipeline_id from orchestrator.pipeline_definitions"
        " where pipeline_name = 'partners'",
    )
    with psycopg.connect(partners.conninfo) as other:
        other.execute("select pg_advisory_lock(%s, %s)", (PIPELINE_LOCK, number))
        words = ("pipelines", "remove", "partners", "--replica", "keep", "--yes")
        assert_refused(command(*words, database=partners), 3, "an ingest of partners")
    assert remnants(partners) == 1


def test_a_name_that_is_none_is_a_usage_error(built: Database) -> None:
    done = command("pipelines", "remove", "nobody", database=built)
    assert_refused(done, 2, "there is no pipeline nobody")
