"""Months go into files, and nothing is lost by it: facts stay, builds go on, rebuilds keep them."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.archive import files
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
from runner.setup import schema
from tests.support import (
    PROJECT,
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
from tests.support.databases import Moulds
from tests.support.months import FIRST, in_months, monthly_project, rows_by_month

LIVE = Target()
PAGE = (PROJECT / "docs/retention.md").read_text()
[EXAMPLE] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
PAGE_SQL = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def monthly(moulds: Moulds, no_margin: None) -> Iterator[Database]:
    """Four months of events, ingested and built."""
    with moulds.clone(in_months) as database:
        # Which transactions wrote what is known of one database, and this is another.
        ingest(database, project=monthly_project())
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def put_away(database: Database, folder: Path, before: str = "2026-03") -> dict[str, int]:
    """Archive, and return the rows of each month."""
    done = archive(database, load(monthly_project()), before, folder)
    return {month.month: month.rows for month in done}


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The rows of all files in a folder."""
    found = []
    for file in sorted(folder.iterdir()):
        with file.open(newline="") as text:
            found += list(csv.DictReader(text))
    return found


def source_months(database: Database) -> dict[str, int]:
    rows = query(
        database,
        "select to_char(created_at at time zone 'UTC', 'YYYY-MM') as month, count(*) as rows"
        " from public.event_stream group by 1 order by 1",
    )
    return {row["month"]: row["rows"] for row in rows}


def images(database: Database) -> dict[str, Any]:
    """All that is built, to be compared."""
    tables = [
        f"{script.layer}.{table}"
        for script in load(monthly_project()).scripts.values()
        if not script.is_view and not script.name.startswith("changed_")
        for table in script.tables
    ]
    return {
        table: scalar(
            database, f"select md5(string_agg(t::text, '|' order by t::text)) from {table} as t"
        )
        for table in tables
    }


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
    assert_refused(done, 3, "archived", "cannot forget")
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
        said, before = "a run still looks back at rows", "2100-01"
    elif break_it == "gap":
        run = scalar(monthly, "select min(_run_id) from warehouse.raw_event_stream")
        open_pipeline(monthly, monthly_project(), "event_stream", Listener()).undo(run)
        build(monthly, manifest, LIVE)
        said = "was undone, and nothing is read before"
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
        manifest, said = load(project), "would lose what it has of archived rows"
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


# Files.


def test_a_file_that_is_there_is_never_written_over(monthly: Database, folder: Path) -> None:
    folder.mkdir()
    file = folder / "raw_event_stream_2026-01.csv"
    file.write_text("somebody's")
    with pytest.raises(StartError, match="is there already, and holds other rows"):
        put_away(monthly, folder)
    assert file.read_text() == "somebody's"
    assert [each.name for each in folder.iterdir()] == [file.name]
    assert "2026_01" in rows_by_month(monthly)


def test_a_full_disk_drops_no_row_and_leaves_no_half_of_a_file(
    monthly: Database, folder: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as if there were no more room
    try:
        with pytest.raises(
            RunnerError, match=r"raw_event_stream_2026-01.csv: .*no row was dropped"
        ):
            put_away(monthly, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(folder.iterdir()) == []
    assert "2026_01" in rows_by_month(monthly)
    assert put_away(monthly, folder)


def test_a_replica_that_no_script_reads_waits_for_no_build(
    database: Database, folder: Path
) -> None:
    with database.session("test") as session:
        session.run(
            "create table public.goods (id bigint primary key, written timestamptz not null);"
            " insert into public.goods values (1, '2026-01-02'), (2, '2026-01-03'),"
            " (3, '2026-05-05');"
            " insert into orchestrator.pipeline_definitions"
            " (pipeline_name, source_relation, cursor_column, key_columns, write_mode)"
            " values ('goods', 'public.goods', 'written', '{id}', 'append')"
        )
    ingest(database, "goods", project=monthly_project())
    assert put_away(database, folder, "2026-02") == {"2026-01": 2}
    assert scalar(database, "select array_agg(id) from warehouse.raw_goods") == [3]


def test_a_folder_in_the_place_of_a_file_is_named(monthly: Database, folder: Path) -> None:
    for name in ("raw_event_stream_2026-01.csv", ".raw_event_stream_2026-01.csv.part"):
        (folder / name).mkdir(parents=True)
        with pytest.raises(RunnerError, match="Is a directory; no row was dropped"):
            put_away(monthly, folder)
        (folder / name).rmdir()
    assert "2026_01" in rows_by_month(monthly)


def test_a_file_that_the_disk_has_changed_keeps_the_rows(
    monthly: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(path: Path, blocks: Iterator[bytes]) -> Any:
        content = real(path, blocks)
        path.write_bytes(path.read_bytes().replace(b"u_1", b"u_2", 1))
        return content

    real = files.write
    with monkeypatch.context() as patch, pytest.raises(RunnerError, match="does not hold what"):
        patch.setattr(files, "write", written)
        put_away(monthly, folder)
    assert "2026_01" in rows_by_month(monthly)


def test_a_foreign_table_reads_the_file_and_a_copy_brings_the_month_back(
    monthly: Database, folder: Path, open_folder: Path
) -> None:
    if not scalar(monthly, "select count(*) from pg_available_extensions where name = 'file_fdw'"):
        pytest.skip("this server has no file_fdw")
    manifest = load(monthly_project())
    columns = "event_id, event_time, user_id, miles_amount, created_at, _run_id"
    order = f"select {columns} from {{}} order by event_id"
    january = query(monthly, order.format("warehouse.raw_event_stream_2026_01"))
    archive(monthly, manifest, "2026-03", open_folder)
    *_, foreign, back = PAGE_SQL
    place = str(open_folder)
    with monthly.session("test") as session:
        session.run(foreign.replace("/srv/archive", place))
        assert session.rows(order.format("public.event_stream_2026_01")) == january
    with psycopg.connect(monthly.conninfo, autocommit=True) as connection:
        connection.execute(back.replace("/srv/archive", place))
    ingest(monthly, project=monthly_project())
    assert query(monthly, order.format("warehouse.raw_event_stream_2026_01")) == january
    found = verify(monthly, manifest, LIVE)
    assert not found.differences and found.proofs == ()


@pytest.mark.slow
def test_a_row_that_left_an_archived_month_is_found_and_put_right(
    monthly: Database, open_folder: Path
) -> None:
    manifest, (*_, back) = load(monthly_project()), PAGE_SQL
    archive(monthly, manifest, "2026-03", open_folder)
    with monthly.session("test") as session:
        session.run(
            "update public.event_stream set created_at = '2026-04-20', user_id = 'another'"
            " where event_id = 3"
        )
    ingest(monthly, project=monthly_project())
    build(monthly, manifest, LIVE)
    for attempt in (verify, rebuild):
        with pytest.raises(RunnerError, match=r"events\.twice\.check\.sql: 1 bad rows"):
            attempt(monthly, manifest, LIVE)
    with pytest.raises(RunnerError, match=r"events\.twice\.check\.sql: .* no row was dropped"):
        archive(monthly, manifest, "2026-04", open_folder)
    with psycopg.connect(monthly.conninfo, autocommit=True) as connection:
        connection.execute(back.replace("/srv/archive", str(open_folder)))
    ingest(monthly, project=monthly_project())
    assert rows_by_month(monthly) == {
        month.replace("-", "_"): rows for month, rows in source_months(monthly).items()
    }
    rebuild(monthly, manifest, LIVE)
    assert not verify(monthly, manifest, LIVE).differences
    assert_facts_equal_oracle(monthly)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that also the user of a server may enter, if we are root."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


# Death.


def die_at(at: int, monthly: Database, folder: Path) -> bool:
    """Archive in a process that is killed before its statement, or its call of the disk, of that
    number; return whether it was.
    """
    pid = os.fork()
    if pid == 0:
        count = 0

        def strike(*_: Any) -> None:
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

        wait, fsync, rename = psycopg.Connection.wait, os.fsync, Path.rename
        psycopg.Connection.wait = lambda *v, **n: (strike(), wait(*v, **n))[1]  # type: ignore
        files.os.fsync = lambda *v: (strike(), fsync(*v))[1]  # type: ignore
        Path.rename = lambda *v: (strike(), rename(*v))[1]  # type: ignore
        code = 1
        try:
            put_away(monthly, folder, "2026-02")
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def killed_everywhere(monthly: Database, folder: Path, step: int) -> None:
    """Nothing is lost and nothing is there twice, wherever a process dies; the last one finishes."""
    want = source_months(monthly)["2026-01"]
    total = scalar(monthly, "select count(*) from public.event_stream")
    at = 1
    while die_at(at, monthly, folder):
        recorded = scalar(
            monthly, "select coalesce(sum(rows), 0) from orchestrator.archived_months"
        )
        left = sum(rows_by_month(monthly).values())
        assert recorded + left == total
        if recorded:
            assert recorded == want == len(rows_of(folder))
        at += step
    assert len(rows_of(folder)) == want
    assert sum(rows_by_month(monthly).values()) == total - want
    assert [file.name for file in folder.iterdir()] == ["raw_event_stream_2026-01.csv"]
    assert at > 3 * step


def test_a_process_that_is_killed_loses_nothing_and_the_next_goes_on(
    monthly: Database, folder: Path
) -> None:
    killed_everywhere(monthly, folder, step=9)


@pytest.mark.slow
def test_a_process_that_is_killed_before_many_statements_loses_nothing(
    monthly: Database, folder: Path
) -> None:
    killed_everywhere(monthly, folder, step=2)
    assert not verify(monthly, load(monthly_project()), LIVE).differences


# The command.


def test_the_command_shows_what_it_will_do_and_does_it_as_the_page_says(monthly: Database) -> None:
    project = monthly_project()
    folder = project / "archive"
    done = command("archive", "--before", "2026-03", database=monthly, project=project)
    assert_refused(done, 2, "this needs confirmation")
    assert "2026-01" in done.stdout and not folder.exists()
    try:
        done = command("archive", "--before", "2026-03", "--yes", database=monthly, project=project)
        assert done.stdout == EXAMPLE
        name = "raw_event_stream_2026-01.csv"
        assert (folder / name).read_text().count("\n") == source_months(monthly)["2026-01"] + 1
        again = ("archive", "event_stream", "--before", "2026-04", "--into", "archive", "--yes")
        done = command(*again, "--json", database=monthly, project=project)
        [said] = json.loads(done.stdout)
        assert (said["month"], said["rows"]) == ("2026-03", source_months(monthly)["2026-03"])
        assert said["file"] == "archive/raw_event_stream_2026-03.csv"
        done = command(*again, database=monthly, project=project)
        assert done.stdout == "archive: nothing from before 2026-04 is left\n"
    finally:
        shutil.rmtree(folder)
    done = command("verify", database=monthly, project=project)
    assert "event_stream: proven for 2026-04 to" in done.stdout
    assert "of 2026-01 to 2026-03, which are archived, the facts of" in done.stdout


def test_a_replica_that_is_one_table_moves_as_the_page_says(built: Database) -> None:
    before, rows = (
        images(built),
        query(built, "select * from warehouse.raw_event_stream order by 1"),
    )
    project, (aside, copied, *_) = monthly_project(), PAGE_SQL
    with built.session("test") as session:
        session.run(aside)
        schema.apply(built, load(project), LIVE)
        session.run(copied)
    runs = ingest(built, "event_stream", project=project)
    assert not any(run.counts.changed for run in runs)
    build(built, load(project), LIVE)
    assert images(built) == before
    months = {month.replace("-", "_"): rows for month, rows in source_months(built).items()}
    assert rows_by_month(built) == months
    assert query(built, "select * from warehouse.raw_event_stream order by 1") == rows


def test_a_replica_that_is_one_table_says_how_it_becomes_months(
    database: Database, folder: Path
) -> None:
    done = command("archive", "--before", "2026-03", "--into", str(folder), database=database)
    assert_refused(done, 2, "no replica is kept in months", "monthly_replicas")
    done = command("archive", "utm_campaigns", "--before", "2026-03", database=database)
    assert_refused(done, 2, "raw_utm_campaigns is not kept in months", "monthly_replicas")
    done = command("archive", "--before", "2026-13", database=database)
    assert done.returncode == 2 and "a month, such as 2026-01" in done.stderr
