"""Blockers: transactions that are open in a source, because of which rows wait."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from psycopg import sql

from runner.database.queries import named_query
from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.ingest.conditions import Conditions
from runner.ingest.pipelines import pipelines
from runner.ingest.source import Clock, Source, look, read_clock

# A shorter hold is nothing that a person would have to know of.
PATIENCE = timedelta(minutes=1)
# Nor is a source worth a longer wait than this for each question.
TIMEOUT = "set statement_timeout = '5s'"


def blockers(session: Session, project: Path) -> list[dict[str, str]]:
    """A problem for each enabled pipeline whose rows wait, or whose clock cannot be asked."""
    session.run(TIMEOUT)
    problems = []
    for pipeline in pipelines(session):
        definition = session.row(named_query("ingest/pipeline.definition"), pipeline)
        try:
            found = _hold(session, look(session, definition, project))
        except StartError:  # there is no such source yet: an ingest says what it lacks
            continue
        except QueryFailed as error:
            relation = definition["clock_relation"] or definition["source_relation"]
            found = (
                f"it cannot be asked who holds it back: {error.message}",
                f"mend {relation}, or the way to its server",
            )
        if found:
            what = f"pipeline {definition['pipeline_name']}"
            problems.append({"what": what, "problem": found[0], "remedy": found[1]})
    return problems


def _hold(session: Session, source: Source) -> tuple[str, str] | None:
    """What waits for whom and since when, and what ends it."""
    clock = read_clock(session, source, source.definition["watermark"])
    if clock.held_since is None or clock.held_by is None:
        return None
    # An infinite clock is none; both times are in UTC.
    age = datetime.fromisoformat(clock.clock[:19]) - datetime.fromisoformat(clock.held_since)
    # What the horizon finds later does not wait for longer than the definition says.
    goes_on = clock.hold_is_over and source.promise(clock).word == "exact"
    if age < PATIENCE or goes_on or not _waits(session, source, clock):
        return None
    rows = "all rows" if clock.settled == "-infinity" else f"rows newer than {clock.settled[:19]}"
    return f"{rows} wait: {clock.held_by}, for {_words(age)}", _remedy(clock.held_by, source)


def _waits(session: Session, source: Source, clock: Clock) -> bool:
    scope = Conditions(session, source, clock, []).window(clock.settled, clock.clock)
    query = sql.SQL("select exists (select from {} as source where {}) as found")
    return bool(session.row(query.format(source.relation, scope).as_string(None))["found"])


def _remedy(held_by: str, source: Source) -> str:
    where = "" if source.kind != "foreign" else ", on the server of the source"
    if re.match(r"server process \d+, milepost ", held_by):
        return "wait for it to end"
    if found := re.match(r"server process (\d+),", held_by):
        return f"end it: select pg_terminate_backend({found[1]}){where}"
    if found := re.match(r"prepared transaction (.+) of \S+$", held_by):
        name = sql.Literal(found[1]).as_string(None)
        return f"end it: commit prepared {name}, or rollback prepared {name}{where}"
    if found := re.match(r"connection (\d+),", held_by):
        return f"end it: kill {found[1]}{where}"
    return f"end it{where}"


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
