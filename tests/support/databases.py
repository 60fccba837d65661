"""Databases of a test's own, each a clone of one that was made before."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, earn, insert_events, kept, query, run_all

Preparation = Callable[[Database], None]


def apply_schema(database: Database) -> None:
    """The schema as `schema apply` makes it."""
    schema.apply(database, load(PROJECT), Target())


def let_rows_change(database: Database) -> None:
    """The events come by an upsert pipeline on a cursor of its own."""
    with database.session("test") as session:
        session.run(
            "alter table public.event_stream add column updated_at timestamptz not null"
            " default now();"
            " update orchestrator.pipeline_definitions"
            " set write_mode = 'upsert', cursor_column = 'updated_at'"
            " where pipeline_name = 'event_stream';"
            " drop view warehouse.classified_events; drop table warehouse.raw_event_stream"
        )


def build_thirty_days(database: Database) -> None:
    """Thirty days of three users, ingested and built."""
    insert_events(database, [earn(day, f"u_{day % 3}", miles=10 * day) for day in range(30)])
    run_all(database)


class Moulds:
    """Databases that are prepared once, and cloned for every test that asks."""

    def __init__(self, server_uri: str) -> None:
        self._server_uri = server_uri
        self._names: dict[tuple[Preparation, ...], str] = {}
        self._open = contextlib.ExitStack()

    @contextlib.contextmanager
    def clone(self, *preparations: Preparation) -> Iterator[Database]:
        """A database of a test's own that these have prepared, one after the other."""
        mould = self.mould(*preparations)
        with created(self._server_uri, new_name("clone"), mould) as database:
            yield database

    def mould(self, *preparations: Preparation) -> str:
        """The name of the database that they prepared."""
        if not preparations:
            return "template0"
        if preparations not in self._names:
            before = self.mould(*preparations[:-1])
            with contextlib.ExitStack() as failing:
                made = created(self._server_uri, new_name("mould"), before)
                database = failing.enter_context(made)
                preparations[-1](database)
                self._open.push(failing.pop_all())
            self._names[preparations] = name_of(database)
        return self._names[preparations]

    def close(self) -> None:
        self._open.close()


def new_name(what: str) -> str:
    return f"milepost_test_{what}_{uuid.uuid4().hex[:12]}"


def name_of(database: Database) -> str:
    return str(conninfo_to_dict(database.conninfo)["dbname"])


@contextlib.contextmanager
def created(server_uri: str, name: str, template: str = "template0") -> Iterator[Database]:
    """A database on the server, gone at the end whoever is in it."""
    # Files are copied in half the time that their pages take on the way through the log.
    server = Database(server_uri)
    kept.close(template)  # a database in which somebody is cannot be copied
    query(server, f"create database {name} template {template} strategy file_copy")
    try:
        yield Database(make_conninfo(server_uri, dbname=name))
    finally:
        kept.close(name)
        query(server, f"drop database {name} with (force)")
