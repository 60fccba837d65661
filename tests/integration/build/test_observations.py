"""What builds observe: how late rows came, and which published days changed by it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runner.build.changes import restatement
from runner.build.fingerprint import fingerprint
from runner.build.transaction import CheckFailed
from runner.cli.show.runs import histogram, restated
from runner.compare.rebuild import rebuild as rebuild_beside
from runner.database import ledger
from runner.database.session import Database
from runner.errors import RunnerError, StartError
from runner.ingest.pipelines import pipelines
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline
from runner.setup import schema
from tests import oracle
from tests.support import (
    JANUARY,
    PROJECT,
    assert_equals_rebuild,
    earn,
    edit,
    event,
    ingest,
    insert_events,
    query,
    rebuild,
    run_all,
    scalar,
    source_events,
)
from tests.support.commands import command
from tests.support.databases import Moulds, apply_schema, let_rows_change
from tests.support.sweeps import slow_but
from tests.warehouse.test_warehouse_equals_oracle import SINGAPORE

pytestmark = pytest.mark.usefixtures("no_margin")

OBSERVATION = "sql/warehouse/changed_events.lateness.observe.sql"
EDGES = [("under 1 hour", 1), ("1 hour to 1 day", 24), ("1 to 2 days", 48), ("2 to 7 days", 7 * 24)]
EDGES += [("7 to 30 days", 30 * 24)]


def _build_thirty_days(database: Database) -> None:
    insert_events(database, [earn(day, f"u_{day % 3}", miles=10 + day) for day in range(30)])
    run_all(database)


@pytest.fixture
def built(moulds: Moulds) -> Iterator[Database]:
    """Thirty days of three users, ingested and built, of a source whose rows may change."""
    with moulds.clone(apply_schema, let_rows_change, _build_thirty_days) as database:
        yield database


# --- lateness -------------------------------------------------------------------------------------


def bucket(happened: datetime | float | None, arrived: datetime) -> str:
    """The lateness of a row, computed in Python; infinite times are floats."""
    if not isinstance(happened, datetime) or happened.year < 2000:
        return "no sane time"
    if happened > arrived:
        return "ahead of the clock"
    late = arrived - happened
    return next((name for name, hours in EDGES if late < timedelta(hours=hours)), "30 days or more")


def lateness(events: list[oracle.Event]) -> dict[str, int]:
    return dict(Counter(bucket(row.event_time, row.created_at) for row in events))


def observed(database: Database) -> dict[str, int]:
    """What the last build observed, less the labels without a row."""
    rows = query(
        database,
        """
        select label, value from orchestrator.observations
        where
            observation_name = 'changed_events.lateness'
            and run_id = (select max(run_id) from orchestrator.runs where kind = 'build')
        order by position
        """,
    )
    assert [row["label"] for row in rows] == [
        *(name for name, _ in EDGES),
        "30 days or more",
        "ahead of the clock",
        "no sane time",
    ]
    return {row["label"]: int(row["value"]) for row in rows if row["value"]}


def insert_late_rows(database: Database, user: str) -> None:
    """Rows on both sides of every boundary, rows dated in the future, and rows with invalid times."""
    tick = timedelta(microseconds=1)
    edges = [timedelta(hours=hours) for _, hours in EDGES]
    late = [*edges, *(edge - tick for edge in edges), timedelta(0), -tick, timedelta(hours=-30)]
    late += [timedelta(minutes=20)] * 5 + [timedelta(hours=20)] * 3 + [timedelta(days=800)]
    odd = ["infinity", "-infinity", "1999-12-31 23:59:59+00"]
    # Just after midnight in Singapore, late in the evening of UTC.
    arrived = JANUARY + timedelta(days=20, hours=4, minutes=30)
    rows = [
        event(0, user, created_at=arrived, event_time=value)
        for value in [*(arrived - each for each in late), *odd]
    ]
    insert_events(database, rows)


@pytest.mark.parametrize(
    "manifest",
    [pytest.param(load(PROJECT), marks=pytest.mark.slow), SINGAPORE],
    ids=["UTC", "Singapore"],
)
def test_lateness_is_what_plain_python_counts_in_the_rows(
    mutable: Database, manifest: Manifest
) -> None:
    insert_late_rows(mutable, "u_1")
    ingest(mutable)
    rebuild(mutable, manifest=manifest)
    assert observed(mutable) == lateness(source_events(mutable))
    assert len(observed(mutable)) == len(EDGES) + 3

    last = scalar(mutable, "select max(event_id) from public.event_stream")
    insert_late_rows(mutable, "u_2")
    insert_events(mutable, [event(0, "u_3", created_at=JANUARY + timedelta(days=90))] * 4)
    query(
        mutable,
        "update public.event_stream set user_id = 'u_4', updated_at = now()"
        " where event_id in (2, 3) or event_time = 'infinity'",
    )
    changed = query(
        mutable,
        "select event_id from public.event_stream where event_id > %(last)s or user_id = 'u_4'",
        last=last,
    )
    ids = {row["event_id"] for row in changed}
    ingest(mutable)
    rebuild(mutable, manifest=manifest)
    arrived = [row for row in source_events(mutable) if row.event_id in ids]
    assert len(arrived) > 4
    assert observed(mutable) == lateness(arrived)

    rebuild(mutable, select=["changed_events"], manifest=manifest)
    assert observed(mutable) == lateness(source_events(mutable))


def test_what_is_deleted_has_not_arrived(built: Database) -> None:
    delete_and_reconcile(built)
    rebuild(built)
    assert observed(built) == {}


def test_an_observation_outlives_a_failed_build_and_leaves_its_run(
    built: Database, project: Path
) -> None:
    insert_events(built, [event(4, "u_2", "share")])
    ingest(built)
    with pytest.raises(CheckFailed):
        rebuild(built, manifest=failing(project))
    assert scalar(built, "select max(status) from orchestrator.runs where run_id = %(id)s",
                  id=last_build(built)) == "failed"  # fmt: skip
    assert sum(observed(built).values()) == 1


def test_an_observation_decides_nothing(built: Database, project: Path) -> None:
    script = load(project).scripts["warehouse.changed_events"]
    before = fingerprint(load(project), script)
    changed = edit(project, OBSERVATION, "'under 1 hour'", "'soon'")
    assert fingerprint(changed, changed.scripts["warehouse.changed_events"]) == before
    assert rebuild(built, manifest=changed).run_id is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("select 1 as label", "column observed.value does not exist"),
        ("select 'a' as label, 'b' as value", "invalid input syntax for type numeric"),
        ("select 'a' as label, 1 as value from {{ nothing }}", "nothing is not defined"),
    ],
)
def test_an_observation_that_cannot_be_made_is_named(
    built: Database, project: Path, text: str, reason: str
) -> None:
    file = "sql/reporting/kpi_daily.odd.observe.sql"
    (project / file).write_text(text)
    with pytest.raises(RunnerError, match=rf"{file}.*{reason}"):
        rebuild(built, select=["kpi_daily"], manifest=load(project))


def test_an_observation_may_find_nothing_or_say_null(built: Database, project: Path) -> None:
    text = "select 'some ' || n as label, n / 2.0 as value from generate_series(2, 1, {}) as n;\n"
    (project / "sql/reporting/kpi_daily.none.observe.sql").write_text(text.format("1"))
    (project / "sql/reporting/kpi_daily.some.observe.sql").write_text(text.format("-1"))
    rebuild(built, select=["kpi_daily"], manifest=load(project))
    assert query(
        built,
        "select observation_name, position, label, value from orchestrator.observations"
        " where script = 'reporting.kpi_daily' order by position",
    ) == [
        {"observation_name": "kpi_daily.some", "position": place, "label": label, "value": value}
        for place, label, value in [(1, "some 2", Decimal(1)), (2, "some 1", Decimal("0.5"))]
    ]


# --- restatements ---------------------------------------------------------------------------------


def last_build(database: Database) -> int:
    return int(
        scalar(
            database,
            "select max(run_id) from orchestrator.runs where kind = 'build' and target = 'live'",
        )
    )


def kpis(database: Database) -> dict[tuple[str, ...], dict[str, Any]]:
    """kpi_daily by its key."""
    rows = query(database, "select * from reporting.kpi_daily")
    keys = ("day", "slice", "slice_value")
    return {
        tuple(str(row[key]) for key in keys): {
            name: value for name, value in row.items() if name not in keys
        }
        for row in rows
    }


Restated = dict[tuple[str, ...], tuple[dict[str, Any], dict[str, Any] | None]]


def compared(
    before: dict[tuple[str, ...], dict[str, Any]], after: dict[tuple[str, ...], dict[str, Any]]
) -> Restated:
    """The published figures that are different now, by comparing all of them."""
    found: Restated = {}
    for key, old in before.items():
        new = after.get(key)
        if new is None:
            found[key] = (old, None)
        elif names := [name for name in old if old[name] != new[name]]:
            found[key] = ({name: old[name] for name in names}, {name: new[name] for name in names})
    return found


def kept(database: Database, run_id: int) -> Restated:
    rows = query(
        database,
        "select key, before::text, after::text from orchestrator.restatements"
        " where run_id = %(run_id)s and table_name = 'reporting.kpi_daily'",
        run_id=run_id,
    )
    return {
        (row["key"]["day"], row["key"]["slice"], row["key"]["slice_value"]): (
            json.loads(row["before"], parse_float=Decimal),
            row["after"] and json.loads(row["after"], parse_float=Decimal),
        )
        for row in rows
    }


def pipeline(database: Database) -> RepairedPipeline:
    with database.session("test") as session:
        found = pipelines(session, "event_stream")[0]
    return RepairedPipeline(found["pipeline_id"], database, PROJECT)


def failing(project: Path) -> Manifest:
    """The project with a check, behind kpi_daily, that always fails."""
    (project / "sql/reporting/kpi_daily.check.sql").write_text("select 1 as bad\n")
    return load(project)


def late_event(database: Database) -> None:
    insert_events(database, [event(4, "u_2", "share")])
    ingest(database)


def updated_row(database: Database) -> None:
    query(
        database,
        "update public.event_stream set miles_amount = 999, updated_at = now() where event_id = 9",
    )
    ingest(database)


def moved_first_event(database: Database) -> None:
    """Move the first event, so that its day leaves the calendar."""
    query(
        database,
        "update public.event_stream set event_time = event_time + interval '3 days',"
        " updated_at = now() where event_id = 1",
    )
    ingest(database)


def delete_and_reconcile(database: Database) -> None:
    query(database, "update orchestrator.pipeline_definitions set on_delete = 'apply'")
    query(database, "delete from public.event_stream where event_id = 12")
    pipeline(database).reconcile()


def undone_run(database: Database) -> None:
    late_event(database)
    rebuild(database)
    newest = "select max(run_id) from orchestrator.runs where kind = 'window' and rows_inserted > 0"
    pipeline(database).undo(scalar(database, newest))


@pytest.mark.parametrize(
    "change",
    slow_but(
        [late_event, updated_row, moved_first_event, delete_and_reconcile, undone_run],
        *(updated_row, undone_run),
    ),
    ids=lambda change: change.__name__,
)
def test_restatements_are_what_a_comparison_of_before_and_after_finds(
    built: Database, change: Callable[[Database], None]
) -> None:
    change(built)
    before = kpis(built)
    summary = rebuild(built)
    expected = compared(before, kpis(built))
    assert expected
    assert kept(built, last_build(built)) == expected
    last_day = max(key[0] for key in before)
    assert summary.restated == {
        "reporting.kpi_daily": len({key[0] for key in expected} - {last_day})
    }
    rows = query(
        built,
        "select day::text as day, key, is_last_day from orchestrator.restatements"
        " where run_id = %(run_id)s",
        run_id=last_build(built),
    )
    assert all(row["day"] == row["key"]["day"] for row in rows)
    assert all(row["is_last_day"] == (row["day"] == last_day) for row in rows)
    assert any(after is None for _, after in expected.values()) == (change is moved_first_event)


def test_the_last_day_that_fills_on_is_kept_and_set_apart(built: Database) -> None:
    insert_events(built, [event(29, "u_1", "share"), event(30, "u_1", "share")])
    summary = run_all(built)
    rows = query(
        built,
        "select day::text as day, is_last_day from orchestrator.restatements"
        " where run_id = %(run_id)s",
        run_id=last_build(built),
    )
    # In all, and in the country, the platform and the source.
    assert rows == 4 * [{"day": "2026-01-30", "is_last_day": True}]
    assert summary.restated == {}


def test_neither_a_first_build_nor_a_rebuild_nor_new_days_restate(built: Database) -> None:
    insert_events(built, [event(day, "u_1") for day in (40, 41)])
    assert run_all(built).restated == {}
    assert rebuild(built, select=["*"]).restated == {}
    assert_equals_rebuild(built)
    assert scalar(built, "select count(*) from orchestrator.restatements") == 0


def test_a_rebuild_beside_restates_only_what_was_wrong(built: Database) -> None:
    done = rebuild_beside(built, load(PROJECT), Target(), 2)
    assert done.restated == {}
    query(built, "update reporting.kpi_daily set dau = 99"
                 " where day = '2026-01-05' and slice = 'all'")  # fmt: skip
    query(built, "delete from reporting.kpi_daily where day = '2026-01-06'")
    done = rebuild_beside(built, load(PROJECT), Target(), 2)
    assert done.restated == {"reporting.kpi_daily": 1}
    assert query(built, "select run_id, day::text as day, before, after from"
                 " orchestrator.restatements") == [
        {"run_id": done.run_id, "day": "2026-01-05", "before": {"dau": 99}, "after": {"dau": 1}}
    ]  # fmt: skip


def test_another_definition_restates_what_readers_had_seen(built: Database, project: Path) -> None:
    before = kpis(built)
    manifest = edit(
        project,
        "sql/reporting/kpi_daily.sql",
        "trim_scale(round(dau_7d / days_7d, 6)) as dau_7d_average",
        "trim_scale(round(2 * dau_7d / days_7d, 6)) as dau_7d_average",
    )
    rebuild(built, manifest=manifest)
    found = kept(built, last_build(built))
    assert found == compared(before, kpis(built))
    assert found[("2026-01-01", "all", "all")] == ({"dau_7d_average": 1}, {"dau_7d_average": 2})


def test_a_failed_build_restates_nothing(built: Database, project: Path) -> None:
    late_event(built)
    with pytest.raises(CheckFailed):
        rebuild(built, manifest=failing(project))
    assert scalar(built, "select count(*) from orchestrator.restatements") == 0


def test_rows_are_known_by_keys_that_may_be_null_or_have_no_date(database: Database) -> None:
    with database.session("test") as session:
        columns = (
            '(kind text, "Rank" integer not null, amount numeric, "Note" text,'
            ' unique nulls not distinct (kind, "Rank"))'
        )
        session.run(
            f"create table public.seen {columns}; create table public.fresh {columns};"
            " insert into public.seen values (null, 1, 1.0, null), (null, 2, 5, 'x'),"
            " ('a', 1, 1, 'x'), ('a', 2, 7, null), ('b', 1, 3, null);"
            " insert into public.fresh values (null, 1, 1.00, null), (null, 2, 6, 'x'),"
            " ('a', 1, 1, null), ('b', 1, null, 'z'), ('c', 1, 1, 'x')"
        )
        session.run(restatement(session, 7, "reporting.seen", "public.seen", "public.fresh"))
        rows = session.rows(
            "select key, day, is_last_day, before, after from orchestrator.restatements"
            " where run_id = 7 and table_name = 'reporting.seen' order by key ->> 'kind', key ->> 'Rank'"
        )
    assert all(row["day"] is None and row["is_last_day"] is False for row in rows)
    assert [(row["key"], row["before"], row["after"]) for row in rows] == [
        ({"kind": "a", "Rank": 1}, {"Note": "x"}, {"Note": None}),
        ({"kind": "a", "Rank": 2}, {"amount": 7, "Note": None}, None),
        ({"kind": "b", "Rank": 1}, {"amount": 3, "Note": None}, {"amount": None, "Note": "z"}),
        ({"kind": None, "Rank": 2}, {"amount": 5}, {"amount": 6}),
    ]


def test_columns_of_a_restated_table_may_have_any_name(database: Database) -> None:
    names = ("stored", "fresh", "names", "texts", "columns", "published", "changes", "day")
    with database.session("test") as session:
        columns = ", ".join(f"{name} integer" for name in names)
        session.run(
            f"create table public.seen (id integer primary key, {columns});"
            " create table public.fresh (like public.seen);"
            " insert into public.seen values (1, 1, 1, 1, 1, 1, 1, 1, 1);"
            " insert into public.seen (id, stored) values (2, null), (3, 5);"
            " insert into public.fresh values (1, 2, 2, 2, 2, 2, 2, 2, 2);"
            " insert into public.fresh (id) values (2)"
        )
        session.run(restatement(session, 7, "reporting.seen", "public.seen", "public.fresh"))
        rows = session.rows(
            "select key, before, after from orchestrator.restatements order by key ->> 'id'"
        )
    assert [tuple(row.values()) for row in rows] == [
        ({"id": 1}, dict.fromkeys(names, 1), dict.fromkeys(names, 2)),
        ({"id": 3}, {**dict.fromkeys(names), "stored": 5}, None),
    ]


def test_a_row_of_nothing_but_its_key_can_go_too(database: Database) -> None:
    with database.session("test") as session:
        session.run(
            "create table public.seen (kind text, on_day date, since date,"
            " primary key (kind, on_day, since));"
            " create table public.fresh (like public.seen);"
            " insert into public.seen values ('a', '2026-01-02', '2026-01-09'),"
            " ('b', '2026-01-03', '2026-01-01'), ('c', '2026-01-03', '2026-01-01');"
            " insert into public.fresh values ('c', '2026-01-03', '2026-01-01')"
        )
        session.run(restatement(session, 7, "reporting.seen", "public.seen", "public.fresh"))
        rows = session.rows(
            "select key ->> 'kind' as kind, day::text, is_last_day, before, after"
            " from orchestrator.restatements order by 1"
        )
    assert [tuple(row.values()) for row in rows] == [
        ("a", "2026-01-02", False, {}, None),
        ("b", "2026-01-03", True, {}, None),
    ]


def test_a_restated_table_without_a_key_is_named(database: Database) -> None:
    with database.session("test") as session:
        session.run("create table public.seen (amount numeric)")
        with pytest.raises(RunnerError, match=r"public\.seen has no key"):
            restatement(session, 7, "reporting.seen", "public.seen", "public.seen")


# --- how it looks ---------------------------------------------------------------------------------


def of_lateness(told: dict[str, Any]) -> list[dict[str, Any]]:
    """What a run observed of lateness; other scripts observe too."""
    name = "changed_events.lateness"
    return [row for row in told["run_observations"] if row["observation"] == name]


def test_runs_show_draws_what_was_observed_and_lists_the_days_that_changed(
    built: Database,
) -> None:
    insert_events(built, [event(4, "u_8", "share"), event(29, "u_1", "share")])
    insert_events(built, [event(60 + day, "u_9", "share") for day in range(3)])
    done = command("run-all", database=built)
    assert done.returncode == 0, done.stderr
    run_id = last_build(built)
    (changed,) = query(
        built,
        "select count(*) as rows, count(distinct day) as days from orchestrator.restatements"
        " where not is_last_day",
    )
    assert (
        f"restated: {changed['days']} published days of reporting.kpi_daily; details:"
        in done.stdout
    )

    shown = command("runs", "show", str(run_id), database=built, PYTHONIOENCODING="utf-8")
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout.split("observed: changed_events.lateness\n")[1]
    assert text.startswith("under 1 hour ")
    assert "published days that changed, largest change first: reporting.kpi_daily" in text
    assert "\n2026-01-05  all and " in text
    assert " dau 1 -> 2 (+100 %)" in text
    assert f"\nand {changed['days'] - 20} more: see --json" in text
    apart = text.split("the last published day, which was still incomplete")[1]
    assert apart.splitlines()[1].startswith("2026-01-30  all and ")
    assert max(len(line) for line in text.splitlines()) <= 100

    told = json.loads(command("runs", "show", str(run_id), "--json", database=built).stdout)
    assert sum(row["value"] for row in of_lateness(told)) == 5
    assert len(told["run_restatements"]) == changed["rows"] + 4


def test_a_build_that_changes_no_published_day_says_nothing_of_it(built: Database) -> None:
    insert_events(built, [event(31, "u_1", "share")])
    done = command("run-all", database=built)
    assert "restated" not in done.stdout
    shown = command("runs", "show", str(last_build(built)), database=built)
    assert "published" not in shown.stdout


def test_bars_are_drawn_to_scale_and_the_smallest_is_seen() -> None:
    rows = [
        {"label": "none", "value": Decimal(0)},
        {"label": "one", "value": Decimal(1)},
        {"label": "half", "value": Decimal(1000)},
        {"label": "all of it", "value": Decimal(2000)},
    ]
    assert histogram(rows, 30, "#") == [
        "none           0",
        "one            1  #",
        "half       1,000  ######",
        "all of it  2,000  ############",
    ]
    assert histogram([{"label": "x", "value": None}, {"label": "y", "value": -1.5}], 80, "#") == [
        "x  none",
        "y  -1.5",
    ]


def test_what_is_not_finite_has_no_bar() -> None:
    values = [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal(2), Decimal(1)]
    rows = [{"label": str(index), "value": value} for index, value in enumerate(values)]
    assert histogram(rows, 30, "#") == [
        "0        NaN",
        "1   Infinity",
        "2  -Infinity",
        "3          2  ################",
        "4          1  ########",
    ]


def test_runs_show_tells_of_values_that_are_not_finite(built: Database, project: Path) -> None:
    (project / OBSERVATION).write_text(
        "select values.label, values.value from (values ('a', 'NaN'::numeric),"
        " ('b', 'Infinity'), ('c', 5)) as values (label, value)\n"
    )
    rebuild(built, manifest=load(project), select=["changed_events"])
    run_id = last_build(built)
    shown = command("runs", "show", str(run_id), database=built)
    assert shown.returncode == 0, shown.stderr
    assert "\na       NaN\nb  Infinity\nc         5  " in shown.stdout
    told = json.loads(command("runs", "show", str(run_id), "--json", database=built).stdout)
    assert [row["value"] for row in of_lateness(told)] == ["NaN", "Infinity", 5]


def test_a_label_that_is_null_is_told_with_its_file(built: Database, project: Path) -> None:
    (project / OBSERVATION).write_text("select null as label, 1 as value\n")
    with pytest.raises(
        RunnerError, match=r"changed_events\.lateness\.observe\.sql: a label is null"
    ):
        rebuild(built, manifest=load(project), select=["changed_events"])


def test_a_restated_row_is_one_line_with_its_biggest_change_first() -> None:
    row = {
        "day": "2026-05-03",
        "key": {"day": "2026-05-03", "slice": "all", "slice_value": "all"},
        "rows": 1,
        "before": {"dau": 812, "share": 0.153846, "miles": 0, "note": None},
        "after": {"dau": 815, "share": 0.154102, "miles": 5, "note": "x"},
    }
    line = "2026-05-03  all  miles 0 -> 5  note none -> x  dau 812 -> 815 (+0.4 %)"
    assert restated(row, 200) == f"{line}  share 0.1538 -> 0.1541 (+0.2 %)"
    assert restated(row, 90) == f"{line}  and 1 more"
    assert restated(row, 10) == "2026-05-03  all  miles 0 -> 5  and 3 more"
    assert restated({**row, "rows": 9, "after": None}, 80) == (
        "2026-05-03  all and 8 more rows  was removed"
    )


# --- an older database ----------------------------------------------------------------------------


def test_an_older_orchestrator_schema_is_told_and_mended(built: Database) -> None:
    query(
        built,
        "drop table orchestrator.schema_version, orchestrator.restatements,"
        " orchestrator.observations;"
        " alter table orchestrator.runs drop column build_mode, drop column day_gap cascade",
    )
    with pytest.raises(StartError, match="an older orchestrator schema") as raised:
        rebuild(built)
    assert raised.value.hint == "python -m runner schema apply"
    schema.apply(built, load(PROJECT), Target())
    with built.session("test") as session:
        ledger.require(session)
    late_event(built)
    assert rebuild(built).restated
