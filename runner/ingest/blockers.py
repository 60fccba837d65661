"""Blockers: what in a source keeps rows from its replica, such as open transactions."""

import re
from datetime import datetime, timedelta
from pathlib import Path

from psycopg import sql

from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.ingest.conditions import Conditions, exists
from runner.ingest.pipelines import pipelines, read_definition
from runner.ingest.promise import promise_of
from runner.ingest.source import Source, inspect_source, read_clock

# Nobody needs to hear of a shorter hold.
MIN_HOLD = timedelta(minutes=1)
# Nor is a source worth a longer wait than this for each question.
SET_TIMEOUT = "set statement_timeout = '5s'"


def blockers(session: Session, project: Path) -> list[dict[str, str]]:
    """Return a problem for each enabled pipeline whose rows wait or may be missing, or whose clock
    cannot be read.
    """
    session.run(SET_TIMEOUT)
    problems = []
    for pipeline in pipelines(session):
        definition = read_definition(session, pipeline["pipeline_id"])
        try:
            found = _blocker(session, inspect_source(session, definition, project))
        except StartError:  # there is no such source yet: an ingest says what it lacks
            continue
        except QueryFailed as error:
            relation = definition.clock_relation or definition.source_relation
            found = (
                f"cannot find out who holds it back: {error.message}",
                f"repair {relation}, or the connection to its server",
            )
        if found:
            what = f"pipeline {definition.pipeline_name}"
            problems.append({"what": what, "problem": found[0], "remedy": found[1]})
    return problems


def _blocker(session: Session, source: Source) -> tuple[str, str] | None:
    """Return which rows wait for whom and for how long, and what ends it; or, where less can be
    promised than that nothing is missing, why.
    """
    clock = read_clock(session, source)
    promise = promise_of(source, clock)
    if promise.word not in ("exact", "settled"):
        name = source.definition.pipeline_name
        problem = f"promises no more than {promise.word}: {promise.sentence}"
        return problem, f"look: pipelines show {name}"
    if clock.held_since is None or clock.held_by is None:
        return None
    # A clock may be infinite, and then tells no age; both times are in UTC.
    age = datetime.fromisoformat(clock.clock[:19]) - datetime.fromisoformat(clock.held_since)
    # Past max_hold nobody waits for rows that are found later anyway.
    goes_on = clock.hold_is_over and promise.word == "exact"
    if age < MIN_HOLD or goes_on:
        return None
    waiting = Conditions(session, source).window(clock.settled, clock.clock)
    if not exists(session, source, waiting):
        return None
    rows = "all rows" if clock.settled == "-infinity" else f"rows newer than {clock.settled[:19]}"
    return f"{rows} wait: {clock.held_by}, for {_words(age)}", _remedy(clock.held_by, source)


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
