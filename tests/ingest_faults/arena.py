"""A source of a test's own, with a clock that the test sets, and hard questions to its replica."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from runner import run
from runner.database.session import Database
from runner.ingest.attempt import Listener
from runner.ingest.run import RunResult
from runner.repairs.pipeline import RepairedPipeline
from tests.support import PROJECT

# What a source has to tell, but for the time, which is as the test says.
CLOCK = """
create schema fire;

create table fire.now_there (
    clock timestamptz not null default '2026-01-01 00:00:00+00',
    settled timestamptz,
    held_since timestamptz,
    held_by text,
    sees_all boolean not null default true,
    horizon_shift numeric not null default 0,
    xid_shift numeric not null default 0,
    identity text not null default 'here'
);

insert into fire.now_there default values;

create view fire.clock as
select
    now_there.clock,
    coalesce(now_there.settled, now_there.clock - interval '1 second') as settled,
    now_there.held_since,
    now_there.held_by,
    now_there.sees_all,
    xmins.xmin::text::numeric + now_there.horizon_shift as horizon,
    xmins.xmin::text::numeric + age(xmins.xmin::xid) + now_there.xid_shift as next_xid,
    now_there.identity
from fire.now_there as now_there
cross join (select pg_snapshot_xmin(pg_current_snapshot()) as xmin) as xmins;
"""

COLUMNS = "id, value, written::text"
MOST_RUNS = 300


class EndlessRuns(run.Listener):
    """Told of each run; too many would go on for ever."""

    def __init__(self) -> None:
        self.runs = 0

    def loaded(self, run: RunResult) -> None:
        self.runs += 1
        assert self.runs < MOST_RUNS, f"{MOST_RUNS} runs, and the last was {run}"


class Arena:
    """Table fire.goods, its pipeline `goods`, its replica warehouse.raw_goods."""

    def __init__(self, database: Database, connection: psycopg.Connection[Any]) -> None:
        self.database = database
        self.connection = connection
        self.project = PROJECT
        self.pipeline_id = 0
        self.last_id = 0
        self.was_remade = False  # whether somebody else took rows out of the replica

    def make(
        self,
        mode: str = "append",
        cursor: str = "timestamptz",
        key: str = "{id}",
        project: Path = PROJECT,
        has_clock: bool = True,
        **definition: Any,
    ) -> Arena:
        """The source and its definition. Without a clock of its own it has the one that ships."""
        self.project = project
        self.run_text("set timezone = 'UTC'")
        self.run_text(CLOCK)
        self.run_text(
            f"create table fire.goods (id bigint primary key, value text, written {cursor});"
            " create index on fire.goods (written)"
        )
        values = {
            "pipeline_name": "goods",
            "source_relation": "fire.goods",
            "cursor_column": "written",
            "key_columns": key,
            "write_mode": mode,
            "clock_relation": "fire.clock" if has_clock else None,
            "sweep_every": None,
            **definition,
        }
        insert = sql.SQL(
            "insert into orchestrator.pipeline_definitions ({}) values ({}) returning pipeline_id"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )
        self.pipeline_id = self.connection.execute(insert, values).fetchone()[0]
        return self

    # What happens to the source.

    def run_text(self, text: str) -> None:
        self.connection.execute(sql.SQL(text))

    def all(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(sql.SQL(text), values or None)
            return cursor.fetchall() if cursor.description else []

    def one(self, text: str, *values: Any) -> Any:
        return self.all(text, *values)[0][0]

    def set_clock(self, clock: str, **values: Any) -> None:
        """The clock says so; bound, holder and right as given, or as if nobody were there."""
        values = {"settled": None, "held_since": None, "held_by": None, "sees_all": True, **values}
        values["clock"] = clock
        changes = ", ".join(f"{name} = %({name})s" for name in values)
        self.connection.execute(sql.SQL(f"update fire.now_there set {changes}"), values)

    def insert(self, *moments: str | None, value: str = "new") -> list[int]:
        """A row for each moment."""
        ids = []
        for moment in moments:
            self.last_id += 1
            self.all("insert into fire.goods values (%s, %s, %s)", self.last_id, value, moment)
            ids.append(self.last_id)
        return ids

    def change(self, row: int, value: str, *written: str | None) -> None:
        """A row gets another value, and another cursor if there is one."""
        self.all("update fire.goods set value = %s where id = %s", value, row)
        if written:
            self.all("update fire.goods set written = %s where id = %s", written[0], row)

    def define(self, **values: Any) -> None:
        for name, value in values.items():
            self.all(
                f"update orchestrator.pipeline_definitions set {name} = %s where pipeline_id = %s",
                value,
                self.pipeline_id,
            )

    # What the runner does.

    @property
    def pipeline(self) -> RepairedPipeline:
        return self.hearing(Listener())

    def hearing(self, listener: Listener) -> RepairedPipeline:
        return RepairedPipeline(self.pipeline_id, self.database, self.project, listener)

    def ingest(self, wait_seconds: float = 0.0, sweep: bool = False) -> list[RunResult]:
        return self.hearing(EndlessRuns()).run(wait_seconds, sweep)

    def ingest_in_a_round(self, sweep: bool = False) -> list[RunResult]:
        """A round looks first whether the pipeline is quiet."""
        options: dict[str, Any] = {"pipeline": "goods", "wait_seconds": 0, "sweep": sweep}
        return run.ingest(self.database, self.project, EndlessRuns(), **options)

    def fill_gaps(self) -> None:
        """Every gap, with the words that a person would use."""
        for low, high in self.gaps():
            self.hearing(EndlessRuns()).backfill(low, high)

    def gaps(self) -> list[tuple[str, str]]:
        """Undone windows that no later backfill filled."""
        return self.all(
            """
            with fills as (
                select fills.run_id, tstzrange(fills.low, fills.high) as fill
                from orchestrator.runs as fills
                where fills.kind = 'backfill' and fills.status = 'succeeded'
                and fills.pipeline_id = %s
            ),
            rests as (
                select tstzmultirange(tstzrange(windows.low, windows.high)) - coalesce(
                    (select range_agg(fill) from fills where fills.run_id > undos.run_id), '{}'
                ) as rest
                from orchestrator.runs as windows
                inner join orchestrator.runs as undos on undos.parent_run_id = windows.run_id
                where windows.kind = 'window' and undos.kind = 'undo'
                and undos.status = 'succeeded' and windows.pipeline_id = %s
            )
            select lower(gap)::text, upper(gap)::text
            from (select unnest(range_agg(rest)) as gap from rests) as gaps
            """,
            self.pipeline_id,
            self.pipeline_id,
        )

    # What must be true.

    def differences(self) -> list[tuple[Any, ...]]:
        """Rows that only the source (<) or only the replica (>) has."""
        return self.all(
            f"""
            select '<' as side, only_source.*
            from (
                select {COLUMNS} from fire.goods
                except all select {COLUMNS} from warehouse.raw_goods
            ) as only_source
            union all
            select '>' as side, only_replica.*
            from (
                select {COLUMNS} from warehouse.raw_goods
                except all select {COLUMNS} from fire.goods
            ) as only_replica
            order by 1, 2
            """
        )

    def assert_exact(self, ahead: Sequence[int] = ()) -> None:
        """The replica has what the source has, but for rows whose time has not come."""
        found = self.differences()
        assert [(row[0], row[1]) for row in found] == [("<", row) for row in ahead]
        self.assert_sound()

    def assert_sound(self) -> None:
        """The ledger tells one story: windows that meet, nothing that still runs, and as many rows
        in the replica as its runs say.
        """
        runs = self.all(
            """
            select run_id, kind, status, low::text, high::text, rows_inserted - rows_deleted
            from orchestrator.runs where pipeline_id = %s order by run_id
            """,
            self.pipeline_id,
        )
        assert [run for run in runs if run[2] == "running"] == []
        done = [run for run in runs if run[2] in ("succeeded", "rolled_back")]
        windows = [run for run in done if run[1] == "window"]
        for before, after in pairwise(windows):
            assert before[4] == after[3], f"windows do not meet: {before} {after}"
        if not self.was_remade:
            count = self.one("select count(*) from warehouse.raw_goods")
            assert count == sum(run[5] for run in done)
