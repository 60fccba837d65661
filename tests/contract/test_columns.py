"""Names and types of the columns of reports are an interface: who changes one says so in CHANGELOG.md,
under Breaking, with what to write instead; then in reporting_columns.txt.
"""

from __future__ import annotations

from runner.database.session import Database
from tests.support import PROJECT, earn, insert_events, modes, query, run_all, scalar

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


def test_equal_numbers_are_equal_bytes(mutable: Database, no_margin: None) -> None:
    """However a figure came about: a sum that moved by differences has as few digits as it needs."""
    insert_events(
        mutable,
        [
            {**earn(day, f"u_{day % 7}", 0), "miles_amount": amount}
            for day, amount in enumerate(["1.50", "2.500", "3.00", "0.25", "100"] * 12)
        ],
    )
    run_all(mutable)
    assert long_numbers(mutable) == []
    # Half a mile more each: sums lose their halves, or come to have one.
    query(
        mutable,
        "update public.event_stream set miles_amount = 2, updated_at = now()"
        " where miles_amount = 1.5 and event_id <= 30",
    )
    assert modes(run_all(mutable))["kpi_periods"] == "incremental"
    assert long_numbers(mutable) == []


def long_numbers(database: Database) -> list[str]:
    """The columns with a number of more digits than it needs."""
    numerics = [
        line.partition(":")[0]
        for line in INTERFACE.splitlines()
        if ": numeric" in line and not line.startswith("pipeline_runs.")
    ]
    long = []
    for name in numerics:
        table, _, column = name.partition(".")
        text = (
            f"select count(*) from reporting.{table}"
            f" where {column}::text <> trim_scale({column})::text"
        )
        long += [name] if scalar(database, text) else []
    assert len(numerics) > 50
    return long


def test_no_figure_is_a_float() -> None:
    types = {line.partition(": ")[2].partition(",")[0] for line in INTERFACE.splitlines()}
    assert types <= TYPES
