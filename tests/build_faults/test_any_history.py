"""Any events in any order, changed, moved, deleted, undone; builds that are forced, killed, of
another text or time zone, with facts in months or not, with others at work beside them: every
version is what plain Python and a rebuild make of the same rows.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.build_faults.steps import PIPELINES, Build, Ingest, Months, Reconcile, Step, steps
from tests.build_faults.world import cloned

ONE = settings(
    max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False
)
MANY = settings(ONE, max_examples=10)
histories = st.lists(steps, min_size=3, max_size=9)


def follow(server_uri: str, mould: str, months: bool, history: list[Step]) -> None:
    with cloned(server_uri, mould) as world:
        for step in [Months(months), *history]:
            step.do(world)
        Build().do(world)
        # At last all that the source says is in the replicas.
        for name in PIPELINES:
            world.pipeline(name).fill_gaps()
        Ingest(PIPELINES).do(world)
        for name in PIPELINES:
            Reconcile(name).do(world)
        Build().do(world)
        world.assert_replicas_equal_sources()


@ONE
@given(st.booleans(), histories)
def test_any_history_is_built_as_if_from_scratch(
    server_uri: str, mould: str, months: bool, history: list[Step]
) -> None:
    follow(server_uri, mould, months, history)


@pytest.mark.slow
@MANY
@given(st.booleans(), st.lists(steps, min_size=5, max_size=20))
def test_any_long_history_is_built_as_if_from_scratch(
    server_uri: str, mould: str, months: bool, history: list[Step]
) -> None:
    follow(server_uri, mould, months, history)
