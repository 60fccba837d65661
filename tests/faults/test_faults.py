"""A few rounds of `make torture-all`, one of each fault; the command goes on for hours."""

from __future__ import annotations

import pytest

from tests.faults.arena import opened
from tests.faults.rounds import FAULTS, Round


@pytest.mark.slow
def test_a_round_of_each_fault_leaves_source_replica_facts_and_a_rebuild_alike() -> None:
    with opened() as arena:
        faults = [fault for fault in FAULTS if fault.is_possible(arena)]
        for number in range(1, len(faults) + 1):
            Round(arena, number, seed=1, faults=faults).run(verifies=number == len(faults))
        arena.assert_equals_oracle()
