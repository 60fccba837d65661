"""Every mistake ends in one clear line, a hint, the right exit code, and nothing lost."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from runner.database.session import Database
from tests.support import PROJECT, earn, edit, ingest, insert_events, query, run_all, scalar
from tests.support.commands import SLEEPS, assert_refused, command, environ
from tests.support.databases import Moulds, apply_schema
from tests.support.throwaway import ThrowawayServer
from tests.support.waiting import wait_for, wait_until


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter: as root, servers run as one of them."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _build_four_days(database: Database) -> None:
    insert_events(database, [earn(day, f"u_{day % 2}", 5) for day in range(4)])
    run_all(database)


@pytest.fixture
def built(moulds: Moulds) -> Iterator[Database]:
    with moulds.clone(apply_schema, _build_four_days) as database:
        yield database


def can_connect(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def report(database: Database) -> list[dict[str, object]]:
    return query(database, "select * from reporting.kpi_daily order by day")


# --- the server -------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_in_one_line(open_folder: Path) -> None:
    """A server of its own that asks for passwords."""
    server = ThrowawayServer(open_folder / "data").start()
    try:
        rules = server.data / "pg_hba.conf"
        with psycopg.connect(server.uri, autocommit=True) as connection:
            connection.execute("create role guest login password 'right'")
            rules.write_text("local all guest scram-sha-256\nlocal all postgres trust\n")
            connection.execute("select pg_reload_conf()")
        where = conninfo_to_dict(server.uri)
        url = f"host={where['host']} port={where['port']} dbname=postgres user=guest password=wrong"
        wait_until(lambda: not can_connect(url.replace("wrong", "")), "rules that are heard")
        assert_refused(command("status", DATABASE_URL=url), 3, "cannot connect", "password")
    finally:
        server.close()


@pytest.fixture
def pooler(database: Database, open_folder: Path) -> Iterator[str]:
    """PgBouncer in transaction mode before the test server; the address behind it."""
    binary = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if binary is None:
        pytest.skip("pgbouncer is not installed")
    where = {"port": 5432, **conninfo_to_dict(database.conninfo)}
    folder = open_folder / "pooler"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    users = folder / "users.txt"
    users.write_text('"postgres" ""\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n"
        f"* = host={where['host']} port={where['port']} user={where['user']}\n"
        "[pgbouncer]\n"
        f"unix_socket_dir = {folder}\nlisten_port = 6432\nlisten_addr =\n"
        f"auth_type = any\nauth_file = {users}\npool_mode = transaction\n"
        "ignore_startup_parameters = options,extra_float_digits\n"
    )
    user = ["-u", "postgres"] if os.geteuid() == 0 else []
    with subprocess.Popen([binary, *user, str(settings)], stderr=subprocess.PIPE) as process:
        wait_until((folder / ".s.PGSQL.6432").exists, "a pooler")
        yield f"host={folder} port=6432 dbname={where['dbname']} user={where['user']}"
        process.terminate()


@pytest.mark.parametrize("name", ["ingest", "build"])
def test_a_pooler_in_transaction_mode_is_refused(pooler: str, name: str) -> None:
    assert_refused(command(name, DATABASE_URL=pooler), 3, "pooler in transaction mode")


# --- the manifest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[warehouse.dim_dates]", "[warehouse.dim_dates", "sql/manifest.toml: "),
        ("[warehouse.dim_dates]", "[warehouse.dim_dates]\nneed = 1", "[warehouse.dim_dates] need"),
        ("[warehouse.dim_platforms]", "[warehouse.dim_devices]", "dim_devices.sql does not exist"),
        (
            '[warehouse.dim_platforms]\nneeds = ["warehouse.agg_engagement_daily"]\n',
            "",
            "dim_platforms.sql is not in sql/manifest.toml",
        ),
        ('"warehouse.agg_period_activity"', '"warehouse.agg_period_activty"', "agg_period_activty"),
        (
            'needs = ["warehouse.changed_events", "warehouse.early_events", "warehouse.last_day"]',
            'needs = ["warehouse.changed_users"]',
            "cycle: warehouse.changed_user",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_before_anything_runs(
    built: Database, project: Path, old: str, new: str, said: str
) -> None:
    before = report(built)
    manifest = project / "sql/manifest.toml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))
    for name in ("build", "plan", "lint"):
        done = command(name, project=project, database=built)
        assert_refused(done, 3, said, hint="hint: " in done.stderr)
    assert report(built) == before


# --- the SQL ----------------------------------------------------------------------------------------


def test_a_runtime_error_names_file_and_reason(built: Database, project: Path) -> None:
    edit(
        project,
        "sql/reporting/active_users_daily.sql",
        "dau, wau, mau,\n    case",
        "1 / (dau - dau), wau, mau,\n    case",
    )
    before = report(built)
    done = command("build", project=project, database=built)
    assert_refused(
        done, 1, "sql/reporting/active_users_daily.sql: division by zero (22012)", hint=False
    )
    assert report(built) == before


def test_an_undefined_variable_names_file_and_line(built: Database, project: Path) -> None:
    file = project / "sql/warehouse/dim_users.sql"
    file.write_text(file.read_text() + "\nselect {{ no_such_thing }};\n")
    line = file.read_text().split("{{ no_such_thing")[0].count("\n") + 1
    done = command("build", project=project, database=built)
    assert_refused(done, 1, f"sql/warehouse/dim_users.sql:{line}: no_such_thing is not defined")


def test_a_failing_check_names_itself_and_a_bad_row(built: Database, project: Path) -> None:
    check = project / "sql/reporting/kpi_daily.check.sql"
    check.write_text(
        "-- Nobody is active.\nselect kpis.day from {{ reporting }}.kpi_daily as kpis where slice = 'all'\n"
    )
    done = command("build", project=project, database=built)
    assert_refused(done, 1, "sql/reporting/kpi_daily.check.sql: 4 bad rows", "2026-01-01")
    status = command("status", database=built)
    assert status.returncode == 1
    assert "check kpi_daily" in status.stdout
    checks = command("checks", project=project, database=built)
    assert checks.returncode == 1


# --- pipelines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("source_relation = 'public.nothing'", "source public.nothing does not exist"),
        ("cursor_column = 'nothing'", "public.event_stream has no column nothing"),
        ("key_columns = '{nothing}'", "public.event_stream has no column nothing"),
    ],
)
def test_a_pipeline_that_points_nowhere_says_so_and_leaves_a_failed_run(
    built: Database, change: str, said: str
) -> None:
    query(built, f"update orchestrator.pipeline_definitions set {change} where pipeline_id = 1")
    assert_refused(command("ingest", "event_stream", database=built), 3, said)
    last = query(built, "select status, error from orchestrator.runs order by run_id desc limit 1")[
        0
    ]
    assert last["status"] == "failed"
    assert said in last["error"]
    assert command("status", database=built).returncode == 1


def test_a_key_that_vanished_stops_the_pipeline_and_nothing_else(built: Database) -> None:
    query(built, "alter table public.event_stream drop column event_id")
    done = command("ingest", database=built)
    assert_refused(done, 3, "event_stream has no column event_id")
    assert scalar(built, "select count(*) from warehouse.raw_event_stream") == 4


def test_adding_a_pipeline_shows_the_row_and_asks(database: Database) -> None:
    arguments = [
        "pipelines",
        "add",
        "people",
        "--source",
        "public.people",
        "--cursor",
        "changed_at",
    ]
    assert_refused(command(*arguments, database=database), 3, "public.people does not exist")
    query(database, "create table public.people (id int primary key, name text, changed_at text)")
    assert_refused(command(*arguments, database=database), 3, "cursor changed_at is of type text")
    query(
        database,
        "alter table public.people alter changed_at type timestamptz using changed_at::timestamptz",
    )
    done = command(*arguments, database=database)
    assert_refused(done, 2, "this needs confirmation")
    assert "warehouse.raw_people" in done.stdout
    assert "no index begins with changed_at" in done.stderr
    assert scalar(database, "select count(*) from orchestrator.pipeline_definitions") == 3
    done = command(*arguments, "--key", "id", "--mode", "upsert", "--yes", database=database)
    assert done.returncode == 0
    query(database, "insert into public.people values (1, 'Ann', now())")
    ingest(database, "people")
    assert scalar(database, "select name from warehouse.raw_people") == "Ann"


# --- two at once, and the end of it -----------------------------------------------------------------


def slow_source(database: Database) -> None:
    """A source that takes half a minute to read."""
    with database.session("test") as session:
        session.run(
            "create view public.slow as select event_id, created_at, pg_sleep(300)::text as nothing"
            " from public.event_stream;"
            " insert into orchestrator.pipeline_definitions"
            " (pipeline_name, source_relation, cursor_column)"
            " values ('slow', 'public.slow', 'created_at')"
        )


@contextmanager
def start(
    *arguments: str, database: Database, project: Path = PROJECT
) -> Iterator[subprocess.Popen[str]]:
    """The runner as a process, which ends with the block: a test that fails must not wait for it."""
    with subprocess.Popen(
        [sys.executable, "-m", "runner", *arguments],
        cwd=project,
        env=environ(database),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_window_leaves_no_rows_and_a_failed_run(
    built: Database, number: signal.Signals
) -> None:
    slow_source(built)
    with start("ingest", "slow", database=built) as process:
        wait_for(built, SLEEPS)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip().splitlines() == [
        "error: interrupted; what was not committed is rolled back"
    ]
    assert scalar(built, "select count(*) from warehouse.raw_slow") == 0
    last = query(built, "select status, error from orchestrator.runs order by run_id desc limit 1")[
        0
    ]
    assert last == {"status": "failed", "error": "interrupted"}


def test_of_two_runs_at_once_the_second_says_who_holds_the_lock_and_since_when(
    built: Database,
) -> None:
    slow_source(built)
    with start("run-all", database=built) as process:
        wait_for(built, SLEEPS)
        done = command("ingest", "slow", database=built)
        assert_refused(
            done, 3, "an ingest of slow is already running", "milepost ingest", "since 20"
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_a_terminal_that_closes_leaves_no_half_of_anything(built: Database) -> None:
    slow_source(built)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "ingest", "slow"],
        cwd=PROJECT,
        env=environ(built, TERM="xterm"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    wait_for(built, SLEEPS)
    os.close(leader)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) != 0
    wait_for(built, SLEEPS.replace("exists", "not exists", 1))
    assert scalar(built, "select count(*) from warehouse.raw_slow") == 0
    query(
        built,
        "update orchestrator.pipeline_definitions set is_enabled = false where pipeline_name = 'slow'",
    )
    assert run_all(built).run_id is None


def test_a_reader_of_the_output_that_leaves_is_no_traceback(built: Database) -> None:
    with start("runs", "--scripts", database=built) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
    assert "Traceback" not in said
