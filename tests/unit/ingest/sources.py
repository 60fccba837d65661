"""Sources and clocks that no server has, for tests without one."""

from __future__ import annotations

from typing import Any

from runner.ingest.columns import Column
from runner.ingest.pipelines import PipelineDefinition
from runner.ingest.source import Clock, Facts, Kind, Source

DEFINITION = PipelineDefinition(
    pipeline_id=1,
    pipeline_name="orders",
    source_relation="public.orders",
    target_relation="warehouse.raw_orders",
    cursor_column="updated_at",
    key_columns=("order_id",),
)
CLOCK = Clock(
    clock="2026-01-02 00:00:00+00",
    settled="2026-01-01 23:59:59+00",
    unheld="2026-01-01 23:59:59+00",
    is_behind=False,
    held_since=None,
    held_by=None,
    hold_is_over=False,
    sees_all=True,
    horizon=100,
    next_xid=120,
    identity="here",
)
FACTS: Facts = {"hides_rows": False, "has_children": False, "keys": [["order_id"]]}


class FakeSession:
    """Answers every query with the rows it was given, and remembers the values of the last."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.answer = list(rows)
        self.values: Any = None

    def rows(self, query: str, values: Any = None) -> list[dict[str, Any]]:
        self.values = values
        return self.answer

    def named(self, query: str, /, **values: Any) -> list[dict[str, Any]]:
        return self.rows(query, values)

    def row(self, query: str, values: Any = None) -> dict[str, Any]:
        return self.rows(query, values)[0]


def source(
    kind: Kind = "table",
    cursor_type: str = "timestamp with time zone",
    is_required: bool = True,
    has_row_age: bool | None = None,
    hides_rows: bool = False,
    is_unique: bool | None = True,
    clock_text: str | None = "select",
    **definition: Any,
) -> Source:
    fields = {name: getattr(DEFINITION, name) for name in DEFINITION.__slots__}
    return Source(
        PipelineDefinition(**{**fields, **definition}),
        [
            Column("order_id", "integer", True, None),
            Column("updated_at", cursor_type, is_required, None),
        ],
        kind,
        kind == "table" if has_row_age is None else has_row_age,
        hides_rows,
        is_unique,
        clock_text,
        remote_name="orders" if kind == "foreign" else None,
    )
