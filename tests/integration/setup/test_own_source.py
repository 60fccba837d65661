"""The shipped warehouse runs on the table of another app: with a mapping, the figures are equal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from runner.database.session import Database
from runner.project.manifest import MANIFEST, load
from tests.support import insert_events, query, run_all, scalar
from tests.support.commands import assert_refused, command

APP = """
    create type public.kind as enum ('buy', 'spend', 'look', 'tell', 'like', 'other');
    create table public.activity (
        id uuid primary key,
        happened timestamp not null,
        person uuid,
        what public.kind,
        partner varchar(40),
        points integer,
        device text
    );
    create index on public.activity (happened);
"""
KINDS = {
    "miles_earned": "buy",
    "miles_redeemed": "spend",
    "reward_search": "look",
    "share": "tell",
    "like": "like",
}
MAPPING = """[source.event_stream]
relation = "public.activity"
event_id = {column = "id", type = "uuid"}
event_time = {column = "happened", timezone = "Asia/Singapore"}
created_at = {column = "happened", timezone = "Asia/Singapore"}
user_id = "person"
event_type = {column = "what", values = {buy = "miles_earned", spend = "miles_redeemed", \
look = "reward_search", tell = "share"}}
transaction_category = "partner"
miles_amount = {column = "points", type = "numeric"}
platform = "device"
utm_source = {constant = "unknown"}
country = {constant = "SG"}
"""
USERS = [f"00000000-0000-0000-0000-0000000000{number:02d}" for number in range(12)]


@pytest.fixture
def app(project: Path, empty_database: Database) -> Iterator[tuple[Path, Database]]:
    """The shipped project, mapped to the app's table."""
    file = project / MANIFEST
    text = file.read_text()
    begin = text.index("[source.event_stream]")
    file.write_text(text[:begin] + MAPPING + "\n" + text[text.index("[variables]") :])
    query(empty_database, APP)
    yield project, empty_database


def events() -> list[dict[str, Any]]:
    """Half a year of events of 12 people, of every type."""
    found = []
    for number in range(900):
        kind = list(KINDS)[number * 7 % 5]
        moment = f"2026-0{1 + number % 6}-{1 + number * 5 % 28:02d} {number * 11 % 24:02d}:07:00+00"
        found.append(
            {
                "event_time": moment,
                "created_at": moment,
                "user_id": USERS[number * number % 12],
                "event_type": kind,
                "transaction_category": None if kind in ("share", "like") else f"p{number % 4}",
                "miles_amount": number % 50 if kind.startswith("miles") else None,
                "platform": ("ios", "android", None)[number % 3],
                "utm_source": "unknown",
                "country": "SG",
            }
        )
    return found


def copy_into_app(source: Database, app: Database) -> None:
    rows = query(
        source,
        "select lpad(to_hex(event_id), 32, '0')::uuid::text as id,"
        " to_char(event_time at time zone 'Asia/Singapore', 'YYYY-MM-DD HH24:MI:SS') as happened,"
        " user_id, event_type, transaction_category, miles_amount, platform"
        " from public.event_stream",
    )
    with app.session("test") as session, session.transaction():
        for row in rows:
            session.rows(
                "insert into public.activity values (%(id)s, %(happened)s, %(user_id)s, %(kind)s,"
                " %(transaction_category)s, %(miles_amount)s, %(platform)s)"
                " on conflict do nothing",
                {**row, "kind": KINDS[row["event_type"]]},
            )


def reports(database: Database) -> dict[str, list[Any]]:
    names = [script.name for script in load(Path()).scripts.values() if script.layer == "reporting"]
    return {
        name: sorted(
            map(
                str,
                (
                    row["line"]
                    for row in query(database, f"select r::text as line from reporting.{name} as r")
                ),
            )
        )
        for name in names
    }


@pytest.mark.slow
def test_the_same_events_in_another_shape_give_the_same_reports(
    database: Database, app: tuple[Path, Database], no_margin: None
) -> None:
    project, other = app
    insert_events(database, events())
    run_all(database)
    for words in (("schema", "apply", "--yes"), ("lint",)):
        done = command(*words, database=other, project=project)
        assert done.returncode == 0, done.stderr
    assert scalar(other, "select to_regclass('public.event_stream') is null")
    copy_into_app(database, other)
    done = command("run-all", database=other, project=project)
    assert done.returncode == 0, done.stderr
    mine, theirs = reports(database), reports(other)
    assert {name for name in mine if mine[name] != theirs[name]} == set()
    assert len(mine["kpi_daily"]) > 100

    # A row that came late, one that changed and one that went: the next build is a rebuild's equal.
    query(
        other,
        "insert into public.activity values (gen_random_uuid(), '2026-02-03 04:05', %(user)s,"
        " 'buy', 'p1', 40, 'ios');",
        user=USERS[3],
    )
    query(
        other,
        "update public.activity set points = 1 where id = (select id from public.activity"
        " where what = 'buy' order by happened limit 1)",
    )
    for words in (("ingest", "--sweep"), ("verify",)):
        done = command(*words, database=other, project=project)
        assert done.returncode == 0, done.stderr + done.stdout
    assert scalar(other, "select count(*) from orchestrator.replaced_rows") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"public.activity"', '"public.activities"', "public.activities does not exist"),
        ('column = "id"', 'column = "event_id"', "public.activity has no column event_id"),
        (', timezone = "Asia/Singapore"', ', type = "timestamptz"', "whose time zone is not known"),
        ('"Asia/Singapore"', '"Asia/Singapur"', "Asia/Singapur"),
        ('column = "happened"', 'column = "device"', "public.activity.device is a text"),
        ('user_id = "person"', 'user_id = "persons"', "has no column persons"),
    ],
)
def test_what_the_source_lacks_is_named_and_nothing_is_created(
    old: str, new: str, said: str, app: tuple[Path, Database]
) -> None:
    project, database = app
    file = project / MANIFEST
    file.write_text(file.read_text().replace(old, new))
    done = command("schema", "apply", "--yes", database=database, project=project)
    assert_refused(done, 3, said, "sql/manifest.toml: [source.event_stream]")
    assert scalar(database, "select to_regnamespace('orchestrator') is null")
    assert scalar(database, "select to_regnamespace('warehouse') is null")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("country = 5", "[source.event_stream] country names no column"),
        ('country = {colum = "x"}', "did you mean column?"),
        ('country = {column = "x", constant = "y"}', "has both a column and a constant"),
        ("country = {}", "has neither a column nor a constant"),
        ('country = {column = "x", type = "text; drop table a"}', "is not the name of a type"),
        ('country = {column = "x", type = "text", timezone = "UTC"}', "only a timestamptz"),
        ('country = {column = "x", values = {a = 1}}', "values is no table of strings"),
        ("relation = 7", "names no relation"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_with_its_place(
    line: str, said: str, project: Path
) -> None:
    file = project / MANIFEST
    begin = 'country = "country"' if "country" in line else 'relation = "public.event_stream"'
    file.write_text(file.read_text().replace(begin, line))
    assert_refused(command("ls", project=project), 3, said)


def test_a_pipeline_that_reads_from_elsewhere_is_told(
    app: tuple[Path, Database], database: Database
) -> None:
    project, other = app
    query(database, APP)
    done = command("schema", "apply", "--yes", database=database, project=project)
    assert_refused(done, 3, "pipeline event_stream reads public.event_stream")
    assert other


def test_init_writes_the_warehouse_over_the_table_as_it_is(
    app: tuple[Path, Database], tmp_path: Path
) -> None:
    _, database = app
    folder = tmp_path / "app"
    words = ("init", str(folder), "--like", "miles", "--source", "public.activity")
    assert_refused(
        command(*words, database=database),
        2,
        "no column of the source has a usual name for event_time",
    )
    roles = ("event_time=happened", "user_id=person", "event_type=what", "platform=device")
    words += tuple(part for role in roles for part in ("--column", role))
    assert_refused(command(*words, database=database), 2, "whose time zone is not known")
    done = command(*words, "--timezone", "Asia/Singapore", database=database)
    assert done.returncode == 0, done.stderr
    shape = load(folder).sources["event_stream"]
    assert shape.roles["event_id"].column == "id"
    assert shape.roles["event_id"].type == "uuid"
    assert shape.roles["country"].constant == "unknown"
    assert shape.roles["created_at"].column == "happened"
    query(
        database,
        "insert into public.activity values"
        " (gen_random_uuid(), '2026-02-03 04:05', gen_random_uuid(), 'like')",
    )
    # As a role that owns nothing, and may create schemas alone.
    name = scalar(database, "select current_database()")
    query(
        database,
        "create role own_source_analyst login;"
        f' grant create on database "{name}" to own_source_analyst;'
        " grant select on public.activity to own_source_analyst",
    )
    analyst = Database(make_conninfo(database.conninfo, user="own_source_analyst"))
    try:
        for step in (
            ("schema", "apply", "--yes"),
            ("lint",),
            ("run-all",),
            ("dashboard", "--check"),
        ):
            done = command(*step, database=analyst, project=folder)
            assert done.returncode == 0, done.stderr + done.stdout
    finally:
        query(
            database,
            "reassign owned by own_source_analyst to current_user;"
            " drop owned by own_source_analyst; drop role own_source_analyst",
        )
    assert scalar(database, "select sum(events) from reporting.kpi_daily where slice = 'all'") == 1
    assert_refused(command(*words, database=database), 2, "is not empty")
