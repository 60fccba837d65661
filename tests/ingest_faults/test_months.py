"""A replica in months holds what its source has, wherever a row goes, and is looked up where the
row can be.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.database.session import Database, Session
from runner.errors import RunnerError, StartError
from runner.ingest.months.months import Months, read_partitions
from runner.ingest.pipelines import read_definition
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.ingest_faults.arena import Arena
from tests.support.months import monthly_project

CURSOR = "timestamptz not null"


@pytest.fixture
def months(arena: Arena) -> Arena:
    return arena.make(cursor=CURSOR, project=monthly_project("goods"))


def places(arena: Arena) -> dict[int, str]:
    """In which partition each row is, by the end of its name."""
    rows = arena.all("select id, right(tableoid::regclass::text, 7) from warehouse.raw_goods")
    return dict(rows)


def partitions(arena: Arena) -> list[str]:
    with arena.database.session("test") as session:
        return [month.name[-7:] for month in read_partitions(session, "warehouse.raw_goods")]


def test_rows_lie_in_the_month_of_their_cursor_and_odd_ones_in_none(months: Arena) -> None:
    months.insert("2025-11-30 23:59:59+00", "2025-12-01", "1970-01-01", "-infinity")
    months.ingest()
    assert places(months) == {1: "2025_11", 2: "2025_12", 3: "default", 4: "default"}
    months.assert_exact()


def test_this_month_and_the_next_two_are_there_before_any_row_is(months: Arena) -> None:
    months.ingest()
    wanted = months.all(
        "select to_char(now() + n * interval '1 month' - extract(day from now()) * interval '1 day'"
        " + interval '1 day', 'YYYY_MM') from generate_series(0, 2) as n"
    )
    assert partitions(months) == [row[0] for row in wanted] + ["default"]


def test_a_row_whose_cursor_moves_to_another_month_is_there_once(months: Arena) -> None:
    months.insert("2025-11-05", "2025-11-06", "2025-12-07")
    months.ingest()
    months.set_clock("2026-01-03")
    months.change(1, "moved", "2026-01-02")  # found by its window
    months.change(2, "moved back", "2025-10-01")  # found by its age
    months.ingest(sweep=True)
    assert places(months) == {1: "2026_01", 2: "2025_10", 3: "2025_12"}
    months.assert_exact()
    kept = months.all("select old_row ->> 'written' from orchestrator.replaced_rows order by 1")
    assert kept == [("2025-11-05T00:00:00+00:00",), ("2025-11-06T00:00:00+00:00",)]


def test_an_undo_brings_a_row_back_to_its_month(months: Arena) -> None:
    months.insert("2025-11-05", "2025-12-07")
    months.ingest()
    before = set(months.all("select id, value, written from warehouse.raw_goods"))
    months.set_clock("2026-01-03")
    months.change(1, "moved", "2026-01-02")
    months.insert("2026-01-02")
    run = months.ingest()[-1].run_id
    assert places(months) == {1: "2026_01", 2: "2025_12", 3: "2026_01"}
    months.pipeline.undo(run)
    assert places(months) == {1: "2025_11", 2: "2025_12"}
    assert set(months.all("select id, value, written from warehouse.raw_goods")) == before
    months.assert_sound()
    months.fill_gaps()
    months.assert_exact()


def test_rows_without_a_month_go_to_it_once_nobody_holds_the_place(months: Arena) -> None:
    months.ingest()
    with months.database.session("reader") as reader, reader.transaction():
        reader.run("lock table warehouse.raw_goods_default in access share mode")
        months.insert("2025-11-05")
        months.set_clock("2026-01-01 01:00:00+00")
        months.ingest(sweep=True)
        assert places(months) == {1: "default"}
        months.assert_exact()
    months.ingest()
    assert places(months) == {1: "2025_11"}
    months.assert_exact()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"mode": "upsert", "cursor": CURSOR}, "an upsert pipeline"),
        ({"cursor": "timestamptz"}, "its cursor written may be null"),
        (
            {"cursor": "timestamp not null", "cursor_timezone": "Europe/Berlin"},
            "a local time, which Europe/Berlin sets back",
        ),
    ],
)
def test_a_source_whose_rows_have_no_month_of_their_own_is_refused(
    arena: Arena, made: dict[str, Any], said: str
) -> None:
    arena.make(**made, project=monthly_project("goods"))
    with pytest.raises(StartError, match=said):
        arena.ingest()


def test_a_variable_that_is_no_list_is_refused(arena: Arena, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(monthly_project("goods"), project)
    manifest = project / "sql/manifest.toml"
    text = manifest.read_text()
    manifest.write_text(re.sub(r"(?m)^(monthly_replicas) = .*", r'\1 = "goods"', text))
    arena.make(cursor=CURSOR, project=project)
    with pytest.raises(StartError, match="monthly_replicas is not a list"):
        arena.ingest()


def test_a_replica_that_no_pipeline_fills_is_refused(arena: Arena) -> None:
    arena.make(cursor=CURSOR, project=monthly_project("good"))
    said = "monthly_replicas names good, and no pipeline fills raw_good"
    with pytest.raises(StartError, match=said) as caught:
        arena.ingest()
    assert caught.value.hint == "did you mean goods?"
    with pytest.raises(StartError, match=said):
        schema.apply(arena.database, load(monthly_project("good")), Target())


@pytest.mark.parametrize(
    ("name", "value"),
    [("create_replica", "partitioning"), ("merge", "has_moved"), ("undo", "image_has_moved")],
)
def test_a_statement_of_a_projects_own_that_knows_no_months_is_refused(
    arena: Arena, tmp_path: Path, name: str, value: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(monthly_project("goods"), project)
    file = project / f"sql/ingest/{name}.sql"
    whole = file.read_text()
    file.write_text(whole.replace(f"{{{{ {value} }}}}", f"/* {value} */ false"))
    arena.make(cursor=CURSOR, project=project)
    arena.insert("2025-11-05")
    said = re.escape(
        f"raw_goods is partitioned by month, but sql/ingest/{name}.sql of this project"
    )
    with pytest.raises(StartError, match=said):
        arena.ingest()
    with pytest.raises(StartError, match=said):
        schema.apply(arena.database, load(project), Target())
    assert arena.one("select to_regclass('warehouse.raw_goods')") is None
    file.write_text(whole)
    arena.ingest()
    file.write_text(whole.replace(f"{{{{ {value} }}}}", "false"))  # after the replica was made
    arena.insert("2025-12-05")
    with pytest.raises(StartError, match=said):
        arena.ingest()
    assert places(arena) == {1: "2025_11"}


# What is looked into.


class Plans:
    """The partitions that the plans of a run's statements read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[tuple[str, str]] = []
        query = Session.query

        def noted(session: Session, text: str, file: Path | None) -> Any:
            self.texts.append((str(file), text))
            return query(session, text, file)

        monkeypatch.setattr(Session, "query", noted)

    def read(self, database: Database, file: str) -> set[str]:
        """Return which partitions the statements of a file look into, by the ends of their names."""
        found = []
        with database.session("test") as session, session.rehearsal():
            for name, text in self.texts:
                bare = re.sub(r"--.*", "", text) if name.endswith(file) else ""
                for part in map(str.strip, bare.split(";")):
                    if part.startswith(("with", "create")):
                        found += session.rows(f"explain {part}")
                    if part.startswith("create"):
                        session.run(part)
        assert found, f"no plan of {file}"
        plans = "\n".join(row["QUERY PLAN"] for row in found)
        return set(re.findall(r" on raw_goods_(\d{4}_\d\d|default)", plans))


def loaded(months: Arena) -> Arena:
    """A year of rows, with keys in the order of their months."""
    months.insert(*[f"2025-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 4)])
    months.ingest()
    return months


def test_late_and_changed_rows_are_looked_up_in_their_months(
    months: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(months)
    months.change(1, "of January")
    months.change(17, "of June")
    months.insert("2025-03-04")
    plans = Plans(monkeypatch)
    months.set_clock("2026-01-02")
    months.ingest(sweep=True)
    # To be written, a row may go anywhere: that is an insert, and reads nothing.
    assert plans.read(months.database, "merge.sql") == {"2025_01", "2025_06"}
    months.assert_exact()


def test_new_rows_are_looked_up_where_their_keys_may_be(months: Arena) -> None:
    loaded(months)
    with months.database.session("test") as session:
        definition = read_definition(session, months.pipeline_id)
        found = Months(session, definition)
        assert found.within(found.has_keys(["1", "36", "99"])).as_string().count("stored.") == 4
        assert found.within(found.has_keys(["99"])).as_string() == "false"
        assert found.within(found._of_key("{0} >= {1}::{3} and {0} <= {2}::{3}", 5, 7))


def test_an_undo_looks_into_the_months_of_its_run(
    months: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(months)
    months.set_clock("2026-01-03")
    months.insert("2026-01-02")
    months.change(14, "of May")
    window, sweep = (run.run_id for run in months.ingest(sweep=True))
    # What later runs have changed is left to them: their rows are looked at too.
    for run, read in ((window, {"2025_05", "2026_01"}), (sweep, {"2025_05"})):
        plans = Plans(monkeypatch)
        months.pipeline.undo(run)
        assert plans.read(months.database, "undo.sql") == read


def test_a_reconcile_compares_the_months_that_its_window_has(
    months: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(months)
    months.change(30, "of October")
    plans = Plans(monkeypatch)
    months.pipeline.backfill("2025-10-01", "2025-11-01")
    assert plans.read(months.database, "merge.sql") == {"2025_10"}
    months.pipeline.reconcile()
    months.assert_exact()


# Any history.

MOMENTS = [f"2025-{month:02}-15" for month in (9, 10, 11, 12)] + ["-infinity", "1999-12-31"]
moments = st.sampled_from(MOMENTS)
histories = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), moments),
        st.tuples(st.just("move"), moments),
        st.tuples(st.just("change"), st.integers(0, 9)),
        st.tuples(st.just("ingest"), st.booleans()),
        st.tuples(st.just("undo"), st.integers(0, 9)),
        st.tuples(st.just("reconcile"), st.just(None)),
    ),
    min_size=4,
    max_size=12,
)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False)
@given(history=histories)
def test_any_history_leaves_the_replica_as_the_source_is(
    months: Arena, history: list[tuple[str, Any]]
) -> None:
    follow(months, history)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False)
@given(history=histories)
def test_any_of_many_histories_leaves_the_replica_as_the_source_is(
    months: Arena, history: list[tuple[str, Any]]
) -> None:
    follow(months, history)


def follow(arena: Arena, history: list[tuple[str, Any]]) -> None:
    """Examples follow each other in one replica: each is the history of the next."""
    for number, (step, value) in enumerate(history):
        row = (number * 7) % (arena.last_id + 1)
        if step == "insert":
            arena.insert(value, value)
        elif step == "move":
            arena.change(row, f"moved {number}", value)
        elif step == "change":
            arena.change(value, f"changed {number}")
        elif step == "ingest":
            arena.ingest(sweep=value)
        elif step == "reconcile":
            arena.ingest()
            arena.pipeline.reconcile()
        elif runs := arena.all(
            "select run_id from orchestrator.runs where kind = 'window' and status = 'succeeded'"
            " and pipeline_id = %s order by run_id desc limit 10",
            arena.pipeline_id,
        ):
            with_rows = runs[value % len(runs)][0]
            try:
                arena.pipeline.undo(with_rows)
            except RunnerError as error:
                assert "undone" in error.message
    arena.fill_gaps()
    arena.ingest(sweep=True)
    arena.pipeline.reconcile()
    arena.assert_exact()
