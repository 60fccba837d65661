"""Conditions: which rows a statement takes, as SQL. The server only turns moments into edges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from psycopg import sql

from runner.database.session import Session
from runner.ingest.conditions import MAX_HORIZON_AGE, Conditions
from runner.ingest.source import Source
from tests.unit.ingest.sources import CLOCK, FakeSession, source

EDGES = {
    "low": "2026-01-01",
    "high": "2026-01-02",
    "behind": "2025-12-31",
    "ahead": "2026-01-03",
    "soon": "2026-01-03",
}
CURSOR = 'source."updated_at"'


def conditions(of: Source, **values: Any) -> Conditions:
    return Conditions(cast(Session, FakeSession({"edges": EDGES})), of, CLOCK, **values)


def text(condition: sql.Composed) -> str:
    return condition.as_string()


def window(low: str, high: str, first: str = ">=", kind: str = "timestamptz") -> str:
    return f"({CURSOR} {first} '{low}'::{kind} and {CURSOR} < '{high}'::{kind})"


def test_a_window_is_half_open() -> None:
    of = conditions(source())
    assert text(of.window("2026-01-01", "2026-01-02")) == window("2026-01-01", "2026-01-02")


def test_moments_have_the_type_of_the_cursor_so_that_an_index_serves_them() -> None:
    of = conditions(source(cursor_type="timestamp without time zone"))
    assert text(of.window("2026-01-01", "2026-01-02")) == window(
        "2026-01-01", "2026-01-02", kind="timestamp"
    )


def test_rows_at_minus_infinity_are_odd_where_a_key_can_merge_them() -> None:
    session = cast(Session, FakeSession({"edges": {**EDGES, "low": "-infinity"}}))
    first = window("-infinity", "2026-01-02", first=">")
    assert text(Conditions(session, source()).window("-infinity", "2026-01-02")) == first
    without_key = source(key_columns=())
    first = window("-infinity", "2026-01-02")
    assert text(Conditions(session, without_key).window("-infinity", "2026-01-02")) == first


def test_the_lookback_is_before_the_window_and_outside_the_gaps() -> None:
    of = conditions(source(), gaps=[("2026-01-01", "2026-01-02")])
    behind, gap = window("2025-12-31", "2026-01-01"), window("2026-01-01", "2026-01-02")
    assert text(of.behind("2026-01-01", None)) == f"({behind} and not {gap})"


def test_odd_rows_are_null_infinite_or_far_ahead() -> None:
    assert text(conditions(source(is_required=False)).odd()) == (
        f"({CURSOR} >= '2026-01-03'::timestamptz or {CURSOR} = '-infinity'::timestamptz"
        f" or {CURSOR} is null)"
    )
    assert text(conditions(source()).odd()) == (
        f"({CURSOR} >= '2026-01-03'::timestamptz or {CURSOR} = '-infinity'::timestamptz)"
    )


def test_only_a_postgres_is_asked_for_infinity() -> None:
    of = conditions(source("foreign"))
    assert text(of.odd()) == f"({CURSOR} >= '2026-01-03'::timestamptz)"
    assert "infinity" not in text(of.ahead("2026-01-01", "2026-01-02"))


def test_rows_are_recent_by_the_age_of_their_transaction() -> None:
    every = sql.SQL("true").format()
    of = conditions(source())
    assert text(of.written_since(every, 100)) == "true and age(source.xmin) <= 20"
    remote = conditions(source("foreign", has_row_age=True))
    assert text(remote.written_since(every, 100)) == "true and source._row_age <= 20"


def test_without_a_horizon_that_counts_every_row_is_taken() -> None:
    every = sql.SQL("true").format()
    assert conditions(source()).written_since(every, None) is every
    assert conditions(source("view")).written_since(every, 100) is every
    assert conditions(source(key_columns=())).written_since(every, 100) is every
    late = replace(CLOCK, next_xid=MAX_HORIZON_AGE + 101)
    of = replace(conditions(source()), clock=late)
    assert of.written_since(every, 100) is every


def test_an_hour_that_occurs_twice_widens_the_edges_where_a_key_merges_it() -> None:
    def slack(of: Source) -> str:
        session = FakeSession({"edges": EDGES})
        Conditions(cast(Session, session), of).window("2026-01-01", "2026-01-02")
        return str(session.values["slack"])

    naive = "timestamp without time zone"
    assert slack(source(cursor_type=naive, cursor_timezone="Europe/Paris")) == "1 hour"
    assert slack(source(cursor_type=naive)) == "0"
    assert slack(source(cursor_type=naive, cursor_timezone="Europe/Paris", key_columns=())) == "0"
