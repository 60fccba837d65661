"""A password is shown to nobody: not in the list of processes, errors, logs, tables or pages."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from runner.database.session import Database
from tests.support import earn, insert_events, query, scalar
from tests.support.commands import command, environ

SECRET = "xK9planted7"


@pytest.fixture
def secret(database: Database) -> Database:
    """The same database, in an address with a password."""
    return Database(make_conninfo(database.conninfo, password=SECRET))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}%zz@127.0.0.1:9/db",
        f"postgresql://me:a@{SECRET}@127.0.0.1:9/db",
        f"postgresql://me:a/{SECRET}@127.0.0.1:9/db",
        f"postgresql://me:{SECRET}@127.0.0.1:nine/db",
        f"postgresql://me:{SECRET}@127.0.0.1:9/db?pass word",
        f"postgresql://me:a b?{SECRET}@127.0.0.1:9/db",
        f"host=127.0.0.1 port=9 password=a {SECRET}",
        f"host=127.0.0.1 port=9 password='{SECRET}",
        f"postgres//me:{SECRET}@127.0.0.1/db",
        f"postgresql://me:{SECRET}@127.0.0.1:9/db",
    ],
)
@pytest.mark.parametrize("what", [("status", "--debug"), ("db", "url")])
def test_no_address_is_repeated_in_an_error(url: str, what: tuple[str, ...]) -> None:
    done = command(*what, DATABASE_URL=url)
    assert SECRET not in done.stdout + done.stderr


def test_psql_is_started_without_the_password_on_its_command_line(secret: Database) -> None:
    arguments = [sys.executable, "-m", "runner", "db", "psql", "-c", "select pg_sleep(5)"]
    with subprocess.Popen(arguments, env=environ(secret), stdout=subprocess.DEVNULL) as psql:
        deadline = time.monotonic() + 30
        running, words = Path(f"/proc/{psql.pid}/cmdline"), [b""]
        # Debian's is a script that becomes psql in the end.
        while not words[0].endswith(b"psql") and time.monotonic() < deadline:
            time.sleep(0.05)
            words = running.read_bytes().split(b"\0")
            assert SECRET.encode() not in b" ".join(words)
        assert words[0].endswith(b"psql")
        psql.terminate()
    done = command("db", "psql", "-Atc", "select current_database()", database=secret)
    assert done.stdout.strip() == scalar(secret, "select current_database()")


def test_a_password_is_written_nowhere(secret: Database, tmp_path: Path) -> None:
    insert_events(secret, [earn(day, "u_1", 100) for day in range(3)])
    shown = ""
    for words in (
        ("run-all", "--debug"),
        ("status",),
        ("runs",),
        ("logs",),
        ("db", "url"),
        ("dashboard", "-o", str(tmp_path / "page.html")),
        ("docs", "-o", str(tmp_path / "docs.html")),
    ):
        done = command(*words, database=secret)
        assert not done.returncode or words == ("status",), done.stderr
        shown += done.stdout + done.stderr
    shown += "".join(path.read_text() for path in tmp_path.iterdir())
    for row in query(
        secret,
        "select format('%I.%I', schemaname, tablename) as name from pg_tables"
        " where schemaname in ('orchestrator', 'warehouse', 'reporting')",
    ):
        shown += str(query(secret, f"select to_jsonb(t.*)::text as row from {row['name']} as t"))
    assert SECRET not in shown
