"""While a command waits for a person, it holds nothing that others need."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runner.database.session import Database
from tests.support import PROJECT, earn, ingest, insert_events, query, scalar
from tests.support.commands import environ
from tests.support.waiting import wait_until

OURS = """
select state, xact_start is not null as is_in_transaction
from pg_stat_activity
where datname = current_database() and application_name like 'milepost%'
"""
PIPELINES = "select pipeline_name as name from orchestrator.pipeline_definitions order by 1"


def wait_until_gone(database: Database) -> None:
    """Wait until no session of ours is there: one that was closed takes a moment to leave."""
    wait_until(lambda: query(database, OURS) == [], "no session of ours")


@contextmanager
def asked(
    *arguments: str, database: Database, question: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command at a terminal that has come to its question; what is typed goes to the number."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "runner", *arguments],
        cwd=PROJECT,
        env=environ(database, TERM="dumb"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ) as process:
        os.close(follower)
        try:
            shown = b""
            while question.encode() not in shown:
                shown += os.read(leader, 65536)
            yield process, leader
        finally:
            process.kill()
            os.close(leader)


@pytest.fixture
def people(database: Database) -> Database:
    query(
        database,
        "create table public.people"
        " (id int primary key, name text, changed_at timestamptz not null default now())",
    )
    return database


ADD = ("pipelines", "add", "people", "--source", "public.people", "--cursor", "changed_at")


def test_no_transaction_is_open_while_a_person_decides_on_a_new_pipeline(people: Database) -> None:
    with asked(*ADD, database=people, question="add this?") as (process, terminal):
        wait_until_gone(people)
        # An ingest meanwhile has nobody to wait for.
        insert_events(people, [earn(1, "u_1", 5)])
        ingest(people, "event_stream")
        assert scalar(people, "select count(*) from warehouse.raw_event_stream") == 1
        assert "people" not in str(query(people, PIPELINES))
        os.write(terminal, b"y\n")
        assert process.wait(timeout=30) == 0
    assert "people" in str(query(people, PIPELINES))


def test_a_pipeline_that_nobody_wants_is_not_added(people: Database) -> None:
    before = query(people, PIPELINES)
    with asked(*ADD, database=people, question="add this?") as (process, terminal):
        os.write(terminal, b"n\n")
        assert process.wait(timeout=30) == 1
    assert query(people, PIPELINES) == before


def test_no_connection_is_open_while_a_person_types_a_password(people: Database) -> None:
    elsewhere = ("--from", "postgresql://reader@/nowhere?host=/nowhere")
    with asked(*ADD, *elsewhere, database=people, question="password") as (process, terminal):
        wait_until_gone(people)
        os.write(terminal, b"\n")
        assert process.wait(timeout=30) != 0


def test_no_transaction_is_open_while_a_person_decides_on_an_undo(database: Database) -> None:
    insert_events(database, [earn(1, "u_1", 5)])
    (run, *_) = [done.run_id for done in ingest(database, "event_stream") if done.counts.inserted]
    undo = ("runs", "undo", str(run))
    with asked(*undo, database=database, question="undo it?") as (process, terminal):
        wait_until_gone(database)
        os.write(terminal, b"y\n")
        assert process.wait(timeout=30) == 0
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 0


def test_no_transaction_is_open_while_a_person_decides_on_a_schema(
    empty_database: Database,
) -> None:
    with asked("schema", "apply", database=empty_database, question="changes?") as (
        process,
        terminal,
    ):
        wait_until_gone(empty_database)
        os.write(terminal, b"y\n")
        assert process.wait(timeout=60) == 0
