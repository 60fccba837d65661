"""A cluster of your own: TEST_CITUS_URL is the coordinator's connection string, of a superuser, with
Citus and its workers in that database. Each test gets a database of its own on all of its nodes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runner.database.session import Database
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, edit
from tests.support.databases import new_name

URL = "TEST_CITUS_URL"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get(URL):
        skip = pytest.mark.skip(reason=f"{URL} names no coordinator of a Citus cluster")
        for item in items:
            if item.get_closest_marker("citus"):
                item.add_marker(skip)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A database of a test's own on all nodes, and the project as it is written for it."""

    database: Database
    manifest: Manifest
    workers: tuple[tuple[str, int], ...]

    @property
    def project(self) -> Path:
        return self.manifest.project

    def address(self, worker: tuple[str, int]) -> str:
        """The connection string of the database on a worker."""
        return make_conninfo(self.database.conninfo, host=worker[0], port=worker[1])


@pytest.fixture(scope="module")
def cluster_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose manifest says that its database is a cluster, and that a replica
    is in months: its rows are those of a plain one.
    """
    project = tmp_path_factory.mktemp("project")
    for folder in ("sql", "schema"):
        shutil.copytree(PROJECT / folder, project / folder)
    edit(project, "sql/manifest.toml", 'name = "miles"', 'name = "miles"\nengine = "citus"')
    months = 'monthly_replicas = ["event_stream"]'
    edit(project, "sql/manifest.toml", "monthly_replicas = []", months)
    return project


@pytest.fixture(scope="module")
def cluster(cluster_project: Path) -> Iterator[Cluster]:
    """Such a database, without a schema."""
    uri, name = os.environ[URL], new_name("citus")
    with psycopg.connect(uri, autocommit=True) as connection:
        rows = connection.execute(
            "select nodename, nodeport, groupid = 0 from pg_dist_node order by groupid"
        ).fetchall()
    nodes = [(host, port) for host, port, _ in rows]
    (coordinator,) = [(host, port) for host, port, is_coordinator in rows if is_coordinator]
    with contextlib.ExitStack() as stack:
        for host, port in nodes:
            address = make_conninfo(uri, host=host, port=port)
            _run(address, f"create database {name}")
            stack.callback(_run, address, f"drop database if exists {name} with (force)")
            _run(make_conninfo(address, dbname=name), "create extension citus")
        database = Database(make_conninfo(uri, dbname=name))
        with database.session("test") as session:
            session.rows("select citus_set_coordinator_host(%(host)s, %(port)s)", _at(coordinator))
            workers = [node for node in nodes if node != coordinator]
            for worker in workers:
                session.rows("select citus_add_node(%(host)s, %(port)s)", _at(worker))
        yield Cluster(database, load(cluster_project), tuple(workers))


@pytest.fixture(scope="module")
def placed(cluster: Cluster) -> Cluster:
    """The same with the schema in it."""
    schema.apply(cluster.database, cluster.manifest, Target())
    return cluster


def _at(node: tuple[str, int]) -> dict[str, object]:
    return {"host": node[0], "port": node[1]}


def _run(address: str, text: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL(text))
