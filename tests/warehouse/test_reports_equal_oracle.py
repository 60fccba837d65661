"""The main promise: every figure is the one that plain Python computes from the raw rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from runner.database.session import Database
from runner.setup.demo import Demo, seed
from runner.setup.load_csv import load
from tests.support import (
    PROJECT,
    REAL_FILE,
    assert_equals_rebuild,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    query,
    run_all,
)

real_file = pytest.mark.skipif(
    not REAL_FILE.is_file(), reason=f"the real file is not here: {REAL_FILE}"
)


@real_file
def test_real_file_in_one_batch(database: Database) -> None:
    load(database, REAL_FILE, as_history=True)
    run_all(database)
    assert_facts_equal_oracle(database)
    assert_reports_equal_oracle(database)


@pytest.mark.slow
@real_file
def test_real_file_in_two_batches_with_a_build_between(database: Database, tmp_path: Path) -> None:
    older, newer = _split_by_time(REAL_FILE, tmp_path)
    load(database, older, as_history=True)
    run_all(database)
    assert_reports_equal_oracle(database)
    load(database, newer, as_history=False)
    run_all(database)
    assert_facts_equal_oracle(database)
    assert_reports_equal_oracle(database)
    assert_equals_rebuild(database)


@pytest.mark.slow
def test_seeded_growth_with_gaps_and_late_rows_in_two_batches(database: Database) -> None:
    seed(database, PROJECT, Demo(8_000, 300, 120, seed=7, end=None, append=False))
    _hold_back_the_newer_half_and_some_old_rows(database)
    run_all(database)
    assert_reports_equal_oracle(database)
    query(
        database,
        """
        insert into public.event_stream (
            event_time, user_id, event_type, transaction_category, miles_amount, platform,
            utm_source, country
        )
        select
            event_time, user_id, event_type, transaction_category, miles_amount, platform,
            utm_source, country
        from public.held_back
        order by event_id
        """,
    )
    run_all(database)
    assert_facts_equal_oracle(database)
    assert_reports_equal_oracle(database)
    assert_equals_rebuild(database)


def _split_by_time(file: Path, folder: Path) -> tuple[Path, Path]:
    with file.open(newline="") as lines:
        header, *rows = csv.reader(lines)
    rows.sort()
    parts = []
    for name, part in (("older", rows[: len(rows) // 2]), ("newer", rows[len(rows) // 2 :])):
        parts.append(folder / f"{name}.csv")
        with parts[-1].open("w", newline="") as lines:
            csv.writer(lines).writerows([header, *part])
    return parts[0], parts[1]


def _hold_back_the_newer_half_and_some_old_rows(database: Database) -> None:
    """Gaps of whole days too, and rows that no metric may count."""
    query(
        database,
        """
        create table public.held_back as
        with spans as (
            select
                min(event_time) as first_time,
                percentile_disc(0.5) within group (order by event_time) as middle_time
            from public.event_stream
        )
        select events.*
        from public.event_stream as events
        cross join spans
        where
            events.event_time >= spans.middle_time
            or events.event_id % 40 = 0
            or events.event_time < spans.first_time + interval '5 days'
        """,
    )
    query(
        database,
        """
        delete from public.event_stream
        where event_id in (select event_id from public.held_back)
        or date_part('doy', event_time)::integer % 11 = 0
        """,
    )
    query(
        database,
        """
        update public.held_back
        set
            event_type = case event_id % 200 when 0 then null when 40 then 'cancelled' else event_type end,
            user_id = case when event_id % 200 = 80 then null else user_id end,
            country = case when event_id % 120 = 0 then 'XK' else country end,
            platform = case when event_id % 160 = 0 then 'kiosk' else platform end,
            utm_source = case when event_id % 200 = 40 then 'partner' else utm_source end,
            event_time = case event_id % 200 when 120 then 'infinity' when 160 then '1999-12-31' else event_time end
        where event_id % 40 = 0
        """,
    )
