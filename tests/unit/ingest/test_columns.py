"""Columns: what a source must have to be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from runner.database.session import Session
from runner.errors import StartError
from runner.ingest.columns import source_columns, stored_columns
from tests.unit.ingest.sources import DEFINITION, FakeSession


def row(name: str, type_name: str) -> dict[str, Any]:
    return {"name": name, "type": type_name, "is_required": True, "comment": None}


KEY, CURSOR = row("order_id", "integer"), row("updated_at", "timestamp(3) with time zone")


def session(*rows: dict[str, Any]) -> Session:
    return cast(Session, FakeSession(*rows))


def test_columns_come_in_order() -> None:
    found = source_columns(session(CURSOR, KEY), DEFINITION)
    assert [column.name for column in found] == ["updated_at", "order_id"]


def test_names_are_asked_for_quoted() -> None:
    fake = FakeSession()
    stored_columns(
        cast(Session, fake), replace(DEFINITION, target_relation="warehouse.raw_My.Table")
    )
    assert fake.values == {"relation": '"warehouse"."raw_My.Table"'}


def test_a_replica_that_does_not_exist_has_no_columns() -> None:
    assert stored_columns(session(), DEFINITION) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "source public.orders does not exist, or this role cannot see it"),
        ((KEY,), "public.orders has no column updated_at"),
        ((CURSOR,), "public.orders has no column order_id"),
        ((KEY, row("updated_at", "date")), "cursor updated_at is of type date"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(
    rows: tuple[dict[str, Any], ...], message: str
) -> None:
    with pytest.raises(StartError) as refused:
        source_columns(session(*rows), DEFINITION)
    assert refused.value.message == f"pipeline orders: {message}"
    assert refused.value.hint
