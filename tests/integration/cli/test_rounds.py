"""A round builds what it can: one source that fails does not freeze the reports of the others."""

from __future__ import annotations

import json
from pathlib import Path

from runner.database.session import Database
from tests.support import earn, insert_events, query, scalar
from tests.support.commands import command

CAMPAIGNS_GONE = "alter table public.utm_campaigns rename to lent_out"


def test_a_failing_source_keeps_back_only_what_it_fills(built: Database) -> None:
    query(built, CAMPAIGNS_GONE)
    insert_events(built, [earn(31, "late riser", 70)])

    done = command("run-all", database=built)

    assert done.returncode == 1
    assert "error: pipeline utm_campaigns" in done.stderr
    assert "event_stream" in done.stdout
    miles = "select sum(miles_earned) from warehouse.fact_miles_earned where user_id = 'late riser'"
    assert scalar(built, miles) == 70
    assert (
        scalar(
            built,
            "select status from orchestrator.runs where kind = 'build'"
            " order by run_id desc limit 1",
        )
        == "succeeded"
    )


def test_status_names_the_reports_that_stay_behind_and_since_when(built: Database) -> None:
    query(built, CAMPAIGNS_GONE)
    command("run-all", database=built)
    done = command("status", "--json", database=built)
    assert done.returncode == 1
    [behind] = json.loads(done.stdout)["behind"]
    assert behind["pipeline"] == "utm_campaigns"
    assert behind["reports"] == ["reporting.acquisition"]
    loaded = scalar(
        built,
        "select to_char(loaded_through, 'YYYY-MM-DD HH24:MI:SSTZH:TZM')"
        " from reporting.freshness where pipeline_name = 'utm_campaigns'",
    )
    assert behind["loaded_through"] == loaded
    said = command("status", database=built).stdout
    assert (
        f"not updated since pipeline utm_campaigns stopped at {loaded}: reporting.acquisition"
        in said
    )


def test_a_failing_round_still_answers_in_json(built: Database) -> None:
    query(built, CAMPAIGNS_GONE)
    insert_events(built, [earn(31, "late riser", 70)])
    done = command("run-all", "--json", database=built)
    answer = json.loads(done.stdout)
    assert done.returncode == answer["error"]["exit_code"] == 1
    assert answer["build"]["run"] is not None
    assert [run["pipeline"] for run in answer["ingest"]] == ["event_stream"]


def test_a_script_that_fails_after_a_pipeline_failed_is_the_error_and_both_are_told(
    built: Database,
) -> None:
    query(built, CAMPAIGNS_GONE)
    insert_events(built, [earn(31, "late riser", 70)])
    query(
        built,
        "alter table warehouse.fact_miles_earned add constraint no check (user_id <> 'late riser')",
    )
    done = command("run-all", database=built)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "fact_miles_earned.sql" in done.stderr
    assert "warning: pipeline utm_campaigns" in done.stderr


def test_a_source_that_was_never_loaded_is_the_error_of_a_first_round(database: Database) -> None:
    query(database, CAMPAIGNS_GONE)
    query(database, "drop table if exists warehouse.raw_utm_campaigns cascade")
    done = command("run-all", database=database)
    assert done.returncode == 3
    assert "error: pipeline utm_campaigns" in done.stderr


def test_commands_after_a_round_are_told_how_it_went(built: Database, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    words = ("run-all", "--on-success", f"cat > {good}", "--on-failure", f"cat > {bad}")
    assert command(*words, database=built).returncode == 0
    assert json.loads(good.read_text())["build"]["run"] is None
    assert not bad.exists()
    good.unlink()
    query(built, CAMPAIGNS_GONE)
    assert command(*words, database=built).returncode == 1
    assert "utm_campaigns" in json.loads(bad.read_text())["error"]["message"]
    assert not good.exists()


def test_a_command_that_fails_is_a_warning(built: Database) -> None:
    done = command("run-all", "--json", "--on-success", "echo hello; exit 4", database=built)
    assert done.returncode == 0
    assert "warning: echo hello; exit 4: exit code 4" in done.stderr
    json.loads(done.stdout)


def test_the_page_is_written_after_a_build_that_changed_something(
    built: Database, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    words = ("run-all", "--dashboard", str(page))
    assert command(*words, database=built).returncode == 0
    assert page.exists()
    page.write_text("old")
    command(*words, database=built)
    assert page.read_text() == "old"
    insert_events(built, [earn(31, "late riser", 70)])
    command(*words, database=built)
    assert page.read_text() != "old"


def test_metrics_of_status_are_what_a_collector_reads(built: Database) -> None:
    done = command("status", "--format", "prometheus", database=built)
    lines = done.stdout.splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert samples['milepost_good{target="live"}'] in ("0", "1")
    newest = float(samples['milepost_newest_event_seconds{target="live",pipeline="event_stream"}'])
    expected = scalar(built, "select extract(epoch from max(event_time)) from public.event_stream")
    assert newest == float(int(expected))
    passed = int(samples['milepost_checks{target="live",status="passed"}'])
    assert passed > 10
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {line.partition("{")[0] for line in samples} == named
