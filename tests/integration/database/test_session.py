"""Sessions: what a rehearsal leaves behind, and what exists."""

from __future__ import annotations

import pytest

from runner.database import ledger, tables
from runner.database.session import Database, QueryFailed


def test_a_rehearsal_leaves_nothing_behind(database: Database) -> None:
    with database.session("test") as session:
        with session.rehearsal():
            session.run("create table public.rehearsed ()")
            assert tables.exists(session, "public.rehearsed")
        assert not tables.exists(session, "public.rehearsed")


def test_a_rehearsal_reads_one_snapshot(database: Database) -> None:
    with database.session("test") as session, session.rehearsal():
        assert session.row("show transaction_isolation") == {
            "transaction_isolation": "repeatable read"
        }


def test_a_rehearsal_inside_a_transaction_ends_alone(database: Database) -> None:
    with database.session("test") as session:
        with session.transaction():
            session.run("create table public.kept ()")
            with session.rehearsal():
                session.run("drop table public.kept")
        assert tables.exists(session, "public.kept")


def test_an_error_in_a_rehearsal_reaches_the_caller(database: Database) -> None:
    with database.session("test") as session:
        with pytest.raises(QueryFailed), session.rehearsal():
            session.run("create table public.rehearsed (); select 1 / 0")
        assert not tables.exists(session, "public.rehearsed")


def test_a_named_query_writes_a_percent_sign_twice_with_and_without_values(
    database: Database,
) -> None:
    with database.session("test") as session, session.rehearsal():
        session.run("create table warehouse.raw_sold ()")
        session.run(
            "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
            " target_relation, cursor_column)"
            " values ('sold', 'public.sold', 'warehouse.raw_sold', 'at')"
        )
        assert "warehouse.raw_sold" in ledger.replicas(session)


def test_names_are_taken_as_they_are_written(database: Database) -> None:
    with database.session("test") as session, session.rehearsal():
        session.run('create table public."Mixed.Case" (); create view public.seen as select 1')
        assert tables.kind(session, "public.Mixed.Case") == "r"
        assert tables.kind(session, "public.seen") == "v"
        assert tables.kind(session, "public.mixed") is None
