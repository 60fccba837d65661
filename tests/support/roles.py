"""The roles of `schema apply --roles`, and logins in them. Roles belong to all databases of a server,
so those of tests are named after the test's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from psycopg.conninfo import make_conninfo

from runner.database.session import Database
from tests.support.databases import name_of

SUFFIXES = {
    "owner": "warehouse_owner",
    "runner": "warehouse_runner",
    "loader": "source_loader",
    "reader": "reporting_reader",
}


def group(database: Database, role: str) -> str:
    return f"{name_of(database)}_{SUFFIXES[role]}"


def login(database: Database, role: str) -> Database:
    """The same database, by a login that docs/security.md makes for a role."""
    name = f"{group(database, role)}_login"
    with database.session("test") as session:
        session.run(
            f'create role "{name}" login password \'p\' in role "{group(database, role)}";'
            f' alter role "{name}" set role = "{group(database, role)}"'
        )
    return Database(make_conninfo(database.conninfo, user=name, password="p"))


@contextlib.contextmanager
def dropped(database: Database) -> Iterator[None]:
    """Drop at the end all roles that are named after a database, with what they own in it."""
    yield
    with database.session("test") as session:
        names = session.rows(
            "select quote_ident(rolname) as name from pg_roles"
            " where starts_with(rolname, current_database() || '_')"
        )
        for row in names:
            session.run(f"drop owned by {row['name']} cascade")
        for row in names:
            session.run(f"drop role {row['name']}")
