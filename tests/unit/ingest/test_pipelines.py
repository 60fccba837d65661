"""Definitions of pipelines, as they are read."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict
from typing import cast

import pytest

from runner.database.session import Session
from runner.errors import UsageError
from runner.ingest.pipelines import pipelines, read_definition
from tests.unit.ingest.sources import DEFINITION, FakeSession


def session(*rows: dict[str, object]) -> Session:
    return cast(Session, FakeSession(*rows))


def test_a_definition_is_read_whole_and_never_changes() -> None:
    row = {**asdict(DEFINITION), "key_columns": ["order_id", "line"]}
    definition = read_definition(session(row), 1)
    assert definition.key_columns == ("order_id", "line")
    with pytest.raises(FrozenInstanceError):
        definition.watermark = "infinity"  # type: ignore[misc]


def test_an_unknown_pipeline_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="there is no pipeline 7") as refused:
        read_definition(session(), 7)
    assert refused.value.hint
    with pytest.raises(UsageError, match="there is no pipeline orders"):
        pipelines(session(), "orders")
