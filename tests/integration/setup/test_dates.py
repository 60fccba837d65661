"""Dates are never guessed: what is not written year first is set aside, against strict Python."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import strategies as st

from runner.database.session import Database
from runner.errors import RunnerError
from runner.ingest.pipeline import IngestionPipeline
from runner.setup.load_csv import load
from tests.support import PROJECT, ingest, query
from tests.support.commands import command
from tests.support.sweeps import with_examples

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31))
FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S+02", "%Y-%m-%dT%H:%M:%S-05:30", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d.%m.%Y",
    "%d-%m-%Y", "%y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%b %d %Y", "%d %B %Y", "%A", "%Y-%j", "%H:%M",
    "%Y-W%W-%u", "%s", "%Y-%m-%d %I:%M %p", "%Y-%m-%d %H:%M:60", "%Y-%m-%d 24:00", "%Y-%m",
)  # fmt: skip
WORDS = ("today", "now", "epoch", "tomorrow", "yesterday", "infinity", "-infinity", "allballs")
TEXTS = st.one_of(
    st.builds(lambda moment, form: moment.strftime(form), MOMENTS, st.sampled_from(FORMATS)),
    st.sampled_from(WORDS),
    st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?", fullmatch=True
    ),
)


def strict(text: str) -> datetime | None:
    """The moment of an ISO text in the extended form with a calendar date, in UTC."""
    if not re.match(r"\d{4}-\d\d-\d\d", text) or re.search(r"[T ]\d\d$", text):
        return None  # Python takes more forms of ISO 8601
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


@with_examples(
    20, 60, texts=st.lists(TEXTS, min_size=1, max_size=8), quoted=st.booleans(), ends=st.booleans()
)
def test_what_is_loaded_is_what_strict_iso_says(
    database: Database, tmp_path: Path, texts: list[str], quoted: bool, ends: bool
) -> None:
    query(
        database,
        "truncate public.event_stream, orchestrator.loaded_files, orchestrator.load_rejects",
    )
    fields = [f'"{text}"' if quoted else text for text in texts]
    file = tmp_path / "events.csv"
    names = "user_id,event_time" if ends else "event_time,user_id"
    lines = [f"{n},{field}" if ends else f"{field},{n}" for n, field in enumerate(fields)]
    file.write_text("\n".join([names, *lines]))
    wanted = {str(n): strict(text) for n, text in enumerate(texts)}
    good = {n: moment for n, moment in wanted.items() if moment is not None}
    try:
        load(database, file, as_history=False)
    except RunnerError:
        assert not good
    found = query(database, "select user_id, event_time from public.event_stream")
    assert {row["user_id"]: row["event_time"] for row in found} == good
    rejects = query(database, "select line_number - 2 as n, reason from orchestrator.load_rejects")
    assert {str(row["n"]) for row in rejects} == wanted.keys() - good.keys()
    assert all(row["reason"].startswith("event_time") for row in rejects)


@with_examples(8, 25, moment=MOMENTS, mark=st.sampled_from("/.-"))
@pytest.mark.parametrize("order", ["dmy", "mdy"])
def test_who_knows_the_order_can_name_it(
    database: Database, tmp_path: Path, order: str, moment: datetime, mark: str
) -> None:
    query(
        database,
        "truncate public.event_stream, orchestrator.loaded_files, orchestrator.load_rejects",
    )
    moment = moment.replace(microsecond=0, second=0)
    days = ("%d", "%m", "%Y") if order == "dmy" else ("%m", "%d", "%Y")
    text = moment.strftime(mark.join(days) + " %H:%M")
    file = tmp_path / "events.csv"
    file.write_text(
        f"event_time,user_id\n{text},a\n{moment.isoformat()},b\n31/31/2026,c\ntoday,d\n"
    )
    load(database, file, as_history=False, dates=order)  # type: ignore[arg-type]
    found = query(database, "select event_time from public.event_stream")
    assert [row["event_time"] for row in found] == [moment.replace(tzinfo=UTC)] * 2
    assert len(query(database, "select reason from orchestrator.load_rejects")) == 2


def test_half_a_european_file_is_not_swapped(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("event_time,user_id\n05/01/2026,a\n13/01/2026,b\n2026-01-13,c\n")
    done = command("load", str(file), database=database)
    assert done.returncode == 0 and "rejected 2 lines" in done.stderr
    reasons = query(database, "select reason from orchestrator.load_rejects order by line_number")
    assert reasons[0]["reason"] == (
        "event_time is not a time written year first, as 2026-01-31 10:00:00: 05/01/2026"
    )
    query(database, "truncate public.event_stream, orchestrator.load_rejects")
    done = command("load", str(file), "--dates", "dmy", "--again", database=database)
    assert done.returncode == 0, done.stderr
    found = query(database, "select event_time::date as day from public.event_stream order by 1")
    assert [row["day"] for row in found] == [date(2026, 1, 5), date(2026, 1, 13), date(2026, 1, 13)]


def test_a_date_is_not_cut(database: Database, tmp_path: Path) -> None:
    query(database, "create table public.days (day date not null, n int)")
    file = tmp_path / "days.csv"
    file.write_text("day,n\n2026-01-01,1\n2026-01-02T00:00:00,2\n2026-01-03 10:00,3\n")
    load(database, file, as_history=False, into="public.days")
    assert [row["n"] for row in query(database, "select n from public.days order by n")] == [1, 2]


def test_times_of_a_source_in_text_are_year_first_too(database: Database) -> None:
    """As in a CSV file, other texts are not valid times."""

    query(
        database,
        "create table public.texts (id int primary key, day text,"
        " at timestamptz not null default now() - interval '1 hour');"
        " insert into public.texts (id, day) values"
        " (1, '2026-01-05'), (2, '05/01/2026'), (3, 'today'), (4, '26-01-05'), (5, null);"
        " insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " cursor_column, key_columns, column_types)"
        " values ('texts', 'public.texts', 'at', '{id}', '{\"day\": \"date\"}')",
    )
    [found] = query(
        database,
        "select pipeline_id from orchestrator.pipeline_definitions where pipeline_name = 'texts'",
    )
    IngestionPipeline(found["pipeline_id"], database, PROJECT).run()
    rows = query(database, "select id, day from warehouse.raw_texts order by id")
    assert [(row["id"], row["day"]) for row in rows] == [(1, date(2026, 1, 5)), (5, None)]
    reasons = [
        row["reason"] for row in query(database, "select reason from orchestrator.rejected_rows")
    ]
    assert len(reasons) == 3 and all("year first" in reason for reason in reasons)


DATED = (
    "date", "DATE", "pg_catalog.date", "public.day_of_ours", "timestamptz", "timestamp(0)",
    "TIMESTAMPTZ (3)", "date[]", "tstzrange", "datemultirange", "time",
)  # fmt: skip
GUESSED = ("today", "now", "05/01/2026", "26-01-05", "[today,)", "{[today,]}", "{today}", "Jan 5")


@pytest.mark.parametrize("source_type", ["text", "varchar(40)", "public.text_of_ours"])
def test_no_type_that_is_made_of_times_lets_one_be_guessed(
    database: Database, source_type: str
) -> None:
    columns = [f"c{number}" for number in range(len(DATED))]
    query(database, "create domain public.day_of_ours as date")
    query(database, "create domain public.text_of_ours as text")
    query(
        database,
        "create table public.texts (id serial primary key, at timestamptz not null default now()"
        f" - interval '1 hour', {', '.join(f'{column} {source_type}' for column in columns)})",
    )
    types = json.dumps(dict(zip(columns, DATED, strict=True)))
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " cursor_column, key_columns, column_types, max_rejected_share)"
        " values ('texts', 'public.texts', 'at', '{id}', %(types)s, 1)",
        types=types,
    )
    for column in columns:
        for text in GUESSED:
            query(
                database,
                f"insert into public.texts ({column}) values ('{text}') returning 1",
            )
    good = {
        "date[]": "{2026-01-05,NULL}",
        "tstzrange": '["2026-01-05 10:00:00+02",)',
        "datemultirange": "{[2026-01-05,2026-01-07)}",
        "time": "10:00",
    }
    names, texts = ", ".join(columns), [good.get(name, "2026-01-05") for name in DATED]
    query(
        database,
        f"insert into public.texts ({names}) values ({', '.join(map(repr, texts))}) returning 1",
    )
    ingest(database, "texts")
    [row] = query(
        database, f"select {', '.join(f'{c}::text' for c in columns)} from warehouse.raw_texts"
    )
    wanted = {
        **good, "tstzrange": '["2026-01-05 08:00:00+00",)', "time": "10:00:00",
        "timestamptz": "2026-01-05 00:00:00+00", "TIMESTAMPTZ (3)": "2026-01-05 00:00:00+00",
        "timestamp(0)": "2026-01-05 00:00:00",
    }  # fmt: skip
    assert list(row.values()) == [wanted.get(name, "2026-01-05") for name in DATED]


def test_an_offset_is_not_dropped_without_a_word(database: Database, tmp_path: Path) -> None:
    query(database, "create table public.days (at timestamp not null, n int)")
    file = tmp_path / "days.csv"
    file.write_text("at,n\n2026-01-01 10:00,1\n2026-01-01 10:00Z,2\n2026-01-01 10:00+08,3\n")
    load(database, file, as_history=False, into="public.days")
    assert [row["n"] for row in query(database, "select n from public.days order by n")] == [1, 2]


def test_a_table_may_have_columns_that_are_made_of_times(
    database: Database, tmp_path: Path
) -> None:
    query(database, "create domain public.day_of_ours as date")
    query(
        database,
        "create table public.stays (n int, stay daterange, days date[], day public.day_of_ours,"
        " at time, at_zone timetz, moments tstzmultirange)",
    )
    good = {
        "stay": '"[2026-01-01,2026-01-03)"', "days": '"{2026-01-01,2026-01-02}"',
        "day": "2026-01-01", "at": "9:30", "at_zone": "09:30+02",
        "moments": '"{[""2026-01-01 10:00:00+00"",2026-01-02)}"',
    }  # fmt: skip
    bad = {
        "stay": ['"[05/01/2026,)"', '"[2026-01-01,today)"', "now"], "days": ['"{2026-01-01,today}"'],
        "day": ["today", "05/01/2026", "26-01-05"], "at": ["now", "allballs"], "at_zone": ["now"],
        "moments": ['"{[now,)}"', '"{[""2026-01-01 10:00"",""13/01/2026"")}"'],
    }  # fmt: skip
    rows = [good, *({**good, name: value} for name in bad for value in bad[name])]
    rows += [{**good, name: ""} for name in good]  # empty is null
    file = tmp_path / "stays.csv"
    lines = [",".join([str(n), *row.values()]) for n, row in enumerate(rows)]
    file.write_text("\n".join([",".join(["n", *good]), *lines]))
    load(database, file, as_history=False, into="public.stays")
    found = [row["n"] for row in query(database, "select n from public.stays order by n")]
    wrong = sum(map(len, bad.values()))
    assert found == [0, *range(wrong + 1, len(rows))]
    reasons = query(database, "select reason from orchestrator.load_rejects")
    assert len(reasons) == wrong and all("year first" in row["reason"] for row in reasons)
