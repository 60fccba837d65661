"""The commands as people type them, each in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from runner.database.session import Database
from tests.support import PROJECT, REAL_FILE, earn, insert_events, query, run_all, scalar
from tests.support.commands import SLEEPS, assert_refused, at_terminal, command, environ
from tests.support.waiting import wait_for


@pytest.mark.skipif(not REAL_FILE.is_file(), reason=f"the real file is not here: {REAL_FILE}")
def test_the_show_of_the_readme_on_a_database_of_ones_own(empty_database: Database) -> None:
    for line in (
        ["schema", "apply", "--yes"],
        ["load", str(REAL_FILE), "--as-history"],
        ["run-all"],
    ):
        done = command(*line, database=empty_database)
        assert done.returncode == 0, done.stderr
    counts = [
        scalar(empty_database, f"select count(*) from warehouse.fact_{fact}")
        for fact in ("miles_earned", "miles_redeemed", "reward_searches", "social_engagements")
    ]
    assert counts == [5613, 1362, 1533, 1492]
    again = command("run-all", database=empty_database)
    assert again.stdout.splitlines() == ["ingest: nothing new", "build: up to date"]
    look = command(
        "db",
        "psql",
        "-Atc",
        "select count(*) from reporting.growth_accounting where slice = 'all'",
        database=empty_database,
    )
    assert look.stdout.strip() == "109"


def test_the_commands_that_look_say_what_there_is(database: Database) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    assert "never built" in command("plan", database=database).stdout
    run_all(database)
    assert "nothing new" in command("plan", database=database).stdout
    assert "event_stream" in command("status", database=database).stdout
    assert command("status", database=database).stdout.startswith("ok: ")
    assert "succeeded" in command("runs", "--scripts", database=database).stdout
    assert "nothing was logged" in command("logs", database=database).stdout
    rendered = command("render", "fact_miles_earned", "--full", database=database).stdout
    assert "insert into pg_temp.fact_miles_earned" in rendered
    assert "{{" not in rendered


def test_schema_apply_shows_and_asks_on_a_server_of_ones_own(empty_database: Database) -> None:
    done = command("schema", "apply", database=empty_database)
    assert "create table warehouse.dim_users" in done.stdout
    assert_refused(done, 2, "this needs confirmation")
    assert scalar(empty_database, "select to_regnamespace('warehouse') is null")
    assert command("schema", "apply", "--yes", database=empty_database).returncode == 0
    assert command("schema", "apply", database=empty_database).stdout == "schema: up to date\n"


def test_demo_data_go_to_a_server_of_ones_own_only_when_asked_for(database: Database) -> None:
    assert_refused(command("seed", database=database), 2, "your own server")
    assert command("seed", "--if-empty", database=database).returncode == 0
    assert scalar(database, "select count(*) from public.event_stream") == 0
    small = ["--events", "100", "--users", "10", "--days", "10"]
    assert command("seed", "--demo", *small, database=database).returncode == 0
    assert scalar(database, "select count(*) from public.event_stream") == 100
    assert_refused(command("seed", "--demo", *small, database=database), 1, "has rows already")


def test_a_server_that_does_not_answer_is_an_error_and_never_replaced(tmp_path: Path) -> None:
    done = command("status", DATABASE_URL="postgresql://127.0.0.1:1/nothing?connect_timeout=2")
    assert_refused(done, 3, "cannot connect")
    done = command("status", PGHOST=str(tmp_path), PGDATABASE="nothing")
    assert_refused(done, 3, "cannot connect")


def test_a_database_without_a_schema_says_what_to_do(empty_database: Database) -> None:
    for name in ("run-all", "ingest", "build", "plan", "status", "runs", "logs"):
        done = command(name, database=empty_database)
        assert_refused(done, 3, "no orchestrator schema", "schema apply")


def test_a_folder_without_a_project_says_so(tmp_path: Path, database: Database) -> None:
    assert_refused(command("build", project=tmp_path, database=database), 3, "sql/manifest.toml")


def test_a_wrong_script_name_suggests_the_nearest(database: Database) -> None:
    done = command("build", "-s", "growth_acounting", database=database)
    assert_refused(done, 2, "did you mean growth_accounting?")


def test_a_syntax_error_names_file_and_line_and_exits_with_1(
    database: Database, project: Path
) -> None:
    file = project / "sql/warehouse/dim_dates.sql"
    file.write_text(file.read_text().replace("cross join lateral", "crosss join lateral"))
    line = file.read_text().split("crosss")[0].count("\n") + 1
    run_all(database)
    done = command("build", project=project, database=database)
    assert_refused(done, 1, f"sql/warehouse/dim_dates.sql:{line}:", "42601", hint=False)


def test_debug_shows_the_traceback(database: Database) -> None:
    done = command("build", "-s", "nonsense", "--debug", database=database)
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_build_leaves_the_old_version_and_its_evidence(
    database: Database, project: Path, number: signal.Signals
) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    run_all(database)
    before = query(database, "select * from reporting.kpi_daily order by day")
    file = project / "sql/reporting/acquisition.sql"
    file.write_text(file.read_text() + "\nselect pg_sleep(300);\n")
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "build", "-s", "agg_user_daily"],
        cwd=project,
        env=environ(database),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(database, SLEEPS)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert query(database, "select * from reporting.kpi_daily order by day") == before
    last = query(
        database,
        "select status, error from orchestrator.runs where kind = 'build' order by run_id desc limit 1",
    )
    assert last == [{"status": "failed", "error": "interrupted"}]
    assert run_all(database).results == ()
    assert command("status", database=database).returncode == 0


def test_a_killed_build_is_abandoned_by_the_next(database: Database, project: Path) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    run_all(database)
    file = project / "sql/reporting/acquisition.sql"
    file.write_text(file.read_text() + "\nselect pg_sleep(300);\n")
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "build"], cwd=project, env=environ(database)
    ) as process:
        wait_for(database, SLEEPS)
        process.kill()
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where wait_event = 'PgSleep' and datname = current_database()"
        )
    query(database, "drop table reporting.acquisition")
    assert run_all(database).run_id is not None
    statuses = query(
        database, "select status from orchestrator.runs where kind = 'build' order by run_id"
    )
    assert [row["status"] for row in statuses] == ["succeeded", "abandoned", "succeeded"]


def test_the_shell_completes_commands_and_names_of_scripts() -> None:
    def complete(*words: str) -> list[str]:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; sys.argv[0] = 'milepost'; import runner.cli.main as c; c.main()",
            ],
            cwd=PROJECT,
            env=environ(
                None,
                _MILEPOST_COMPLETE="bash_complete",
                COMP_WORDS=" ".join(["milepost", *words]),
                COMP_CWORD=str(len(words)),
            ),
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("pip") == ["pipelines"]
    assert complete("build", "-s", "fact_m") == ["fact_miles_earned", "fact_miles_redeemed"]
    assert complete("plan", "-s", "+kpi") == ["+kpi_daily", "+kpi_periods", "+kpi_drivers"]


@pytest.mark.slow
def test_json_is_all_that_a_program_reads(database: Database) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    first = json.loads(command("run-all", "--json", database=database).stdout)
    assert [window["inserted"] for window in first["ingest"]] == [3]
    assert len(first["build"]["scripts"]) > 20
    for name in ("plan", "status", "runs", "logs", "checks", "lint"):
        assert isinstance(
            json.loads(command(name, "--json", database=database).stdout), list | dict
        )
    run = json.loads(command("runs", "--json", "-n", "1", database=database).stdout)[0]["run"]
    story = json.loads(command("runs", "show", str(run), "--json", database=database).stdout)
    assert story["kind"] == "build"
    assert story["run_checks"][0]["status"] == "passed"
    assert len(json.loads(command("pipelines", "list", "--json", database=database).stdout)) == 3


def test_quiet_says_nothing_when_all_is_well(database: Database) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    done = command("run-all", "--quiet", database=database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert command("status", "--quiet", database=database).stdout == ""
    assert command("build", "-s", "nonsense", "--quiet", database=database).stderr.startswith(
        "error: "
    )


def test_a_terminal_gets_progress_and_a_table_and_no_color_is_heard(database: Database) -> None:
    insert_events(database, [earn(day, "u_1", 5) for day in range(3)])
    shown = at_terminal("run-all", database=database, COLUMNS="100")
    assert re.search(r"\(\d+ of \d+\)", plain(shown))  # the line that moves
    assert re.search(r"warehouse\.fact_miles_earned +\+3 +[0-9.]+ never built", plain(shown))
    assert "\x1b[1m" in shown
    assert "\x1b[32m" in at_terminal("status", database=database)
    assert "\x1b[32m" not in at_terminal("status", database=database, NO_COLOR="1")


def test_a_table_that_is_wider_than_the_terminal_has_a_line_for_each_value(built: Database) -> None:
    heading = r"^pipeline +status +loaded_through +newest_arrival +guarantee\s*$"
    shown = {
        columns: plain(at_terminal("status", database=built, COLUMNS=columns))
        for columns in ("60", "80")
    }
    assert re.search(heading, shown["80"], re.MULTILINE)
    assert not re.search(heading, shown["60"], re.MULTILINE)
    assert re.search(r"^pipeline +event_stream\s*$", shown["60"], re.MULTILINE)


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
