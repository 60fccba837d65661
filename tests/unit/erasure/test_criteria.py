"""Whom a command line names, and where texts name them."""

from __future__ import annotations

import pytest

from runner.erasure.criteria import Criteria
from runner.errors import UsageError
from runner.ingest.columns import Column
from runner.ingest.pipelines import PipelineDefinition

ONE = PipelineDefinition(1, "people", "crm.people", "warehouse.raw_people", "seen", ("email",))
TWO = PipelineDefinition(2, "marks", "crm.marks", "warehouse.raw_marks", "seen", ("a", "b"))
COLUMNS = [Column(name, "text", False, None) for name in ("email", "city", "a", "b", "_run_id")]


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        (["city=Oslo"], {"city": ["Oslo"]}),
        (["ann@x"], {"email": ["ann@x"]}),
        (["email=a=b"], {"email": ["a=b"]}),
        (["a.b=c"], {"email": ["a.b=c"]}),
        (["city=Oslo", "city=Bonn", "ann@x"], {"city": ["Oslo", "Bonn"], "email": ["ann@x"]}),
    ],
)
def test_values_are_those_of_columns_or_of_the_key(
    keys: list[str], values: dict[str, list[str]]
) -> None:
    assert Criteria(ONE, COLUMNS, keys).values == values


@pytest.mark.parametrize("keys", [[], ["x=1"], ["_run_id=1"], ["city="], ["city=  "], [""]])
def test_what_names_nobody_is_refused(keys: list[str]) -> None:
    with pytest.raises(UsageError):
        Criteria(ONE, COLUMNS, keys)


def test_where_the_key_has_two_columns_a_value_alone_says_nothing() -> None:
    with pytest.raises(UsageError, match="no column 7"):
        Criteria(TWO, COLUMNS, ["7"])


def test_values_of_several_columns_are_combined() -> None:
    wanted = Criteria(TWO, COLUMNS, ["a=1", "a=2", "b=3"])
    assert wanted.rows().as_string(None) == "('1', '3'), ('2', '3')"
