"""Servers that the tests of this folder start, and how they are reached."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.support.commands import command
from tests.support.throwaway import WATCHDOG

POSTGRES = Path("/usr/lib/postgresql/15/bin")
MYSQL_FDW = Path("/usr/share/postgresql/15/extension/mysql_fdw.control")
# Found by its first part wherever it is; the rest has to be escaped.
SECRET = "Wq7fTzK"
PASSWORD = f"{SECRET}@/:'"
ROLE = "milepost_reader"
PATIENCE = 60


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server. Its own people come by the socket, others by the network and a password."""

    folder: Path
    port: int

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def conninfo(self, database: str = "postgres") -> str:
        return f"host={self.folder} port={self.port} user=postgres dbname={database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.conninfo(database), autocommit=True)

    def url(self, database: str, password: str = "") -> str:
        return f"postgresql://{ROLE}{password}@127.0.0.1:{self.port}/{database}"


class Client:
    """A connection to a MariaDB that stays open between statements, as an application has it."""

    def __init__(self, address: list[str], database: str) -> None:
        self.process = subprocess.Popen(
            [
                "mariadb",
                *address,
                "--batch",
                "--force",
                "--unbuffered",
                "--skip-column-names",
                database,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def send(self, statement: str) -> None:
        """A statement whose end is not waited for."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{statement};\n")
        self.process.stdin.flush()

    def run(self, statement: str) -> list[list[str]]:
        """The rows of a statement, as text."""
        assert self.process.stdout is not None
        self.send(statement)
        self.send("select 'end of rows'")
        rows = []
        for line in self.process.stdout:
            if line == "end of rows\n":
                return rows
            rows.append(line.rstrip("\n").split("\t"))
        raise AssertionError(f"the client ended at {statement}")

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


@dataclass(frozen=True)
class MariaDB:
    """A MariaDB server. Root comes by the socket, others by the network and a password."""

    folder: Path
    port: int
    database: str = ""

    @contextmanager
    def connect(self) -> Iterator[Client]:
        client = Client([*self.address(), "--user=root"], self.database)
        try:
            yield client
        finally:
            client.close()

    def address(self) -> list[str]:
        return [
            "--no-defaults",
            f"--socket={self.folder}/socket",
            "--default-character-set=utf8mb4",
        ]

    def run(self, text: str) -> None:
        """A script."""
        subprocess.run(
            ["mariadb", *self.address(), "--user=root", self.database],
            input=text,
            text=True,
            check=True,
            timeout=PATIENCE,
        )

    @property
    def url(self) -> str:
        return f"mariadb://{ROLE}@127.0.0.1:{self.port}/{self.database}"


def run_source_sql(shop: Cluster, source: str) -> None:
    """What the owner does: psql, with the script as it is printed; then the password."""
    printed = command("pipelines", "source-sql", "postgres", "--source", source, "--role", ROLE)
    assert printed.returncode == 0, printed.stderr
    subprocess.run(
        [
            POSTGRES / "psql",
            "--no-psqlrc",
            "--quiet",
            "-v",
            "ON_ERROR_STOP=1",
            shop.conninfo("shop"),
        ],
        input=printed.stdout,
        text=True,
        check=True,
        timeout=PATIENCE,
        stderr=subprocess.DEVNULL,
    )
    with shop.connect("shop") as connection:
        quoted = sql.Literal(PASSWORD).as_string(connection)
        connection.execute(f"alter role {ROLE} password {quoted}".encode())


@contextmanager
def new_cluster(folder: Path, **environment: str) -> Iterator[Cluster]:
    if not (POSTGRES / "postgres").exists():
        pytest.skip("PostgreSQL 15 of Debian is not installed")
    cluster = Cluster(folder, free_port())
    user = make_folder(folder, "postgres")
    data = folder / "data"
    subprocess.run(
        [
            POSTGRES / "initdb",
            f"--pgdata={data}",
            "--username=postgres",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        user=user,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    settings = {
        "port": cluster.port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "fsync": "off",
        "shared_buffers": "32MB",
        "max_prepared_transactions": 10,
        # Whoever reads these may not find a password there.
        "log_statement": "ddl",
        "shared_preload_libraries": "pg_stat_statements",
    }
    arguments = [str(POSTGRES / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    with run_server(WATCHDOG, folder, arguments, user, **environment):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                cluster.connect().close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, cluster.log.read_text()
                time.sleep(0.05)
        yield cluster


@contextmanager
def new_database(cluster: Cluster, name: str) -> Iterator[None]:
    with cluster.connect() as connection:
        connection.execute(f"create database {name}".encode())
        try:
            yield
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


@contextmanager
def run_server(
    watchdog: str, folder: Path, arguments: list[str], user: int | None, **environment: str
) -> Iterator[None]:
    """A server that ends when this process does, and is waited for."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", watchdog, "sh", str(folder / "data"), *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], **environment},
            start_new_session=True,
            user=user,
        )
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()
        process.wait(PATIENCE)


def make_folder(folder: Path, name: str) -> int | None:
    """A folder for a server; as root, for the user whom the server runs as."""
    folder.mkdir()
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(name)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


def wait_for(file: Path, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
