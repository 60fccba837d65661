"""What the codebase promises to its readers: names, headers, comments, harmless reruns."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import sqlglot
from sqlglot import exp

from runner.build.compose import PRELUDE, Composer
from runner.build.plan import Step
from runner.cli.groups import Group
from runner.cli.main import cli
from runner.database import ledger
from runner.database.ledger import Position
from runner.database.session import Changes, Database, Session
from runner.project.graph import order
from runner.project.manifest import LAYERS, MANIFEST, MANIFEST_CHECK, Manifest, Script, load
from runner.project.target import Target
from runner.setup.demo import Demo, seed
from runner.testing.lint import lint
from tests.support import PROJECT, ingest, insert_events, query, rebuild, run_all, scalar
from tests.support.databases import Moulds, apply_schema

LONGEST_LINE = 100
SCHEMAS = ["public", "orchestrator", *LAYERS]
# Views of the schema files, over the ledger: no script stands behind them.
LEDGER_VIEWS = {"reporting.pipeline_runs", "reporting.freshness", "reporting.data_checks"}
# Tables of the schema files too, that people fill.
FILLED_BY_PEOPLE = {"reporting.annotations", "reporting.goals"}
# The clock and chance, what locks readers out, what belongs into schema/ and what the runner owns.
FORBIDDEN = (
    r"\bnow\s*\(|\bcurrent_(date|time|timestamp)\b|\blocaltime(stamp)?\b|\btimeofday\b"
    r"|\b(clock|statement|transaction)_timestamp\b|'(now|today|yesterday|tomorrow)'|\brandom\b"
    r"|\btruncate\b|\bmerge\b|\block\s+table\b|\b(alter|grant|revoke)\s"
    # What a table held before may be kept beside it, until the script ends.
    r"|\bcreate\s(?!temporary table \w+ as\n)|\bdrop\s(?!table pg_temp\.)"
    r"|\b(begin|commit|rollback|savepoint)\b|\bsearch_path\b|\bset\s+(local|session)\b"
)

MANIFEST_OF_THE_PROJECT = load(PROJECT)
SCRIPTS = [script for script in MANIFEST_OF_THE_PROJECT.scripts.values() if not script.is_view]
SQL_FILES = sorted(
    path.relative_to(PROJECT)
    for folder in ("sql", "schema", "runner")
    for path in (PROJECT / folder).rglob("*.sql")
)
SCRIPT_FILES = [
    path for script in SCRIPTS for path in (script.path, *script.checks, *script.observations)
]


@dataclass(frozen=True)
class Index:
    """Where an index is written."""

    path: Path
    number: int
    line_above: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


INDEXES = [
    Index(path, number, above.strip())
    for path in SQL_FILES
    for number, (above, line) in enumerate(
        pairwise(MANIFEST_OF_THE_PROJECT.read(path).split("\n")), start=2
    )
    if re.match(r"\s*create (unique )?index\b", line)
]

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.key)
each_script_file = pytest.mark.parametrize("path", SCRIPT_FILES, ids=Path.as_posix)


# --- tree = manifest = schema ---------------------------------------------------------------------


def test_each_script_has_its_entry_and_each_entry_its_script() -> None:
    files = {
        f"{layer}.{path.stem}"
        for layer in LAYERS
        for path in (PROJECT / "sql" / layer).rglob("*.sql")
        if not path.name.endswith((".check.sql", ".observe.sql"))
    }
    assert files == {script.key for script in SCRIPTS}


def test_each_check_stands_beside_a_script() -> None:
    files = {path.relative_to(PROJECT) for path in (PROJECT / "sql").rglob("*.check.sql")}
    assert files == {MANIFEST_CHECK, *(check for script in SCRIPTS for check in script.checks)}


def test_each_observation_stands_beside_a_script() -> None:
    files = {path.relative_to(PROJECT) for path in (PROJECT / "sql").rglob("*.observe.sql")}
    assert files == {path for script in SCRIPTS for path in script.observations}


def test_each_table_and_view_of_the_manifest_has_its_ddl_and_each_ddl_its_entry() -> None:
    files = {
        f"{layer}.{path.stem}"
        for layer in LAYERS
        for path in (PROJECT / "schema" / layer).rglob("*")
    }
    assert files == set(MANIFEST_OF_THE_PROJECT.fillers())


def test_catalogue_has_what_the_manifest_says_and_nothing_else(database: Database) -> None:
    ingest(database)
    found = query(
        database,
        """
        select
            schemas.nspname || '.' || relations.relname as name,
            relations.relkind = 'v' as is_view
        from pg_class as relations
        inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
        where
            relations.relkind in ('r', 'p', 'v', 'm', 'f')
            and schemas.nspname = any(%(layers)s)
        """,
        layers=list(LAYERS),
    )
    expected = {name: script.is_view for name, script in MANIFEST_OF_THE_PROJECT.fillers().items()}
    expected |= dict.fromkeys(LEDGER_VIEWS, True)
    expected |= dict.fromkeys(FILLED_BY_PEOPLE | _replicas(), False)
    assert {row["name"]: row["is_view"] for row in found} == expected


def test_ddl_of_a_table_defines_that_table_alone() -> None:
    for key, script in MANIFEST_OF_THE_PROJECT.fillers().items():
        layer, _, name = key.partition(".")
        text = MANIFEST_OF_THE_PROJECT.read(Path("schema", layer, f"{name}.sql"))
        defined = re.findall(r"^create (.+?) \{\{ (\w+) \}\}\.(\w+)", text, re.MULTILINE)
        kind = "or replace view" if script.is_view else "table if not exists"
        assert [found for found in defined if "index" not in found[0]] == [(kind, layer, name)]


@each_script
def test_script_writes_to_its_own_tables_alone(script: Script) -> None:
    written = set()
    for statement in _parsed(MANIFEST_OF_THE_PROJECT, script.path):
        for change in statement.find_all(exp.Insert, exp.Delete, exp.Update):
            target = change.this.this if isinstance(change.this, exp.Schema) else change.this
            written.add(f"{target.db}.{target.name}")
    assert written == {f"{script.layer}.{table}" for table in script.tables}


# --- headers --------------------------------------------------------------------------------------


@each_script
def test_header_begins_with_the_name_of_the_table(script: Script) -> None:
    assert _text(script).split("\n")[0] == f"-- {script.key}"


@each_script
def test_header_says_grain_rerun_and_why(script: Script) -> None:
    assert list(_header(script)) == ["Grain", "Rerun", "Why"]
    assert all(_header(script).values())


@each_script
def test_grain_of_the_header_is_the_key_of_the_table(script: Script, database: Database) -> None:
    named = re.findall(r"\(([^)]*)\)", _header(script)["Grain"])
    assert len(named) == 1, "Grain: ends with the columns of the key in parentheses"
    assert named[0].split(", ") == _key(database, script.key)


@each_script
def test_rerun_is_one_of_three_shapes_and_names_the_second_table(script: Script) -> None:
    rerun = _header(script)["Rerun"]
    shape = re.split("[;.]", rerun)[0]
    assert shape in ("changed keys", "difference", "whole")
    assert script.state or shape != "difference"
    if script.state:
        assert f"{script.layer}.{script.state}" in rerun


def test_each_state_table_has_a_key(database: Database) -> None:
    for script in SCRIPTS:
        if script.state:
            assert _key(database, f"{script.layer}.{script.state}")


# --- needs ----------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project that a test may spoil."""
    for folder in ("sql", "schema"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


def test_declared_needs_are_the_tables_read() -> None:
    assert lint(MANIFEST_OF_THE_PROJECT) == []


def test_need_that_is_not_read_is_reported(copy: Path) -> None:
    _replace(
        copy / MANIFEST,
        '[warehouse.dim_platforms]\nneeds = ["warehouse.agg_engagement_daily"]',
        '[warehouse.dim_platforms]\nneeds = ["warehouse.agg_engagement_daily", "raw.event_stream"]',
    )
    assert lint(load(copy)) == [
        "sql/warehouse/dim_platforms.sql: does not read raw.event_stream,"
        " which [warehouse.dim_platforms] declares in its needs"
    ]


def test_table_that_is_read_and_not_declared_is_reported(copy: Path) -> None:
    _replace(
        copy / MANIFEST,
        '[warehouse.dim_platforms]\nneeds = ["warehouse.agg_engagement_daily"]',
        "[warehouse.dim_platforms]\nneeds = []",
    )
    assert lint(load(copy)) == [
        "sql/warehouse/dim_platforms.sql: reads warehouse.agg_engagement_daily,"
        " which [warehouse.dim_platforms] does not declare in its needs"
    ]


def test_table_that_only_the_incremental_lines_read_is_reported(copy: Path) -> None:
    _replace(
        copy / MANIFEST,
        '[warehouse.fact_miles_earned]\nneeds = ["warehouse.changed_events", ',
        "[warehouse.fact_miles_earned]\nneeds = [",
    )
    problem = "sql/warehouse/fact_miles_earned.sql: reads warehouse.changed_events,"
    assert [found[: len(problem)] for found in lint(load(copy))] == [problem]


def test_table_that_only_a_check_reads_is_reported(copy: Path) -> None:
    with (copy / "sql/reporting/growth_accounting.check.sql").open("a") as file:
        file.write("    and exists (select from {{ warehouse }}.dim_users)\n")
    problem = "sql/reporting/growth_accounting.sql: reads warehouse.dim_users,"
    assert [found[: len(problem)] for found in lint(load(copy))] == [problem]


def test_table_that_only_a_view_reads_is_reported(copy: Path) -> None:
    _replace(
        copy / "schema/warehouse/classified_events.sql",
        "{{ raw }}.raw_event_stream",
        "{{ raw }}.raw_utm_campaigns",
    )
    assert [found.split(": ")[1].split(", ")[0] for found in lint(load(copy))] == [
        "reads raw.utm_campaigns",
        "does not read raw.event_stream",
    ]


def test_text_that_is_no_sql_is_reported_with_its_line(copy: Path) -> None:
    (copy / "sql/warehouse/dim_platforms.sql").write_text("select 1;\n\nselect from from from;\n")
    assert lint(load(copy))[0].startswith("sql/warehouse/dim_platforms.sql:3: ")


# --- comments -------------------------------------------------------------------------------------


def test_every_schema_table_view_and_column_has_a_comment(database: Database) -> None:
    _add_a_source_without_comments(database)
    ingest(database)
    assert scalar(database, "select count(*) from warehouse.raw_orders") == 1
    found = query(
        database,
        """
        select 'schema ' || schemas.nspname as name
        from pg_namespace as schemas
        where
            schemas.nspname = any(%(schemas)s)
            and coalesce(obj_description(schemas.oid, 'pg_namespace'), '') = ''
        union all
        select concat_ws('.', schemas.nspname, relations.relname, attributes.attname) as name
        from pg_class as relations
        inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
        inner join lateral (
            select
                attributes.attnum as number,
                attributes.attname
            from pg_attribute as attributes
            where
                attributes.attrelid = relations.oid
                and attributes.attnum > 0
                and not attributes.attisdropped
            union all
            select
                0 as number,
                null as attname
        ) as attributes on true
        left join pg_description as descriptions
            on
                descriptions.classoid = 'pg_class'::regclass
                and descriptions.objoid = relations.oid
                and descriptions.objsubid = attributes.number
        where
            relations.relkind in ('r', 'p', 'v', 'm', 'f')
            and schemas.nspname = any(%(schemas)s)
            and coalesce(descriptions.description, '') = ''
        order by name
        """,
        schemas=SCHEMAS,
    )
    assert [row["name"] for row in found] == []


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_index_stands_below_its_reason(index: Index) -> None:
    assert index.line_above.startswith("--")


def test_every_index_that_is_no_constraints_is_written_in_the_schema(database: Database) -> None:
    ingest(database)
    found = query(
        database,
        """
        select
            tables.relname as table_name,
            indexes.relname as index_name
        from pg_index
        inner join pg_class as indexes on indexes.oid = pg_index.indexrelid
        inner join pg_class as tables on tables.oid = pg_index.indrelid
        where
            tables.relnamespace::regnamespace::text = any(%(schemas)s)
            and not exists (
                select from pg_constraint as constraints where constraints.conindid = indexes.oid
            )
        """,
        schemas=SCHEMAS,
    )
    schema = "\n".join(
        MANIFEST_OF_THE_PROJECT.read(path) for path in SQL_FILES if path.parts[0] == "schema"
    )
    written = set(re.findall(r"create (?:unique )?index if not exists (\w+)", schema))
    # Those of replicas are written once, for all of them, in sql/ingest/create_replica.sql.
    assert {
        row["index_name"] for row in found if not row["table_name"].startswith("raw_")
    } == written


# --- how scripts are written ----------------------------------------------------------------------


@each_script_file
def test_script_asks_neither_the_clock_nor_for_more_than_rows(path: Path) -> None:
    text = re.sub(r"--.*", "", MANIFEST_OF_THE_PROJECT.read(path))
    assert [found.group() for found in re.finditer(FORBIDDEN, text, re.IGNORECASE)] == []


@each_script_file
def test_script_names_the_columns_that_it_selects_from_a_table(path: Path) -> None:
    for statement in _parsed(MANIFEST_OF_THE_PROJECT, path):
        inputs = {cte.alias for cte in statement.find_all(exp.CTE)}
        for select in statement.find_all(exp.Select):
            is_input = {
                source.alias_or_name: not source.args.get("db") and source.name in inputs
                for source in _sources(select)
            }
            for column in select.expressions:
                if isinstance(column, exp.Star):
                    assert all(is_input.values()), select.sql("postgres")
                elif isinstance(column, exp.Column) and isinstance(column.this, exp.Star):
                    assert is_input[column.table], select.sql("postgres")


@pytest.mark.parametrize("path", SQL_FILES, ids=Path.as_posix)
def test_no_line_is_longer_than_people_can_read(path: Path) -> None:
    long = [
        f"{path}:{number}: {len(line)}"
        for number, line in enumerate(MANIFEST_OF_THE_PROJECT.read(path).split("\n"), start=1)
        if len(line) > LONGEST_LINE
    ]
    assert long == []


# --- reruns ---------------------------------------------------------------------------------------


@pytest.fixture
def filled(moulds: Moulds) -> Iterator[Database]:
    """A small history, ingested and built."""
    with moulds.clone(apply_schema, _build_a_small_history) as database:
        yield database


def _build_a_small_history(database: Database) -> None:
    end = datetime(2025, 6, 1, tzinfo=UTC)
    seed(database, PROJECT, Demo(2_000, 120, 70, seed=5, end=end, append=False))
    insert_events(database, _one_event_of_each_kind("ann", datetime(2025, 5, 20, tzinfo=UTC)))
    run_all(database)


def test_forced_build_of_filled_tables_changes_nothing(filled: Database) -> None:
    names = [name for script in SCRIPTS for name in _tables(script)]
    with filled.session("test") as session:
        before = {name: _content(session, name) for name in names}
    empty = {name for name, (count, _) in before.items() if not count}
    changes = {name for name in names if name.startswith("warehouse.changed_")}
    assert empty == changes - {"warehouse.changed_user_days_basis"}
    done = rebuild(filled, select=["*"])
    assert {result.step.reason for result in done.results} == {"forced"}
    assert {result.step.script.key: result.changes for result in done.results} == dict.fromkeys(
        MANIFEST_OF_THE_PROJECT.scripts, Changes()
    )
    with filled.session("test") as session:
        assert {name: _content(session, name) for name in names} == before


def test_incremental_text_of_each_script_run_twice_gives_the_same_rows(filled: Database) -> None:
    """On a change set with late events, new users and days, and a row that was replaced."""
    insert_events(filled, _one_event_of_each_kind("ann", datetime(2025, 5, 3, tzinfo=UTC)))
    insert_events(filled, _one_event_of_each_kind("new", datetime(2025, 6, 9, tzinfo=UTC)))
    costs = "insert into public.campaign_costs (utm_source, month, cost) values"
    query(filled, f"{costs} ('bing', '2025-05-01', 9)")
    ingest(filled)
    _replace_a_row_of_the_replica(filled)
    differing, changed = [], set()
    with filled.session("test") as session, session.transaction():
        session.run(PRELUDE)
        positions = ledger.positions(session, "live")
        assert positions["event_stream"].has_new
        composer = Composer(MANIFEST_OF_THE_PROJECT, Target(), positions)
        for script in order(MANIFEST_OF_THE_PROJECT):
            before = _contents(session, script)
            _run_incrementally(session, composer, script)
            once = _contents(session, script)
            _run_incrementally(session, composer, script)
            differing += [script.key] if _contents(session, script) != once else []
            changed |= {name for name in once if once[name] != before[name]}
    assert differing == []
    # A change set that touches little would prove little.
    untouched = {name for script in SCRIPTS for name in _tables(script)} - changed
    assert {name for name in untouched if not name.startswith("warehouse.dim_")} == set()


def _one_event_of_each_kind(user: str, moment: datetime) -> list[dict[str, Any]]:
    common = {"event_time": moment, "country": "SG", "platform": "ios", "utm_source": "google"}
    transaction = {"transaction_category": "dining", "miles_amount": 120}
    return [
        {**common, **transaction, "user_id": user, "event_type": "miles_earned"},
        {**common, **transaction, "user_id": user, "event_type": "miles_redeemed"},
        {**common, "user_id": user, "event_type": "reward_search", "transaction_category": "zoo"},
        {**common, "user_id": user, "event_type": "share"},
        {**common, "user_id": user, "event_type": "like", "country": None},
        {**common, "user_id": user, "event_type": "cancelled"},
        {**common, "user_id": None, "event_type": "like"},
        {**common, "user_id": user, "event_type": "like", "event_time": "infinity"},
    ]


def _replace_a_row_of_the_replica(database: Database) -> None:
    """As an upsert would: the row comes again with another user, what it was is kept."""
    with database.session("test") as session, session.transaction():
        session.run(
            """
            with newest as (
                select
                    max(runs.run_id) as run_id,
                    min(runs.pipeline_id) as pipeline_id
                from orchestrator.runs as runs
                inner join orchestrator.pipeline_definitions as pipelines
                    on pipelines.pipeline_id = runs.pipeline_id
                where
                    pipelines.pipeline_name = 'event_stream'
                    and runs.rows_inserted > 0
            )

            insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row)
            select
                newest.run_id,
                newest.pipeline_id,
                jsonb_build_object('event_id', stored.event_id) as key,
                to_jsonb(stored) as old_row
            from warehouse.raw_event_stream as stored
            cross join newest
            where
                stored._run_id < newest.run_id
                and stored.event_type = 'miles_earned'
                and stored.user_id <> 'ann'
            order by stored.event_id
            limit 1;

            update warehouse.raw_event_stream as stored
            set
                user_id = 'ann',
                _run_id = replaced.run_id
            from orchestrator.replaced_rows as replaced
            where stored.event_id = (replaced.key ->> 'event_id')::bigint;
            """
        )
        assert session.row("select count(*) from orchestrator.replaced_rows")["count"] == 1


def _run_incrementally(session: Session, composer: Composer, script: Script) -> None:
    for piece in composer.update(Step(script, "incremental", "new rows"), session):
        session.run(piece.text, piece.file)


def _contents(session: Session, script: Script) -> dict[str, tuple[int, str]]:
    return {name: _content(session, name) for name in _tables(script)}


def _content(session: Session, table: str) -> tuple[int, str]:
    """Count and hash of the rows of a table, whatever their order."""
    row = session.row(
        "select count(*) as count,"
        " md5(coalesce(string_agg(rows::text, '|' order by rows::text), '')) as hash"
        f" from {table} as rows"
    )
    return row["count"], row["hash"]


# --- commands -------------------------------------------------------------------------------------


def test_every_module_of_commands_is_a_command() -> None:
    modules = [path.stem for path in (PROJECT / "runner/cli/commands").glob("[!_]*.py")]
    lazy = [
        command.prefix + name.replace("-", "_")
        for command in (cli, *(command for _, command in _commands("", cli)))
        if isinstance(command, Group)
        for names in command.lazy.values()
        for name in names
    ]
    assert sorted(lazy) == sorted(modules)


def test_every_command_has_help_with_an_example_of_itself() -> None:
    commands = dict(_commands("", cli))
    assert len(commands) > len(cli.list_commands(click.Context(cli)))
    for name, command in commands.items():
        assert command.help, name
        if not isinstance(command, click.Group):
            example = re.search(r"^ *Example: (.*)$", command.help, re.MULTILINE)
            assert example, f"{name}: no example in its help"
            assert f"python -m runner {name}" in example.group(1)


def test_what_a_group_says_of_a_command_is_the_first_line_of_its_help() -> None:
    for group in (cli, *(command for _, command in _commands("", cli))):
        if isinstance(group, Group):
            context = click.Context(group)
            said = {item.value: item.help for item in group.shell_complete(context, "")}
            for name in (name for names in group.lazy.values() for name in names):
                command = group.get_command(context, name)
                assert command and (command.help or "").partition("\n\n")[0] == said[name]


def test_every_option_says_what_it_does() -> None:
    for name, command in _commands("", cli):
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.name}"


def _commands(path: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        full = f"{path} {name}".strip()
        yield full, command
        if isinstance(command, click.Group):
            yield from _commands(full, command)


# --- how the tests look at files and tables -------------------------------------------------------


def _text(script: Script) -> str:
    return MANIFEST_OF_THE_PROJECT.read(script.path)


def _header(script: Script) -> dict[str, str]:
    """The paragraphs of a header by their first word, each on one line."""
    paragraphs: dict[str, str] = {}
    for line in _text(script).split("\n")[1:]:
        if not line.startswith("--"):
            break
        begin = re.match(r"-- (\w+): +(.+)$", line)
        if begin:
            paragraphs[begin.group(1)] = begin.group(2)
        else:
            last = list(paragraphs)[-1]
            paragraphs[last] = f"{paragraphs[last]} {line.removeprefix('--').strip()}"
    return paragraphs


def _key(database: Database, table: str) -> list[str]:
    """Columns of the primary key, in order; without one, of the key where nulls are equal."""
    found = query(
        database,
        """
        select array_agg(attributes.attname::text order by keys.position) as columns
        from pg_constraint as constraints
        inner join pg_index as indexes on indexes.indexrelid = constraints.conindid
        cross join lateral unnest(constraints.conkey) with ordinality as keys (number, position)
        inner join pg_attribute as attributes
            on attributes.attrelid = constraints.conrelid and attributes.attnum = keys.number
        where
            constraints.conrelid = %(table)s::regclass
            and (
                constraints.contype = 'p'
                or (constraints.contype = 'u' and indexes.indnullsnotdistinct)
            )
        group by constraints.oid, constraints.contype
        order by constraints.contype
        limit 1
        """,
        table=table,
    )
    assert found, f"{table} has no key"
    columns: list[str] = found[0]["columns"]
    return columns


def _tables(script: Script) -> list[str]:
    return [f"{script.layer}.{table}" for table in script.tables] if not script.is_view else []


def _replicas() -> set[str]:
    needs = {need for script in MANIFEST_OF_THE_PROJECT.scripts.values() for need in script.needs}
    return {need.replace("raw.", "warehouse.raw_") for need in needs if need.startswith("raw.")}


def _parsed(manifest: Manifest, path: Path) -> Iterator[exp.Expr]:
    """The statements of a script, check or observation, with each table under its own name."""
    script = next(
        script for script in SCRIPTS if path in (script.path, *script.checks, *script.observations)
    )
    composer = Composer(manifest, Target(), dict.fromkeys(_positions(), Position(0, 0, 0)))
    own = {table: f"{script.layer}.{table}" for table in script.tables}
    piece = (
        composer.script(script, "incremental", own)
        if path == script.path
        else composer.check(path, "incremental")
    )
    for statement in sqlglot.parse(piece.text, dialect="postgres"):
        if statement is not None:
            yield statement


def _positions() -> Iterable[str]:
    return [name.removeprefix("warehouse.raw_") for name in _replicas()]


def _sources(select: exp.Select) -> Iterator[exp.Expr]:
    """What stands in from and join of a select."""
    from_ = select.args.get("from_") or select.args.get("from")
    for clause in (from_, *(select.args.get("joins") or [])):
        if clause is not None:
            yield clause.this


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path} has changed: adapt this test"
    path.write_text(text.replace(old, new))


def _add_a_source_without_comments(database: Database) -> None:
    with database.session("test") as session:
        session.run(
            """
            create schema shop;
            create table shop.orders (
                order_id bigint primary key,
                "Amount" numeric,
                updated_at timestamptz not null default now()
            );
            comment on column shop.orders.order_id is 'Key.';
            insert into shop.orders (order_id, "Amount") values (1, 10);
            insert into orchestrator.pipeline_definitions (
                pipeline_name, source_relation, cursor_column, key_columns, write_mode
            )
            values ('orders', 'shop.orders', 'updated_at', '{order_id}', 'upsert');
            """
        )
