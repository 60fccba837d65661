"""Transaction numbers run out of 32 bits: horizons and rows are compared across it."""

from __future__ import annotations

import pytest

from tests.faults.arena import Arena, opened
from tests.faults.rounds import _work, no_margin
from tests.support import earn, insert_events, query, scalar

# A server refuses to work two billion transactions after what it froze last.
STEPS = (1_200_000_000, 2_400_000_000, 3_600_000_000, 2**32 - 200)
PER_SEGMENT = 2**20  # transactions whose fate a file of pg_xact holds


def go_to(arena: Arena, xid: int) -> None:
    """As if so many transactions had gone by, every old row having been frozen meanwhile."""
    query(arena.database, "vacuum (freeze)")
    arena.server.stop()
    segment = arena.server.data / "pg_xact" / f"{xid // PER_SEGMENT:04X}"
    segment.write_bytes(bytes(2**18))
    arena.server.programs.hand_over(segment)
    segment.chmod(0o600)
    done = arena.server.programs.run(
        "pg_resetwal", f"--next-transaction-id={xid}", str(arena.server.data)
    )
    assert done.returncode == 0, done.stdout
    arena.revive()


@pytest.mark.slow
def test_the_numbers_of_transactions_may_begin_again() -> None:
    with opened() as arena, no_margin():
        for step, xid in enumerate(STEPS):
            go_to(arena, xid)
            for kind in ("run", "sweep"):
                change_and_work(arena, step, kind)
        # Now they do: 32 bits are over, one transaction after the other.
        for _ in range(300):
            query(arena.database, "select pg_current_xact_id()")
        assert scalar(arena.database, "select pg_current_xact_id()::text::numeric") > 2**32
        for kind in ("run", "sweep", "reconcile"):
            change_and_work(arena, 9, kind)
        arena.assert_equals_rebuild()
        arena.assert_equals_oracle()


def change_and_work(arena: Arena, step: int, kind: str) -> None:
    """New rows, and one that nobody dated: only the transaction that changed it tells."""
    insert_events(arena.database, [earn(step, f"u_{step}", miles=step + 1)])
    query(
        arena.database,
        "update public.event_stream set miles_amount = miles_amount + 1"
        " where event_id = (select min(event_id) from public.event_stream)",
    )
    _work(arena.database, kind)
    arena.assert_sound()
