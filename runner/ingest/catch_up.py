"""Catching up: loads everything that was committed when it was called, window by window."""

import time
from collections.abc import Callable

from psycopg import sql

from runner.database import ledger
from runner.ingest.attempt import Attempt
from runner.ingest.conditions import Conditions, exists
from runner.ingest.promise import Reach, promise_of
from runner.ingest.run import RunTransaction
from runner.ingest.source import Clock, read_clock
from runner.ingest.windows import Window, Windows
from runner.ingest.writer import Counts

POLL_SECONDS = 0.1


def catch_up(attempt: Attempt, wait_seconds: float, sweep: bool) -> None:
    """Load windows up to the settled bound; then sweep the table if that is asked for, or due."""
    watermark = attempt.definition.watermark
    with attempt.recorded("window", watermark):
        settled = settle(attempt, wait_seconds)
    is_swept = False
    for window in attempt.windows("window", watermark, settled):
        is_swept = _load(attempt, window)
        watermark = window.high
    if is_swept and not sweep:
        return
    if attempt.source.has_key and _sweep_is_due(attempt, watermark, sweep):
        search_source(attempt, "sweep", watermark)
    elif sweep and not attempt.source.has_key:
        attempt.warn("skipped the sweep: the pipeline has no key to match rows by")


def settle(attempt: Attempt, wait_seconds: float) -> str:
    """Return the bound up to which rows are loaded, never before the watermark.

    It is read before any snapshot that reads rows. While rows that existed at the start lie above
    it, this waits, up to `wait_seconds`; but not for a transaction that has held rows back for
    longer than max_hold, if those are found later anyway.
    """
    started = time.monotonic()
    work, source = attempt.work, attempt.source
    conditions = Conditions(work, source)
    clock = read_clock(work, source)
    now = clock.clock
    # Without a key, rows are only read by their cursor.
    is_null = sql.SQL("{} is null").format(source.cursor_name)
    may_be_unread = not (source.has_key or source.cursor.is_required)
    if may_be_unread and exists(work, source, is_null):
        attempt.warn("the source has rows whose cursor is null, which are not read")
    if clock.is_behind:
        attempt.warn(
            f"the clock of the source says {now}, but rows up to {source.definition.watermark} are"
            " loaded: no new ones are read until it gets there"
        )
    while exists(work, source, conditions.window(clock.settled, now)):
        if clock.hold_is_over and promise_of(source, clock).word == "exact":
            attempt.warn(f"no longer waiting for {_holder(clock)}")
            return clock.unheld
        if time.monotonic() - started >= wait_seconds:
            attempt.warn(
                "rows that an open transaction holds back are left for the next run:"
                f" {_holder(clock)}"
            )
            break
        time.sleep(POLL_SECONDS)
        clock = read_clock(work, source)
    return clock.settled


def _holder(clock: Clock) -> str:
    return f"{clock.held_by or 'an unknown holder'}, since {clock.held_since or 'an unknown time'}"


def _load(attempt: Attempt, window: Window) -> bool:
    """Load a window. With the last one, and the very first, also search the lookback, or the whole
    table if that is quick; return whether the whole table was searched.

    The very first begins where the source begins: with the odd rows, it covers the whole table up
    to its end, so later sweeps can start from its horizon.
    """
    definition = attempt.definition
    is_first = definition.is_new and window.low == definition.watermark
    searches = attempt.source.has_key and (window.is_last or is_first)
    is_swept = False

    def work(run: RunTransaction) -> tuple[Counts, Reach]:
        nonlocal is_swept
        counts = run.load(window)
        if not searches:
            return counts, "window"
        if not is_first and run.is_searched_quickly():
            is_swept = True
            everything = [Window(definition.start_at, window.low)]
            return counts + run.search_table(everything), "table"
        return counts + run.search_lookback(window.low), "table" if is_first else "lookback"

    attempt.run("window", window, work)
    return is_swept


def _sweep_is_due(attempt: Attempt, watermark: str, is_asked: bool) -> bool:
    """Whether a sweep is asked for or due, or what was known of the replica no longer holds."""
    definition, source = attempt.definition, attempt.source
    with attempt.recorded("sweep", "-infinity", watermark):
        clock = read_clock(attempt.work, source)
        horizons = ledger.horizons(
            attempt.work,
            definition.pipeline_id,
            definition.sweep_every,
            source.chain(clock, attempt.work),
            clock.next_xid,
        )
    return is_asked or not horizons.has_table or (source.has_horizon and horizons.is_due)


def search_source(
    attempt: Attempt,
    kind: str,
    watermark: str,
    finish: Callable[[RunTransaction], Counts] | None = None,
) -> None:
    """Search the whole source in one run, for rows written since the last search; with `finish`,
    which the run calls at its end, for rows written at any time.
    """

    def work(run: RunTransaction) -> tuple[Counts, Reach]:
        windows = Windows(attempt.work, attempt.source, attempt.call.sweep_pace)
        every = windows.between(attempt.definition.start_at, watermark)
        counts = run.search_table(every, is_full=finish is not None)
        # Undone windows are not filled by this.
        run.notes += [
            f"skipped, because a run there was undone: {gap[0]} to {gap[1]}" for gap in run.gaps
        ]
        return counts + finish(run) if finish else counts, "table"

    attempt.run(kind, Window("-infinity", watermark), work)
