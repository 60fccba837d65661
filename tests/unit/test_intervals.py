"""Intervals as people write them, and when the next tick is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import RunnerError, UsageError
from runner.run import interval, next_tick, repeat


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1", 1), ("90", 90), ("30s", 30), ("5m", 300), ("1h", 3600), ("168h", 604_800)],
)
def test_an_interval_is_a_number_with_or_without_a_unit(text: str, seconds: int) -> None:
    assert interval(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "5 m", "5min", "-5m", "1.5h", "5M", "1h30m", "\u0665m", "9" * 99]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="not an interval") as refused:
        interval(text)
    assert "30s, 5m, 1h" in (refused.value.hint or "")


@pytest.mark.parametrize("text", ["0", "0s", "0h", "169h", "604801"])
def test_an_interval_is_neither_nothing_nor_longer_than_a_week(text: str) -> None:
    with pytest.raises(UsageError, match="1s to 168h"):
        interval(text)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (100.0, 105.0),
        (100.2, 105.0),
        (104.99, 105.0),
        (105.0, 110.0),
        (111.0, 115.0),
        (134.9, 135.0),
    ],
)
def test_ticks_are_due_at_multiples_from_the_start_and_missed_ones_are_skipped(
    now: float, due: float
) -> None:
    assert next_tick(100.0, 5, now) == due


@given(start=st.floats(0, 1e7), seconds=st.integers(1, 604_800), later=st.floats(0, 1e7))
def test_the_next_tick_is_always_ahead_and_never_more_than_an_interval(
    start: float, seconds: int, later: float
) -> None:
    now = start + later
    due = next_tick(start, seconds, now)
    assert now < due <= now + seconds + 1e-6
    distance = (due - start) % seconds
    assert min(distance, seconds - distance) < 1e-6


def test_a_failing_tick_is_told_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[Exception] = [
        RunnerError("no server", "start it"),
        FileNotFoundError("a file that is being replaced"),
        UsageError("no such thing"),
    ]

    def tick() -> None:
        raise outcomes.pop(0)

    monkeypatch.setattr("runner.run.time.sleep", lambda seconds: None)
    told: list[RunnerError] = []
    with pytest.raises(UsageError):
        repeat(1, tick, told.append)
    assert [error.message for error in told] == [
        "no server",
        "unexpected FileNotFoundError: a file that is being replaced",
    ]


def test_a_signal_ends_the_sleep_but_interrupts_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*ignored: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repeat(1, interrupted, interrupted)
    monkeypatch.setattr("runner.run.time.sleep", interrupted)
    repeat(1, lambda: None, interrupted)


def test_a_signal_is_not_lost_when_what_cleans_up_behind_it_fails() -> None:
    def tick() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RunnerError("the connection is lost")

    with pytest.raises(KeyboardInterrupt):
        repeat(1, tick, lambda error: None)
