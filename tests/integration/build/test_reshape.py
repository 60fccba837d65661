"""A table whose DDL has changed: its readers go from the old shape to the new in one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runner.build import publish as publication
from runner.build.build import build
from runner.build.plan import Step
from runner.build.transaction import CheckFailed, Listener
from runner.database.session import Database, Session
from runner.errors import RunnerError
from runner.preview.render import rendered
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from runner.setup import schema
from tests.support import (
    assert_equals_rebuild,
    assert_reports_equal_oracle,
    earn,
    edit,
    event,
    ingest,
    insert_events,
    modes,
    query,
    rebuild,
    scalar,
)
from tests.support.listeners import Hearing

pytestmark = pytest.mark.slow

KPI = "schema/reporting/kpi_daily.sql"


@pytest.fixture
def with_mood(project: Path) -> Manifest:
    """The project, with one more column in kpi_daily."""
    return edit(project, KPI, "    burn_rate numeric,", "    burn_rate numeric,\n    mood text,")


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "ATTEMPTS", 3)


def columns(database: Database, table: str) -> dict[str, str]:
    rows = query(
        database,
        "select attname, format_type(atttypid, atttypmod) as type from pg_attribute"
        " where attrelid = %(table)s::regclass and attnum > 0 and not attisdropped",
        table=table,
    )
    return {row["attname"]: row["type"] for row in rows}


def left_behind(database: Database) -> list[str]:
    rows = query(database, "select nspname from pg_namespace where nspname ~ 'scratch|shape'")
    return [row["nspname"] for row in rows]


# What reaches the live tables.


def test_a_new_column_is_there_after_the_build_which_tells_its_caveat(
    built: Database, with_mood: Manifest
) -> None:
    done = rebuild(built, manifest=with_mood)
    assert modes(done) == {"kpi_daily": "full", "kpi_periods": "full", "kpi_drivers": "full"}
    assert "mood" in columns(built, "reporting.kpi_daily")
    (note,) = done.notes
    assert "reporting.kpi_daily was replaced" in note
    assert "finds it empty" in note
    assert left_behind(built) == []
    assert_equals_rebuild(built, with_mood)
    described = "select count(*) from pg_description where objoid = 'reporting.kpi_daily'::regclass"
    assert scalar(built, described) > 10
    assert rebuild(built, manifest=with_mood).run_id is None


def test_a_dropped_column_is_gone(built: Database, with_mood: Manifest, project: Path) -> None:
    rebuild(built, manifest=with_mood)
    without = edit(project, KPI, "    mood text,\n", "")
    rebuild(built, manifest=without)
    assert "mood" not in columns(built, "reporting.kpi_daily")
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built, without)


def test_a_column_gets_another_type_and_all_that_follows_stays_as_it_was(
    built: Database, project: Path
) -> None:
    retyped = edit(project, "schema/warehouse/dim_users.sql", "user_id text", "user_id varchar")
    done = rebuild(built, manifest=retyped)
    assert columns(built, "warehouse.dim_users")["user_id"] == "character varying"
    assert {name for name, mode in modes(done).items() if mode == "full"} == {
        "dim_users",
        "agg_category_profiles",
        "agg_category_recommendations",
        "agg_user_recommendations",
        "agg_user_closeness",
        "agg_user_profiles",
        "model_sample",
        "model_user_clusters",
        "model_category_similarities",
        "agg_user_acquisition",
        "acquisition",
        "cluster_quality",
        "category_recommendations",
        "user_segments",
    }
    changed = {r.step.script.name for r in done.results if r.changes.inserted or r.changes.deleted}
    assert changed == {"dim_users"}
    assert_equals_rebuild(built, retyped)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (
            "schema/warehouse/fact_miles_earned.sql",
            "primary key (user_id, event_date, event_id)",
            "primary key (user_id, event_id, event_date)",
        ),
        (
            "schema/warehouse/agg_period_activity.sql",
            "active_users bigint",
            "active_users numeric",
        ),
    ],
)
def test_a_changed_key_or_state_table_takes_its_followers_along(
    built: Database, project: Path, file: str, old: str, new: str
) -> None:
    changed = edit(project, file, old, new)
    insert_events(built, [earn(3, "u_1", 5), event(40, "u_9", "share")])
    ingest(built)
    done = rebuild(built, manifest=changed)
    assert len(done.notes) == 1
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built, changed)


def test_a_described_column_comes_to_a_table_that_keeps_counts_beside_it(
    built: Database, project: Path
) -> None:
    """The table of counts is not replaced, and gets the difference."""
    file = "schema/warehouse/agg_user_daily.sql"
    edit(
        project,
        file,
        "    first_earned_at timestamptz,",
        "    first_earned_at timestamptz,\n    mood text,",
    )
    text = (project / file).read_text()
    (project / file).write_text(
        text + "comment on column {{ warehouse }}.agg_user_daily.mood is 'How it felt.';\n"
    )
    changed = load(project)
    # What is there in another shape is the build's.
    schema.apply(built, changed, Target())
    assert "mood" not in columns(built, "warehouse.agg_user_daily")
    rebuild(built, manifest=changed)
    assert "mood" in columns(built, "warehouse.agg_user_daily")
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built, changed)


def test_a_view_on_a_view_does_not_keep_it_from_another_text(
    built: Database, project: Path
) -> None:
    query(built, "create view public.mine as select user_id from warehouse.classified_events")
    moved = edit(project, "sql/manifest.toml", '"UTC"', '"Asia/Singapore"')
    rebuild(built, manifest=moved)
    assert scalar(built, "select count(*) from public.mine") == 30
    assert_reports_equal_oracle(built, timezone="Asia/Singapore")


def test_rows_that_are_new_come_in_the_same_build(built: Database, with_mood: Manifest) -> None:
    insert_events(built, [earn(2, "u_0", 7), earn(41, "u_8", 70)])
    ingest(built)
    done = rebuild(built, manifest=with_mood)
    assert modes(done)["fact_miles_earned"] == "incremental"
    assert modes(done)["kpi_daily"] == "full"
    assert_equals_rebuild(built, with_mood)


def rights(session: Session) -> list[dict[str, Any]]:
    """Of kpi_daily: owner, and who may do what, columns included."""
    return session.rows(
        """
        select relowner::regrole::text as who, 'owner' as what, null as column_name
        from pg_class where oid = 'reporting.kpi_daily'::regclass
        union all
        select rights.grantee::regrole::text, rights.privilege_type || rights.is_grantable, null
        from pg_class cross join lateral aclexplode(relacl) as rights
        where oid = 'reporting.kpi_daily'::regclass
        union all
        select rights.grantee::regrole::text, rights.privilege_type, attname
        from pg_attribute cross join lateral aclexplode(attacl) as rights
        where attrelid = 'reporting.kpi_daily'::regclass
        order by 1, 2, 3
        """
    )


def test_rights_and_owner_are_those_of_the_old_table(built: Database, with_mood: Manifest) -> None:
    name = f"analyst_{scalar(built, 'select current_database()')}"
    with built.session("test") as session:
        session.run(f"create role {name}; create role {name}_owner")
        try:
            session.run(
                f"grant select on reporting.kpi_daily to {name} with grant option;"
                f" grant update (dau) on reporting.kpi_daily to {name};"
                f" grant create, usage on schema reporting to {name}_owner;"
                f" grant select on reporting.kpi_daily to public;"
                f" alter table reporting.kpi_daily owner to {name}_owner"
            )
            before = rights(session)
            assert len(before) > 3
            rebuild(built, manifest=with_mood)
            assert rights(session) == before
        finally:
            session.run(f"drop owned by {name}, {name}_owner; drop role {name}, {name}_owner")


def test_who_may_read_a_view_may_read_it_when_its_text_has_changed(
    built: Database, project: Path
) -> None:
    name = f"analyst_{scalar(built, 'select current_database()')}"
    may_read = f"select has_table_privilege('{name}', 'warehouse.classified_events', 'select')"
    with built.session("test") as session:
        session.run(f"create role {name}; grant select on warehouse.classified_events to {name}")
        try:
            moved = edit(project, "sql/manifest.toml", '"UTC"', '"Asia/Singapore"')
            rebuild(built, manifest=moved)
            assert scalar(built, may_read)
        finally:
            session.run(f"drop owned by {name}; drop role {name}")


def test_an_index_that_somebody_has_added_is_no_other_shape(built: Database, project: Path) -> None:
    query(built, "create index mine on reporting.kpi_daily (dau)")
    changed = edit(project, "sql/reporting/kpi_daily.sql", "as days_7d", "as days_7d ")
    assert rebuild(built, manifest=changed).notes == ()
    assert scalar(built, "select to_regclass('reporting.mine') is not null")


def test_a_new_index_is_made_where_the_table_is(built: Database, project: Path) -> None:
    query(built, "create view public.mine as select day, dau from reporting.kpi_daily")
    file = project / KPI
    index = "create index if not exists kpi_by_dau on {{ reporting }}.kpi_daily (dau);\n"
    file.write_text(file.read_text() + index)
    assert rebuild(built, manifest=load(project)).notes == ()
    assert scalar(built, "select to_regclass('reporting.kpi_by_dau') is not null")


def test_a_default_is_the_same_in_every_kind_of_build(built: Database, project: Path) -> None:
    changed = edit(
        project,
        KPI,
        "    burn_rate numeric,",
        "    burn_rate numeric,\n    mood text not null default 'calm',\n"
        "    twice bigint generated always as (dau * 2) stored,",
    )
    moods = "select array_agg(distinct mood || (twice = 2 * dau)) from reporting.kpi_daily"
    rebuild(built, manifest=changed)
    assert scalar(built, moods) == ["calmtrue"]
    rebuild(built, manifest=changed, select=["kpi_daily"])
    assert scalar(built, moods) == ["calmtrue"]
    insert_events(built, [earn(44, "u_1", 5)])
    ingest(built)
    rebuild(built, manifest=changed)
    assert scalar(built, moods) == ["calmtrue"]
    assert_equals_rebuild(built, changed)
    other = edit(project, KPI, "default 'calm'", "default 'wild'")
    rebuild(built, manifest=other)
    assert scalar(built, moods) == ["wildtrue"]


def test_a_type_that_the_layer_makes_is_no_other_shape_until_it_is_one(
    built: Database, project: Path
) -> None:
    """What a column needs must not be dropped with the schema in which its table was filled."""
    layer = project / "schema/reporting.sql"
    layer.write_text(
        layer.read_text() + "do $$ begin create type {{ reporting }}.mood as enum ('calm');"
        " exception when duplicate_object then null; end $$;\n"
    )
    query(built, "create type reporting.mood as enum ('calm')")
    changed = edit(
        project,
        KPI,
        "    burn_rate numeric,",
        "    burn_rate numeric,\n    mood {{ reporting }}.mood,",
    )
    with pytest.raises(RunnerError, match="it uses mood from its own schema"):
        rebuild(built, manifest=changed)
    assert "mood" not in columns(built, "reporting.kpi_daily")
    query(built, "alter table reporting.kpi_daily add column mood reporting.mood")
    assert rebuild(built, manifest=changed).notes == ()


# What hangs on a table.


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("view public.mine", "create view public.mine as select dau from reporting.kpi_daily"),
        (
            "view public.mine",
            "create materialized view public.mine as select dau from reporting.kpi_daily",
        ),
        ("policy mine", "create policy mine on reporting.kpi_daily using (true)"),
        (
            "trigger mine",
            "create trigger mine before update on reporting.kpi_daily for each row"
            " execute function suppress_redundant_updates_trigger()",
        ),
        ("publication mine", "create publication mine for table reporting.kpi_daily"),
        ("statistics mine", "create statistics mine on dau, wau from reporting.kpi_daily"),
        ("child public.mine", "create table public.mine () inherits (reporting.kpi_daily)"),
        (
            "foreign key mine",
            "create table public.notes (day date, slice text, slice_value text,"
            " constraint mine foreign key (day, slice, slice_value)"
            " references reporting.kpi_daily)",
        ),
        (
            "function public.mine()",
            "create function public.mine() returns bigint begin atomic"
            " select max(dau) from reporting.kpi_daily; end",
        ),
    ],
)
def test_what_would_be_lost_with_a_table_is_named_before_any_work(
    built: Database, with_mood: Manifest, what: str, text: str
) -> None:
    query(built, text)
    started: list[Step] = []
    with pytest.raises(RunnerError) as refused:
        build(built, with_mood, Target(), listener=Hearing(lambda step, *_: started.append(step)))
    assert refused.value.message == (
        f"reporting.kpi_daily changes shape, and this depends on it: {what}"
    )
    assert started == []


@pytest.mark.parametrize("kind", ["view", "table"])
def test_a_script_that_makes_another_kind_of_thing_is_told(
    built: Database, project: Path, kind: str
) -> None:
    if kind == "view":
        query(built, "drop table reporting.acquisition")
        query(built, "create view reporting.acquisition as select 1 as new_users")
        wanted, name = "reporting.acquisition is a view", "acquisition"
    else:
        query(built, "drop view warehouse.classified_events")
        query(built, "create table warehouse.classified_events (user_id text)")
        wanted, name = "warehouse.classified_events is a table", "classified_events"
    with pytest.raises(RunnerError, match=wanted) as refused:
        rebuild(built, select=[name])
    hint = f"alter {kind} {wanted.split()[0]} rename to {name}_of_somebody"
    assert refused.value.hint.startswith(hint.partition(f"{name}_of")[0])
    query(built, f"{hint}; select 1")
    rebuild(built, select=[name])


@pytest.mark.parametrize("was", ["view", "table"])
def test_what_a_build_has_made_becomes_a_view_or_a_table_in_one_commit(
    built: Database, project: Path, was: str
) -> None:
    """A view over it comes along, and so do the rights of its readers."""
    query(built, "create role reads_days; grant select on warehouse.agg_user_periods to reads_days")
    before = query(built, "select * from warehouse.agg_user_periods order by 1, 2, 3")
    view = (project / "schema/warehouse/agg_user_periods.sql").read_text()
    manifest = (project / "sql/manifest.toml").read_text()
    columns = "user_id text, grain text, period_start date, first_period date,"
    columns += " previous_period date, next_period date"
    (project / "schema/warehouse/agg_user_periods.sql").write_text(
        f"create table if not exists {{{{ warehouse }}}}.agg_user_periods ({columns});"
    )
    body = view.partition(" as\n")[2].partition(";")[0]
    names = columns.replace(" text", "").replace(" date", "")
    script = project / "sql/warehouse/agg_user_periods.sql"
    script.write_text(f"insert into {{{{ this }}}} ({names})\n{body};\n")
    entry = manifest.index("[warehouse.agg_user_periods]")
    is_view = manifest.index("view = true", entry)
    end = manifest.find("\n[", entry + 1)
    assert is_view < end
    (project / "sql/manifest.toml").write_text(
        manifest[:is_view] + manifest[is_view + len("view = true") :]
    )
    try:
        rebuild(built, manifest=load(project))
        assert kind_of(built, "warehouse.agg_user_periods") == "r"
        if was == "table":
            script.unlink()
            (project / "schema/warehouse/agg_user_periods.sql").write_text(view)
            (project / "sql/manifest.toml").write_text(manifest)
            rebuild(built, manifest=load(project))
            assert kind_of(built, "warehouse.agg_user_periods") == "v"
        assert query(built, "select * from warehouse.agg_user_periods order by 1, 2, 3") == before
        assert before and scalar(
            built,
            "select has_table_privilege('reads_days', 'warehouse.agg_user_periods', 'select')",
        )
    finally:
        query(built, "drop owned by reads_days; drop role reads_days")


def kind_of(database: Database, name: str) -> str:
    return str(
        scalar(
            database, "select relkind::text from pg_class where oid = to_regclass(%(n)s)", n=name
        )
    )


# Readers.


def test_the_view_of_the_events_is_never_held_while_it_gets_another_text(
    built: Database, project: Path
) -> None:
    """Everything depends on the view, so the build is long."""
    moved = edit(
        project,
        "sql/manifest.toml",
        'reporting_timezone = "UTC"',
        'reporting_timezone = "Asia/Singapore"',
    )
    read = 0

    def look(*values: Any) -> None:
        nonlocal read
        with psycopg.connect(built.conninfo) as reader:
            reader.execute("set lock_timeout = '100ms'")
            for table in ("warehouse.classified_events", "reporting.kpi_daily"):
                reader.execute(f"select count(*) from {table}".encode())
        read += 1

    done = build(built, moved, Target(), listener=Hearing(look))
    assert read == len(done.results) > 20
    assert_reports_equal_oracle(built, timezone="Asia/Singapore")


def while_somebody_reads(built: Database, run: Callable[[], object]) -> None:
    with psycopg.connect(built.conninfo, application_name="a long report") as reader:
        reader.execute("select count(*) from reporting.kpi_daily")
        run()


@pytest.mark.usefixtures("in_a_hurry")
def test_a_reader_who_does_not_end_keeps_the_old_table_and_is_named(
    built: Database, with_mood: Manifest
) -> None:
    def attempt() -> None:
        with pytest.raises(
            RunnerError, match=r"kpi_daily: cannot be locked .* in use by a long report \(server"
        ):
            rebuild(built, manifest=with_mood)

    while_somebody_reads(built, attempt)
    assert "mood" not in columns(built, "reporting.kpi_daily")
    assert left_behind(built) == []
    runs = query(
        built, "select status from orchestrator.runs where kind = 'build' order by run_id desc"
    )
    assert runs[0]["status"] == "failed"
    rebuild(built, manifest=with_mood)
    assert "mood" in columns(built, "reporting.kpi_daily")


def test_a_reader_who_ends_is_waited_for_and_nobody_waits_behind(
    built: Database, with_mood: Manifest
) -> None:
    reader = psycopg.connect(built.conninfo)
    reader.execute("select count(*) from reporting.kpi_daily")
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(rebuild(built, manifest=with_mood)))
    thread.start()
    with psycopg.connect(built.conninfo, autocommit=True) as other:
        other.execute("set lock_timeout = '100ms'")
        for _ in range(50):
            other.execute("select count(*) from reporting.kpi_daily")
    reader.close()
    thread.join()
    assert done
    assert "mood" in columns(built, "reporting.kpi_daily")


def test_who_keeps_a_table_from_being_replaced_is_named_meanwhile(
    built: Database, with_mood: Manifest
) -> None:
    said = []

    class Ending(Listener):
        def waiting(self, message: str) -> None:
            said.append(message)
            reader.rollback()

    with psycopg.connect(built.conninfo, application_name="a long report") as reader:
        reader.execute("select count(*) from reporting.kpi_daily")
        build(built, with_mood, Target(), listener=Ending())
    (message,) = said
    assert "reporting.kpi_daily: waiting to be replaced, in use by a long report (" in message
    assert "mood" in columns(built, "reporting.kpi_daily")


def test_a_check_that_fails_leaves_the_old_shape(
    built: Database, with_mood: Manifest, project: Path
) -> None:
    (project / "sql/reporting/kpi_daily.check.sql").write_text(
        "select day from {{ reporting }}.kpi_daily\n"
    )
    with pytest.raises(CheckFailed, match="kpi_daily"):
        rebuild(built, manifest=load(project))
    assert "mood" not in columns(built, "reporting.kpi_daily")
    assert left_behind(built) == []
    found = query(
        built, "select status, script from orchestrator.check_results order by checked_at"
    )
    assert found[-1] == {"status": "failed", "script": "reporting.kpi_daily"}


def test_a_change_of_columns_cannot_be_rendered_and_says_so(
    built: Database, with_mood: Manifest
) -> None:
    with pytest.raises(RunnerError, match=r"kpi_daily changes shape \(kpi_daily\.mood\)"):
        rendered(built, with_mood, Target(), None, full=False)
