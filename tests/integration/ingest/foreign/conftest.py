"""Real servers for sources in other databases: two PostgreSQL 15 of Debian, one the warehouse and
one a source, and a MariaDB whose clock is not UTC. They go with the tests, however those end.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.integration.ingest.foreign.servers import (
    MYSQL_FDW,
    PASSWORD,
    PATIENCE,
    ROLE,
    Cluster,
    MariaDB,
    free_port,
    make_folder,
    new_cluster,
    new_database,
    run_server,
    run_source_sql,
    wait_for,
)
from tests.support import PROJECT
from tests.support.commands import command
from tests.support.throwaway import WATCHDOG


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="milepost-sources-"))
    found.chmod(0o755)  # as root, the servers run as other users, who have to pass
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="session")
def warehouse_server(folder: Path) -> Iterator[Cluster]:
    with new_cluster(folder / "warehouse") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shop_server(folder: Path) -> Iterator[Cluster]:
    with new_cluster(folder / "shop") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def mariadb_server(folder: Path) -> Iterator[MariaDB]:
    binary = shutil.which("mariadbd") or shutil.which("/usr/sbin/mariadbd")
    if binary is None:
        pytest.skip("mariadb-server is not installed")
    if not MYSQL_FDW.exists():
        pytest.skip("postgresql-15-mysql-fdw is not installed")
    server = MariaDB(folder / "mariadb", free_port())
    user = make_folder(server.folder, "mysql")
    data = server.folder / "data"
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        user=user,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    arguments = [
        binary,
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={server.folder}/socket",
        f"--port={server.port}",
        "--bind-address=127.0.0.1",
        "--innodb-buffer-pool-size=32M",
        "--innodb-flush-log-at-trx-commit=0",
        "--skip-log-bin",
    ]
    stop = WATCHDOG.replace("-INT", "-TERM")
    with run_server(stop, server.folder, arguments, user, TZ="America/New_York"):
        wait_for(server.folder / "socket", server.folder / "log")
        server.run(
            f"create user {ROLE}@'%' identified by '{PASSWORD.replace(chr(39), chr(39) * 2)}'"
        )
        yield server


@pytest.fixture
def warehouse(warehouse_server: Cluster) -> Iterator[Database]:
    """A warehouse of the test's own, on PostgreSQL 15, with nothing in it but the schema."""
    with new_database(warehouse_server, "warehouse"):
        database = Database(warehouse_server.conninfo("warehouse"))
        schema.apply(database, load(PROJECT), Target())
        with database.session("test") as session:
            session.run("delete from orchestrator.pipeline_definitions")
        yield database


@pytest.fixture
def shop(shop_server: Cluster) -> Iterator[Cluster]:
    """The database shop on the other server, with a table app.orders; nothing of ours is there."""
    with new_database(shop_server, "shop"):
        with shop_server.connect("shop") as connection:
            connection.execute(
                """
                create schema app;
                create table app.orders (
                    id bigint generated always as identity primary key,
                    note text,
                    amount numeric(12, 2),
                    updated_at timestamptz default now()
                );
                create index on app.orders (updated_at);
                """
            )
        yield shop_server


@pytest.fixture
def readable_shop(shop: Cluster) -> Cluster:
    """The same after its owner ran what `pipelines source-sql` prints."""
    run_source_sql(shop, "app.orders")
    return shop


@pytest.fixture
def maria(mariadb_server: MariaDB) -> Iterator[MariaDB]:
    """The database shop in the MariaDB, with a table orders that the role may read."""
    mariadb_server.run(
        f"""
        create database shop character set utf8mb4;
        create table shop.orders (
            id bigint unsigned primary key auto_increment,
            note varchar(100),
            amount decimal(12, 2),
            kind enum('a', 'b'),
            made_on date,
            seen_at datetime,
            updated_at timestamp(6) not null
            default current_timestamp(6) on update current_timestamp(6),
            key (updated_at)
        ) engine = InnoDB;
        grant select on shop.orders to {ROLE}@'%';
        """
    )
    yield MariaDB(mariadb_server.folder, mariadb_server.port, "shop")
    mariadb_server.run("drop database shop")


@pytest.fixture
def readable_maria(maria: MariaDB) -> MariaDB:
    """The same after its owner ran what `pipelines source-sql` prints."""
    printed = command(
        "pipelines", "source-sql", "mariadb", "--source", "shop.orders", "--role", ROLE
    )
    maria.run(printed.stdout)
    return maria
