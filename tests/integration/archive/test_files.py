"""The files of months: never written over, never half, and read and brought back as the page says."""

from __future__ import annotations

import hashlib
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.archive import files
from runner.archive.archive import archive
from runner.build.build import build
from runner.compare.rebuild import rebuild, verify
from runner.database.session import Database
from runner.errors import RunnerError, StartError
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import (
    PROJECT,
    assert_facts_equal_oracle,
    ingest,
    query,
    scalar,
)
from tests.support.commands import command
from tests.support.months import monthly_project, put_away, rows_by_month, source_months

LIVE = Target()
PAGE = (PROJECT / "docs/retention.md").read_text()
PAGE_SQL = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_a_file_that_is_there_is_never_written_over(monthly: Database, folder: Path) -> None:
    folder.mkdir()
    file = folder / "raw_event_stream_2026-01.csv"
    file.write_text("somebody's")
    with pytest.raises(StartError, match="exists already, and holds other rows"):
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
    ingest(database, "goods", project=monthly_project("goods"))
    assert put_away(database, folder, "2026-02") == {"2026-01": 2}
    assert scalar(database, "select array_agg(id) from warehouse.raw_goods") == [3]
    # The pipeline goes; the file can still be compared with what is known of it.
    done = command("pipelines", "remove", "goods", "--replica", "drop", "--yes", database=database)
    assert "1 archived month: the files stay" in done.stdout
    [known] = scalar(
        database,
        "select context -> 'archived' from orchestrator.logs"
        " where message = 'pipeline goods was removed'",
    )
    file = folder / "raw_goods_2026-01.csv"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert known == {"file": str(file), "rows": 2, "sha256": digest}


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
