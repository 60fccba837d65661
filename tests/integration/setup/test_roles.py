"""`schema apply --roles`: what it shows and does, and who may read the reports but do no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from runner.compare.rebuild import rebuild
from runner.database.session import Database, QueryFailed
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, earn, edit, insert_events, query, roles, run_all, scalar
from tests.support import rebuild as build
from tests.support.commands import assert_refused, command
from tests.support.databases import name_of
from tests.support.listeners import Hearing
from tests.support.sweeps import slow_but

LIVE, DEV = Target(), Target("dev")
SHIPPED = load(PROJECT)
KPI = "schema/reporting/kpi_daily.sql"
READABLE = """
select schemas.nspname || '.' || relations.relname as name
from pg_class as relations
inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
where
    relations.relkind in ('r', 'v')
    and schemas.nspname in ('public', 'orchestrator', 'warehouse', 'reporting')
    and has_schema_privilege(%(role)s, schemas.oid, 'usage')
    and has_table_privilege(%(role)s, relations.oid, 'select')
order by name
"""

# Who owns what, and who was granted what.
ACLS = """
select 'pg_class' as class, oid::regclass::text as name, relowner::regrole::text as owner,
    relacl::text[] as acl
from pg_class
union all
select 'pg_namespace' as class, nspname as name, nspowner::regrole::text as owner,
    nspacl::text[] as acl
from pg_namespace
union all
select 'pg_proc' as class, oid::regprocedure::text as name, proowner::regrole::text as owner,
    proacl::text[] as acl
from pg_proc
union all
select 'pg_database' as class, datname as name, datdba::regrole::text as owner,
    datacl::text[] as acl
from pg_database where datname = current_database()
union all
select 'pg_auth_members' as class, roleid::regrole::text as name, member::regrole::text as owner,
    array[admin_option::text] as acl
from pg_auth_members
where starts_with(roleid::regrole::text, current_database())
order by class, name, owner, acl
"""

FORBIDDEN = (
    "select from public.event_stream",
    "select from warehouse.raw_event_stream",
    "select from warehouse.dim_users",
    "select from orchestrator.runs",
    "insert into reporting.acquisition (utm_source) values ('mine')",
    "update reporting.kpi_daily set dau = 0",
    "delete from reporting.kpi_daily",
    "truncate reporting.kpi_daily",
    "drop table reporting.kpi_daily",
    "alter table reporting.kpi_daily add column mine text",
    "create table reporting.mine (a integer)",
    "create view reporting.mine as select 1 as a",
    "create table warehouse.mine (a integer)",
    "create table public.mine (a integer)",
    "create schema mine",
    "create role mine",
    "select warehouse.member('ios')",
)


@pytest.fixture
def group(database: Database) -> Iterator[str]:
    """The readers of this test's database."""
    with roles.dropped(database):
        yield roles.group(database, "reader")


@pytest.fixture
def reader(built: Database) -> Iterator[Database]:
    """A built warehouse, as the login of a tool sees it."""
    with roles.dropped(built):
        schema.apply(built, SHIPPED, LIVE, roles=True)
        group = roles.group(built, "reader")
        query(built, f'create role "{group}_tool" login in role "{group}"')
        yield Database(make_conninfo(built.conninfo, user=f"{group}_tool"))


def reports(database: Database) -> list[str]:
    """All tables and views of the reporting schema."""
    rows = query(
        database,
        "select relname as name from pg_class"
        " where relnamespace = 'reporting'::regnamespace and relkind in ('r', 'v') order by 1",
    )
    return [f"reporting.{row['name']}" for row in rows]


# What is shown, and what is done.


def test_the_roles_and_what_they_get_are_shown_before_anything_is_done(
    database: Database, group: str
) -> None:
    shown = schema.rehearse(database, SHIPPED, LIVE, roles=True)
    names = [roles.group(database, role) for role in sorted(roles.SUFFIXES, key=_suffix)]
    assert shown[:4] == [f"create role {name}" for name in names]
    assert f"grant usage on schema reporting to {group}" in shown
    granted = [right for right in shown if right.endswith(f" to {group}")]
    for name in reports(database):
        assert f"grant select on {name} to {group}" in granted
    assert len(granted) == len(reports(database)) + 3  # the schema, and what two will create
    owned = [
        right for right in shown if right.startswith(f"make {roles.group(database, 'runner')}")
    ]
    assert owned == [
        f"make {roles.group(database, 'runner')} the owner of schema {name} and what is in it"
        for name in ("orchestrator", "reporting", "warehouse")
    ]
    assert not scalar(database, f"select to_regrole('{group}') is not null")


def _suffix(role: str) -> str:
    return roles.SUFFIXES[role]


def test_applied_twice_the_grants_are_the_same(database: Database, group: str) -> None:
    schema.apply(database, SHIPPED, LIVE, roles=True)
    before = query(database, ACLS)
    assert schema.rehearse(database, SHIPPED, LIVE, roles=True) == []
    schema.apply(database, SHIPPED, LIVE, roles=True)
    assert query(database, ACLS) == before
    for role in roles.SUFFIXES:
        name = roles.group(database, role)
        assert not scalar(database, f"select rolcanlogin from pg_roles where rolname = '{name}'")


def test_without_being_asked_for_there_is_no_role(database: Database, group: str) -> None:
    schema.apply(database, SHIPPED, LIVE)
    for role in roles.SUFFIXES:
        name = roles.group(database, role)
        assert not scalar(database, f"select to_regrole('{name}') is not null")


def test_the_command_shows_and_asks(database: Database, group: str) -> None:
    done = command("schema", "apply", "--roles", database=database)
    assert f"create role {group}" in done.stdout
    assert_refused(done, 2, "this needs confirmation", "schema apply --roles --yes")
    done = command("schema", "apply", "--roles", "--yes", database=database)
    assert done.returncode == 0, done.stderr
    again = command("schema", "apply", "--roles", database=database)
    assert again.stdout == "schema: up to date\n"


def test_who_may_not_create_roles_hears_what_somebody_else_has_to_run(
    database: Database, group: str
) -> None:
    name = f"{group}_admin"
    with database.session("test") as session:
        session.run(
            f'create role "{name}" login;'
            f' grant create on database "{name_of(database)}" to "{name}";'
            " drop schema orchestrator, warehouse, reporting cascade;"
            f' grant select on all tables in schema public to "{name}"'
        )
    own = Database(make_conninfo(database.conninfo, user=name))
    done = command("schema", "apply", "--roles", "--yes", database=own)
    assert_refused(done, 3, f"{name} may not create roles", f"create role {group} nologin")
    assert scalar(database, "select to_regnamespace('reporting') is null")
    assert not scalar(database, f"select to_regrole('{group}') is not null")
    [hint] = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
    statements = hint.removeprefix("hint: somebody who may: ").removesuffix("; then again")
    with database.session("test") as session:
        session.run(statements)
    done = command("schema", "apply", "--roles", "--yes", database=own)
    assert done.returncode == 0, done.stderr
    assert scalar(
        database, f"select has_table_privilege('{group}', 'reporting.kpi_daily', 'select')"
    )
    assert command("schema", "apply", "--roles", database=own).stdout == "schema: up to date\n"


def test_a_role_that_may_create_roles_needs_nobody_else(database: Database, group: str) -> None:
    name = f"{group}_admin"
    with database.session("test") as session:
        session.run(
            f'create role "{name}" login createrole;'
            f' grant create on database "{name_of(database)}" to "{name}" with grant option;'
            " drop schema orchestrator, warehouse, reporting cascade;"
            f' grant select on all tables in schema public to "{name}"'
        )
    own = Database(make_conninfo(database.conninfo, user=name))
    done = command("schema", "apply", "--roles", "--yes", database=own)
    assert done.returncode == 0, done.stderr
    assert command("schema", "apply", "--roles", database=own).stdout == "schema: up to date\n"


# What may be read.


def test_a_reader_reads_all_reports_and_nothing_else(built: Database, reader: Database) -> None:
    found = query(built, READABLE, role=scalar(reader, "select current_user"))
    assert [row["name"] for row in found] == reports(built)
    for name in reports(built):
        query(reader, f"select rows::text from {name} as rows")
    assert scalar(reader, "select count(*) from reporting.kpi_daily") == 120
    assert scalar(reader, "select min(status) from reporting.freshness") == "fresh"
    assert scalar(reader, "select count(*) from reporting.pipeline_runs") > 0
    assert scalar(reader, "select count(*) from reporting.data_checks") > 0


def test_a_reader_is_refused_everything_else(reader: Database) -> None:
    for statement in FORBIDDEN:
        with pytest.raises(QueryFailed) as refused:
            query(reader, statement)
        assert refused.value.sqlstate == "42501", statement


def test_another_target_is_read_where_it_was_asked_for(built: Database, reader: Database) -> None:
    build(built, target="dev")
    with pytest.raises(QueryFailed, match="permission denied for schema dev_reporting"):
        query(reader, "select from dev_reporting.kpi_daily")
    schema.apply(built, SHIPPED, DEV, roles=True)
    assert scalar(reader, "select count(*) from dev_reporting.kpi_daily") == 120
    query(built, "drop table dev_reporting.kpi_daily")
    build(built, target="dev", select=["kpi_daily"])
    assert scalar(reader, "select count(*) from dev_reporting.kpi_daily") == 120


# What the grants survive.


def _more(database: Database, project: Path) -> None:
    insert_events(database, [earn(40, "u_1", 5)])
    run_all(database)


def _in_full(database: Database, project: Path) -> None:
    build(database, select=["reporting"])


def _rebuilt(database: Database, project: Path) -> None:
    rebuild(database, SHIPPED, LIVE)


def _reshaped(database: Database, project: Path) -> None:
    build(database, manifest=_with_mood(project))
    assert query(database, "select mood from reporting.kpi_daily")


def _reshaped_by_a_rebuild(database: Database, project: Path) -> None:
    rebuild(database, _with_mood(project), LIVE)
    assert query(database, "select mood from reporting.kpi_daily")


def _dropped(database: Database, project: Path) -> None:
    query(database, "drop table reporting.kpi_daily")
    build(database)


def _dropped_and_rebuilt(database: Database, project: Path) -> None:
    query(database, "drop table reporting.kpi_daily")
    rebuild(database, SHIPPED, LIVE)


def _dropped_with_a_reshaped_table_before_it(database: Database, project: Path) -> None:
    query(database, "drop table reporting.acquisition")
    retyped = edit(project, "schema/warehouse/dim_users.sql", "user_id text", "user_id varchar")
    build(database, manifest=retyped)


def _views_made_anew(database: Database, project: Path) -> None:
    query(database, "drop view reporting.freshness")
    schema.apply(database, SHIPPED, LIVE)


def _with_mood(project: Path) -> schema.Manifest:
    return edit(project, KPI, "    burn_rate numeric,", "    burn_rate numeric,\n    mood text,")


@pytest.mark.parametrize(
    "change",
    slow_but(
        [
            _more,
            _in_full,
            _rebuilt,
            _reshaped,
            _reshaped_by_a_rebuild,
            _dropped,
            _dropped_and_rebuilt,
            _dropped_with_a_reshaped_table_before_it,
            _views_made_anew,
        ],
        *(_more, _reshaped, _views_made_anew),
    ),
    ids=lambda change: change.__name__.strip("_"),
)
def test_a_reader_still_reads_everything_after(
    built: Database, reader: Database, project: Path, change: Callable[[Database, Path], None]
) -> None:
    change(built, project)
    for name in reports(built):
        query(reader, f"select rows::text from {name} as rows")


def test_what_a_rebuild_fills_beside_is_not_readable(built: Database, reader: Database) -> None:
    looks = []

    def look(*_: object) -> None:
        with pytest.raises(QueryFailed, match="permission denied for schema live_scratch"):
            query(reader, "select from live_scratch_reporting.kpi_daily")
        looks.append("refused")

    rebuild(built, SHIPPED, LIVE, listener=Hearing(look))
    assert looks


def test_a_table_to_come_is_readable_at_once(
    built: Database, reader: Database, project: Path
) -> None:
    (project / "schema/reporting/days.sql").write_text(
        "create table if not exists {{ reporting }}.days (\n"
        "    day date not null,\n    constraint days_key primary key (day)\n);\n"
    )
    (project / "sql/reporting/days.sql").write_text(
        "-- reporting.days\n-- Grain: one row per day (day).\n-- Rerun: whole.\n-- Why:   a test.\n"
        "insert into {{ this }} (day) select dates.calendar_date from"
        " {{ warehouse }}.dim_dates as dates;\n"
    )
    manifest = project / "sql/manifest.toml"
    manifest.write_text(
        manifest.read_text() + '\n[reporting.days]\nneeds = ["warehouse.dim_dates"]\n'
    )
    build(built, manifest=load(project))
    assert scalar(reader, "select count(*) from reporting.days") == 30
