"""Names and types of the columns of reports are an interface: who changes one says so in CHANGELOG.md,
under Breaking, with what to write instead; then in reporting_columns.txt.
"""

from __future__ import annotations

from runner.database.session import Database
from tests.support import PROJECT, query

INTERFACE = (PROJECT / "tests/contract/reporting_columns.txt").read_text(encoding="utf-8")
# Days, counts, exact numbers, words; times of the ledger's views.
TYPES = {
    "boolean",
    "bigint",
    "date",
    "integer",
    "interval",
    "jsonb",
    "numeric",
    "text",
    "timestamp with time zone",
}


def test_reports_have_the_columns_that_readers_know(database: Database) -> None:
    rows = query(
        database,
        """
        select
            relname || '.' || attname || ': ' || format_type(atttypid, atttypmod)
            || case when attnotnull then ', never null' else '' end as line
        from pg_class as relations
        inner join pg_attribute as attributes on attributes.attrelid = relations.oid
        where
            relnamespace = 'reporting'::regnamespace
            and relkind in ('r', 'v')
            and attnum > 0
            and not attisdropped
        order by relname collate "C", attnum
        """,
    )
    found = [row["line"] for row in rows]
    assert found == INTERFACE.splitlines(), "say so in CHANGELOG.md, then in reporting_columns.txt"


def test_no_figure_is_a_float() -> None:
    types = {line.partition(": ")[2].partition(",")[0] for line in INTERFACE.splitlines()}
    assert types <= TYPES
