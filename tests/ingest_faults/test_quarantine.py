"""Every row of the source is accounted for, or nothing is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import RunnerError
from tests.ingest_faults.arena import Arena
from tests.ingest_faults.test_odd_values import MODES, waiting

REASON = "select reason, sqlstate from orchestrator.rejected_rows where resolved_run_id is null"


def swallow(arena: Arena) -> None:
    """A trigger of somebody else's, which lets some rows disappear."""
    arena.run_text(
        """
        create function fire.swallow() returns trigger language plpgsql as $$
        begin
            if new.value = 'swallowed' then return null; end if;
            return new;
        end $$;
        create trigger swallow before insert or update on warehouse.raw_goods
        for each row execute function fire.swallow();
        """
    )


def refuse(arena: Arena) -> None:
    arena.run_text(
        "alter table warehouse.raw_goods add constraint nothing_bad check (value <> 'bad')"
    )


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_disappear_fail_the_run_and_nothing_is_kept(arena: Arena, mode: str) -> None:
    arena.make(mode)
    arena.ingest()
    swallow(arena)
    arena.insert("2026-01-01 00:10:00+00")
    arena.insert("2026-01-01 00:20:00+00", value="swallowed")
    arena.set_clock("2026-01-01 01:00:00+00")
    watermark = arena.one("select max(high) from orchestrator.runs where status = 'succeeded'")
    with pytest.raises(RunnerError, match=r"of 2 rows of fire\.goods, 1 arrived"):
        arena.ingest()
    assert arena.one("select count(*) from warehouse.raw_goods") == 0
    assert watermark == arena.one(
        "select max(high) from orchestrator.runs where status = 'succeeded'"
    )
    assert arena.all("select status, rows_inserted from orchestrator.runs")[-1] == ("failed", 0)
    arena.run_text("drop trigger swallow on warehouse.raw_goods")
    arena.ingest()
    arena.assert_exact()


def test_an_update_that_disappears_fails_the_run_too(arena: Arena) -> None:
    arena.make("upsert")
    arena.insert("2025-12-31")
    arena.ingest()
    swallow(arena)
    arena.change(1, "swallowed")
    with pytest.raises(RunnerError, match="nothing was kept"):
        arena.ingest()
    assert arena.one("select count(*) from orchestrator.replaced_rows") == 0


def test_a_rule_that_does_something_else_instead_fails_the_run(arena: Arena) -> None:
    arena.make("append")
    arena.ingest()
    arena.run_text(
        "create rule nothing as on insert to warehouse.raw_goods"
        " where new.value = 'swallowed' do instead nothing"
    )
    arena.insert("2026-01-01 00:20:00+00", value="swallowed")
    arena.set_clock("2026-01-01 01:00:00+00")
    with pytest.raises(RunnerError):
        arena.ingest()
    assert arena.one("select count(*) from warehouse.raw_goods") == 0


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_break_a_rule_wait_with_their_reason_and_the_others_load(
    arena: Arena, mode: str
) -> None:
    arena.make(mode)
    arena.ingest()
    refuse(arena)
    arena.insert(*["2026-01-01 00:10:00+00"] * 20)
    bad = arena.insert("2026-01-01 00:10:00+00", "2026-01-01 00:20:00+00", value="bad")
    arena.insert("2026-01-01 00:30:00+00")
    arena.set_clock("2026-01-01 01:00:00+00")
    runs = arena.ingest()
    assert sum(run.counts.rejected for run in runs) == 2
    assert waiting(arena) == bad
    assert {row[1] for row in arena.differences()} == set(bad)
    for reason, sqlstate in arena.all(REASON):
        assert "nothing_bad" in reason
        assert sqlstate == "23514"
    arena.assert_sound()


def test_columns_of_a_source_may_be_called_as_the_runner_calls_its_own(arena: Arena) -> None:
    arena.make("upsert", on_delete="apply")
    arena.run_text(
        "alter table fire.goods add source text default 's', add stored text, add few text"
    )
    arena.ingest()
    refuse(arena)
    arena.insert("2026-01-01 00:10:00+00", "2026-01-01 00:20:00+00")
    bad = arena.insert("2026-01-01 00:20:00+00", value="bad")
    arena.set_clock("2026-01-01 01:00:00+00")
    arena.ingest()
    assert waiting(arena) == bad
    assert arena.one("select source_row ->> 'source' from orchestrator.rejected_rows") == "s"
    arena.run_text("delete from fire.goods where id = 1")
    arena.pipeline.reconcile()
    assert arena.one("select old_row ->> 'source' from orchestrator.replaced_rows") == "s"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "window_size", ["10 minutes", pytest.param("10 days", marks=pytest.mark.slow)]
)
def test_a_row_that_was_mended_leaves_the_quarantine(
    arena: Arena, mode: str, window_size: str
) -> None:
    """Also where it comes back in a window that is not the last."""
    arena.make(mode, window_size=window_size)
    arena.ingest()
    refuse(arena)
    arena.insert("2026-01-01 00:10:00+00", value="bad")
    arena.set_clock("2026-01-01 01:00:00+00")
    arena.ingest()
    assert waiting(arena) == [1]
    arena.change(1, "mended", "2026-01-01 01:10:00+00")
    arena.insert("2026-01-01 01:30:00+00", "2026-01-01 01:50:00+00")
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.ingest()
    assert waiting(arena) == []
    arena.assert_exact()


def test_a_run_that_set_rows_aside_does_not_promise_them(arena: Arena) -> None:
    arena.make("append")
    arena.ingest()
    refuse(arena)
    arena.insert("2026-01-01 00:10:00+00", value="bad")
    arena.set_clock("2026-01-01 01:00:00+00")
    arena.ingest()
    note = "select guarantee_note from orchestrator.runs where rows_rejected > 0"
    assert "set aside" in arena.one(note)
    arena.set_clock("2026-01-01 02:00:00+00")
    arena.ingest()
    later = "select guarantee_note from orchestrator.runs order by run_id desc limit 1"
    assert "1 rows that cannot be stored are set aside" in arena.one(later)


def test_a_row_that_was_mended_in_silence_leaves_the_quarantine(arena: Arena) -> None:
    arena.make("append")
    arena.ingest()
    refuse(arena)
    arena.insert("2026-01-01 00:10:00+00", value="bad")
    arena.set_clock("2026-01-01 01:00:00+00")
    arena.ingest()
    arena.change(1, "mended")
    arena.ingest()
    assert waiting(arena) == []
    arena.assert_exact()


def test_a_row_that_is_bad_in_another_way_waits_once(arena: Arena) -> None:
    arena.make("append")
    arena.ingest()
    refuse(arena)
    arena.insert("2026-01-01 00:10:00+00", value="bad")
    arena.set_clock("2026-01-01 01:00:00+00")
    arena.ingest()
    arena.change(1, "bad", "2026-01-01 00:20:00+00")
    arena.ingest()
    arena.pipeline.backfill("2026-01-01", "2026-01-02")
    assert waiting(arena) == [1]


def test_a_good_row_that_turns_bad_stays_as_it_was_and_waits(arena: Arena) -> None:
    arena.make("upsert")
    arena.insert("2025-12-31 00:10:00+00", "2025-12-31 00:20:00+00")
    arena.ingest()
    refuse(arena)
    arena.change(1, "bad")
    arena.change(2, "changed")
    arena.ingest()
    assert waiting(arena) == [1]
    assert [row[:3] for row in arena.differences()] == [("<", 1, "bad"), (">", 1, "new")]
    arena.assert_sound()


@pytest.mark.parametrize("bad", ["2026-01-01 00:10:00+00", "2026-01-01 00:50:00+00"])
def test_a_bad_row_beside_one_that_comes_again_is_the_only_one_that_waits(
    arena: Arena, bad: str
) -> None:
    """Rows are appended, until one turns out to be there, or not to be fit for it."""
    arena.make("append")
    arena.insert("2025-12-31 12:00:00+00")
    arena.ingest()
    refuse(arena)
    arena.insert("2026-01-01 00:05:00+00")
    arena.insert(bad, value="bad")
    arena.change(1, "comes again", "2026-01-01 00:30:00+00")
    arena.set_clock("2026-01-01 01:00:00+00")
    arena.ingest()
    assert waiting(arena) == [3]
    assert {row[1] for row in arena.differences()} == {3}


def test_a_row_that_is_deleted_waits_no_longer_after_a_reconcile(arena: Arena) -> None:
    arena.make("append", odd_cursors="quarantine", on_delete="apply")
    arena.insert(None, "2025-12-31 12:00:00+00")
    arena.ingest()
    arena.all("delete from fire.goods where id = 1")
    arena.pipeline.reconcile()
    assert waiting(arena) == []


def test_two_bad_rows_among_ten_thousand(arena: Arena) -> None:
    arena.make("append", max_rejected_share="0.0002")
    arena.ingest()
    refuse(arena)
    arena.run_text(
        "insert into fire.goods select n, case when n in (1, 7777) then 'bad' else 'new' end,"
        " timestamptz '2026-01-01 00:00:00+00' + n * interval '1 ms'"
        " from generate_series(1, 10000) as n"
    )
    arena.set_clock("2026-01-01 01:00:00+00")
    runs = arena.ingest()
    assert (sum(run.counts.inserted for run in runs), runs[-1].counts.rejected) == (9998, 2)
    assert waiting(arena) == [1, 7777]


def test_more_than_the_share_fails_the_run_and_nothing_is_kept(arena: Arena) -> None:
    arena.make("append", max_rejected_share="0.002")  # of a thousand at least: two
    arena.ingest()
    refuse(arena)
    arena.insert(*["2026-01-01 00:10:00+00"] * 2)
    arena.insert(*["2026-01-01 00:10:00+00"] * 3, value="bad")
    arena.set_clock("2026-01-01 01:00:00+00")
    with pytest.raises(RunnerError, match="max_rejected_share"):
        arena.ingest()
    assert arena.one("select count(*) from warehouse.raw_goods") == 0
    assert waiting(arena) == []
    arena.change(3, "mended")
    arena.ingest()
    assert len(waiting(arena)) == 2


def test_values_that_do_not_fit_a_narrower_type_wait(arena: Arena) -> None:
    arena.make("append", column_types='{"value": "integer"}')
    arena.insert("2025-12-31 00:10:00+00", value="1")
    arena.insert("2025-12-31 00:10:00+00", value="one")
    arena.ingest()
    assert waiting(arena) == [2]
    assert arena.all("select id, value from warehouse.raw_goods") == [(1, 1)]


@pytest.mark.parametrize("mode", MODES)
def test_an_undone_run_takes_its_rejects_back(arena: Arena, mode: str) -> None:
    arena.make(mode)
    arena.ingest()
    refuse(arena)
    arena.insert("2026-01-01 00:10:00+00", value="bad")
    arena.insert("2026-01-01 00:20:00+00")
    arena.set_clock("2026-01-01 01:00:00+00")
    first = arena.ingest()[-1].run_id
    arena.change(1, "mended", "2026-01-01 01:10:00+00")
    arena.set_clock("2026-01-01 02:00:00+00")
    second = arena.ingest()[-1].run_id
    arena.pipeline.undo(second)
    assert waiting(arena) == [1]
    arena.pipeline.undo(first)
    assert waiting(arena) == []
    arena.fill_gaps()
    assert waiting(arena) == []
    arena.assert_exact()


@pytest.mark.parametrize("mode", MODES)
def test_row_security_on_the_replica_fails_the_run_rather_than_hide_rows(
    arena: Arena, mode: str, tmp_path: Path
) -> None:
    """Also for the owner, if he said so: what he cannot see again was not stored for him."""
    arena.make(mode)
    arena.ingest()
    name = f"fire_{arena.connection.info.dbname}_{mode}"
    arena.run_text(
        f"""
        create role {name} login;
        grant pg_read_all_stats to {name};
        grant usage on schema fire, orchestrator, warehouse to {name};
        grant all on all tables in schema fire, orchestrator, warehouse to {name};
        alter table warehouse.raw_goods owner to {name};
        alter table warehouse.raw_goods enable row level security;
        alter table warehouse.raw_goods force row level security;
        create policy part on warehouse.raw_goods using (value <> 'hidden');
        """
    )
    try:
        arena.insert("2026-01-01 00:10:00+00")
        arena.insert("2026-01-01 00:20:00+00", value="hidden")
        arena.set_clock("2026-01-01 01:00:00+00")
        mine = arena.database.conninfo
        arena.database.conninfo = mine.replace("user=postgres", f"user={name}")
        assert arena.database.conninfo != mine
        with pytest.raises(RunnerError, match="row-level security"):
            arena.ingest()
        arena.database.conninfo = mine
        assert arena.one("select count(*) from warehouse.raw_goods") == 0
    finally:
        arena.run_text(f"reassign owned by {name} to postgres; drop owned by {name}")
        arena.run_text(f"drop role {name}")
