"""Columns that come, go and come back as others; what rewrites values without writing rows. Whatever
a table's history, a run that says exact has the rows as the source has them.
"""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingest_faults.arena import Arena

NAMES = ("a", "b")
DEFAULTS = {
    "nothing": "",
    "one": "default 1",
    "two": "default 2",
    "a row's own": "default (random() * 1000)::int",
    "stored": "generated always as (length(value)) stored",
    "another stored": "generated always as (id::int) stored",
    "computed": "generated always as (length(value)) virtual",
    "another computed": "generated always as (id::int) virtual",
}
names, defaults = st.sampled_from(NAMES), st.sampled_from(sorted(DEFAULTS))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), names, defaults),
        st.tuples(st.just("drop"), names),
        st.tuples(st.just("replace"), names, defaults),
        st.tuples(st.just("swap")),
        st.tuples(st.just("default"), names, st.sampled_from(["1", "2"])),
        st.tuples(st.just("recompute"), names),
        st.tuples(st.just("widen")),
        st.tuples(st.sampled_from(["write", "freeze", "full"])),
    ),
    min_size=3,
    max_size=9,
).flatmap(lambda kinds: st.tuples(*[st.tuples(st.just(kind), st.booleans()) for kind in kinds]))
SETTINGS = settings(
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


class History:
    """A table, and its pipeline, from the beginning."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.type = "integer"
        self.columns: dict[str, str] = {}
        arena.run_text(
            "truncate orchestrator.runs, orchestrator.replaced_rows, orchestrator.rejected_rows,"
            " orchestrator.build_inputs, orchestrator.built_scripts cascade;"
            " drop table if exists warehouse.raw_goods, fire.goods;"
            " create table fire.goods (id bigint primary key, value text, written timestamptz);"
            " insert into fire.goods values (1, 'old', '2025-06-01'), (2, 'late', '2025-12-31')"
        )
        arena.set_clock("2026-01-01 00:00:00+00")
        arena.ingest()

    def do(self, step: tuple[str, ...]) -> None:
        what, *values = step
        # An older server has no computed columns.
        with contextlib.suppress(psycopg.errors.SyntaxError, psycopg.errors.FeatureNotSupported):
            getattr(self, what)(*values)

    def add(self, name: str, default: str) -> None:
        if name not in self.columns:
            self.arena.run_text(
                f"alter table fire.goods add column {name} {self.type} {DEFAULTS[default]}"
            )
            self.columns[name] = default

    def drop(self, name: str) -> None:
        if self.columns.pop(name, None):
            self.arena.run_text(f"alter table fire.goods drop column {name}")

    def replace(self, name: str, default: str) -> None:
        self.drop(name)
        self.add(name, default)

    def swap(self) -> None:
        if len(self.columns) == 2:
            self.arena.run_text(
                "alter table fire.goods rename a to x; alter table fire.goods rename b to a;"
                " alter table fire.goods rename x to b"
            )
            one, other = (self.columns[name] for name in NAMES)
            self.columns = {"a": other, "b": one}

    def default(self, name: str, value: str) -> None:
        if self._is_plain(name):
            self.arena.run_text(f"alter table fire.goods alter {name} set default {value}")

    def recompute(self, name: str) -> None:
        if name in self.columns and not self._is_plain(name):
            self.arena.run_text(
                f"alter table fire.goods alter {name} set expression as (id::int * 3)"
            )

    def widen(self) -> None:
        if all(map(self._is_plain, self.columns)):
            self.type = "bigint"
            for name in self.columns:
                self.arena.run_text(f"alter table fire.goods alter {name} type bigint")

    def write(self) -> None:
        self.arena.run_text("update fire.goods set value = value || '+' where id = 2")

    def freeze(self) -> None:
        self.arena.run_text("vacuum freeze fire.goods")

    def full(self) -> None:
        self.arena.run_text("vacuum full freeze fire.goods")

    def ingest(self) -> None:
        (word,) = {run.guarantee for run in self.arena.ingest()}
        assert word == "exact"

    def _is_plain(self, name: str) -> bool:
        return self.columns.get(name) in ("nothing", "one", "two", "a row's own")

    def assert_is_followed(self) -> None:
        columns = ", ".join(["id", "value", "written", *self.columns])
        differing = self.arena.all(
            f"(select {columns} from fire.goods except select {columns} from warehouse.raw_goods)"
            f" union all"
            f" (select {columns} from warehouse.raw_goods except select {columns} from fire.goods)"
        )
        assert differing == []


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(
    ("mode", "examples"),
    [
        ("append", 5),
        pytest.param("append", 12, marks=pytest.mark.slow),
        pytest.param("upsert", 12, marks=pytest.mark.slow),
    ],
)
def test_a_replica_follows_any_history_of_columns(arena: Arena, mode: str, examples: int) -> None:
    arena.make(mode)

    @settings(SETTINGS, max_examples=examples)
    @given(steps=steps)
    def story(steps: list[tuple[tuple[str, ...], bool]]) -> None:
        history = History(arena)
        for step, is_ingested in steps:
            history.do(step)
            if is_ingested:
                history.ingest()
                history.assert_is_followed()
        arena.ingest(sweep=True)
        history.assert_is_followed()

    story()


STORIES = {
    "a column that came back with another default": [
        ("add", "a", "one"),
        ("ingest",),
        ("drop", "a"),
        ("add", "a", "two"),
        ("ingest",),
    ],
    "columns that swapped their names": [
        ("add", "a", "one"),
        ("add", "b", "two"),
        ("ingest",),
        ("swap",),
        ("ingest",),
    ],
    "columns that swapped their names, and back": [
        ("add", "a", "one"),
        ("add", "b", "two"),
        ("ingest",),
        ("swap",),
        ("ingest",),
        ("swap",),
        ("ingest",),
    ],
    "a column that is computed otherwise": [
        ("add", "a", "computed"),
        ("ingest",),
        ("recompute", "a"),
        ("ingest",),
    ],
    "a column that went and came, and the rows were frozen": [
        ("add", "a", "one"),
        ("ingest",),
        ("drop", "a"),
        ("add", "a", "nothing"),
        ("full",),
        ("ingest",),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_what_rewrites_values_without_writing_rows_is_compared_in_full(
    arena: Arena, story: str
) -> None:
    arena.make("upsert")
    history = History(arena)
    for step in STORIES[story]:
        history.do(step)
        if step == ("ingest",):
            history.assert_is_followed()


@pytest.mark.parametrize("keeps", ["enum", "composite"])
def test_a_type_that_changes_what_its_values_say_is_compared_in_full(
    arena: Arena, keeps: str
) -> None:
    """The replica has the column as text, and the label, or an attribute, is another now."""
    arena.make("upsert", column_types='{"kind": "text"}')
    arena.run_text(
        "create type fire.kind as enum ('a', 'b')"
        if keeps == "enum"
        else "create type fire.kind as (one text)"
    )
    value = "'a'" if keeps == "enum" else "row('a')"
    arena.run_text(f"alter table fire.goods add column kind fire.kind default {value}")
    arena.insert("2025-06-01", "2025-12-31")
    arena.ingest()
    arena.run_text(
        "alter type fire.kind rename value 'a' to 'c'"
        if keeps == "enum"
        else "alter type fire.kind add attribute two text"
    )
    arena.ingest()
    differing = "select kind::text from fire.goods except select kind from warehouse.raw_goods"
    assert arena.all(differing) == []


def test_a_column_of_the_replica_that_somebody_made_anew_is_filled(arena: Arena) -> None:
    arena.make("upsert")
    arena.insert("2025-06-01", "2025-12-31")
    arena.ingest()
    arena.run_text(
        "alter table warehouse.raw_goods drop column value;"
        " alter table warehouse.raw_goods add column value text"
    )
    arena.ingest()
    arena.assert_exact()


def test_rows_that_were_copied_frozen_are_found(arena: Arena) -> None:
    """COPY FREEZE, and VACUUM FREEZE right after a write, keep the number of who wrote."""
    arena.make("append")
    arena.insert("2025-06-01")
    arena.ingest()
    with arena.connection.transaction(), arena.connection.cursor() as cursor:
        cursor.execute("truncate fire.goods")
        with cursor.copy("copy fire.goods from stdin (freeze)") as copy:
            copy.write_row((1, "copied", "2025-06-01"))
            copy.write_row((7, "copied", "2025-12-31 01:00:00+00"))
    arena.run_text("vacuum freeze fire.goods")
    arena.ingest()
    arena.ingest(sweep=True)
    arena.assert_exact()
