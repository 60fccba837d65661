"""What is recorded of a quiet pipeline is what a run of its own would have recorded: each state is
looked at in both ways. The quiet runs are noted and taken back; then each pipeline runs on its own.
"""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from runner import run
from runner.database.session import Database
from runner.errors import RunnerError
from runner.ingest.pipeline import RunResult, Sessions
from runner.ingest.quiet import record_quiet
from runner.ingest.windows import Window
from runner.repairs.pipeline import RepairedPipeline
from tests.ingest_faults.arena import CLOCK
from tests.support.sweeps import slow_but

KEYED = {"key_columns": "{id}"}
SHAPES: list[dict[str, Any]] = [
    KEYED,
    {**KEYED, "sweep_every": None},
    {**KEYED, "write_mode": "upsert", "on_delete": "mark"},
    {**KEYED, "odd_cursors": "quarantine", "start_at": "2025-06-01", "event_column": "at"},
    {**KEYED, "odd_cursors": "fail", "sweep_every": "1 hour", "lookback": "0"},
    {"cursor": "timestamptz not null"},
    {},
    {**KEYED, "cursor": "timestamp"},
    {**KEYED, "cursor": "timestamp(0) not null", "cursor_timezone": "Europe/Berlin"},
    {**KEYED, "column_types": '{"what": "text"}'},
]
# A name needs its quotes, and no placeholder is meant.
NAMES = ("plain_{}", 'Od"d 100% {}', "%s_{}", "%%_{}")
THEN = "(select now_there.clock from fire.now_there)"
DEFINE = "update orchestrator.pipeline_definitions set {} where pipeline_id = {{number}}"
RUNS = "update orchestrator.runs set {} where pipeline_id = {{number}} and status = 'succeeded'"
ADD = "insert into {{source}} (id, at, what) values ({{fresh}}, {}, 'new')"
STEPS = (
    ADD.format(f"{THEN} - interval '10 minutes'"),
    ADD.format(f"{THEN} - interval '500 ms'"),
    ADD.format(f"{THEN} + interval '1 minute'"),
    ADD.format(f"{THEN} + interval '2 days'"),
    ADD.format(f"{THEN} - interval '5 hours'"),
    ADD.format("'2025-07-01'"),
    ADD.format("'2020-01-01'"),
    ADD.format("'infinity'"),
    ADD.format("'-infinity'"),
    ADD.format("null"),
    "update {source} set what = what || '+' where id = 1",
    f"update {{source}} set at = {THEN} where id = (select max(id) from {{source}})",
    "delete from {source} where id = (select max(id) from {source})",
    "vacuum full freeze {source}",
    "truncate {replica}",
    "drop table {replica}",
    "alter table {source} add column more int default 5",
    "alter table {source} drop column if exists more",
    "alter table {source} alter column what type text",
    "alter table {source} alter column at type timestamptz",
    "alter table {source} alter column at drop not null",
    "alter table {source} drop constraint if exists {key}",
    "alter table {source} add constraint {key} primary key (id)",
    "create table fire.child_{number} () inherits ({source})",
    "alter table {source} enable row level security",
    "comment on column {replica}.what is 'what it is'",
    "alter table {replica} alter column _run_id drop not null",
    DEFINE.format("lookback = '2 days'"),
    DEFINE.format("sweep_every = null"),
    DEFINE.format("sweep_every = '1 day'"),
    DEFINE.format("odd_cursors = 'include'"),
    DEFINE.format("odd_cursors = 'quarantine'"),
    DEFINE.format("on_delete = 'mark'"),
    DEFINE.format("event_column = 'what'"),
    DEFINE.format("event_column = null"),
    DEFINE.format("cursor_timezone = 'UTC', column_types = '{{}}'"),
    DEFINE.format("start_at = '2026-01-20'"),
    DEFINE.format("write_mode = 'upsert'"),
    DEFINE.format("clock_relation = 'fire.clock'"),
    DEFINE.format("clock_relation = null"),
    RUNS.format("finished_at = finished_at - interval '2 days'"),
    RUNS.format("search_elapsed = '0.02 s'"),
    RUNS.format("search_elapsed = '0.2 s'"),
    RUNS.format("search_elapsed = '0.7 s'"),
    RUNS.format("search_elapsed = '0.7 s', finished_at = finished_at - interval '2 days'"),
    "insert into orchestrator.runs (kind, status, pipeline_id, low)"
    " values ('window', 'running', {number}, '2026-01-01')",
    "insert into orchestrator.rejected_rows (run_id, pipeline_id, source_row, reason)"
    " select max(run_id), {number}, '{{}}', 'odd' from orchestrator.runs"
    " where pipeline_id = {number}",
    "update orchestrator.rejected_rows set resolved_run_id = run_id where pipeline_id = {number}",
)
# What happens to all of them.
SHARED_STEPS = tuple(
    f"update fire.now_there set {change}"
    for change in (
        "settled = clock - interval '1 hour'",
        "settled = '-infinity'",
        "settled = null, horizon_shift = 0, xid_shift = 0",
        "sees_all = not sees_all",
        "clock = clock - interval '2 hours'",
        "horizon_shift = -50",
        "xid_shift = 2147483000",
        "identity = identity || '+'",
    )
)
# What two runs of the same state may differ in. How long one of many searches took is not known.
OWN = "{run_id,horizon,search_elapsed,backend_pid,started_at,finished_at,elapsed}"


@dataclass
class Heard(run.Listener):
    """All that a pipeline says."""

    runs: list[RunResult] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def loaded(self, run: RunResult) -> None:
        self.runs.append(replace(run, run_id=0, seconds=0, window=bare(run.window)))
        self.said += run.notes

    def waiting(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str, hint: str | None = None) -> None:
        self.said.append(message)


def bare(window: Window) -> Window:
    return Window(window.low, window.high)


class Fleet:
    """Pipelines of all shapes, whose sources and definitions change by chance."""

    def __init__(self, sessions: Sessions, project: Path, seed: int, copies: int) -> None:
        self.sessions, self.database, self.project = sessions, sessions.database, project
        self.chance = random.Random(seed)
        self.quiet_runs = 0
        self.steps: list[str] = []
        self.shared_steps: list[str] = []
        self.connection = psycopg.connect(
            self.database.conninfo, autocommit=True, row_factory=dict_row, prepare_threshold=None
        )
        self.run("set timezone = 'UTC'; delete from orchestrator.pipeline_definitions;" + CLOCK)
        self.run("update fire.now_there set clock = '2026-02-01 00:00:00+00'")
        self.fresh = 10
        self.names = [self.add(shape) for _ in range(copies) for shape in SHAPES]

    def close(self) -> None:
        self.connection.close()

    def run(self, text: str) -> None:
        self.connection.execute(sql.SQL(text))

    def all(self, text: str, *values: Any) -> list[dict[str, Any]]:
        return self.connection.execute(sql.SQL(text), values or None).fetchall()

    def add(self, shape: dict[str, Any]) -> dict[str, Any]:
        """A table with a row, and its pipeline; their names."""
        values = dict(shape)
        table = NAMES[self.fresh % len(NAMES)].format(self.fresh)
        self.fresh += 1
        source = sql.Identifier("fire", table).as_string()
        cursor = values.pop("cursor", "timestamptz")
        self.run(f"create table {source} (id int primary key, at {cursor}, what varchar(9))")
        self.run(f"insert into {source} values (1, '2026-01-01', 'x')")
        values |= {
            "pipeline_name": table,
            "source_relation": f"fire.{table}",
            "cursor_column": "at",
        }
        insert = sql.SQL(
            "insert into orchestrator.pipeline_definitions ({}) values ({}) returning pipeline_id"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )
        return {
            "again": lambda: self.add(shape),
            "is_quiet": False,
            "loud": 0,
            "number": self.connection.execute(insert, values).fetchone()["pipeline_id"],
            "source": source,
            "replica": sql.Identifier("warehouse", f"raw_{table}").as_string(),
            "key": sql.Identifier(f"{table}_pkey").as_string(),
        }

    def pipeline(self, number: int, listener: run.Listener) -> RepairedPipeline:
        return RepairedPipeline(number, self.database, self.project, listener, self.sessions)

    def happen(self) -> None:
        """Time goes by, and something happens to some of them."""
        self.run("update fire.now_there set clock = clock + interval '3 minutes'")
        if self.chance.random() < 0.3:
            self.shared_steps = self.shared_steps or self.chance.sample(SHARED_STEPS, 8)
            self.run(self.shared_steps.pop())
        for names in self.names:
            if self.chance.random() < (0.7 if names["is_quiet"] else 0.1):
                self.fresh += 1
                text = self.next_step().format(**names, fresh=self.fresh)
                with contextlib.suppress(psycopg.Error):  # what is not there cannot change
                    self.run(text)
            elif self.chance.random() < 0.03:
                self.repair(names["number"])

    def next_step(self) -> str:
        """One of the steps, each of which comes as often as the others."""
        if not self.steps:
            self.steps = self.chance.sample(STEPS, len(STEPS))
        return self.steps.pop()

    def repair(self, number: int) -> None:
        with contextlib.suppress(RunnerError):
            if self.chance.random() < 0.5:
                self.pipeline(number, Heard()).fill_gaps()
            elif runs := self.all(
                "select run_id from orchestrator.runs where pipeline_id = %s"
                " and status = 'succeeded' and rows_inserted > 0 order by 1 desc",
                number,
            ):
                self.pipeline(number, Heard()).undo(runs[0]["run_id"])

    def recorded(self, after: int) -> list[dict[str, Any]]:
        return self.all(
            "select run_id, horizon::text::bigint, pipeline_id, low::text,"
            f" to_jsonb(runs) - '{OWN}'::text[] as row"
            " from orchestrator.runs where run_id > %s order by 1",
            after,
        )

    def last_run(self) -> int:
        [found] = self.all("select coalesce(max(run_id), 0) as run_id from orchestrator.runs")
        return found["run_id"]

    def compare(self) -> None:
        """What the shortcut says, and then what each pipeline says."""
        last, numbers = self.last_run(), [names["number"] for names in self.names]
        with self.sessions.use() as (work, _):
            quiet = record_quiet(work, self.project, numbers)
        rows = {row["pipeline_id"]: row for row in self.recorded(last)}
        assert rows.keys() == quiet.keys()
        self.quiet_runs += len(quiet)
        for place, names in enumerate(self.names):
            number = names["number"]
            names["is_quiet"] = number in quiet
            names["loud"] += number not in quiet
            if names["loud"] > 5:
                self.names[place] = names["again"]()
                continue
            if number in quiet:
                self.assert_is_complete(names, rows[number])
                if self.chance.random() < 0.3:  # and what follows rests on it
                    continue
                self.all(
                    "delete from orchestrator.runs where run_id = %s returning 1",
                    rows[number]["run_id"],
                )
            heard, last = Heard(), self.last_run()
            try:
                self.pipeline(number, heard).run(wait_seconds=0)
            except RunnerError as error:
                heard.said.append(error.message)
            if number in quiet:
                assert heard.said == [], names
                result = quiet[number]
                assert heard.runs == [
                    replace(result, run_id=0, seconds=0, window=bare(result.window))
                ], names
                [alone] = self.recorded(last)
                assert alone["row"] == rows[number]["row"], names
                assert alone["horizon"] >= rows[number]["horizon"], names

    def assert_is_complete(self, names: dict[str, Any], row: dict[str, Any]) -> None:
        """No dead run is left; where the run says exact, the rows that it speaks of are there."""
        run = row["row"]
        dead = f"pipeline_id = {run['pipeline_id']} and status = 'running'"
        assert not self.all(f"select run_id from orchestrator.runs where {dead}"), names
        if run["guarantee"] != "exact":
            return
        missing = self.all(
            f"""
            select source.* from {names["source"]} as source
            cross join orchestrator.pipeline_definitions as pipelines
            where
                pipelines.pipeline_id = {run["pipeline_id"]}
                and (
                    (source.at is null or source.at = '-infinity')
                    and pipelines.odd_cursors = 'include'
                    or source.at > '-infinity' and source.at >= pipelines.start_at
                    and source.at < '{run["high"]}'::timestamptz
                    and (
                        {run["horizon_scope"] == "table"}
                        or source.at >= '{run["low"]}'::timestamptz - pipelines.lookback
                    )
                )
                and not exists (
                    select from {names["replica"]} as stored
                    where to_jsonb(stored) @> to_jsonb(source)
                )
            """
        )
        assert missing == [], names


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With a clock that tells the time that the test says."""
    (tmp_path / "sql/ingest").mkdir(parents=True)
    (tmp_path / "sql/ingest/clock.sql").write_text("select * from fire.clock", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("seed", slow_but(range(4), 0))
def test_a_quiet_run_is_the_run_that_would_have_been(
    database: Database, project: Path, seed: int
) -> None:
    with (
        Sessions(database) as sessions,
        contextlib.closing(Fleet(sessions, project, seed, copies=1 if seed == 0 else 2)) as fleet,
    ):
        for _ in range(8 if seed == 0 else 20):
            fleet.compare()
            fleet.happen()
        assert fleet.quiet_runs > 10
