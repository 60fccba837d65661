"""The torture test finds protocols that lose rows, and finds no loss in the one that ships."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runner.database.session import Database
from runner.ingest import attempt
from runner.ingest import run as ingest_run
from runner.ingest.source import Source
from runner.torture.faults import Plan
from runner.torture.run import scratch, torture
from tests.support import PROJECT, query
from tests.support.commands import assert_refused, command, environ
from tests.support.sweeps import slow_but
from tests.support.waiting import wait_until

BOUND = "least(started.moment, active.xact_start) - interval '1 second'"
HORIZON = "now_here.horizon::text::numeric as horizon"
NO_HORIZON = "now_here.horizon::text::numeric + age(now_here.horizon::xid) as horizon"

# On a busy machine few seconds may be too few for any row to be lost, or any victim to be found.
LONGER = ("4", "15", "60")


@pytest.fixture
def server(server_uri: str) -> Database:
    return Database(server_uri)


def databases(server: Database) -> list[str]:
    rows = query(server, "select datname as name from pg_database where datname ~ '_torture_'")
    return [row["name"] for row in rows]


def project_with_clock(folder: Path, *changes: tuple[str, str]) -> Path:
    """A project with another clock statement than the one that ships."""
    text = (PROJECT / "sql/ingest/clock.sql").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "sql/ingest").mkdir(parents=True)
    (folder / "sql/ingest/clock.sql").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.slow
def test_our_protocol_loses_nothing_where_the_naive_ones_do(server: Database) -> None:
    for seconds in LONGER:
        done = command("torture", "--seconds", seconds, "--seed", "4", "--json", database=server)
        verdict = json.loads(done.stdout)
        assert done.returncode == 0, done.stdout
        assert verdict["is_kept"]
        assert verdict["errors"] == {}
        for ours in verdict["ours"].values():
            assert ours["ledger"]["overlaps"] == 0
            assert ours["ledger"]["gaps"] == 0
        has_windows = all(ours["ledger"]["windows"] > 5 for ours in verdict["ours"].values())
        is_busy = verdict["kills"] > 0 and verdict["hidden_runs"] > 0 and has_windows
        if verdict["is_telling"] and is_busy:
            break
    assert verdict["is_telling"]
    assert verdict["hidden_runs"] > 0
    assert verdict["untrue"] == 0
    assert set(verdict["ours"]) == {"upsert", "append", "hidden"}
    assert verdict["kills"] > 0
    assert all(naive["missing"] > 0 for naive in verdict["naive"].values())
    assert has_windows


@pytest.mark.slow
def test_a_horizon_that_forgets_open_transactions_is_found_out(
    server: Database, tmp_path: Path
) -> None:
    broken = project_with_clock(tmp_path, (HORIZON, NO_HORIZON))
    for seconds in LONGER:
        with scratch(server) as database:
            plan = Plan(int(seconds), 8, 3, seed=2)
            verdict = torture(database, broken, plan, lambda progress: None)
        if not verdict.is_kept:
            break
    assert not verdict.is_kept
    assert not all(ours.unswept.is_exact for ours in verdict.ours.values())
    assert verdict.broken
    assert verdict.sample


@pytest.mark.slow
def test_a_protocol_that_reads_up_to_now_exits_1_and_tells_rows_and_runs(
    server: Database, tmp_path: Path
) -> None:
    broken = project_with_clock(tmp_path, (BOUND, "started.moment"), (HORIZON, NO_HORIZON))
    for seconds in LONGER:
        done = command("torture", "--seconds", seconds, database=server, project=broken)
        # Rows that only an audit has missed, and that came later, are in no run's window.
        if lost := re.search(
            r"^(upsert|append|hidden) +\d+ .* \[\d+\]$", done.stdout, re.MULTILINE
        ):
            break
    assert done.returncode == 1
    assert "milepost BROKE its promise" in done.stdout
    assert lost
    assert "Traceback" not in done.stderr
    name = re.search(r"milepost_torture_\d+", done.stdout)
    assert name
    assert name[0] not in databases(server)


@pytest.mark.slow
@pytest.mark.parametrize("guard", ["the word", "the chain"])
def test_hidden_rows_that_are_promised_or_forgotten_are_found_out(
    server: Database, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    """The one guard lowers the word while rows are hidden, the other compares all when they are
    shown again.
    """
    inspect = attempt.inspect_source

    def blind(*values: Any) -> Source:
        return replace(inspect(*values), hides_rows=False)

    def forgetful(self: Source, *values: Any) -> str:
        return chain(replace(self, hides_rows=False), *values)

    chain = Source.chain
    if guard == "the word":
        monkeypatch.setattr(attempt, "inspect_source", blind)
        monkeypatch.setattr(ingest_run, "inspect_source", blind)
    else:
        monkeypatch.setattr(Source, "chain", forgetful)
    for seconds in LONGER:
        with scratch(server) as database:
            plan = Plan(int(seconds), 4, 3, seed=2)
            verdict = torture(database, PROJECT, plan, lambda progress: None)
        if not verdict.is_kept:
            break
    assert not verdict.is_kept
    assert (verdict.untrue > 0) == (guard == "the word")
    assert not verdict.ours["hidden"].final.is_exact or not verdict.ours["hidden"].unswept.is_exact


def test_an_interrupted_torture_drops_its_database(server: Database) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "torture", "--seconds", "300"],
        cwd=PROJECT,
        env=environ(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        name = f"milepost_torture_{process.pid}"
        wait_until(lambda: name in databases(server), name)
        time.sleep(1)  # now everybody is at work
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert name not in databases(server)
    assert query(server, f"select from pg_roles where rolname = '{name}'") == []


@contextmanager
def poor(server: Database, rights: str) -> Iterator[Database]:
    """The same server, as a role with few rights."""
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        role = sql.Identifier("milepost_test_poor")
        connection.execute(sql.SQL("drop role if exists {}").format(role))
        connection.execute(sql.SQL("create role {} login " + rights).format(role))
        try:
            yield Database(make_conninfo(server.conninfo, user="milepost_test_poor"))
        finally:
            connection.execute(sql.SQL("drop role {}").format(role))


def test_who_may_not_create_a_database_is_told_so(server: Database) -> None:
    with poor(server, "") as database:
        done = command("torture", "--seconds", "1", database=database)
    assert_refused(done, 3, "may not create one")


@pytest.mark.parametrize("may", slow_but(["createrole", ""], "createrole"))
def test_rows_are_hidden_where_a_role_may_be_created(server: Database, may: str) -> None:
    with poor(server, f"createdb {may}") as database:
        done = command("torture", "--seconds", "2", "--writers", "2", database=database)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("not tried: rows that row security hides" in done.stdout) == (may == "")
    assert ("row security hid rows from" in done.stdout) == (may != "")
    name = re.search(r"milepost_torture_\d+", done.stdout)
    assert name
    assert query(server, f"select from pg_roles where rolname = '{name[0]}'") == []
