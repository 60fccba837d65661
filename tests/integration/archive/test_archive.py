"""Months go into files, and nothing is lost by it: facts stay, builds go on, rebuilds keep them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from runner.archive.archive import archive
from runner.build.build import build
from runner.compare.rebuild import rebuild, verify
from runner.database import locks
from runner.database.session import PIPELINE_LOCK, Database, LockHeld, QueryFailed
from runner.errors import RunnerError, StartError, UsageError
from runner.ingest.attempt import Listener
from runner.project.manifest import load
from runner.project.target import Target
from runner.repairs.pipeline import open_pipeline
from tests.support import (
    assert_equals_rebuild,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    earn,
    edit,
    event,
    ingest,
    insert_events,
    query,
    scalar,
)
from tests.support.commands import assert_refused, command
from tests.support.months import (
    FIRST,
    images,
    monthly_project,
    put_away,
    rows_by_month,
    rows_of,
    source_months,
)

LIVE = Target()


def test_months_go_into_files_and_all_that_is_built_stays(monthly: Database, folder: Path) -> None:
    before, months = images(monthly), source_months(monthly)
    ids = {
        row["event_id"] for row in query(monthly, "select event_id from warehouse.raw_event_stream")
    }
    assert put_away(monthly, folder) == {name: months[name] for name in ("2026-01", "2026-02")}
    assert rows_by_month(monthly) == {
        name.replace("-", "_"): rows for name, rows in months.items() if name >= "2026-03"
    }
    left = {
        row["event_id"] for row in query(monthly, "select event_id from warehouse.raw_event_stream")
    }
    archived = {int(row["event_id"]) for row in rows_of(folder)}
    assert left | archived == ids and not left & archived
    manifest = load(monthly_project())
    found = verify(monthly, manifest, LIVE)
    assert not found.differences
    [proof] = found.proofs
    assert (proof.archived_from, proof.archived_to) == ("2026-01", "2026-02")
    assert proof.archived_rows == months["2026-01"] + months["2026-02"]
    assert proof.proven_from == "2026-03"
    # Forced in full: the facts of archived rows are kept.
    build(monthly, manifest, LIVE, ["fact_*"])
    assert images(monthly) == before
    assert_facts_equal_oracle(monthly)


@pytest.mark.slow
def test_what_comes_afterwards_is_built_as_if_nothing_were_archived(
    monthly: Database, folder: Path
) -> None:
    put_away(monthly, folder)
    insert_events(
        monthly,
        [
            earn(3, "u_9", 70),  # it happened in an archived month, and was written now
            event(80, "u_1", "share", created_at=FIRST.replace(month=3, day=25)),
        ],
    )
    with monthly.session("test") as session:
        session.run(
            "update public.event_stream set user_id = 'u_8' where event_id ="
            " (select max(event_id) from public.event_stream where event_time = '2026-04-02 12:00Z')"
        )
    ingest(monthly, project=monthly_project())
    manifest = load(monthly_project())
    build(monthly, manifest, LIVE)
    before = images(monthly)
    rebuild(monthly, manifest, LIVE)
    assert images(monthly) == before
    assert_equals_rebuild(monthly, manifest)
    assert_facts_equal_oracle(monthly)
    assert_reports_equal_oracle(monthly)
    assert put_away(monthly, folder, "2026-04").keys() == {"2026-03"}
    assert not verify(monthly, manifest, LIVE).differences


def test_late_and_changed_rows_of_archived_months_are_set_aside_with_a_word(
    monthly: Database, folder: Path
) -> None:
    before = images(monthly)
    put_away(monthly, folder)
    insert_events(monthly, [earn(3, "u_9", 70) | {"created_at": FIRST}])
    with monthly.session("test") as session:
        session.run("update public.event_stream set user_id = 'u_8' where event_id = 1")
    done = command("ingest", "event_stream", "--sweep", database=monthly, project=monthly_project())
    assert "2 rows came late or changed, with created_at before 2026-03-01" in done.stderr
    waiting = query(
        monthly, "select key ->> 'event_id' as id, reason from orchestrator.rejected_rows"
    )
    assert {row["id"] for row in waiting} == {
        "1",
        scalar(monthly, "select max(event_id)::text from public.event_stream"),
    }
    assert {row["reason"] for row in waiting} == {"created_at before 2026-03-01, which is archived"}
    build(monthly, load(monthly_project()), LIVE)
    assert images(monthly) == before
    # Once is enough: the next sweep has nothing new to say.
    done = command("ingest", "event_stream", "--sweep", database=monthly, project=monthly_project())
    assert "came late" not in done.stderr


def test_repairs_of_archived_months_are_refused_with_clear_words(
    monthly: Database, folder: Path
) -> None:
    run = scalar(monthly, "select min(_run_id) from warehouse.raw_event_stream")
    put_away(monthly, folder)
    project = monthly_project()
    done = command("runs", "undo", str(run), "--yes", database=monthly, project=project)
    assert_refused(
        done, 2, f"run {run} cannot be undone", "archived", "raw_event_stream_2026-02.csv"
    )
    span = ("--from", "2026-01-01", "--to", "2026-02-01")
    done = command("backfill", "event_stream", *span, database=monthly, project=project)
    assert_refused(done, 2, "what was written before 2026-03-01 is archived")
    done = command(
        "forget", "event_stream", "--key", "user_id=u_1", "--yes", database=monthly, project=project
    )
    assert_refused(done, 3, "archived", "nothing can be erased from their files")
    # A reconcile compares what is left, and takes nothing of the files for deleted.
    [run_result] = open_pipeline(monthly, project, "event_stream", Listener()).reconcile()
    assert run_result.counts.changed == 0 and run_result.counts.read > 0


@pytest.mark.parametrize("break_it", ["pending", "lookback", "gap", "no keeper"])
def test_what_might_lose_facts_is_refused(
    monthly: Database, folder: Path, project: Path, break_it: str
) -> None:
    manifest, before = load(monthly_project()), "2026-03"
    if break_it == "pending":
        insert_events(monthly, [event(200)])
        ingest(monthly, project=monthly_project())
        said = "target live has not built all of its rows yet"
    elif break_it == "lookback":
        said, before = "the next run still looks back at rows", "2100-01"
    elif break_it == "gap":
        run = scalar(monthly, "select min(_run_id) from warehouse.raw_event_stream")
        open_pipeline(monthly, monthly_project(), "event_stream", Listener()).undo(run)
        build(monthly, manifest, LIVE)
        said = "was undone and not filled again"
    else:
        manifest = edit(
            project,
            "sql/warehouse/fact_reward_searches.sql",
            "{{ archived.event_stream }} union all",
            "--",
        )
        text = (project / "sql/warehouse/fact_reward_searches.sql").read_text()
        lines = [line for line in text.splitlines(keepends=True) if "archived" not in line]
        (project / "sql/warehouse/fact_reward_searches.sql").write_text("".join(lines))
        manifest, said = load(project), "would lose its facts of archived rows"
    with pytest.raises((StartError, UsageError), match=said):
        archive(monthly, manifest, before, folder)
    assert not folder.exists()


@pytest.mark.slow
def test_facts_that_are_missing_keep_the_rows_and_stop_a_build(
    monthly: Database, folder: Path
) -> None:
    with monthly.session("test") as session:
        session.run("delete from warehouse.fact_miles_earned where event_date = '2026-01-04'")
    with pytest.raises(RunnerError, match="the facts do not hold what would be archived"):
        put_away(monthly, folder)
    assert rows_by_month(monthly).keys() >= {"2026_01", "2026_02"}
    verify(monthly, load(monthly_project()), LIVE, repair=True)
    assert put_away(monthly, folder)  # the file was there, with the same rows
    with monthly.session("test") as session:
        session.run("truncate warehouse.fact_miles_earned")
    with pytest.raises(RunnerError, match=r"fact_unclassified_events\.archived"):
        build(monthly, load(monthly_project()), LIVE, ["fact_*"])


# Others at the same time.


def test_an_archive_and_an_ingest_exclude_each_other(monthly: Database, folder: Path) -> None:
    pipeline = scalar(
        monthly,
        "select pipeline_id from orchestrator.pipeline_definitions"
        " where pipeline_name = 'event_stream'",
    )
    with (
        monthly.session("an ingest") as other,
        other.lock(PIPELINE_LOCK, pipeline, "an ingest"),
        pytest.raises(LockHeld, match="an ingest of event_stream is already running"),
    ):
        put_away(monthly, folder)


def test_a_reader_is_waited_for_and_named_and_the_month_stays(
    monthly: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = partial(locks.lock_exclusively, attempts=3)
    monkeypatch.setattr("runner.archive.archive.lock_exclusively", soon)
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.0)
    heard: list[str] = []
    with monthly.session("a reader") as reader, reader.transaction():
        count = reader.value("select count(*) from warehouse.raw_event_stream")
        with pytest.raises(QueryFailed, match="a reader"):
            archive(monthly, load(monthly_project()), "2026-02", folder, on_wait=heard.append)
        assert reader.value("select count(*) from warehouse.raw_event_stream") == count
    assert heard and "a reader" in heard[0]
    assert "2026_01" in rows_by_month(monthly)
    assert put_away(monthly, folder, "2026-02").keys() == {"2026-01"}
