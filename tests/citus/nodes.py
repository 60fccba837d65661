"""What tests do to the nodes of a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from runner.database.session import Database
from tests.support import query, scalar


def prepared(address: str) -> int:
    text = "select count(*) from pg_prepared_xacts where database = current_database()"
    return int(scalar(Database(address), text))


def end_sessions(address: str) -> None:
    """The node's sessions in the database are gone, as if it had stopped; what they prepared stays."""
    query(
        Database(address),
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'",
    )


@contextlib.contextmanager
def waiting_for_a_standby(
    coordinator: str, address: str, setting: str
) -> Iterator[Callable[[], None]]:
    """Commits on a node wait for a standby that does not exist, where `synchronous_commit` is on;
    `setting` is that of new sessions. Citus ends nothing that was prepared by itself meanwhile.
    """
    database = sql.Identifier(str(conninfo_to_dict(address)["dbname"])).as_string()

    def go_on() -> None:
        _run_alone(address, "alter system reset synchronous_standby_names")

    _run_alone(coordinator, "alter system set citus.recover_2pc_interval = -1")
    _run_alone(coordinator, f"alter database {database} set synchronous_commit = {setting}")
    _run_alone(address, "alter system set synchronous_standby_names = 'nobody'")
    try:
        yield go_on
    finally:
        go_on()
        _run_alone(coordinator, f"alter database {database} reset synchronous_commit")
        _run_alone(coordinator, "alter system reset citus.recover_2pc_interval")


def _run_alone(address: str, text: str) -> None:
    """Run a statement that wants no transaction, and let the server read its settings anew."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("set synchronous_commit = local")
        connection.execute(sql.SQL(text))
        connection.execute("select pg_reload_conf()")
