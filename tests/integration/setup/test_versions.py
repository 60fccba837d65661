"""Databases of earlier versions, with their data: refused, migrated, and as good as new.

Each file in tests/fixtures is one, dumped from a database that the code of that version had made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.about import VERSION
from runner.database import version
from runner.database.session import PIPELINE_LOCK, Database, LockHeld
from runner.errors import RunnerError, StartError
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import migrations, schema
from tests.support import (
    PROJECT,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    earn,
    ingest,
    insert_events,
    query,
    scalar,
)
from tests.support.commands import assert_refused, command

KNOWN, OURS = version.MIGRATIONS, version.NEWEST
FIXTURES = PROJECT / "tests/fixtures"
VERSIONS = [file.stem for file in sorted(FIXTURES.glob("*.sql"))]
# What cannot be built again.
KEPT = (
    "orchestrator.pipeline_definitions",
    "orchestrator.runs",
    "orchestrator.build_inputs",
    "orchestrator.built_scripts",
    "orchestrator.replaced_rows",
    "orchestrator.logs",
    "orchestrator.check_results",
    "warehouse.raw_event_stream",
    "warehouse.raw_utm_campaigns",
)
MOVED = {
    name: f"orchestrator.{name.partition('.')[2]}"
    for name in ("public.loaded_files", "public.load_rejects")
}
COMMANDS = (
    ("status",),
    ("plan",),
    ("ingest",),
    ("build",),
    ("run-all",),
    ("verify",),
    ("runs",),
    ("runs", "undo", "1", "--yes"),
    ("pipelines", "list"),
    ("dashboard", "-o", "/dev/null"),
    ("prune", "--older-than", "90d", "--yes"),
)


@pytest.fixture(params=VERSIONS)
def older(request: pytest.FixtureRequest, empty_database: Database) -> Database:
    """A database as that version left it."""
    with empty_database.session("test") as session:
        session.run((FIXTURES / f"{request.param}.sql").read_text())
    return empty_database


def apply(database: Database) -> None:
    schema.apply(database, load(PROJECT), Target())


def rows(database: Database, table: str) -> list[str]:
    """The rows of a table as JSON texts, sorted."""
    found = query(database, f"select to_jsonb(t.*) - 'source_relation' as r from {table} as t")
    return sorted(json.dumps(row["r"], sort_keys=True) for row in found)


def test_an_older_database_is_refused_by_all_but_schema_apply(older: Database) -> None:
    before = {table: rows(older, table) for table in KEPT}
    for arguments in COMMANDS:
        done = command(*arguments, database=older)
        assert_refused(done, 3, "an older orchestrator schema", "python -m runner schema apply")
    assert {table: rows(older, table) for table in KEPT} == before


def test_what_cannot_be_built_again_stays(older: Database) -> None:
    names = {table: table for table in KEPT} | {
        table: now
        for table, now in MOVED.items()
        if scalar(older, f"select to_regclass('{table}') is not null")
    }
    before = {table: list(map(json.loads, rows(older, table))) for table in names}
    assert all(before.values())
    ships = {row["pipeline_name"] for row in before["orchestrator.pipeline_definitions"]}
    done = command("schema", "apply", "--yes", database=older)
    assert done.returncode == 0, done.stderr
    assert "migrate 0001_before_versions" in done.stdout
    for table, now in names.items():
        after = list(map(json.loads, rows(older, now)))
        if table == "orchestrator.pipeline_definitions":  # this version brings one more
            after = [row for row in after if row["pipeline_name"] in ships]
        columns = before[table][0]
        # A text beside another: those of JSON numbers and times are compared as they are.
        found = sorted(str({name: row[name] for name in sorted(columns)}) for row in after)
        wanted = sorted(str({name: row[name] for name in sorted(columns)}) for row in before[table])
        assert found == wanted, table
    assert "up to date" in command("schema", "apply", "--yes", database=older).stdout


def test_an_older_database_goes_on_as_if_it_had_always_been_of_this_version(
    older: Database,
) -> None:
    apply(older)
    insert_events(older, [earn(day, f"u_new_{day % 3}", miles=10 * day + 1) for day in range(40)])
    done = command("run-all", database=older)
    assert done.returncode == 0, done.stderr
    source = scalar(older, "select count(*) from public.event_stream")
    assert scalar(older, "select count(*) from warehouse.raw_event_stream") == source > 40
    assert_facts_equal_oracle(older)
    assert_reports_equal_oracle(older)
    assert scalar(older, "select count(*) from orchestrator.runs where status = 'running'") == 0
    assert "equal a rebuild" in command("verify", database=older).stdout


@pytest.mark.slow
def test_what_an_earlier_version_brought_is_taken_back_by_this_one(older: Database) -> None:
    replaced = query(
        older,
        "select replaced.run_id, replaced.old_row from orchestrator.replaced_rows as replaced"
        " join orchestrator.pipeline_definitions as pipelines using (pipeline_id)"
        " where pipelines.pipeline_name = 'utm_campaigns'",
    )
    assert replaced
    apply(older)
    insert_events(older, [earn(day, f"u_new_{day % 3}", miles=10 * day + 1) for day in range(40)])
    assert command("run-all", database=older).returncode == 0
    [run_id] = {row["run_id"] for row in replaced}
    done = command("runs", "undo", str(run_id), "--yes", database=older)
    assert done.returncode == 0, done.stderr
    now = {row["utm_source"]: row for row in query(older, "table warehouse.raw_utm_campaigns")}
    for row in (row["old_row"] for row in replaced):
        found = now[row["utm_source"]]["monthly_cost"]
        assert found == row["monthly_cost"]
    for arguments in (("build",), ("verify",), ("backfill", "utm_campaigns"), ("run-all",)):
        done = command(*arguments, database=older)
        assert done.returncode == 0, done.stderr
    assert_reports_equal_oracle(older)


def test_a_migrated_schema_is_that_of_a_new_database(
    older: Database, other_database: Database
) -> None:
    apply(older)
    migrated, new = shape(older), shape(other_database)
    assert {part: migrated[part] for part in migrated if migrated[part] != new.get(part)} == {}
    assert migrated.keys() == new.keys()
    history = "select version, name, applied_by from orchestrator.schema_version order by version"
    assert query(older, history) == query(other_database, history)


def shape(database: Database) -> dict[tuple[str, str], str]:
    """Everything in the schema orchestrator, in words; not the order of columns."""
    found = query(
        database,
        """
        select classes.relname || '.' || attributes.attname as what, 'column' as kind, concat_ws(
            ' ', format_type(attributes.atttypid, attributes.atttypmod), attributes.attnotnull,
            attributes.attidentity, attributes.attgenerated,
            pg_get_expr(defaults.adbin, defaults.adrelid),
            col_description(classes.oid, attributes.attnum)
        ) as state
        from pg_attribute as attributes
        join pg_class as classes on classes.oid = attributes.attrelid
        left join pg_attrdef as defaults
            on defaults.adrelid = classes.oid and defaults.adnum = attributes.attnum
        where classes.relnamespace = 'orchestrator'::regnamespace and attributes.attnum > 0
            and not attributes.attisdropped and classes.relkind in ('r', 'v')
        union all
        select conname, 'constraint', replace(pg_get_constraintdef(oid), ' NOT VALID', '')
        from pg_constraint
        where connamespace = 'orchestrator'::regnamespace and contype <> 'n'
        union all
        select indexname, 'index', indexdef from pg_indexes where schemaname = 'orchestrator'
        union all
        select oid::regprocedure::text, 'function',
            pg_get_functiondef(oid) || obj_description(oid, 'pg_proc')
        from pg_proc where pronamespace = 'orchestrator'::regnamespace
        union all
        select relname, 'relation', concat_ws(
            ' ', relkind, obj_description(oid, 'pg_class'),
            case relkind when 'v' then pg_get_viewdef(oid) end
        )
        from pg_class
        where relnamespace = 'orchestrator'::regnamespace and relkind in ('r', 'v', 'S')
        """,
    )
    return {(row["what"], row["kind"]): row["state"] for row in found}


# --- each once, in order, together, alone ---------------------------------------------------------


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with two migrations more, of which the second counts how often it was run."""
    folder = tmp_path / "schema/migrations"
    folder.mkdir(parents=True)
    for path in migrations.files():
        (folder / path.name).write_text("select 1 / 0;")  # were applied: never again
    (folder / f"{OURS + 1:04}_a_place.sql").write_text("create table orchestrator.place (n int);")
    (folder / f"{OURS + 2:04}_a_row.sql").write_text("insert into orchestrator.place values (3);")
    monkeypatch.setattr(migrations, "HOME", tmp_path)
    monkeypatch.setattr(version, "MIGRATIONS", (*version.MIGRATIONS, "a_place", "a_row"))
    monkeypatch.setattr(version, "NEWEST", OURS + 2)
    yield folder


def test_the_folder_has_the_migrations_that_the_code_knows() -> None:
    found = sorted((PROJECT / "schema/migrations").iterdir())
    assert [file.relative_to(PROJECT) for file in found] == migrations.files()


def test_migrations_run_once_and_in_order(database: Database, steps: Path) -> None:
    with pytest.raises(StartError, match=f"version {OURS} of {OURS + 2}"):
        ingest(database)
    shown = schema.rehearse(database, load(PROJECT), Target())
    assert shown[:2] == [f"migrate {OURS + 1:04}_a_place", f"migrate {OURS + 2:04}_a_row"]
    for _ in range(2):
        apply(database)
    assert query(database, "table orchestrator.place") == [{"n": 3}]
    history = query(database, "table orchestrator.schema_version order by version")
    assert [row["name"] for row in history] == [*KNOWN, "a_place", "a_row"]
    assert {row["applied_by"] for row in history} == {VERSION}
    assert schema.rehearse(database, load(PROJECT), Target()) == []
    ingest(database)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database: Database, steps: Path
) -> None:
    (steps / f"{OURS + 2:04}_a_row.sql").write_text(
        "insert into orchestrator.place\nvalues ('three');"
    )
    with pytest.raises(RunnerError, match=r"schema/migrations/\d+_a_row.sql:2: invalid input"):
        apply(database)
    assert scalar(database, "select max(version) from orchestrator.schema_version") == OURS
    assert scalar(database, "select to_regclass('orchestrator.place')") is None


def test_nothing_is_migrated_beside_an_ingest_or_a_build(database: Database, steps: Path) -> None:
    [pipeline, *_] = query(
        database,
        "select pipeline_id, pipeline_name from orchestrator.pipeline_definitions order by 1",
    )
    what = f"an ingest of {pipeline['pipeline_name']}"
    with (
        database.session("an ingest") as session,
        session.lock(PIPELINE_LOCK, pipeline["pipeline_id"], what),
        pytest.raises(LockHeld, match=f"{what} is already running"),
    ):
        apply(database)
    assert scalar(database, "select max(version) from orchestrator.schema_version") == OURS
    apply(database)
    assert scalar(database, "select max(version) from orchestrator.schema_version") == OURS + 2


@pytest.mark.slow
def test_a_reader_that_does_not_end_is_told_and_not_waited_for(
    database: Database, steps: Path
) -> None:
    (steps / f"{OURS + 2:04}_a_row.sql").write_text(
        "alter table orchestrator.runs add column mood text;"
    )
    with database.session("a reader") as session, session.transaction():
        session.run("select from orchestrator.runs")
        with pytest.raises(RunnerError, match=r"\d+_a_row.sql: .* lock timeout") as refused:
            apply(database)
        assert "end the transaction" in str(refused.value.hint)
    apply(database)


def test_who_does_not_own_the_ledger_cannot_migrate_it(database: Database, steps: Path) -> None:
    name = query(database, "select 'other_' || pg_backend_pid() as name")[0]["name"]
    query(database, f"create role {name} login superuser; select 1")
    query(
        database,
        f"alter role {name} nosuperuser; grant usage, create on schema orchestrator, warehouse,"
        f" reporting, public to {name}; grant select, insert, update on all tables in schema"
        f" orchestrator to {name}; grant create on database"
        f" {scalar(database, 'select current_database()')} to {name}",
    )
    try:
        stranger = Database(f"{database.conninfo} user={name}")
        with pytest.raises(StartError, match="which belongs to another role") as refused:
            apply(stranger)
        assert "as the role that owns" in str(refused.value.hint)
    finally:
        query(database, f"drop owned by {name}; drop role {name}")


# --- newer ----------------------------------------------------------------------------------------


def test_a_newer_database_is_refused_also_by_schema_apply(database: Database) -> None:
    query(
        database,
        "insert into orchestrator.schema_version (version, name, applied_by)"
        " values (77, 'what_comes', '9.8.7')",
    )
    for arguments in (*COMMANDS, ("schema", "apply", "--yes")):
        done = command(*arguments, database=database)
        assert_refused(done, 3, "version 77 by Milepost 9.8.7", "install Milepost 9.8.7 or newer")


def test_a_new_database_is_of_this_version(database: Database) -> None:
    history = query(database, "select name from orchestrator.schema_version order by version")
    assert [row["name"] for row in history] == list(KNOWN)
