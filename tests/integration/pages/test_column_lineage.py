"""Where columns come from, compared with what PostgreSQL records of views, and with what people say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import sqlglot
from sqlglot import exp

from runner.build.compose import Composer
from runner.build.inspect.functions import without_comment_statements
from runner.database.ledger import Position
from runner.database.session import Database, Session
from runner.pages.dashboard.cards import load as load_cards
from runner.pages.docs.catalogue import Catalogue, read
from runner.pages.docs.columns import ColumnLineage, column_lineage, project_lineage
from runner.pages.docs.expressions import ROWS
from runner.pages.docs.functions import functions
from runner.pages.docs.queries import QueryReader
from runner.project.manifest import LAYERS, load
from runner.project.target import Target
from tests.support import PROJECT, query
from tests.support.databases import Moulds, apply_schema

MANIFEST = load(PROJECT)
COLUMNS_OF_A_VIEW = """
    select distinct schemas.nspname || '.' || classes.relname as table, columns.attname::text as column
    from pg_rewrite as rules
    inner join pg_depend as needs
        on needs.classid = 'pg_rewrite'::regclass and needs.objid = rules.oid
        and needs.refclassid = 'pg_class'::regclass and needs.refobjsubid > 0
    inner join pg_class as classes on classes.oid = needs.refobjid
    inner join pg_namespace as schemas on schemas.oid = classes.relnamespace
    inner join pg_attribute as columns
        on columns.attrelid = classes.oid and columns.attnum = needs.refobjsubid
    where rules.ev_class = %(view)s::regclass and classes.oid <> rules.ev_class
"""


@pytest.fixture(scope="module")
def applied(moulds: Moulds) -> Iterator[Database]:
    with moulds.clone(apply_schema) as database:
        yield database


@pytest.fixture(scope="module")
def catalogue(applied: Database) -> Catalogue:
    with applied.session("test") as session, session.transaction():
        return read(session, MANIFEST)


@pytest.fixture(scope="module")
def tables(catalogue: Catalogue) -> dict[str, Sequence[str]]:
    return {table.name: [column["name"] for column in table.columns] for table in catalogue.tables}


@pytest.fixture(scope="module")
def replicas(catalogue: Catalogue) -> list[tuple[str, str]]:
    return [(row["source"], row["replica"]) for row in catalogue.pipelines]


@pytest.fixture(scope="module")
def lineage(tables: dict[str, Sequence[str]], replicas: list[tuple[str, str]]) -> ColumnLineage:
    return column_lineage(MANIFEST, tables, replicas)


def test_each_column_that_ships_is_known_and_comes_from_columns_that_exist(
    tables: dict[str, Sequence[str]], lineage: ColumnLineage
) -> None:
    for table in MANIFEST.fillers():
        for column in tables[table]:
            origin = lineage.origins[table, column]
            assert not origin.unknown, (table, column)
            for other, name in origin.columns:
                assert name == ROWS or name in tables[other], (table, column, other, name)
            sources = lineage.sources([(table, column)])
            assert not sources.unknown
            for other, name in sources.columns:
                assert other not in MANIFEST.fillers(), (table, column, other, name)


def test_views_read_the_columns_that_postgresql_says(
    applied: Database, lineage: ColumnLineage
) -> None:
    views = query(
        applied,
        "select relnamespace::regnamespace || '.' || relname as name from pg_class where relkind = 'v'"
        " and relnamespace::regnamespace::text in ('warehouse', 'reporting', 'orchestrator')",
    )
    assert len(views) > 6
    for view in (row["name"] for row in views):
        said = query(applied, COLUMNS_OF_A_VIEW, view=view)
        assert lineage.read[view] == {(row["table"], row["column"]) for row in said}, view


def test_scripts_read_the_columns_that_postgresql_says_of_the_same_queries(
    applied: Database, tables: dict[str, Sequence[str]]
) -> None:
    """Each query of an insert, made a view for a moment; those that change something cannot be."""
    composer = Composer(
        MANIFEST, Target(), {name: Position(0, 0, 0) for name in MANIFEST.raw_needs()}
    )
    own = functions("\n".join(p.text for layer in LAYERS for p in composer.layer(layer)), tables)
    compared = 0
    with applied.session("test") as session:
        for key, script in MANIFEST.scripts.items():
            if script.is_view:
                continue
            names = {table: f"{script.layer}.{table}" for table in script.tables}
            text = composer.script(script, "full", names).text
            for statement in inserts(text):
                reader = QueryReader(tables, own)
                reader.change(statement)
                said = of_query(session, statement)
                if said is not None:
                    assert reader.touched == said, key
                    compared += 1
    assert compared > 40


def inserts(text: str) -> list[exp.Insert]:
    found = sqlglot.parse(without_comment_statements(text), dialect="postgres")
    return [each for each in found if isinstance(each, exp.Insert)]


def of_query(session: Session, statement: exp.Insert) -> set[tuple[str, str]] | None:
    begin = statement.args.get("with_")
    changes = (exp.Insert, exp.Update, exp.Delete)
    if begin and any(isinstance(each.this, changes) for each in begin.find_all(exp.CTE)):
        return None
    words = f"{begin.sql('postgres')} " if begin else ""
    text = words + statement.expression.sql("postgres")
    if "pg_temp" in text:
        return None
    with session.rehearsal():
        session.run(f"create temp view probe as {text}")
        rows = session.rows(COLUMNS_OF_A_VIEW, {"view": "pg_temp.probe"})
        return {(row["table"], row["column"]) for row in rows}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("reporting.kpi_daily.dau", "reporting.active_users_daily.dau"),
        (
            "reporting.growth_accounting.quick_ratio",
            "warehouse.agg_period_activity.churned_users warehouse.agg_period_activity.new_users"
            " warehouse.agg_period_activity.resurrected_users warehouse.dim_dates.calendar_date",
        ),
        ("reporting.freshness.loaded_through", "orchestrator.pipeline_freshness.loaded_through"),
        ("warehouse.raw_event_stream.miles_amount", "public.event_stream.miles_amount"),
        ("warehouse.dim_platforms.platform", "warehouse.agg_engagement_daily.slice_value"),
    ],
)
def test_some_columns_come_from_what_a_person_reads_in_their_scripts(
    lineage: ColumnLineage, column: str, expected: str
) -> None:
    table, _, name = column.rpartition(".")
    found = lineage.origins[table, name].columns
    assert " ".join(sorted(f"{one}.{other}" for one, other in found)) == expected


def test_a_figure_of_miles_leads_back_to_the_miles_of_the_events(
    tables: dict[str, Sequence[str]], lineage: ColumnLineage
) -> None:
    amount = ("public.event_stream", "miles_amount")
    for table, column in (
        ("warehouse.fact_miles_earned", "miles_earned"),
        ("reporting.miles_by_category", "miles"),
        ("reporting.miles_balance_daily", "miles_earned"),
    ):
        assert column in tables[table]
        assert amount in lineage.sources([(table, column)]).columns
    assert amount not in lineage.sources([("reporting.active_users_daily", "dau")]).columns
    readers = lineage.readers()["warehouse.fact_miles_earned", "miles_earned"]
    assert any(readers.values())


def test_each_card_leads_back_to_sources_and_each_column_knows_its_cards(
    tables: dict[str, Sequence[str]], replicas: list[tuple[str, str]]
) -> None:
    told = project_lineage(MANIFEST, tables, replicas)
    assert [each.card.name for each in told.cards] == [
        card.name for card in load_cards(PROJECT).cards
    ]
    for each in told.cards:
        assert not each.sources.unknown, each.card.name
        schemas = {table.partition(".")[0] for table, _ in each.sources.columns}
        assert schemas & {"public", "orchestrator"}, each.card.name
    names = {
        each.name for each in told.readers["reporting.active_users_daily", "dau"] if each.is_card
    }
    assert "active_users" in names
