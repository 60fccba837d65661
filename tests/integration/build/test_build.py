"""Builds publish one version after its checks, and incremental builds equal a rebuild."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.pq import TransactionStatus

from runner.build.build import build
from runner.build.transaction import CheckFailed
from runner.database import ledger
from runner.database.session import BUILD_LOCK, Database, LockHeld, Session, lock_number
from runner.errors import RunnerError, StartError
from runner.preview.render import rendered
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import (
    JANUARY,
    PROJECT,
    assert_equals_rebuild,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    differences,
    earn,
    edit,
    event,
    ingest,
    insert_events,
    modes,
    query,
    rebuild,
    run_all,
    scalar,
)
from tests.support.listeners import Hearing

pytestmark = pytest.mark.usefixtures("no_margin")


def version(database: Database) -> list[dict[str, object]]:
    """All that a reader can see of a build."""
    return query(
        database,
        """
        select
            (select sum(miles_earned) from warehouse.fact_miles_earned) as miles,
            (select max(dau) from reporting.active_users_daily) as dau,
            (select count(*) from reporting.growth_accounting) as periods,
            (select count(*) from orchestrator.build_inputs) as inputs
        """,
    )


def test_an_empty_source_builds_empty_tables(database: Database) -> None:
    run_all(database)
    assert scalar(database, "select count(*) from reporting.kpi_daily") == 0
    assert_equals_rebuild(database)


def test_a_build_knows_the_replicas_that_it_has_to_lock(built: Database) -> None:
    with built.session("test") as session:
        assert ledger.replicas(session) == [
            "warehouse.raw_campaign_costs",
            "warehouse.raw_event_stream",
            "warehouse.raw_utm_campaigns",
        ]


def test_a_second_build_has_nothing_to_do(built: Database) -> None:
    assert run_all(built).run_id is None
    assert scalar(built, "select count(*) from orchestrator.runs where kind = 'build'") == 1


def test_a_late_event_changes_the_day_and_the_user_it_belongs_to(built: Database) -> None:
    before = query(built, "select * from reporting.active_users_daily where day <> '2026-01-05'")
    insert_events(built, [event(4, "u_2", "share")])
    summary = run_all(built)
    assert modes(summary)["agg_user_daily"] == "incremental"
    day = query(
        built,
        "select dau from reporting.active_users_daily where day = '2026-01-05' and slice = 'all'",
    )
    assert day == [{"dau": 2}]
    after = query(built, "select * from reporting.active_users_daily where day <> '2026-01-05'")
    assert [row for row in after if row["day"] < date(2026, 1, 5)] == [
        row for row in before if row["day"] < date(2026, 1, 5)
    ]
    touched = scalar(built, "select count(*) from warehouse.changed_user_days")
    assert touched == 1
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built)


@pytest.mark.slow
def test_a_late_first_event_moves_its_user_into_an_older_cohort(built: Database) -> None:
    insert_events(built, [event(-40, "u_1")])
    run_all(built)
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built)


def test_events_that_fit_no_fact_are_kept_with_the_first_reason_that_applies(
    database: Database,
) -> None:
    insert_events(
        database,
        [
            event(0, None, "like"),
            event(0, None, "nonsense", event_time="infinity"),
            event(0, "u_1", "nonsense", event_time="-infinity"),
            event(0, "u_1", "like", event_time="1999-12-31 23:59:59+00"),
            event(0, "u_1", "like", event_time="9999-12-31 23:59:59+00"),
            event(0, "u_1", "like", event_time=JANUARY, created_at=JANUARY - timedelta(hours=24)),
            event(
                0,
                "u_1",
                "like",
                event_time=JANUARY,
                created_at=JANUARY - timedelta(hours=24, seconds=1),
            ),
            event(0, "u_1", None),
            event(0, "u_1", "nonsense"),
        ],
    )
    run_all(database)
    reasons = query(
        database,
        "select reason, count(*) from warehouse.fact_unclassified_events group by reason order by reason",
    )
    assert [(row["reason"], row["count"]) for row in reasons] == [
        ("insane time", 4),
        ("no user_id", 2),
        ("unknown event type", 2),
    ]
    assert_facts_equal_oracle(database)
    assert_reports_equal_oracle(database)


def test_a_failed_script_changes_nothing_that_a_reader_sees(built: Database, project: Path) -> None:
    before = version(built)
    insert_events(built, [earn(31, "u_9", 5)])
    ingest(built)
    broken = edit(
        project,
        "sql/reporting/kpi_daily.sql",
        "miles_redeemed, burn_rate, is_complete\nfrom days",
        "1 / 0, burn_rate, is_complete\nfrom days",
    )
    with pytest.raises(RunnerError, match=r"sql/reporting/kpi_daily.sql.*division by zero.*22012"):
        rebuild(built, manifest=broken)
    assert version(built) == before
    statuses = query(
        built,
        "select status, count(*) from orchestrator.runs where kind in ('build', 'script') group by 1 order by 1",
    )
    found = {row["status"]: row["count"] for row in statuses}
    assert found["failed"] == 2
    assert found["rolled_back"] > 10
    rebuild(built)
    assert_equals_rebuild(built)


def test_an_error_names_the_file_and_the_line(built: Database, project: Path) -> None:
    broken = edit(
        project,
        "sql/warehouse/dim_platforms.sql",
        "min(event_date)",
        "min(nonsense)",
    )
    line = (project / "sql/warehouse/dim_platforms.sql").read_text().split("nonsense")[0].count(
        "\n"
    ) + 1
    with pytest.raises(
        RunnerError, match=rf"sql/warehouse/dim_platforms.sql:{line}: .*nonsense.*42703"
    ):
        rebuild(built, manifest=broken)


def test_a_failing_check_blocks_the_build_and_leaves_its_evidence(
    built: Database, project: Path
) -> None:
    before = version(built)
    (project / "sql/reporting/kpi_daily.check.sql").write_text(
        "-- Nobody is ever active.\nselect kpis.day, kpis.dau from {{ reporting }}.kpi_daily as kpis where kpis.slice = 'all' and kpis.dau > 0\n"
    )
    with pytest.raises(CheckFailed, match=r"kpi_daily.check.sql: 30 bad rows"):
        rebuild(built, manifest=load(project))
    assert version(built) == before
    result = query(built, "select * from reporting.data_checks where check_name = 'kpi_daily'")[0]
    assert (result["status"], result["bad_rows"], len(result["sample"])) == ("failed", 30, 5)


def test_a_check_may_call_its_columns_as_the_runner_calls_its_own(
    built: Database, project: Path
) -> None:
    (project / "sql/reporting/kpi_daily.check.sql").write_text(
        "select 1 as first, 2 as bad, 3 as _bad, 4 as few, 5 as sample\n"
    )
    with pytest.raises(CheckFailed, match=r"kpi_daily\.check\.sql: 1 bad rows"):
        rebuild(built, manifest=load(project))
    result = query(built, "select * from reporting.data_checks where check_name = 'kpi_daily'")[0]
    assert result["sample"] == [{"first": 1, "bad": 2, "_bad": 3, "few": 4, "sample": 5}]


def test_a_warning_check_does_not_block_the_build(built: Database, project: Path) -> None:
    (project / "sql/reporting/kpi_daily.check.sql").write_text(
        "-- Level: warn\nselect kpis.day from {{ reporting }}.kpi_daily as kpis\n"
    )
    summary = rebuild(built, manifest=load(project))
    assert len(summary.warnings) == 1
    assert (
        scalar(built, "select status from reporting.data_checks where check_name = 'kpi_daily'")
        == "warned"
    )


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("sql/warehouse/fact_miles_earned.sql", "where fact_table = 'fact_miles_earned'", "where fact_table = 'fact_miles_earned' and event_id % 7 > 0"),
        ("sql/warehouse/fact_reward_searches.sql", "where fact_table = 'fact_reward_searches'", "where fact_table = 'fact_miles_earned'"),
    ],
)  # fmt: skip
def test_the_check_of_the_facts_sees_a_row_that_is_missing_or_twice(
    built: Database, project: Path, file: str, old: str, new: str
) -> None:
    with pytest.raises(CheckFailed, match="fact_unclassified_events"):
        rebuild(built, manifest=edit(project, file, old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("coalesce(retained_users, 0) as", "coalesce(retained_users + 1, 0) as"),
        ("then coalesce(churned_users, 0)", "then coalesce(churned_users, 0) + 1"),
    ],
)
def test_the_check_of_growth_accounting_sees_each_broken_identity(
    built: Database, project: Path, old: str, new: str
) -> None:
    with pytest.raises(CheckFailed, match="growth_accounting"):
        rebuild(built, manifest=edit(project, "sql/reporting/growth_accounting.sql", old, new))


def test_a_changed_script_is_built_in_full_with_all_that_follows(
    built: Database, project: Path
) -> None:
    changed = edit(project, "sql/warehouse/agg_user_activity.sql", "as materialized", "as")
    found = modes(rebuild(built, manifest=changed))
    assert found["agg_user_activity"] == "full"
    assert {"retention", "growth_accounting", "kpi_daily"} <= found.keys()
    assert "fact_miles_earned" not in found
    assert "miles_by_category" not in found


def test_a_changed_comment_is_no_reason_to_build(built: Database, project: Path) -> None:
    changed = edit(project, "sql/warehouse/agg_user_activity.sql", "-- Why:", "-- Why so:")
    assert rebuild(built, manifest=changed).run_id is None


@pytest.mark.slow
def test_a_changed_time_zone_moves_every_day(built: Database, project: Path) -> None:
    insert_events(
        built, [earn(3, "u_1", 5) | {"event_time": datetime(2026, 1, 4, 23, 30, tzinfo=UTC)}]
    )
    run_all(built)
    moved = edit(
        project,
        "sql/manifest.toml",
        'reporting_timezone = "UTC"',
        'reporting_timezone = "Asia/Singapore"',
    )
    summary = rebuild(built, manifest=moved)
    assert set(modes(summary).values()) == {"full"}
    assert_reports_equal_oracle(built, timezone="Asia/Singapore")
    assert_equals_rebuild(built, moved)


def test_forcing_a_script_rebuilds_it_and_all_that_follows_without_a_difference(
    built: Database,
) -> None:
    before = version(built)
    summary = rebuild(built, select=["agg_user_daily"])
    assert modes(summary)["agg_user_daily"] == "full"
    assert all(
        result.changes.inserted + result.changes.updated + result.changes.deleted == 0
        for result in summary.results
        if result.step.script.layer == "reporting"
    )
    assert version(built)[0]["miles"] == before[0]["miles"]
    assert_equals_rebuild(built)


def test_a_table_that_was_dropped_and_made_again_is_built_in_full(built: Database) -> None:
    query(built, "drop table reporting.kpi_daily")
    found = modes(rebuild(built))
    assert found["kpi_daily"] == "full"
    assert "fact_miles_earned" not in found
    assert_equals_rebuild(built)


@pytest.mark.slow
def test_a_state_table_that_was_dropped_is_filled_again_with_what_follows(built: Database) -> None:
    query(built, "drop table warehouse.agg_engagement_daily")
    found = modes(rebuild(built))
    assert found["agg_user_daily"] == "full"
    assert "fact_miles_earned" not in found
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built)


def test_a_time_zone_that_does_not_exist_is_refused_before_the_build(
    built: Database, project: Path
) -> None:
    wrong = edit(project, "sql/manifest.toml", '"UTC"', '"Asia/Singapor"')
    with pytest.raises(StartError, match=r"reporting_timezone: .*Singapor"):
        rebuild(built, manifest=wrong)


def test_a_failure_that_is_mended_by_taking_the_change_back_is_told_as_mended(
    built: Database, project: Path
) -> None:
    check = project / "sql/reporting/kpi_daily.check.sql"
    check.write_text("select kpis.day from {{ reporting }}.kpi_daily as kpis\n")
    with pytest.raises(CheckFailed):
        rebuild(built, manifest=load(project))
    check.unlink()
    assert rebuild(built, manifest=load(project)).run_id is not None
    last = query(built, "select status from orchestrator.runs where kind = 'build' order by run_id")
    assert [row["status"] for row in last] == ["succeeded", "failed", "succeeded"]
    assert rebuild(built, manifest=load(project)).run_id is None


def test_endless_words_and_amounts_that_are_no_numbers_do_not_stop_a_build(
    database: Database,
) -> None:
    query(database, "alter table public.event_stream drop constraint miles_amount_is_not_negative")
    endless = "".join(f"{number:08x}" for number in range(0, 1 << 32, 1 << 22))
    for name in (
        "user_id",
        "event_type",
        "transaction_category",
        "platform",
        "utm_source",
        "country",
    ):
        insert_events(database, [event(0) | {name: endless}, event(0) | {name: endless + "!"}])
    insert_events(
        database,
        [earn(0, "u_1", miles) for miles in (5, float("nan"), float("inf"), float("-inf"))],  # type: ignore[arg-type]
    )
    run_all(database)
    assert scalar(database, "select sum(miles_earned) from warehouse.fact_miles_earned") == 5
    assert scalar(database, "select count(*) from warehouse.dim_utm_sources") == 3
    assert scalar(database, "select max(length(utm_source)) from warehouse.dim_utm_sources") == 192
    insert_events(database, [event(0, "u_2")])
    run_all(database)
    assert_equals_rebuild(database)


def test_publishing_joins_by_hash_where_keys_are_required(built: Database) -> None:
    full = rendered(built, load(PROJECT), Target(), ["fact_miles_earned", "retention"], full=True)
    assert 'stored."user_id" = removed."user_id"' in full
    assert 'stored."cohort_start" is not distinct from removed."cohort_start"' in full


def test_new_campaigns_touch_only_what_needs_them(built: Database) -> None:
    query(
        built, "insert into public.utm_campaigns (utm_source, monthly_cost) values ('unknown', 90)"
    )
    found = modes(run_all(built))
    assert found == {"dim_utm_sources": "incremental", "acquisition": "incremental"}
    assert_reports_equal_oracle(built)


def test_another_target_has_its_own_schemas_and_positions(built: Database) -> None:
    rebuild(built, target="dev")
    assert scalar(built, "select count(*) from dev_warehouse.fact_miles_earned") == 30
    insert_events(built, [earn(31, "u_1", 5)])
    run_all(built)
    assert scalar(built, "select count(*) from dev_warehouse.fact_miles_earned") == 30
    rebuild(built, target="dev")
    assert (
        differences(built, "live", "dev", ["warehouse.fact_miles_earned", "reporting.kpi_daily"])
        == {}
    )


def test_two_builds_at_once_one_works_and_one_says_who_does(built: Database) -> None:
    with psycopg.connect(built.conninfo) as other:
        other.execute("select pg_advisory_lock(%s, %s)", [BUILD_LOCK, lock_number("live")])
        with pytest.raises(LockHeld, match=str(other.info.backend_pid)) as refused:
            rebuild(built)
        assert refused.value.exit_code == 3
        rebuild(built, target="dev")


def test_a_build_whose_process_died_is_abandoned_and_its_scripts_rolled_back(
    built: Database,
) -> None:
    with built.session("test") as session:
        run_id = session.row(
            "insert into orchestrator.runs (kind, status, target) values ('build', 'running', 'live')"
            " returning run_id"
        )["run_id"]
        session.rows(
            "insert into orchestrator.runs (kind, status, target, parent_run_id, finished_at)"
            " values ('script', 'succeeded', 'live', %(run_id)s, now())",
            {"run_id": run_id},
        )
    rebuild(built)
    statuses = query(
        built,
        "select status from orchestrator.runs where run_id >= %(run_id)s and run_id <= %(run_id)s + 1 order by run_id",
        run_id=run_id,
    )
    assert [row["status"] for row in statuses] == ["abandoned", "rolled_back"]


def test_a_build_before_any_schema_says_what_to_do(empty_database: Database) -> None:
    with pytest.raises(StartError) as refused:
        rebuild(empty_database)
    assert refused.value.hint == "python -m runner schema apply"


def test_a_rendered_build_runs_as_one_script_and_gives_the_same_tables(built: Database) -> None:
    insert_events(built, [event(2, "u_7", "share"), earn(33, "u_1", 7)])
    ingest(built)
    rebuild(built, target="dev")
    script = rendered(built, load(PROJECT), Target(), None, full=False)
    assert script.startswith("begin")
    with psycopg.connect(built.conninfo, autocommit=True) as connection:
        connection.execute(script.encode())
    tables = [
        key
        for key, script in load(PROJECT).fillers().items()
        if not script.is_view and "changed" not in key
    ]
    assert differences(built, "live", "dev", tables) == {}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are run in transactions, except in rehearsals within them."""
    texts: list[str] = []
    run, rehearsal = Session.run, Session.rehearsal
    rehearsals = 0

    def noted(self: Session, text: str, file: Path | str | None = None) -> int:
        if not rehearsals and self.connection.info.transaction_status != TransactionStatus.IDLE:
            texts.append(text)
        return run(self, text, file)

    @contextlib.contextmanager
    def counted(self: Session) -> Iterator[None]:
        nonlocal rehearsals
        with rehearsal(self):
            rehearsals += 1
            try:
                yield
            finally:
                rehearsals -= 1

    monkeypatch.setattr(Session, "run", noted)
    monkeypatch.setattr(Session, "rehearsal", counted)
    return texts


@pytest.mark.parametrize(
    ("target", "full"), [("live", False), ("live", True), ("dev", False)], ids=str
)
def test_a_build_sends_what_render_prints(
    built: Database, sent: list[str], target: str, full: bool
) -> None:
    """Except for what a build records about itself."""
    insert_events(built, [event(2, "u_7", "share"), earn(33, "u_1", 7)])
    ingest(built)
    script = rendered(built, load(PROJECT), Target(target), (), full)
    sent.clear()
    done = build(built, load(PROJECT), Target(target), ["*"] if full else [])
    assert len(done.results) > 20
    printed = re.sub(r"^-- \S+[.]sql: (full|incremental), .*\n\n", "", script, flags=re.MULTILINE)
    body = "\n".join(text for text in sent if "into orchestrator." not in text)
    assert f"begin isolation level repeatable read;\n\n{body}\ncommit;\n" == printed


def test_a_view_is_rendered_although_a_build_leaves_it_alone(built: Database) -> None:
    text = rendered(built, load(PROJECT), Target(), ["classified_events"], full=False)
    assert "create or replace view warehouse.classified_events" in text


def test_readers_see_the_old_version_until_the_new_one_is_whole(
    built: Database, project: Path
) -> None:
    """A check that counts from another session, while the build holds its transaction open."""
    insert_events(built, [earn(31, "u_9", 1000)])
    ingest(built)
    seen: list[list[dict[str, object]]] = []
    before = version(built)
    hears = Hearing(result=lambda done: seen.append(version(built)))
    build(built, load(PROJECT), Target(), listener=hears)
    assert len(seen) > 10
    assert all(version_seen == before for version_seen in seen)
    assert version(built) != before


USERS = st.sampled_from(["u_1", "u_2", "u_3", None])
TYPES = st.sampled_from(
    ["miles_earned", "miles_redeemed", "reward_search", "share", "like", "odd", None]
)
EVENTS = st.fixed_dictionaries(
    {
        "event_time": st.integers(-70, 70).map(lambda hours: JANUARY + timedelta(hours=13 * hours)),
        "user_id": USERS,
        "event_type": TYPES,
        "transaction_category": st.sampled_from(["dining", "flight", None]),
        "miles_amount": st.sampled_from([None, 0, 5, 7.25]),
        "platform": st.sampled_from(["ios", "web", None]),
        "utm_source": st.sampled_from(["google", None]),
        "country": st.sampled_from(["SG", "TH"]),
    }
)
BATCHES = st.lists(
    st.tuples(
        st.lists(EVENTS, max_size=8), st.lists(st.tuples(st.integers(0, 30), EVENTS), max_size=5)
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(BATCHES)
def test_any_events_and_updates_in_any_batches_equal_a_rebuild_and_the_oracle(
    mutable: Database,
    batches: list[tuple[list[dict[str, object]], list[tuple[int, dict[str, object]]]]],
) -> None:
    for added, updated in batches:
        insert_events(mutable, added)
        ids = [
            row["event_id"]
            for row in query(mutable, "select event_id from public.event_stream order by 1")
        ]
        for index, values in updated:
            if ids:
                assignments = ", ".join(f"{name} = %({name})s" for name in values)
                query(
                    mutable,
                    f"update public.event_stream set {assignments}, updated_at = clock_timestamp()"
                    " where event_id = %(event_id)s",
                    event_id=ids[index % len(ids)],
                    **values,
                )
        run_all(mutable)
    assert_facts_equal_oracle(mutable)
    assert_reports_equal_oracle(mutable)
    assert_equals_rebuild(mutable)


def test_a_replica_that_was_emptied_and_loaded_again_is_built_in_full(built: Database) -> None:
    query(built, "delete from public.event_stream where event_id % 3 = 0")
    query(built, "truncate warehouse.raw_event_stream")
    summary = run_all(built)
    assert "raw.event_stream was emptied or recreated" in [
        result.step.reason for result in summary.results
    ]
    assert_facts_equal_oracle(built)
    assert_reports_equal_oracle(built)
    assert_equals_rebuild(built)
    assert run_all(built).run_id is None


def test_a_script_that_was_away_for_a_build_is_built_anew_when_it_is_back(
    built: Database, project: Path
) -> None:
    """As when somebody switches to a branch without the script, and back."""
    manifest = (project / "sql/manifest.toml").read_text()
    report, _, rest = manifest.partition("[reporting.cluster_quality]")
    (project / "sql/manifest.toml").write_text(report + "[" + rest.partition("\n[")[2])
    for folder in ("sql", "schema"):
        (project / folder / "reporting/cluster_quality.sql").rename(project / f"{folder}.away")
    insert_events(built, [earn(33, "u_1", 9)])
    ingest(built)
    rebuild(built, manifest=load(project))
    (project / "sql/manifest.toml").write_text(manifest)
    for folder in ("sql", "schema"):
        (project / f"{folder}.away").rename(project / folder / "reporting/cluster_quality.sql")
    assert modes(rebuild(built, manifest=load(project))) == {"cluster_quality": "full"}
    assert_reports_equal_oracle(built)


def test_a_table_without_a_key_is_told_when_it_would_be_published(
    built: Database, project: Path
) -> None:
    keyless = edit(
        project,
        "schema/reporting/cluster_quality.sql",
        "    constraint cluster_quality_key",
        "    check (cluster_count > 0)\n--    constraint cluster_quality_key",
    )
    rebuild(built, manifest=keyless)
    with pytest.raises(RunnerError, match=r"reporting\.cluster_quality has no key") as refused:
        rebuild(built, manifest=keyless, select=["cluster_quality"])
    assert refused.value.hint == "give it a primary key in schema/"
