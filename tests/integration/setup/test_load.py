"""`load` loses nothing: each line of a file goes into event_stream or, with the reason, into
load_rejects; and a load that cannot end leaves no trace.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.database.session import Database, LockHeld, QueryFailed
from runner.errors import RunnerError
from runner.project.manifest import load as manifest
from runner.project.target import Target
from runner.setup import load_csv as loading
from runner.setup import schema
from runner.setup.load_csv import Loaded, load
from tests.support import PROJECT, ingest, query, scalar
from tests.support.commands import assert_refused, command, environ
from tests.support.throwaway import ThrowawayServer
from tests.support.waiting import wait_for

COLUMNS = (
    "event_time",
    "user_id",
    "event_type",
    "transaction_category",
    "miles_amount",
    "platform",
    "utm_source",
    "country",
)
HEADER = (
    "event_time,user_id,event_type,transaction_category,miles_amount,platform,utm_source,country\n"
)
GOOD = "2025-03-01 10:00:00,u_1,like,,,ios,google,SG\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.csv"


def count(database: Database) -> int:
    return int(scalar(database, "select count(*) from public.event_stream"))


def rejects(database: Database) -> list[tuple[int, str, str]]:
    """Line number, reason and raw line, in the order of the file."""
    rows = query(
        database,
        "select line_number, reason, raw_line from orchestrator.load_rejects order by load_id, line_number",
    )
    return [(row["line_number"], row["reason"], row["raw_line"]) for row in rows]


def assert_no_trace(database: Database, events: int = 0, files: int = 0) -> None:
    assert count(database) == events
    assert scalar(database, "select count(*) from orchestrator.loaded_files") == files
    assert rejects(database) == []


def test_columns_are_found_by_name_and_may_be_left_out(database: Database, file: Path) -> None:
    file.write_text(
        'country,event_time,user_id\nSG,2025-03-01 10:00:00,"u, 1"\n,2025-03-01 12:00:00+02,\n'
    )
    assert load(database, file, as_history=True) == Loaded(2, 0)
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


NOT_A_TIME = "event_time is not a time written year first, as 2026-01-31 10:00:00"
BAD_LINES = [
    (b"not a time,u_1,like,,,ios,google,SG", f"{NOT_A_TIME}: not a time"),
    (
        b"2025-02-30 10:00:00,u_1,like,,,ios,google,SG",
        'event_time: date/time field value out of range: "2025-02-30 10:00:00"',
    ),
    (b"2025-03-01 10:00:00,u_1,like", "3 fields, the header has 8"),
    (b"one", "1 field, the header has 8"),
    (b"\\.", "1 field, the header has 8"),
    (b"   ", "1 field, the header has 8"),
    (b"2025-03-01 10:00:00,u_1,like,,,ios,google,SG,more", "9 fields, the header has 8"),
    (
        b"2025-03-01 10:00:00,u_1,miles_earned,dining,many,ios,google,SG",
        'miles_amount is not a number: "many"',
    ),
    (
        b"2025-03-01 10:00:00,u_1,miles_earned,dining,-5,ios,google,SG",
        "breaks the rule miles_amount_is_not_negative",
    ),
    (b",u_1,like,,,ios,google,SG", "event_time is empty"),
    (b'"",u_1,like,,,ios,google,SG', "event_time is empty"),
    (
        b'2025-03-01 10:00:00,"u_1"x,like,,,ios,google,SG',
        "user_id: text after the closing quote",
    ),
    (b'2025-03-01 10:00:00,"u_1,like,,,ios,google,SG', "user_id: the quote is not closed"),
    (
        b'2025-03-01 10:00:00,u"1",like,,,ios,google,SG',
        "user_id: a quote inside a field that does not begin with one",
    ),
    (
        b"2025-03-01 10:00:00,u\r1,like,,,ios,google,SG",
        "user_id: a carriage return inside the line",
    ),
    (b"2025-03-01 10:00:00,u\x001,like,,,ios,google,SG", "it contains a NUL byte"),
    (b"2025-03-01 10:00:00,u\xff1,like,,,ios,google,SG", "it is not UTF-8: byte 0xff"),
]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=lambda value: str(value)[:30])
def test_a_bad_line_is_set_aside_with_its_number_and_the_reason(
    database: Database, file: Path, line: bytes, reason: str, end: bytes
) -> None:
    good = GOOD.encode().rstrip()
    file.write_bytes(end.join([HEADER.encode().rstrip(), good, line, good, b""]))
    assert load(database, file, as_history=False) == Loaded(2, 1)
    shown = line.decode(errors="backslashreplace").replace("\0", "\\x00")
    assert rejects(database) == [(3, reason, shown)]
    assert count(database) == 2


def test_bad_lines_count_even_at_the_end_of_a_file_without_a_line_end(
    database: Database, file: Path
) -> None:
    file.write_text(HEADER + GOOD + '2025-03-01 10:00:00,"u')
    assert load(database, file, as_history=False) == Loaded(1, 1)
    assert rejects(database) == [
        (3, "user_id: the quote is not closed", '2025-03-01 10:00:00,"u'),
    ]


def test_the_last_line_needs_no_line_end(database: Database, file: Path) -> None:
    file.write_text(HEADER + GOOD + GOOD.rstrip())
    assert load(database, file, as_history=False) == Loaded(2, 0)


def test_a_rejected_line_with_bytes_that_no_text_can_hold_can_be_had_back(
    database: Database, file: Path
) -> None:
    line = b"2025-03-01 10:00:00,C:\\\\x00\\,\x00\xff,\xc3\xa9"
    file.write_bytes(HEADER.encode() + GOOD.encode() + line + b"\n")
    load(database, file, as_history=False)
    [(_, _, raw)] = rejects(database)
    back = raw.replace("\\\\", "\1").replace("\\x00", "\0").replace("\\xff", "\udcff")
    assert back.replace("\1", "\\").encode("utf-8", "surrogateescape") == line


def test_the_database_says_when_and_from_which_file(database: Database, file: Path) -> None:
    file.write_text(HEADER + GOOD + "x\n" + GOOD)
    load(database, file, as_history=True)
    assert query(
        database,
        """
        select
            loads.file_name, rejects.file_name as file_of_reject, loads.rows_loaded,
            loads.rows_rejected, loads.as_history, loads.is_again,
            loads.sha256 = encode(sha256(%(content)s::bytea), 'hex') as is_hash,
            loads.loaded_at = rejects.loaded_at as is_same_time
        from orchestrator.loaded_files as loads
        inner join orchestrator.load_rejects as rejects on rejects.load_id = loads.load_id
        """,
        content=file.read_bytes(),
    ) == [
        {
            "file_name": str(file),
            "file_of_reject": str(file),
            "rows_loaded": 2,
            "rows_rejected": 1,
            "as_history": True,
            "is_again": False,
            "is_hash": True,
            "is_same_time": True,
        }
    ]


def test_line_numbers_count_the_line_breaks_inside_quotes(database: Database, file: Path) -> None:
    good = b'2025-03-01 10:00:00,"a\nb\r\n\n""c""",like,,,ios,google,SG\n'
    file.write_bytes(HEADER.encode() + good + b"x\r\n\r\n\n" + good + b'"a\nb",y\nz\n')
    assert load(database, file, as_history=False) == Loaded(2, 3)
    assert rejects(database) == [
        (6, "1 field, the header has 8", "x"),
        (13, "2 fields, the header has 8", '"a\nb",y'),
        (15, "1 field, the header has 8", "z"),
    ]
    users = query(database, "select distinct user_id from public.event_stream")
    assert users == [{"user_id": 'a\nb\r\n\n"c"'}]


def test_a_line_of_backslash_and_dot_ends_nothing(database: Database, file: Path) -> None:
    """Before PostgreSQL 18, COPY takes this line for the end of the data."""
    file.write_text(
        HEADER + "\\.\n" + GOOD + "\\.\n" + GOOD + '2025-03-01,"\n\\.\n",a,b,1,c,d,e\n' + GOOD
    )
    assert load(database, file, as_history=False) == Loaded(4, 2)
    assert [line for line, _, _ in rejects(database)] == [2, 4]
    file.write_text(HEADER + "\\.\n" + GOOD)
    assert load(database, file, as_history=False) == Loaded(1, 1)


def test_a_quote_that_is_never_closed_costs_one_line(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BLOCK", 1000)
    file.write_text(HEADER + GOOD + '"' + GOOD + GOOD * 1000)
    assert load(database, file, as_history=False) == Loaded(1001, 1)
    assert rejects(database) == [(3, "event_time: the quote is not closed", '"' + GOOD.rstrip())]


def test_a_quote_that_stays_open_for_more_than_a_record_is_long_is_given_up(
    database: Database, file: Path
) -> None:
    file.write_text(HEADER + '"' + GOOD + GOOD * 40_000 + '"quoted"' + GOOD[19:])
    assert load(database, file, as_history=False) == Loaded(40_000, 2)
    assert [line for line, _, _ in rejects(database)] == [2, 40_003]


def test_a_line_without_end_is_refused(database: Database, file: Path) -> None:
    file.write_text(HEADER + GOOD + "x" * 3_000_000)
    with pytest.raises(RunnerError, match=r"the line at byte 137 is longer than 1,048,576 bytes"):
        load(database, file, as_history=False)
    assert_no_trace(database)


def test_an_empty_line_is_no_record(database: Database, file: Path) -> None:
    file.write_bytes(HEADER.encode() + b"\n\r\n" + GOOD.encode() + b"\n\n")
    assert load(database, file, as_history=False) == Loaded(1, 0)


def test_empty_fields_are_null_quoted_or_not(database: Database, file: Path) -> None:
    file.write_text(HEADER + GOOD + '"2025-03-01 10:00:00","","","","","","",""\n')
    assert load(database, file, as_history=False) == Loaded(2, 0)
    file.write_text(HEADER + "x\n" + '"2025-03-01 10:00:00","","","","","","",""\n')
    assert load(database, file, as_history=False) == Loaded(1, 1)
    nulls = "user_id is null and event_type is null and miles_amount is null and country is null"
    assert scalar(database, f"select count(*) from public.event_stream where {nulls}") == 2


def test_a_value_that_does_not_fit_its_column_is_set_aside_and_never_cut(
    database: Database, file: Path
) -> None:
    query(database, "alter table public.event_stream alter country type varchar(2)")
    file.write_text(HEADER + GOOD + GOOD.replace("SG", "SGP"))
    assert load(database, file, as_history=False) == Loaded(1, 1)
    assert rejects(database)[0][:2] == (3, "value too long for type character varying(2)")


def test_all_lines_rejected_is_a_failure_that_keeps_the_rejects(
    database: Database, file: Path
) -> None:
    file.write_text(HEADER + "x\n\ny,z\n")
    for attempt in (1, 2):  # nothing came in, so a second time doubles nothing
        with pytest.raises(
            RunnerError, match=r"no line fits public\.event_stream, 2 rejected; line 2: 1 field"
        ) as no:
            load(database, file, as_history=False)
        assert no.value.exit_code == 1
        assert (
            no.value.hint
            and "db psql -c 'select * from orchestrator.load_rejects'" in no.value.hint
        )
        assert len(rejects(database)) == 2 * attempt
    assert count(database) == 0


def test_the_same_content_is_loaded_once_unless_somebody_insists(
    database: Database, file: Path, tmp_path: Path
) -> None:
    file.write_text(HEADER + GOOD + "x\n")
    load(database, file, as_history=False)
    renamed = file.rename(tmp_path / "other.csv")
    with pytest.raises(
        RunnerError, match=r"other.csv: the same content was loaded on .*1 rows"
    ) as no:
        load(database, renamed, as_history=True)
    assert no.value.exit_code == 1
    assert no.value.hint and "--again" in no.value.hint
    assert count(database) == 1
    assert load(database, renamed, as_history=False, again=True) == Loaded(1, 1)
    assert count(database) == 2
    assert query(database, "select is_again from orchestrator.loaded_files order by load_id") == [
        {"is_again": False},
        {"is_again": True},
    ]
    with renamed.open("a") as more:
        more.write(GOOD)
    assert load(database, renamed, as_history=False, again=True) == Loaded(2, 1)
    assert not scalar(
        database, "select is_again from orchestrator.loaded_files order by load_id desc limit 1"
    )


@pytest.mark.parametrize(
    "content", ["user_id\nu_1\n", "event_time,colour\n", "event_time,event_time\n", ""]
)
def test_a_wrong_header_is_named(database: Database, file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(RunnerError, match=r"events.csv:1: "):
        load(database, file, as_history=False)


@pytest.mark.parametrize(
    "content",
    [
        (HEADER + GOOD).encode("utf-16"),
        (HEADER + GOOD).encode("utf-16-be"),
        gzip.compress((HEADER + GOOD).encode()),
        "event_time,größe\n".encode("latin-1"),
    ],
)
def test_a_file_that_is_no_text_of_utf_8_says_what_to_do(
    database: Database, file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    with pytest.raises(RunnerError, match=r"events.csv:1: the header is not UTF-8") as refused:
        load(database, file, as_history=False)
    assert "iconv -f LATIN1 -t UTF-8" in str(refused.value.hint)
    assert "\x00" not in refused.value.message


def test_lines_of_latin_1_are_set_aside(database: Database, file: Path) -> None:
    text = "event_time,user_id\n2025-03-01 10:00:00,u_1\n2025-03-01 10:00:00,Jürgen\n"
    file.write_bytes(text.encode("latin-1"))
    assert load(database, file, as_history=False) == Loaded(1, 1)
    assert rejects(database)[0][:2] == (3, "it is not UTF-8: byte 0xfc")


def test_a_file_without_rows_is_an_error(database: Database, file: Path) -> None:
    file.write_text(HEADER)
    with pytest.raises(RunnerError, match="no rows"):
        load(database, file, as_history=False)


def test_a_header_with_bare_carriage_returns_is_named(database: Database, file: Path) -> None:
    file.write_text((HEADER + GOOD).replace("\n", "\r"), newline="")
    with pytest.raises(RunnerError, match=r"events.csv:1: .*carriage return"):
        load(database, file, as_history=False)


def test_a_header_may_be_quoted_and_end_in_any_way(database: Database, file: Path) -> None:
    file.write_bytes(b'"event_time","user_id"\r\n2025-03-01 10:00:00,u_1\n')
    assert load(database, file, as_history=False) == Loaded(1, 0)


def test_a_column_that_the_table_does_not_have_is_named(database: Database, file: Path) -> None:
    query(database, "alter table public.event_stream drop column country")
    file.write_text(HEADER + GOOD)
    with pytest.raises(RunnerError, match=r"events.csv:1: unknown column 'country'"):
        load(database, file, as_history=False)
    assert_no_trace(database)


def test_a_file_that_cannot_be_read_is_an_error_of_one_line(
    database: Database, file: Path, tmp_path: Path
) -> None:
    assert_refused(command("load", str(file), database=database), 1, "No such file")
    assert_refused(command("load", str(tmp_path), database=database), 1, "directory")
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", f"echo event_time > {tmp_path / 'pipe'}"]):
        done = command("load", str(tmp_path / "pipe"), database=database)
    assert_refused(done, 1, "pipe: ", "seek")


def test_a_file_without_permission_is_an_error_of_one_line(database: Database, file: Path) -> None:
    file.write_text(HEADER + GOOD)
    file.chmod(0)
    line = [sys.executable, "-m", "runner", "load", str(file)]
    if os.geteuid() == 0:  # root may read everything, unless it gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything")
        rights = "-dac_override,-dac_read_search"
        line = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *line]
    done = subprocess.run(
        line, cwd=PROJECT, env=environ(database), capture_output=True, text=True, check=False
    )
    assert_refused(done, 1, "events.csv: Permission denied")


def test_a_byte_order_mark_is_no_part_of_the_header(database: Database, file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + (HEADER + GOOD).encode())
    assert load(database, file, as_history=False) == Loaded(1, 0)


def test_a_database_without_the_tables_is_told_what_to_do(database: Database, file: Path) -> None:
    query(
        database,
        "drop table orchestrator.schema_version, orchestrator.load_rejects,"
        " orchestrator.loaded_files",
    )
    file.write_text(HEADER + GOOD)
    with pytest.raises(RunnerError, match="an older orchestrator schema") as refused:
        load(database, file, as_history=False)
    assert refused.value.hint == "python -m runner schema apply"


def test_history_behind_the_watermark_comes_with_a_sweep(database: Database, file: Path) -> None:
    """Also in a table that is too large to be searched by every run."""
    file.write_text(HEADER + GOOD + "x\n")
    ingest(database)
    query(database, "update orchestrator.runs set search_elapsed = '2 s'")
    done = command("load", str(file), "--as-history", database=database)
    assert "some are older than the watermark" in done.stdout
    assert "ingest --sweep" in done.stdout
    ingest(database, "event_stream")
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 0
    assert command("ingest", "--sweep", database=database).returncode == 0
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 1


def test_history_behind_the_watermark_is_refused_where_there_is_no_key(
    database: Database, file: Path
) -> None:
    file.write_text(HEADER + GOOD + "x\n")
    query(
        database,
        "update orchestrator.pipeline_definitions set key_columns = '{}' where pipeline_id = 1",
    )
    ingest(database)
    with pytest.raises(RunnerError, match="behind the watermark") as refused:
        load(database, file, as_history=True)
    assert refused.value.exit_code == 1
    assert refused.value.hint
    assert_no_trace(database)


def test_history_of_the_future_arrives_now(database: Database, file: Path) -> None:
    file.write_text(
        HEADER + "2999-03-01 10:00:00,u_1,like,,,ios,google,SG\ninfinity,u_1,like,,,ios,google,SG\n"
    )
    load(database, file, as_history=True)
    assert scalar(database, "select max(created_at) <= now() from public.event_stream")


def test_any_table_can_be_loaded_and_gets_its_own_cursor(database: Database, file: Path) -> None:
    file.write_text("utm_source,monthly_cost\ngoogle,12.5\nbing,-1\nemail,NaN\n")
    done = command("load", str(file), "--into", "public.utm_campaigns", database=database)
    assert done.stdout == f"load: 1 row from {file} into public.utm_campaigns\n"
    assert [reason for _, reason, _ in rejects(database)] == [
        "breaks the rule monthly_cost_is_not_negative",
        "breaks the rule monthly_cost_is_not_negative",
    ]
    assert query(
        database,
        "select utm_source, is_paid, monthly_cost::text, updated_at > now() - interval '1 minute'"
        " as is_now from public.utm_campaigns",
    ) == [{"utm_source": "google", "is_paid": False, "monthly_cost": "12.5", "is_now": True}]
    history = command(
        "load", str(file), "--into=public.utm_campaigns", "--as-history", database=database
    )
    assert_refused(history, 1, "public.utm_campaigns: no column or no pipeline says when")


def test_a_table_without_a_pipeline_can_be_loaded(database: Database, file: Path) -> None:
    query(database, 'create table public."Odd ""one" (id int not null, "a b" text, at timestamptz)')
    file.write_text('id,a b\n1,"x"\n2,\n')
    table = 'public."Odd ""one"'
    assert load(database, file, as_history=False, into=table) == Loaded(2, 0)
    assert query(database, f"select * from {table} order by id") == [
        {"id": 1, "a b": "x", "at": None},
        {"id": 2, "a b": None, "at": None},
    ]
    with pytest.raises(RunnerError, match=r"public\.nothing does not exist"):
        load(database, file, as_history=False, into="public.nothing")


# --- the command ----------------------------------------------------------------------------------


def test_the_command_warns_of_lines_that_stayed_out(database: Database, file: Path) -> None:
    file.write_text(HEADER + GOOD + "x\ny\n")
    done = command("load", str(file), database=database)
    assert (done.returncode, done.stdout) == (
        0,
        f"load: 1 row from {file} into public.event_stream\n",
    )
    assert done.stderr.splitlines() == [
        "warning: rejected 2 lines; see orchestrator.load_rejects for reasons",
        "hint: python -m runner db psql -c 'select * from orchestrator.load_rejects'",
    ]
    assert_refused(command("load", str(file), database=database), 1, "the same content")
    assert command("load", str(file), "--again", database=database).returncode == 0
    file.write_text(HEADER + "x\n")
    assert_refused(
        command("load", str(file), database=database),
        1,
        "no line fits public.event_stream, 1 rejected",
    )


# --- all of it or nothing -------------------------------------------------------------------------


@pytest.fixture
def large(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of many blocks, with rejects in each."""
    monkeypatch.setattr(loading, "BLOCK", 1000)
    file.write_text(HEADER + (GOOD * 20 + "x\n") * 20)
    return file


def halfway(what: Any) -> Any:
    """Call something when half of the file has been read."""
    todo = [what]

    def tell(done: int, total: int) -> None:
        if done > total / 2 and todo:
            todo.pop()()

    return tell


def raise_interrupt() -> None:
    raise KeyboardInterrupt


def test_progress_is_told_in_bytes(database: Database, large: Path) -> None:
    told: list[tuple[int, int]] = []
    load(database, large, as_history=False, on_progress=lambda *bytes: told.append(bytes))
    size = large.stat().st_size
    assert len(told) > 10
    assert told == sorted(told)
    assert told[-1] == (size, size)


def test_ctrl_c_in_the_middle_leaves_nothing(database: Database, large: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(database, large, as_history=False, on_progress=halfway(raise_interrupt))
    assert_no_trace(database)
    assert load(database, large, as_history=False) == Loaded(400, 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_last_statement_leaves_nothing(
    database: Database, large: Path, number: signal.Signals
) -> None:
    with psycopg.connect(database.conninfo) as other:
        other.execute("lock table public.event_stream in share mode")  # staging goes on, no insert
        with subprocess.Popen(
            [sys.executable, "-m", "runner", "load", str(large)],
            env=environ(database),
            cwd=PROJECT,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            wait_for(
                database,
                "select exists (select from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database() and query ~ 'insert into public.event_stream')",
            )
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert_no_trace(database)


def test_a_lost_connection_leaves_nothing(database: Database, large: Path) -> None:
    def end_it() -> None:
        query(
            database,
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and application_name like 'milepost load%%'",
        )

    with pytest.raises(RunnerError, match=r"events.csv: .*terminat") as lost:
        load(database, large, as_history=False, on_progress=halfway(end_it))
    assert lost.value.hint and "load it again" in lost.value.hint
    assert_no_trace(database)


def test_a_file_that_changes_while_it_is_read_is_refused(database: Database, large: Path) -> None:
    def append() -> None:
        with large.open("a") as more:
            more.write(GOOD)

    with pytest.raises(RunnerError, match="changed while it was read"):
        load(database, large, as_history=False, on_progress=halfway(append))
    assert_no_trace(database)


def test_the_same_content_twice_at_once_comes_in_once(database: Database, large: Path) -> None:
    def again() -> None:
        with pytest.raises(LockHeld, match="a load of the same content is already running"):
            load(database, large, as_history=False)

    assert load(database, large, as_history=False, on_progress=halfway(again)) == Loaded(400, 20)
    assert count(database) == 400


@pytest.fixture
def small_disk() -> Iterator[Database]:
    """A throw-away server, and on it a database on a disk of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    folder.chmod(0o755)
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        shutil.rmtree(folder)
        pytest.skip("tmpfs cannot be mounted here")
    try:
        server = ThrowawayServer(folder / "data").start()
        space = disk / "space"
        space.mkdir()
        shutil.chown(space, (folder / "data").stat().st_uid)
        try:
            with psycopg.connect(server.uri, autocommit=True) as connection:
                connection.execute(f"create tablespace small location '{space}'")
                connection.execute("create database small tablespace small")
            database = Database(server.uri.replace("/postgres?", "/small?"))
            schema.apply(database, manifest(PROJECT), Target())
            yield database
        finally:
            server.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "lines", [GOOD, pytest.param("x\n", marks=pytest.mark.slow)], ids=["events", "rejects"]
)
def test_a_full_disk_leaves_nothing(small_disk: Database, file: Path, lines: str) -> None:
    file.write_text(HEADER + GOOD)
    load(small_disk, file, as_history=False)
    large = file.with_name("large.csv")
    large.write_text(HEADER + GOOD + lines * 400_000)
    done = command("load", str(large), database=small_disk)
    assert_refused(done, 1, "large.csv: ", "No space left on device", "nothing was loaded")
    assert_no_trace(small_disk, events=1, files=1)
    # What was rolled back keeps its room until a vacuum, and that needs some too.
    where = "select pg_tablespace_location(oid) from pg_tablespace where spcname = 'small'"
    disk = Path(scalar(small_disk, where)).parent
    subprocess.run(["mount", "-o", "remount,size=48m", str(disk)], check=True)
    file.write_text(HEADER + GOOD * 2)
    assert load(small_disk, file, as_history=False) == Loaded(2, 0)


PEAK = """
import sys
from pathlib import Path
from runner.database.session import Database
from runner.setup.load_csv import load
load(Database(sys.argv[1]), Path(sys.argv[2]), as_history=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")
def test_memory_does_not_grow_with_the_file(database: Database, file: Path) -> None:
    peaks = []
    for times in (10, 2_000):
        file.write_text(
            HEADER + (GOOD * 50 + "x\n" + GOOD * 50 + GOOD.replace("u_1", '"u"')) * times
        )
        done = subprocess.run(
            [sys.executable, "-c", PEAK, database.conninfo, str(file)],
            env=environ(database),
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert max(peaks) <= 60, peaks
    assert peaks[1] - peaks[0] <= 10


# --- every line exactly once ----------------------------------------------------------------------

Row = tuple[str | None, ...]


def stored(database: Database) -> Counter[Row]:
    rows = query(
        database,
        f"""
        select event_time::text, miles_amount::text,
            {", ".join(name for name in COLUMNS if name not in ("event_time", "miles_amount"))}
        from public.event_stream
        """,
    )
    return Counter(tuple(row[name] for name in COLUMNS) for row in rows)


@pytest.mark.slow
def test_200_000_lines_are_what_plain_python_reads(database: Database, file: Path) -> None:
    """The oracle is the csv module. Bad lines are at random places and around the ends of blocks."""
    chance = random.Random(7)
    kinds = (
        b"2025-03-01 10:00:00,u_1\n",
        b"2025-03-01 10:00:00,a,b,c,1,d,e,f,g,h\r\n",
        b"2025-02-29 10:00:00,u_1,like,,,ios,google,SG\n",
        b"2025-03-01 10:00:00,u_1,miles_earned,dining,-1,ios,google,SG\r\n",
        b"2025-03-01 10:00:00,u_\xfe,like,,,ios,google,SG\n",
        b'2025-03-01 10:00:00,"u"_1,like,,,ios,google,SG\n',
        b'2025-03-01 10:00:00,"u\n1",like,,,ios\n',
        b'2025-03-01 10:00:00,"u ""x""\r\n, 1",like,,,ios,google,SG\n',  # a good one
        b"\n",
    )
    with file.open("wb") as out:
        out.write(HEADER.encode())
        for n in range(200_000):
            line = b"2025-03-01 10:00:%02d,u_%d,miles_earned,dining,%d,ios,google,SG\n"
            place = out.tell() % loading.BLOCK
            is_border = place < 150 or place > loading.BLOCK - 150
            if chance.random() < (0.5 if is_border else 0.0003):
                out.write(chance.choice(kinds))
            out.write(line % (n % 60, n, n % 500))

    events: Counter[Row] = Counter()
    bad: list[int] = []
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, strict=True)
        next(reader)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error:
                bad.append(line)
                continue
            if row is None:
                break
            if not row:
                continue
            is_good = (
                len(row) == len(COLUMNS)
                and "\udcfe" not in row[1]
                and not row[0].startswith("2025-02-29")
                and not row[4].startswith("-")
            )
            if is_good:
                events[(f"{row[0]}+00", *(field or None for field in row[1:]))] += 1
            else:
                bad.append(line)

    assert len(bad) > 100
    assert load(database, file, as_history=False) == Loaded(events.total(), len(bad))
    assert [line for line, _, _ in rejects(database)] == bad
    assert stored(database) == events


TIMES = ("2025-03-01 10:00:00", "2025-03-01T10:00:00Z")
NUMBERS = ("", "5", "7.5")


def read_by_hand(
    database: Database, content: bytes
) -> tuple[Counter[Row], list[tuple[int, bytes]]]:
    """Read three columns of a file character by character: return valid events, and bad lines."""
    events: Counter[Row] = Counter()
    bad: list[tuple[int, bytes]] = []
    content += b"" if content.endswith(b"\n") else b"\n"
    place, line = 0, 2
    while place < len(content):
        fields, end = record_by_hand(content, place)
        if fields is None:
            end = content.index(b"\n", place) + 1
        raw = content[place : end - 1]
        raw = raw[:-1] if raw.endswith(b"\r") else raw
        if raw:
            event = event_by_hand(database, fields)
            if event is None:
                bad.append((line, raw))
            else:
                events[event] += 1
        line += content[place:end].count(b"\n")
        place = end
    return events, bad


def record_by_hand(content: bytes, place: int) -> tuple[list[bytes] | None, int]:
    fields, field, state = [], b"", "start"
    while place < len(content):
        here = content[place : place + 1]
        place += 1
        if state == "quoted":
            if here == b'"':
                state = "closed"
            else:
                field += here
        elif state == "closed" and here == b'"':
            field, state = field + here, "quoted"
        elif here == b"," or here == b"\n" or (here == b"\r" and content[place:].startswith(b"\n")):
            fields.append(field)
            if here != b",":
                return fields, place + (here == b"\r")
            field, state = b"", "start"
        elif state == "start" and here == b'"':
            state = "quoted"
        elif state == "closed" or here in (b'"', b"\r"):
            return None, 0
        else:
            field, state = field + here, "plain"
    return None, 0


def event_by_hand(database: Database, fields: list[bytes] | None) -> Row | None:
    try:
        time, user, miles = (field.decode() for field in fields or ())
    except ValueError:
        return None
    # The server overlooks a quotation mark before a time; here a time begins with its year.
    event_time = cast(database, time, "timestamptz") if time[:4].isdecimal() else None
    amount = cast(database, miles, "numeric") if miles else None
    is_wrong = event_time is None or "\0" in user or (bool(miles) and amount is None)
    if is_wrong or Decimal(amount or 0) < 0:
        return None
    return event_time, user or None, amount


@cache
def cast(database: Database, text: str, type_name: str) -> str | None:
    """How the server reads a text as this type: it accepts more than one expects."""
    if "\0" in text:
        return None
    try:
        value: str = scalar(database, f"select (%(given)s::{type_name})::text", given=text)
    except QueryFailed:
        return None
    return value


FIELD = st.one_of(
    st.text("abé", max_size=3).map(str.encode),
    st.text('a,"\n\r\\.', max_size=4).map(lambda text: b'"%s"' % text.replace('"', '""').encode()),
    st.binary(max_size=2),
    st.sampled_from([b'"', b'""', b'"a"b', b'a"', b"\r", b"\0", b"\xff", b"\\.", b'"\n\\.\n"']),
)
RECORD = st.one_of(
    st.tuples(
        st.sampled_from(TIMES).map(str.encode), FIELD, st.sampled_from(NUMBERS).map(str.encode)
    ),
    st.tuples(st.sampled_from([b"", b"x", b'"%s"' % TIMES[1].encode()]), FIELD, st.just(b"5")),
    st.tuples(st.just(TIMES[0].encode()), FIELD, st.sampled_from([b"-1", b"x", b'"5"'])),
    st.lists(FIELD, max_size=4),
)
CONTENT = st.lists(
    st.tuples(RECORD.map(b",".join), st.sampled_from([b"\n", b"\n", b"\r\n", b""])), max_size=12
).map(lambda lines: b"".join(line + end for line, end in lines))


FEW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MANY = settings(FEW, max_examples=150)
BLOCKS = st.sampled_from([1, 7, 40, 1000])


@FEW
@given(content=CONTENT, block=BLOCKS)
def test_every_record_is_accounted_for_exactly_once(
    database: Database, file: Path, content: bytes, block: int
) -> None:
    account_for(database, file, content, block)


@pytest.mark.slow
@MANY
@given(content=CONTENT, block=BLOCKS)
def test_every_record_of_many_files_is_accounted_for_exactly_once(
    database: Database, file: Path, content: bytes, block: int
) -> None:
    account_for(database, file, content, block)


def account_for(database: Database, file: Path, content: bytes, block: int) -> None:
    """For any content, and any ends of blocks. The oracle is a loop over the bytes."""
    query(
        database,
        "truncate public.event_stream, orchestrator.loaded_files, orchestrator.load_rejects",
    )
    file.write_bytes(b"event_time,user_id,miles_amount\n" + content)
    events, bad = read_by_hand(database, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "BLOCK", block)
        if events:
            assert load(database, file, as_history=False) == Loaded(events.total(), len(bad))
        else:
            with pytest.raises(RunnerError, match="no line fits" if bad else "has no rows"):
                load(database, file, as_history=False)
    found = Counter((row[0], row[1], row[4]) for row in stored(database).elements())
    assert found == events
    assert [line for line, _, _ in rejects(database)] == [line for line, _ in bad]
    for (_, _, raw), (_, line) in zip(rejects(database), bad, strict=True):
        try:
            assert "\0" in line.decode() or raw == line.decode()
        except UnicodeDecodeError:
            assert "\\x" in raw
