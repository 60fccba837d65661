"""docs/migrate-from-dbt.md: its files are a project, its commands say what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import PROJECT, query, scalar
from tests.support.commands import environ

PAGE = (PROJECT / "docs/migrate-from-dbt.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
# What is Milepost's; dbt has models/ and macros/.
FILE = re.compile(r"^(?:--|#) ((?:schema|sql|tests)/\S+)\n", flags=re.MULTILINE)
CASE = "tests/sql/warehouse/customers/payments_add_up/given/raw"
SOURCES = """
create schema app;
create table app.customers (
    id bigint primary key, name text not null, updated_at timestamptz default now()
);
create table app.orders (
    id bigint primary key, customer_id bigint not null, ordered_on date not null,
    status text not null, updated_at timestamptz default now()
);
create table app.payments (
    id bigint primary key, order_id bigint not null, method text not null, cents bigint not null,
    updated_at timestamptz default now()
);
"""


def files() -> dict[str, str]:
    """The files of the page: a block begins with the name of a file, and may hold several."""
    found = {}
    for _, block in BLOCKS:
        _, *parts = FILE.split(block)
        found |= dict(zip(parts[::2], (text.strip() + "\n" for text in parts[1::2]), strict=True))
    return found


@pytest.fixture
def moved(empty_database: Database, tmp_path: Path) -> Database:
    """The project of the page, and the tables of its case as the tables of the application."""
    for name, text in files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with empty_database.session("test") as session:
        session.run(SOURCES)
        for table in ("customers", "orders", "payments"):
            header, *lines = files()[f"{CASE}.{table}.csv"].splitlines()
            copy = f"copy app.{table} ({header}) from stdin with (format csv)"
            session.copy(copy, [f"{line}\n".encode() for line in lines])
    return empty_database


def run(database: Database, folder: Path, script: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("python -m", f"{sys.executable} -m")],
        cwd=folder,
        env=environ(database),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_page_say_what_it_says(moved: Database, tmp_path: Path) -> None:
    commands = re.findall(r"^    (python -m runner .*)$", PAGE, flags=re.MULTILINE)
    assert len(commands) == 5
    said = _comparable(run(moved, tmp_path, "\n".join(commands)))
    (shown,) = (text for kind, text in BLOCKS if kind == "text")
    for line in _comparable(shown).splitlines():
        assert line in said.splitlines(), said


def test_what_the_page_promises_of_its_incremental_model(moved: Database, tmp_path: Path) -> None:
    """A payment that comes after its order, one that goes, an order that changes: its amount, and
    its history.
    """
    run(moved, tmp_path, "python -m runner schema apply --yes; python -m runner run-all")
    with moved.session("test") as session:
        session.run("insert into app.payments values (102, 11, 'card', 500, now())")
        session.run("delete from app.payments where id = 101")
        session.run("update app.orders set status = 'returned', updated_at = now() where id = 10")
        session.run("update orchestrator.pipeline_definitions set on_delete = 'apply'")
    said = run(
        moved, tmp_path, "python -m runner reconcile payments; python -m runner run-all --json"
    )
    assert '"incremental"' in said and '"full"' not in said
    amounts = query(moved, "select order_id, status, amount from warehouse.orders order by 1")
    assert [tuple(row.values()) for row in amounts] == [
        (10, "returned", 10.5),
        (11, "returned", 5),
    ]
    history = query(
        moved,
        "select status, valid_to is null as is_current from warehouse.order_history"
        " where order_id = 10 order by valid_from",
    )
    assert [tuple(row.values()) for row in history] == [("shipped", False), ("returned", True)]
    assert (
        scalar(moved, "select lifetime_value from warehouse.customers where name = 'ann'") == 15.5
    )
    run(moved, tmp_path, "python -m runner verify")


def test_the_page_shows_what_dbt_has_beside_each_of_its_own(moved: Database) -> None:
    models = re.findall(r"^(?:--|#) ((?:models|macros)/\S+)$", PAGE, flags=re.MULTILINE)
    assert len(models) >= 3 and len(files()) >= 15


def _comparable(text: str) -> str:
    text = re.sub(r"\b\d+\.\ds$", "0s", text, flags=re.MULTILINE)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)
