"""Many pipelines in one round: they follow each other on two connections."""

from __future__ import annotations

import pytest

from runner import run
from runner.database.session import Database
from runner.errors import RunnerError
from runner.ingest.run import RunResult
from tests.support import PROJECT, query

PIPELINES = 8
SERVER_PROCESSES = """
    select array_agg(pid order by pid) as pids from pg_stat_activity
    where datname = current_database() and application_name like 'milepost ingest%%'
"""


def add_pipelines(database: Database) -> None:
    for number in range(PIPELINES):
        name = f"many_{number}"
        query(database, f"create table public.{name} (id int primary key, at timestamptz)")
        query(database, f"insert into public.{name} values (1, '2026-01-01')")
        query(
            database,
            "insert into orchestrator.pipeline_definitions"
            " (pipeline_name, source_relation, target_relation, cursor_column, key_columns)"
            f" values ('{name}', 'public.{name}', 'warehouse.raw_{name}', 'at', '{{id}}')",
        )


class Watcher(run.Listener):
    """Sees which server processes work when a pipeline has loaded; may end those of one."""

    def __init__(self, database: Database, kills: str = "") -> None:
        self.database, self.kills = database, kills
        self.seen: dict[str, list[int]] = {}

    def loaded(self, run: RunResult) -> None:
        [found] = query(self.database, SERVER_PROCESSES)
        self.seen[run.pipeline] = found["pids"]
        if run.pipeline == self.kills:
            self.kills = ""
            query(
                self.database,
                f"select pg_terminate_backend(pid) from unnest(array{found['pids']}) as pid",
            )


def test_pipelines_share_two_connections(database: Database) -> None:
    add_pipelines(database)
    watcher = Watcher(database)
    run.ingest(database, PROJECT, watcher)
    assert len(watcher.seen) > PIPELINES
    [pids] = {tuple(pids) for pids in watcher.seen.values()}
    assert len(pids) == 2


def test_a_lost_connection_is_replaced_and_no_other_pipeline_suffers(database: Database) -> None:
    add_pipelines(database)
    watcher = Watcher(database, kills="many_3")
    run.ingest(database, PROJECT, watcher)
    before, after = watcher.seen["many_2"], watcher.seen["many_4"]
    assert len(before) == len(after) == 2
    assert not {*before} & {*after}
    for number in range(PIPELINES):
        replica = f"select id, at from warehouse.raw_many_{number}"
        assert query(database, replica) == query(database, f"select * from public.many_{number}")


def test_a_pipeline_that_fails_leaves_the_next_a_clean_session(database: Database) -> None:
    """What it had open, its locks and its temporary tables, goes with it."""
    add_pipelines(database)
    query(database, "drop table public.many_3")
    watcher = Watcher(database)
    with pytest.raises(RunnerError, match="many_3"):
        run.ingest(database, PROJECT, watcher)
    assert "many_3" not in watcher.seen
    assert len(watcher.seen) >= PIPELINES - 1
    locks = "select count(*) as n from pg_locks where locktype = 'advisory' and database ="
    assert query(
        database, f"{locks} (select oid from pg_database where datname = current_database())"
    ) == [{"n": 0}]
