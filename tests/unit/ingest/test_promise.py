"""Promises: which word a run may say, and with which reservation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.ingest.promise import Promise, Reach, promise_of
from tests.unit.ingest.sources import CLOCK, FACTS, source

BLIND = replace(CLOCK, sees_all=False)
NO_HORIZON = replace(CLOCK, horizon=None, next_xid=None)
NEITHER = replace(BLIND, horizon=None, next_xid=None)
WITHOUT_KEY: dict[str, Any] = {"key_columns": ()}


def test_a_table_with_a_key_is_exact_even_where_this_role_sees_nobody() -> None:
    assert promise_of(source(), CLOCK).word == "exact"
    assert promise_of(source(), BLIND).word == "exact"


@pytest.mark.parametrize(
    ("reach", "words"),
    [
        ("window", "the window is in the replica"),
        ("lookback", "up to 2 days before it"),
        ("table", "every row up to the watermark"),
    ],
)
def test_exact_covers_what_was_searched(reach: Reach, words: str) -> None:
    promise = promise_of(source(lookback="2 days"), CLOCK, reach)
    assert promise.word == "exact"
    assert words in (promise.sentence or "")


@pytest.mark.parametrize(
    "flaw",
    [{"hides_rows": True}, {"is_unique": False}],
    ids=["row security", "a key that is not unique"],
)
def test_a_flaw_of_the_source_leaves_best_effort_whatever_its_clock_shows(
    flaw: dict[str, Any],
) -> None:
    promise = promise_of(source(**flaw), CLOCK)
    assert promise.word == "best_effort"
    assert (promise.sentence or "").startswith("rows may be missing: ")


def test_without_a_horizon_a_clock_that_sees_all_is_settled() -> None:
    assert promise_of(source("view"), CLOCK).word == "settled"
    assert promise_of(source(), NO_HORIZON).word == "settled"


def test_without_a_key_settled_takes_a_cursor_that_is_always_there() -> None:
    assert promise_of(source(**WITHOUT_KEY), CLOCK).word == "settled"
    promise = promise_of(source(is_required=False, **WITHOUT_KEY), CLOCK)
    assert promise.word == "best_effort"
    assert "the cursor may be null" in (promise.sentence or "")


def test_without_a_key_an_hour_that_occurs_twice_is_not_settled() -> None:
    local = source(
        cursor_type="timestamp without time zone", cursor_timezone="Europe/Paris", **WITHOUT_KEY
    )
    promise = promise_of(local, CLOCK)
    assert promise.word == "best_effort"
    assert "occurs twice in autumn" in (promise.sentence or "")


@pytest.mark.parametrize(
    ("clock_text", "words"),
    [(None, "only its own server knows"), ("select", "its server does not show all")],
)
def test_a_foreign_table_without_a_horizon_has_its_lookback(
    clock_text: str | None, words: str
) -> None:
    promise = promise_of(source("foreign", clock_text=clock_text), NEITHER)
    assert promise.word == "lookback"
    assert words in (promise.sentence or "")


def test_a_foreign_table_that_shows_the_age_of_its_rows_is_exact() -> None:
    clock = replace(CLOCK, facts={"orders": FACTS})
    assert promise_of(source("foreign", has_row_age=True), clock).word == "exact"


def test_a_clock_that_does_not_tell_what_columns_are_is_not_exact() -> None:
    promise = promise_of(source("foreign", has_row_age=True), CLOCK)
    assert promise.word == "settled"
    assert "source-sql postgres" in (promise.sentence or "")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"hides_rows": True}, "row security"),
        ({"has_children": True}, "child tables"),
        ({"keys": [["order_id", "region"]]}, "no unique index"),
        ({"keys": None}, "no unique index"),
    ],
)
def test_what_another_postgres_tells_of_its_table_counts(facts: Any, why: str) -> None:
    clock = replace(CLOCK, facts={"orders": {**FACTS, **facts}})
    promise = promise_of(source("foreign", has_row_age=True), clock)
    assert promise.word == "best_effort"
    assert why in (promise.sentence or "")


def test_no_lookback_promises_nothing_of_late_rows() -> None:
    promise = promise_of(source("foreign", lookback="00:00:00"), NEITHER)
    assert promise.word == "best_effort"
    assert (promise.sentence or "").startswith("rows that arrive late are missed: ")


def test_a_reservation_joins_the_sentence_and_leaves_the_word() -> None:
    promise = Promise("exact", "all is there").but("but one row").but("and another")
    assert promise == Promise("exact", "all is there; but one row; and another")
    assert Promise().but("nothing else") == Promise(None, "nothing else")
