"""Twice as many of everything is at most a little more than twice the work.

Work is the rows that all nodes of all plans gave or threw away, or the blocks that were touched: not
times, so a busy machine changes nothing. What is linear doubles; a square is four times as much.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import pytest

from runner.build.build import open_builder
from runner.build.plan import Step, decide
from runner.build.transaction import Listener
from runner.database.session import Database
from runner.project.graph import order, select
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup.new_project import ORDERS, write
from runner.testing.lint import lint
from tests.support import PROJECT, ingest, query, scalar
from tests.support.databases import Moulds, apply_schema
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

LIMIT = 2.2
EVENTS_OF_HALF = 4_000
SMALL = 5_000  # rows: what a script reads of anything is that many
# `actual rows=3.00 loops=2`, and `Rows Removed by Filter: 5` of each loop below it.
NODE = re.compile(r"rows=([\d.]+) loops=(\d+)\)|Rows Removed by [\w ]+: (\d+)")
# Events of so many users on so many days, in so many categories.
EVENTS = """
    insert into public.event_stream
    (event_time, user_id, event_type, transaction_category, miles_amount, platform, country, created_at)
    select
        timestamptz '2026-01-05' + interval '1 day' * %(days)s * (number / {rows}.0),
        'u_' || number * 7919 %% %(users)s,
        (array['miles_earned', 'miles_redeemed', 'reward_search', 'like'])[1 + number %% 4],
        'c_' || number / 4 %% %(categories)s,
        number %% 900, 'ios', 'SG', now()
    from generate_series(1::bigint, {rows}) as number
"""


class Work(Listener):
    """The rows that each script of a build reads, by the plans of its statements."""

    def __init__(self) -> None:
        self.script, self.rows = "", Counter[str]()

    def starting(self, step: Step, index: int, count: int) -> None:
        self.script = step.script.name

    def hear(self, notice: psycopg.errors.Diagnostic) -> None:
        loops = 1
        for rows, times, removed in NODE.findall(notice.message_primary or ""):
            loops = int(times) if times else loops
            self.rows[self.script] += round(float(rows or removed) * loops)


def built(database: Database) -> Counter[str]:
    """Build what is due; the rows that each script reads."""
    work = Work()
    with open_builder(database, load(PROJECT), Target(), "build", work) as builder:
        builder.work.run(
            "load 'auto_explain'; set auto_explain.log_level = notice;"
            " set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;"
            " set auto_explain.log_timing = off; set client_min_messages = notice"
        )
        builder.work.connection.add_notice_handler(work.hear)
        builder.bring_up_to_date()
    return work.rows


def of_events(moulds: Moulds, rows: int, **values: int) -> dict[str, Counter[str]]:
    """What a first build of so many events reads, and that of ten more."""
    with moulds.clone(apply_schema) as database:
        found = {}
        for what, more in (("first build", rows), ("ten more", 10)):
            query(database, EVENTS.format(rows=more), **values)
            ingest(database)
            query(database, "analyze")
            found[what] = built(database)
        return found


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"days": 1, "users": 40, "categories": 3}, id="one day"),
        pytest.param({"days": 150, "users": 1, "categories": 3}, id="one user"),
        pytest.param({"days": 30, "users": 1, "categories": 500}, id="categories of one user"),
    ],
)
def test_twice_the_events_are_twice_the_rows_to_read(
    moulds: Moulds, no_margin: None, values: dict[str, int]
) -> None:
    twice = {name: number * 2 if number >= 40 else number for name, number in values.items()}
    half = of_events(moulds, EVENTS_OF_HALF, **values)
    whole = of_events(moulds, 2 * EVENTS_OF_HALF, **{**twice, "days": values["days"]})
    for what, rows in whole.items():
        assert sum(rows.values()) > 2 * EVENTS_OF_HALF
        for script, read in rows.items():
            before = half[what][script]
            assert read <= max(SMALL, LIMIT * before), (what, script, before, read)


def test_twice_the_quiet_pipelines_are_twice_the_blocks(quiet: Database) -> None:
    blocks = []
    for first in (0, 40):
        for number in range(first, first + 40):
            query(
                quiet,
                f"create table public.many_{number} (id integer primary key, at timestamptz);"
                f" create index on public.many_{number} (at);"
                f" insert into public.many_{number} values (1, '2026-01-01');"
                " insert into orchestrator.pipeline_definitions"
                " (pipeline_name, source_relation, cursor_column, key_columns)"
                f" values ('many_{number}', 'public.many_{number}', 'at', '{{id}}')",
            )
        ingest(quiet)
        query(quiet, "analyze")
        ingest(quiet)
        before = touched(quiet)
        ingest(quiet)
        blocks.append(touched(quiet) - before)
    assert blocks[1] <= LIMIT * blocks[0], blocks


@pytest.fixture
def quiet(moulds: Moulds) -> Iterator[Database]:
    """A database whose own pipelines are gone."""
    with moulds.clone(apply_schema) as database:
        query(database, "delete from orchestrator.pipeline_definitions")
        yield database


def touched(database: Database) -> int:
    """The blocks that ended sessions have touched in a database."""
    wait_for(
        database,
        "select count(*) = 1 from pg_stat_activity"
        " where datname = current_database() and backend_type = 'client backend'",
    )
    return int(
        scalar(
            database,
            "select blks_hit + blks_read from pg_stat_database where datname = current_database()",
        )
    )


def test_twice_the_scripts_are_twice_the_calls(tmp_path: Path) -> None:
    _, half, whole = (calls_of(project_of(tmp_path, size), size) for size in (1, 60, 120))
    for what, number in whole.items():  # the first has imported what the others use
        assert number <= LIMIT * half[what], (what, half[what], number)


def project_of(folder: Path, size: int) -> Path:
    """A project of so many scripts, each of which reads the one before it."""
    project = folder / str(size)
    write(project, ORDERS, is_example=True)
    for number in range(size):
        add_script(project, number)
    return project


def calls_of(project: Path, size: int) -> dict[str, int]:
    manifest = load(project)
    last = f"+reporting.orders_{size - 1}"
    return {
        "load": calls(lambda: load(project)),
        "order": calls(lambda: order(manifest)),
        "select": calls(lambda: select(manifest, [last])),
        "lint": calls(lambda: lint(manifest)),
        "plan": calls(lambda: decide(manifest, {}, {})),
    }


def calls(work: Callable[[], object]) -> int:
    """How many functions Python calls."""
    count = 0

    def hear(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def add_script(project: Path, number: int) -> None:
    name, needs = f"orders_{number}", "warehouse.fact_orders"
    if number:
        needs = f"reporting.orders_{number - 1}"
    with (project / "sql/manifest.toml").open("a") as manifest:
        manifest.write(f'\n[reporting.{name}]\nneeds = ["{needs}"]\n')
    layer, table = needs.split(".")
    (project / f"sql/reporting/{name}.sql").write_text(
        f"-- reporting.{name}\n-- Grain: one row.\n-- Rerun: whole.\n-- Why:   one of many.\n\n"
        "insert into {{ this }} (rows_of_it)\n"
        f"select count(*) from {{{{ {layer} }}}}.{table};\n"
    )
    (project / f"schema/reporting/{name}.sql").write_text(
        f"create table if not exists {{{{ reporting }}}}.{name} (rows_of_it bigint);\n"
    )
