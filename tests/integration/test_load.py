"""`load`: a whole file or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.database import Database
from runner.errors import RunnerError
from runner.load import load
from tests.support import ingest, query, scalar

HEADER = (
    "event_time,user_id,event_type,transaction_category,miles_amount,platform,utm_source,country\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.csv"


def count(database: Database) -> int:
    return int(scalar(database, "select count(*) from public.event_stream"))


def test_columns_are_found_by_name_and_may_be_left_out(database: Database, file: Path) -> None:
    file.write_text(
        'country,event_time,user_id\nSG,2025-03-01 10:00:00,"u, 1"\n,2025-03-01 12:00:00+02,\n'
    )
    assert load(database, file, as_history=True) == 2
    rows = query(
        database,
        "select user_id, country, event_time::text as event_time, created_at = event_time as is_history"
        " from public.event_stream order by event_id",
    )
    assert rows == [
        {
            "user_id": "u, 1",
            "country": "SG",
            "event_time": "2025-03-01 10:00:00+00",
            "is_history": True,
        },
        {
            "user_id": None,
            "country": None,
            "event_time": "2025-03-01 10:00:00+00",
            "is_history": True,
        },
    ]


def test_without_history_events_arrive_now(database: Database, file: Path) -> None:
    file.write_text(HEADER + "2025-03-01 10:00:00,u_1,like,,,ios,google,SG\n")
    ingest(database)
    load(database, file, as_history=False)
    assert scalar(
        database, "select created_at > now() - interval '1 minute' from public.event_stream"
    )
    ingest(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 1


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("not a time,u_1,like,,,ios,google,SG", 3),
        ("2025-03-01 10:00:00,u_1,like", 3),
        ("2025-03-01 10:00:00,u_1,miles_earned,dining,many,ios,google,SG", 3),
        ("2025-03-01 10:00:00,u_1,miles_earned,dining,-5,ios,google,SG", 3),
        (",u_1,like,,,ios,google,SG", 3),
        ("2025-03-01 10:00:00,u_1,like,,,ios,google,SG,more", 3),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_loaded(
    database: Database, file: Path, line: str, number: int
) -> None:
    good = "2025-03-01 10:00:00,u_1,like,,,ios,google,SG"
    file.write_text(f"{HEADER}{good}\n{line}\n{good}\n")
    with pytest.raises(RunnerError, match=rf"events.csv:{number}: "):
        load(database, file, as_history=False)
    assert count(database) == 0


@pytest.mark.parametrize(
    "content", ["user_id\nu_1\n", "event_time,colour\n", "event_time,event_time\n", ""]
)
def test_a_wrong_header_is_named(database: Database, file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(RunnerError, match=r"events.csv:1: "):
        load(database, file, as_history=False)


def test_a_file_without_rows_is_an_error(database: Database, file: Path) -> None:
    file.write_text(HEADER)
    with pytest.raises(RunnerError, match="no rows"):
        load(database, file, as_history=False)


def test_a_missing_file_and_one_that_is_not_text_are_errors(database: Database, file: Path) -> None:
    with pytest.raises(RunnerError, match="No such file"):
        load(database, file, as_history=False)
    file.write_bytes(HEADER.encode() + b"2025-03-01 10:00:00,\xff\xfe,like,,,ios,google,SG\n")
    with pytest.raises(RunnerError, match=r"events.csv:2: .*UTF8"):
        load(database, file, as_history=False)
    file.write_bytes(HEADER.encode() + b"2025-03-01 10:00:00,u\x00,like,,,ios,google,SG\n")
    with pytest.raises(RunnerError, match=r"events.csv"):
        load(database, file, as_history=False)
    assert count(database) == 0


def test_a_byte_order_mark_is_no_part_of_the_header(database: Database, file: Path) -> None:
    file.write_bytes(
        b"\xef\xbb\xbf" + HEADER.encode() + b"2025-03-01 10:00:00,u_1,like,,,ios,google,SG\n"
    )
    assert load(database, file, as_history=False) == 1


def test_history_behind_the_watermark_is_refused(database: Database, file: Path) -> None:
    file.write_text(HEADER + "2025-03-01 10:00:00,u_1,like,,,ios,google,SG\n")
    ingest(database)
    with pytest.raises(RunnerError, match="behind the watermark") as refused:
        load(database, file, as_history=True)
    assert refused.value.exit_code == 1
    assert refused.value.hint
    assert count(database) == 0


def test_history_of_the_future_arrives_now(database: Database, file: Path) -> None:
    file.write_text(
        HEADER + "2999-03-01 10:00:00,u_1,like,,,ios,google,SG\ninfinity,u_1,like,,,ios,google,SG\n"
    )
    load(database, file, as_history=True)
    assert scalar(database, "select max(created_at) <= now() from public.event_stream")
