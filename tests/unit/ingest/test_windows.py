"""Pace: how large the next window is, after those before it."""

from __future__ import annotations

from runner.ingest.windows import MAX_ROWS, MAX_SHARE, MIN_SHARE, TARGET_SECONDS, Pace


def test_a_window_grows_and_shrinks_by_a_factor_of_two_at_most() -> None:
    pace = Pace()
    pace.adapt(rows=1, seconds=0.01)
    assert pace.share == 2.0
    pace.adapt(rows=1, seconds=TARGET_SECONDS * 100)
    assert pace.share == 1.0
    pace.adapt(rows=MAX_ROWS * 100, seconds=0.01)
    assert pace.share == 0.5


def test_a_window_stays_where_it_takes_the_target_time() -> None:
    pace = Pace()
    pace.adapt(rows=1, seconds=TARGET_SECONDS)
    assert pace.share == 1.0


def test_after_a_timeout_a_window_never_grows_as_large_again() -> None:
    pace = Pace()
    pace.limit()
    for _ in range(10):
        pace.adapt(rows=1, seconds=0.01)
    assert pace.share == 0.5


def test_a_window_has_a_smallest_and_a_largest_size() -> None:
    pace = Pace()
    for _ in range(100):
        pace.adapt(rows=1, seconds=0.01)
    assert pace.share == MAX_SHARE
    for _ in range(100):
        pace.halve()
    assert pace.share == MIN_SHARE
    assert not pace.is_too_many(10 * MAX_ROWS)
