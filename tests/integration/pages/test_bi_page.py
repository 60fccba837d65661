"""docs/bi.md: each statement in it works, and each query works for a login that may only read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from runner.database.session import Database, QueryFailed
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, query, roles, scalar

PAGE = (PROJECT / "docs/bi.md").read_text(encoding="utf-8")
EXAMPLE = PROJECT / "docs/examples/evidence"
BLOCKS = re.findall(r"^```sql\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
QUERIES = [text for text in BLOCKS if text.startswith("select")]
STATEMENTS = [text for text in BLOCKS if not text.startswith("select")]
GROUP = "analytics_reporting_reader"
TOOL = "metabase"


@pytest.fixture
def reader(built: Database) -> Iterator[Database]:
    """The login that the page makes, by the statements of the page."""
    with roles.dropped(built):
        schema.apply(built, load(PROJECT), Target(), roles=True)
        name = str(scalar(built, "select current_database()"))
        names = {GROUP: f"{name}_reporting_reader", TOOL: f"{name}_tool", "analytics": name}
        with built.session("test") as session:
            for text in STATEMENTS:
                text = re.sub("|".join(names), lambda found: f'"{names[found.group()]}"', text)
                session.run(text)
        # The server of the tests asks for no password, or for the same of everybody.
        user = {"user": names[TOOL], "password": "a long random one"}
        yield Database(make_conninfo(built.conninfo, **user))


def test_the_page_has_what_the_tests_look_for() -> None:
    assert len(QUERIES) >= 5 and len(STATEMENTS) >= 3
    assert GROUP in "".join(STATEMENTS) and f"create role {TOOL} login" in "".join(STATEMENTS)


def test_each_query_of_the_page_gives_rows_to_the_login_of_the_page(reader: Database) -> None:
    assert scalar(reader, "show transaction_read_only") == "on"
    for text in QUERIES:
        # As Grafana's macro is explained: the column between two times.
        text = re.sub(r"\$__timeFilter\((.*?)\)", r"\1 between '2000-01-01' and '2100-01-01'", text)
        assert query(reader, text), text


def test_each_source_of_the_example_gives_rows_to_the_login_of_the_page(reader: Database) -> None:
    sources = sorted(EXAMPLE.glob("sources/warehouse/*.sql"))
    assert sources
    for file in sources:
        assert query(reader, file.read_text(encoding="utf-8")), file.name


def test_the_page_of_the_example_reads_only_the_sources_of_the_example() -> None:
    page = (EXAMPLE / "pages/index.md").read_text(encoding="utf-8")
    read = set(re.findall(r"warehouse\.(\w+)", page))
    assert read == {file.stem for file in EXAMPLE.glob("sources/warehouse/*.sql")}


def test_after_the_statements_for_the_owner_a_reader_makes_no_temporary_table(
    reader: Database,
) -> None:
    for writable in ("off", "on"):
        with pytest.raises(QueryFailed) as refused, reader.session("test") as session:
            session.run(f"set default_transaction_read_only = {writable}")
            session.run("create temporary table mine (a integer)")
        assert refused.value.sqlstate in ("42501", "25006")


def test_each_table_that_the_page_names_is_there_with_its_columns(built: Database) -> None:
    (table,) = re.findall(r"^\| question \|.*?(?=^$)", PAGE, flags=re.MULTILINE | re.DOTALL)
    for row in table.splitlines()[2:]:
        _, tables, filters = (cell.strip() for cell in row.strip("|").split("|"))
        columns = [name for name in re.findall(r"`(\w+)", filters)]
        for name in re.findall(r"`(\w+)`", tables):
            query(built, f"select {', '.join(columns) or 'count(*)'} from reporting.{name} limit 1")
