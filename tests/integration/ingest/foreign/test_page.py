"""docs/sources.md, tried as written: its commands, with the addresses of servers that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.integration.ingest.foreign.servers import PASSWORD, POSTGRES, ROLE, Cluster, MariaDB
from tests.support import PROJECT, query, scalar
from tests.support.commands import environ

pytestmark = pytest.mark.slow

PAGE = (PROJECT / "docs" / "sources.md").read_text(encoding="utf-8")


def commands(title: str) -> list[str]:
    """The commands of a section: its indented lines."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    lines = re.findall(r"^ {4,7}(\S.*)$", section[1], re.MULTILINE)
    return [line for line in lines if re.match(r"python|psql|mariadb|export", line)]


def follow(title: str, warehouse: Database, folder: Path, **replaced: str) -> None:
    """Type the commands of a section in a shell, and nobody to ask."""
    script = "\n".join(commands(title))
    for old, new in {
        "python -m runner": f"{sys.executable} -m runner --project {PROJECT}",
        **replaced,
    }.items():
        assert old in script, f"{title}: {old} is not there any more"
        script = script.replace(old, new)
    script = re.sub(r"(pipelines add .*)", r"\1 --yes", script).replace(
        "'the password'", '"$PASSWORD"'
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ(warehouse, PASSWORD=PASSWORD),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def last_guarantee(warehouse: Database) -> str:
    return str(
        scalar(warehouse, "select guarantee from orchestrator.runs order by run_id desc limit 1")
    )


def test_the_same_database(warehouse: Database, tmp_path: Path) -> None:
    query(warehouse, "create schema shop")
    query(
        warehouse,
        "create table shop.orders (order_id bigint primary key, updated_at timestamptz default now())",
    )
    follow("The same database", warehouse, tmp_path)
    assert last_guarantee(warehouse) == "exact"


def test_another_postgresql(warehouse: Database, shop: Cluster, tmp_path: Path) -> None:
    with shop.connect("shop") as connection:
        connection.execute("insert into app.orders (note) values ('first')")
        # The password of \password, which asks at a terminal.
        password = PASSWORD.replace("'", "''")
        connection.execute(f"drop role if exists {ROLE}".encode())
        connection.execute(f"create role {ROLE} login password '{password}'".encode())
    follow(
        "Another PostgreSQL",
        warehouse,
        tmp_path,
        **{
            "psql -f": f"{POSTGRES / 'psql'} -X -v ON_ERROR_STOP=1 -f",
            '"postgresql://owner@db.example.com/shop"': f'"{shop.conninfo("shop")}"',
            "milepost_reader@db.example.com": f"{ROLE}@127.0.0.1:{shop.port}",
        },
    )
    assert last_guarantee(warehouse) == "exact"
    assert scalar(warehouse, "select count(*) from warehouse.raw_orders") == 1


def test_mariadb(warehouse: Database, maria: MariaDB, tmp_path: Path) -> None:
    client = " ".join(["mariadb", *maria.address(), "--user=root"])
    follow(
        "MariaDB",
        warehouse,
        tmp_path,
        **{
            "mariadb --host db.example.com --user root --password": client,
            "milepost_reader@db.example.com": f"{ROLE}@127.0.0.1:{maria.port}",
        },
    )
    assert last_guarantee(warehouse) == "lookback"


def test_a_csv_file(warehouse: Database, folder: Path, tmp_path: Path) -> None:
    file = folder / "partners.csv"
    file.write_text("partner_id,partner_name,updated_at\n1,Acme,2026-01-01T08:00:00Z\n")
    file.chmod(0o644)
    follow("A CSV file", warehouse, tmp_path, **{"/srv/files/partners.csv": str(file)})
    assert last_guarantee(warehouse) == "lookback"
    assert scalar(warehouse, "select count(*) from warehouse.raw_partners") == 1


def test_every_policy_of_the_page_is_a_column_with_that_default(warehouse: Database) -> None:
    found = {
        row["name"]: row["value"] or ""
        for row in query(
            warehouse,
            """
            select column_name as name, column_default as value
            from information_schema.columns
            where table_schema = 'orchestrator' and table_name = 'pipeline_definitions'
            """,
        )
    }
    policies = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert len(policies) == 9
    for name, default in policies:
        value = re.sub(r"'(.*)'::.*", r"\1", found[name])
        same = {"00:10:00": "10 minutes"}
        assert same.get(value, value) == default, name
