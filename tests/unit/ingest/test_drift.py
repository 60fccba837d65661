"""Drift: what a replica needs when the columns of its source have changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.errors import StartError
from runner.ingest.columns import Column
from runner.ingest.drift import Drift, compare
from tests.unit.ingest.sources import DEFINITION

FAREWELL = "No longer in public.orders: null in rows that are added."


def column(name: str, type_name: str = "text", required: bool = False, comment: str = "") -> Column:
    return Column(name, type_name, required, comment or None)


SOURCE = [
    column("order_id", "integer", required=True),
    column("updated_at", "timestamp with time zone"),
    column("amount", "numeric(12,2)"),
]
STORED = [*SOURCE, column("_run_id", "bigint", required=True)]


def statements(drift: Drift) -> list[str]:
    return [statement.as_string(None) for statement in drift.statements]


def without(columns: list[Column], name: str) -> list[Column]:
    return [column for column in columns if column.name != name]


def test_a_replica_that_fits_needs_nothing() -> None:
    assert compare(DEFINITION, SOURCE, STORED, ()) == Drift("orders", "warehouse.raw_orders")


def test_order_does_not_matter_nor_do_columns_of_ours_nor_the_age_of_rows() -> None:
    source = [*SOURCE[::-1], column("_row_age", "integer")]
    stored = [column("_deleted_at", "timestamp with time zone"), *STORED[::-1]]
    assert compare(DEFINITION, source, stored, ()).statements == []


def test_a_new_column_is_added_with_its_comment_and_may_be_null() -> None:
    new = column("note", "character varying(10)", required=True, comment="What they said.")
    drift = compare(DEFINITION, [new, *SOURCE], STORED, ())
    assert statements(drift) == [
        'alter table "warehouse"."raw_orders" add column "note" character varying(10)',
        """comment on column "warehouse"."raw_orders"."note" is 'What they said.'""",
    ]
    assert tuple(drift.sentences) == (
        "column note character varying(10) was added to warehouse.raw_orders",
    )


def test_a_new_column_has_the_type_that_the_definition_names() -> None:
    definition = replace(DEFINITION, column_types={"note": "varchar(5)"})
    drift = compare(definition, [column("note"), *SOURCE], STORED, ())
    assert 'add column "note" varchar(5)' in statements(drift)[0]


def test_a_column_that_the_source_dropped_stays_and_may_be_null_which_is_said_once() -> None:
    note = column("note", required=True, comment="What they said.")
    drift = compare(DEFINITION, SOURCE, [note, *STORED], ())
    assert statements(drift) == [
        f"""comment on column "warehouse"."raw_orders"."note" is 'What they said. {FAREWELL}'""",
        'alter table "warehouse"."raw_orders" alter column "note" drop not null',
    ]
    assert tuple(drift.sentences) == (
        "column note is no longer in public.orders: it stays in warehouse.raw_orders,"
        " null in rows that are added",
    )
    gone = column("note", comment=f"What they said. {FAREWELL}")
    assert compare(DEFINITION, SOURCE, [gone, *STORED], ()).sentences == []


def test_a_column_that_comes_back_is_what_it_was() -> None:
    gone = column("note", comment=f"What they said. {FAREWELL}")
    drift = compare(DEFINITION, [*SOURCE, column("note", comment="New.")], [gone, *STORED], ())
    assert statements(drift) == [
        """comment on column "warehouse"."raw_orders"."note" is 'New.'""",
    ]
    assert tuple(drift.sentences) == ("column note is back in public.orders",)


def test_a_wider_type_follows() -> None:
    source = [column("order_id", "bigint", required=True), *SOURCE[1:]]
    drift = compare(DEFINITION, source, STORED, {"order_id"})
    assert statements(drift) == [
        'alter table "warehouse"."raw_orders" alter column "order_id" type bigint'
    ]
    assert tuple(drift.sentences) == (
        "column order_id of warehouse.raw_orders was integer and is bigint",
    )
    assert tuple(drift.widened) == ("order_id",)


def test_any_other_type_stops_with_both_types_and_a_command() -> None:
    source = [*SOURCE[:2], column("amount", "integer")]
    with pytest.raises(StartError) as caught:
        compare(DEFINITION, source, STORED, ())
    assert caught.value.message == (
        "pipeline orders: public.orders.amount is now integer,"
        " warehouse.raw_orders.amount is numeric(12,2)"
    )
    assert caught.value.hint == (
        'to follow: alter table "warehouse"."raw_orders" alter column "amount" type integer'
        ' using "amount"::integer; or name the type to keep in column_types'
    )


def test_a_time_that_gets_a_zone_stops_and_the_command_says_which() -> None:
    source = [*SOURCE, column("placed_at", "timestamp(3) with time zone")]
    stored = [*STORED, column("placed_at", "timestamp(3) without time zone")]
    with pytest.raises(StartError) as caught:
        compare(DEFINITION, source, stored, ())
    assert """using "placed_at" at time zone 'UTC'""" in (caught.value.hint or "")


def test_a_type_that_the_definition_names_is_not_drift() -> None:
    definition = replace(DEFINITION, column_types={"amount": "numeric(12,2)"})
    source = [*SOURCE[:2], column("amount", "text")]
    assert compare(definition, source, STORED, ()).statements == []


@pytest.mark.parametrize("name", ["order_id", "updated_at"])
def test_without_its_key_or_cursor_a_source_stops(name: str) -> None:
    with pytest.raises(StartError, match=f"public.orders has no column {name}"):
        compare(DEFINITION, without(SOURCE, name), STORED, ())


@pytest.mark.parametrize("name", ["order_id", "updated_at", "_run_id"])
def test_without_its_key_cursor_or_run_a_replica_stops(name: str) -> None:
    with pytest.raises(StartError, match=f"warehouse.raw_orders has no column {name}"):
        compare(DEFINITION, SOURCE, without(STORED, name), ())


@pytest.mark.parametrize("name", ["_run_id", "_deleted_at"])
def test_a_source_with_a_name_of_ours_stops(name: str) -> None:
    with pytest.raises(StartError, match=f"public.orders has a column {name}"):
        compare(DEFINITION, [*SOURCE, column(name)], STORED, ())
