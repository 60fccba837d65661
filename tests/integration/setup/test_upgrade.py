"""A database without versions, but newer than commit 677721c: it has part of what is new already."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.database.session import Database
from runner.errors import RunnerError, StartError
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import load_csv, schema
from tests.support import PROJECT, event, ingest, insert_events, query, scalar

# What this version has added, taken away again.
FORMER = """
drop table orchestrator.schema_version;
alter table orchestrator.replaced_rows drop column old_texts;
alter table orchestrator.runs drop column search_elapsed;
alter table orchestrator.loaded_files set schema public;
alter table orchestrator.load_rejects set schema public;
alter table orchestrator.pipeline_definitions
drop constraint replica_is_one_that_scripts_can_name,
drop constraint replica_name_is_not_cut;
drop function orchestrator.readable, orchestrator.row_of_key;
"""


def apply(database: Database) -> None:
    schema.apply(database, load(PROJECT), Target())


def test_what_is_new_comes_and_what_was_there_stays(database: Database) -> None:
    insert_events(database, [event(1), event(2)])
    ingest(database, "event_stream")
    long = "x" * 63
    query(database, FORMER)
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " cursor_column) values ('long', %(one)s, 'at'), ('longer', %(other)s, 'at')",
        one=f"shop.{long}",
        other=f"shop.{long}y",
    )
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " target_relation, cursor_column) values ('odd', 'shop.odd', 'shop.copy', 'at')",
    )
    with pytest.raises(StartError, match="an older orchestrator schema"):
        ingest(database, "event_stream")
    for _ in range(2):
        apply(database)
    assert scalar(database, "select count(*) from orchestrator.pipeline_definitions") == 6
    found = query(
        database,
        "select pipeline_name, target_relation from orchestrator.pipeline_definitions"
        " where pipeline_name in ('long', 'longer', 'odd') order by 1",
    )
    # The table that both were cut to is that of the first.
    assert [row["target_relation"] for row in found] == [
        f"warehouse.raw_{long[:59]}",
        None,
        "shop.copy",
    ]
    insert_events(database, [event(3)])
    ingest(database, "event_stream")
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 3


def test_what_was_loaded_before_moves_with_its_rejects(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("event_time,user_id\n2026-01-01,ann\nyesterday,ben\n")
    load_csv.load(database, file, as_history=False)
    before = query(database, "table orchestrator.loaded_files")
    rejects = query(database, "table orchestrator.load_rejects")
    query(database, FORMER)
    for _ in range(2):
        apply(database)
    assert query(database, "table orchestrator.loaded_files") == before
    assert query(database, "table orchestrator.load_rejects") == rejects and len(rejects) == 1
    with pytest.raises(RunnerError, match="loaded"):  # the same content, still
        load_csv.load(database, file, as_history=False)
    file.write_text("event_time,user_id\n2026-01-02,ann\n")
    load_csv.load(database, file, as_history=False)
    assert scalar(database, "select max(load_id) from orchestrator.loaded_files") > 1


def test_tables_of_that_name_that_are_not_ours_stay(empty_database: Database) -> None:
    query(empty_database, "create table public.loaded_files (id int)")
    query(empty_database, "create table public.load_rejects (raw_line text)")
    apply(empty_database)
    assert query(empty_database, "table public.loaded_files") == []
    assert query(empty_database, "table orchestrator.loaded_files") == []
