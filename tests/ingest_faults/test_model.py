"""Applications that do anything, an ingest at any time, a death anywhere; beside it a dictionary of
what was committed. Whatever happens, the two agree.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import sql

from runner.errors import UsageError
from tests.ingest_faults.arena import Arena
from tests.ingest_faults.death import Boundary, terminate, watched
from tests.support import PROJECT

WRITERS = 3
Row = tuple[str, str | None]  # value and cursor, as text
Rows = dict[int, Row | None]  # None: deleted

MOMENTS = {
    "now": "now()",
    "clock": "clock_timestamp()",
    "minutes back": "now() - interval '10 minutes'",
    "hours back": "now() - interval '5 hours'",
    "weeks back": "now() - interval '20 days'",
    "in a moment": "clock_timestamp() + interval '30 ms'",
    "days ahead": "now() + interval '3 days'",
    "years ahead": "now() + interval '3 years'",
    "null": "null",
    "infinity": "'infinity'",
    "minus infinity": "'-infinity'",
}
moments = st.sampled_from(list(MOMENTS))
writers = st.integers(0, WRITERS - 1)


class Writer:
    """A connection, and what its open transaction has done: a layer for each savepoint."""

    def __init__(self, conninfo: str) -> None:
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self.connection.execute("set timezone = 'UTC'")
        self.layers: list[Rows] = []

    @property
    def is_open(self) -> bool:
        return bool(self.layers)

    def touched(self) -> Rows:
        return {key: row for layer in self.layers for key, row in layer.items()}

    def locked(self) -> set[int]:
        """Also what was rolled back to a savepoint is let go; so this may be too many."""
        return set(self.touched())

    def run(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(sql.SQL(text), values or None)
        return cursor.fetchall() if cursor.description else []


class Model(RuleBasedStateMachine):
    arena: Arena

    def __init__(self) -> None:
        super().__init__()
        self.committed: dict[int, Row] = {}
        self.versions: dict[int, set[Row]] = {}
        self.last_id = 0
        self.watermark: str | None = None
        self.writers: list[Writer] = []

    @initialize(
        window=st.sampled_from(["7 days", "1 hour"]), hold=st.sampled_from(["0 s", "1 day"])
    )
    def start(self, window: str, hold: str) -> None:
        self.arena.run_text(
            "truncate fire.goods; drop table if exists warehouse.raw_goods; truncate"
            " orchestrator.runs, orchestrator.replaced_rows, orchestrator.rejected_rows,"
            " orchestrator.logs, orchestrator.build_inputs, orchestrator.built_scripts,"
            " orchestrator.check_results cascade"
        )
        self.arena.define(window_size=window, max_hold=hold)
        self.writers = [Writer(self.arena.database.conninfo) for _ in range(WRITERS)]

    def teardown(self) -> None:
        try:
            if self.writers:
                self._end_quietly()
        finally:
            for writer in self.writers:
                writer.connection.close()

    # What applications do.

    def _writer(self, number: int) -> Writer:
        """A writer in a transaction."""
        writer = self.writers[number]
        if not writer.is_open:
            writer.run("begin")
            writer.layers.append({})
        return writer

    def _visible(self, writer: Writer) -> list[int]:
        """Keys that a writer can change without waiting for another."""
        others = set().union(*(other.locked() for other in self.writers if other is not writer))
        rows: Rows = {**self.committed, **writer.touched()}
        return sorted(key for key, row in rows.items() if row is not None and key not in others)

    def _remember(self, writer: Writer, key: int, row: Row | None) -> None:
        writer.layers[-1][key] = row

    @rule(number=writers, moment=moments, rows=st.integers(1, 3))
    def insert(self, number: int, moment: str, rows: int) -> None:
        writer = self._writer(number)
        for _ in range(rows):
            self.last_id += 1
            text = (
                f"insert into fire.goods values (%s, %s, {MOMENTS[moment]}) returning written::text"
            )
            value = f"by {number}"
            ((written,),) = writer.run(text, self.last_id, value)
            self._remember(writer, self.last_id, (value, written))

    @rule(number=writers, moment=st.one_of(st.none(), moments), chance=st.integers(0, 10**6))
    def update(self, number: int, moment: str | None, chance: int) -> None:
        writer = self._writer(number)
        if keys := self._visible(writer):
            key = keys[chance % len(keys)]
            cursor = f", written = {MOMENTS[moment]}" if moment else ""
            text = f"update fire.goods set value = %s{cursor} where id = %s returning written::text"
            value = f"changed {chance}"
            ((written,),) = writer.run(text, value, key)
            self._remember(writer, key, (value, written))

    @rule(number=writers, chance=st.integers(0, 10**6))
    def delete(self, number: int, chance: int) -> None:
        writer = self._writer(number)
        if keys := self._visible(writer):
            key = keys[chance % len(keys)]
            writer.run("delete from fire.goods where id = %s", key)
            self._remember(writer, key, None)

    @rule(number=writers)
    def savepoint(self, number: int) -> None:
        writer = self._writer(number)
        writer.run(f"savepoint s{len(writer.layers)}")
        writer.layers.append({})

    @precondition(lambda self: any(len(writer.layers) > 1 for writer in self.writers))
    @rule(number=writers, is_released=st.booleans())
    def end_savepoint(self, number: int, is_released: bool) -> None:
        writer = self.writers[number]
        if len(writer.layers) < 2:
            return
        layer = writer.layers.pop()
        name = f"s{len(writer.layers)}"
        if is_released:
            writer.run(f"release {name}")
            writer.layers[-1].update(layer)
        else:
            writer.run(f"rollback to {name}")
            writer.run(f"release {name}")

    @rule(number=writers)
    def commit(self, number: int) -> None:
        writer = self.writers[number]
        if not writer.is_open:
            return
        writer.run("commit")
        for key, row in writer.touched().items():
            if row is None:
                self.committed.pop(key, None)
            else:
                self.committed[key] = row
                self.versions.setdefault(key, set()).add(row)
        writer.layers.clear()

    @rule(number=writers)
    def roll_back(self, number: int) -> None:
        writer = self.writers[number]
        if writer.is_open:
            writer.run("rollback")
            writer.layers.clear()

    # What the runner does.

    @rule(is_swept=st.booleans())
    def ingest(self, is_swept: bool) -> None:
        before = dict(self.committed)
        runs = self.arena.ingest_in_a_round(sweep=is_swept)
        assert {run.guarantee for run in runs} == {"exact"}
        self._assert_as_promised(before, is_swept)

    @rule(victim=st.sampled_from(["work", "evidence"]), at=st.integers(1, 60))
    def ingest_under_fire(self, victim: str, at: int) -> None:
        def strike(boundary: Boundary) -> None:
            if pid := getattr(boundary, victim):
                terminate(self.arena.database.conninfo, pid)

        with watched(Boundary(at, strike)):
            self.arena.ingest()
        self._assert_as_promised(dict(self.committed), False)

    @rule()
    def reconcile(self) -> None:
        if self._replica():
            self.arena.pipeline.reconcile()
            self._assert_as_promised(dict(self.committed), True)
            assert set(self._replica()) <= set(self.committed)

    @rule(ends=st.lists(st.sampled_from(sorted(MOMENTS)), min_size=2, max_size=2, unique=True))
    def backfill(self, ends: list[str]) -> None:
        with contextlib.suppress(UsageError):  # nothing is there
            low, high = sorted(
                self.arena.one(f"select coalesce(({MOMENTS[end]})::timestamptz, '-infinity')::text")
                for end in ends
            )
            self.arena.pipeline.backfill(low, high)

    @rule(chance=st.integers(0, 10**6))
    def undo(self, chance: int) -> None:
        runs = self.arena.all(
            "select run_id from orchestrator.runs where status = 'succeeded' and kind <> 'undo'"
            " order by run_id desc limit 4"
        )
        if runs:
            self.arena.pipeline.undo(runs[chance % len(runs)][0])

    @rule()
    def fill_gaps(self) -> None:
        self.arena.fill_gaps()

    # What has to be true.

    def _replica(self) -> dict[int, Row]:
        if not self.arena.one("select to_regclass('warehouse.raw_goods') is not null"):
            return {}
        rows = self.arena.all("select id, value, written::text from warehouse.raw_goods")
        found = {key: (value, written) for key, value, written in rows}
        assert len(found) == len(rows), "a key twice"
        return found

    def _assert_as_promised(self, committed: dict[int, Row], is_whole: bool) -> None:
        """Rows without a time, and those in the window and its lookback, are as the source has
        them.
        """
        rows = self.arena.all(
            """
            select source.id
            from fire.goods as source
            cross join (
                select low, high from orchestrator.runs
                where kind = 'window' and status in ('succeeded', 'rolled_back')
                order by run_id desc limit 1
            ) as last
            where
                source.written is null or source.written = '-infinity'
                or (
                    source.written::timestamptz < last.high
                    and (%s or source.written::timestamptz >= last.low - interval '1 day')
                    and not exists (
                        select from unnest(%s::text[]::tstzrange[]) as gap
                        where gap @> source.written::timestamptz
                    )
                )
            """,
            is_whole,
            [f"[{low},{high})" for low, high in self.arena.gaps()],
        )
        replica = self._replica()
        wanted = {key: committed[key] for (key,) in rows}
        assert {key: replica.get(key) for key in wanted} == wanted

    @invariant()
    def every_row_was_committed_once(self) -> None:
        if self.writers:
            for key, row in self._replica().items():
                assert row in self.versions.get(key, set())

    @invariant()
    def no_row_comes_before_its_time(self) -> None:
        if self.writers and self._replica():
            ahead = "select count(*) from warehouse.raw_goods where written::timestamptz > now()"
            assert self.arena.one(ahead) == 0

    @invariant()
    def the_watermark_never_goes_back(self) -> None:
        if self.writers:
            high = self.arena.one(
                "select max(high) from orchestrator.runs"
                " where kind = 'window' and status in ('succeeded', 'rolled_back')"
            )
            assert self.watermark is None or (high is not None and high >= self.watermark)
            self.watermark = high

    @invariant()
    def the_ledger_is_sound(self) -> None:
        if self.writers and self._replica():
            self.arena.assert_sound()

    def _end_quietly(self) -> None:
        """All end, nothing happens any more, and everything is done that brings rows."""
        for number in range(WRITERS):
            self.commit(number)
        source = self.arena.all("select id, value, written::text from fire.goods")
        assert {key: (value, written) for key, value, written in source} == self.committed
        self.arena.run_text("select pg_sleep(0.035)")  # what was a moment ahead
        self.arena.ingest(wait_seconds=5, sweep=True)
        self.arena.fill_gaps()
        self.arena.pipeline.reconcile()
        ahead = {
            key for (key,) in self.arena.all("select id from fire.goods where written > now()")
        }
        replica = self._replica()
        wanted = {key: row for key, row in self.committed.items() if key not in ahead}
        assert {key: row for key, row in replica.items() if key not in ahead} == wanted
        self.arena.assert_sound()


def project_in_a_hurry(folder: Path) -> Path:
    """The clock that ships, without its margin: nobody begins a transaction here meanwhile."""
    text = (PROJECT / "sql/ingest/clock.sql").read_text(encoding="utf-8")
    margin = "- interval '1 second'"
    assert margin in text
    (folder / "sql/ingest").mkdir(parents=True)
    (folder / "sql/ingest/clock.sql").write_text(
        text.replace(margin, "- interval '0 seconds'"), encoding="utf-8"
    )
    return folder


def run_model(
    arena: Arena, folder: Path, mode: str, cursor: str, examples: int, steps: int
) -> None:
    arena.make(mode, cursor, project=project_in_a_hurry(folder), has_clock=False, on_delete="apply")
    model = type("Model", (Model,), {"arena": arena})
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


SHAPES = [
    (mode, cursor) for mode in ("append", "upsert") for cursor in ("timestamptz", "timestamp")
]


@pytest.mark.usefixtures("no_patience")
def test_the_replica_is_what_a_dictionary_says(arena: Arena, tmp_path: Path) -> None:
    run_model(arena, tmp_path, "append", "timestamptz", examples=3, steps=30)


@pytest.mark.slow
@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(("mode", "cursor"), SHAPES)
def test_the_replica_is_what_a_dictionary_says_for_long(
    arena: Arena, tmp_path: Path, mode: str, cursor: str
) -> None:
    run_model(arena, tmp_path, mode, cursor, examples=60, steps=50)
