"""Proves the promise on anybody's server: in a database of its own, against everything that makes
others lose rows; then source and replica are held against each other, row by row.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from runner.database.queries import named_query
from runner.database.session import Database, QueryFailed, Row, Session
from runner.errors import StartError
from runner.project import files as shared
from runner.torture.faults import NAIVE, OURS, Havoc, Plan, Progress, look

# Until rows that are dated a moment ahead are in the past.
SETTLING_SECONDS = 1.6
IN_TIME = ("in time", "clock of the statement")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A replica beside its source: rows of the source that it lacks or has otherwise, rows that it
    has more than once, rows that the source does not have.
    """

    rows: int
    missing: int
    stale: int
    doubled: int
    surplus: int

    @property
    def is_exact(self) -> bool:
        return not (self.missing or self.stale or self.doubled or self.surplus)


@dataclass(frozen=True, slots=True)
class Ours:
    """A pipeline of ours in the end; before its sweep, but for rows that want one; and after rows
    were deleted from the source, and reconciled. `ledger` is what its runs look like.
    """

    final: Outcome
    unswept: Outcome
    deleted: Outcome
    ledger: Row

    @property
    def is_kept(self) -> bool:
        return (
            all(each.is_exact for each in (self.final, self.unswept, self.deleted))
            and not self.ledger["overlaps"]
            and not self.ledger["gaps"]
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out. `stories` has a row for each way of writing: written, and lost by whom;
    `broken` the rows that a run had promised and that an audit on the way did not find.
    """

    plan: Plan
    ours: dict[str, Ours]
    naive: dict[str, Outcome]
    stories: list[Row]
    sample: list[Row]
    broken: list[Row]
    errors: dict[str, int]
    kills: int
    audits: int

    @property
    def is_kept(self) -> bool:
        """Whether ours lost nothing, at the end or on the way."""
        return not self.broken and all(each.is_kept for each in self.ours.values())

    @property
    def written(self) -> int:
        return sum(story["written"] for story in self.stories)

    def lost_in_time(self, name: str) -> int:
        """Rows that a protocol lost though their cursor was honest."""
        return sum(int(story[name]) for story in self.stories if story["story"] in IN_TIME)

    @property
    def is_telling(self) -> bool:
        """Whether there was a race at all: then the naive ones lost it."""
        return all(map(self.lost_in_time, self.naive))


def database_name() -> str:
    return f"milepost_torture_{os.getpid()}"


@contextmanager
def scratch(server: Database) -> Iterator[Database]:
    """A database of our own on a server, dropped at the end whatever happens."""
    name = database_name()
    with server.session("milepost torture") as session:
        known = {"name": name}
        query = "select exists (select from pg_database where datname = %(name)s) as found"
        if session.row(query, known)["found"]:
            raise StartError(
                f"database {name} is left from a torture that was killed", f"drop database {name}"
            )
    try:
        with server.session("milepost torture") as session:
            _create(session, name)
        yield Database(make_conninfo(server.conninfo, dbname=name))
    finally:
        with server.session("milepost torture") as session:
            drop = sql.SQL("drop database if exists {} with (force)")
            session.run(drop.format(sql.Identifier(name)).as_string(None))


def _create(session: Session, name: str) -> None:
    create = sql.SQL("create database {} template template0").format(sql.Identifier(name))
    try:
        session.run(create.as_string(None))
    except QueryFailed as error:
        if error.sqlstate != "42501":
            raise
        raise StartError(
            "torture wants a database of its own, and this role may not create one",
            "alter role ... createdb; or name another server: `db url` tells the embedded one",
        ) from error


def torture(
    database: Database, project: Path, plan: Plan, tell: Callable[[Progress], None]
) -> Verdict:
    """Let everybody loose on an empty database, then compare."""
    havoc = Havoc(database, project, plan)
    with database.session("milepost torture") as session:
        ledger = shared.find(project, Path("schema", "orchestrator.sql"))
        session.run(ledger.read_text(encoding="utf-8"), ledger)
        session.run(named_query("torture/run.create"))
    havoc.run(tell)
    time.sleep(SETTLING_SECONDS)
    with database.session("milepost torture") as session:
        unswept, final, deleted = {}, {}, {}
        sample = []
        for name in OURS:
            havoc.pipeline(name).run()
            unswept[name] = _compare(session, name, whole=False)
            sample += look(session, "sample", name, whole=False)
            havoc.pipeline(name).run(sweep=True)
            final[name] = _compare(session, name)
            sample += look(session, "sample", name, whole=True)
        for name in NAIVE:
            session.rows(named_query(f"torture/run.{name}"))
        naive = {name: _compare(session, name) for name in NAIVE}
        stories = _stories(session)
        session.rows(named_query("torture/run.delete"), {"digit": plan.seed % 10})
        for name in OURS:
            havoc.pipeline(name).reconcile()
            deleted[name] = _compare(session, name)
        ledgers = {name: look(session, "ledger", name)[0] for name in OURS}
    return Verdict(
        plan,
        {name: Ours(final[name], unswept[name], deleted[name], ledgers[name]) for name in OURS},
        naive,
        stories,
        sample,
        list(havoc.broken.values()),
        dict(havoc.errors),
        havoc.kills,
        havoc.audits,
    )


def _compare(session: Session, name: str, whole: bool = True) -> Outcome:
    return Outcome(**look(session, "compare", name, whole=whole)[0])


def _stories(session: Session) -> list[Row]:
    found: dict[str, Row] = {}
    for name in (*OURS, *NAIVE):
        for row in look(session, "stories", name):
            lost = row.pop("lost")
            found.setdefault(row["story"], row)[name] = lost
    return list(found.values())
