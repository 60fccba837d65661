"""What keeps rows of a source from its replica: open transactions, future times, undone runs."""

import re
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from psycopg import sql

from runner.database import ledger
from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.ingest.conditions import Conditions, exists
from runner.ingest.pipelines import pipelines, read_definition
from runner.ingest.promise import promise_of
from runner.ingest.source import Clock, Source, inspect_source, read_clock

# A transaction that holds rows back for less time is not reported.
MIN_HOLD = timedelta(minutes=1)
UNDOES = "wait until it ends; or end it, which rolls back its work: "
# A source that takes longer to answer is reported as unreadable.
SET_TIMEOUT = "set statement_timeout = '5s'"


def blockers(session: Session, project: Path) -> list[dict[str, str]]:
    """Return problems of enabled pipelines whose rows wait, may be missing or cannot be read."""
    session.run(SET_TIMEOUT)
    problems = []
    for pipeline in pipelines(session):
        definition = read_definition(session, pipeline["pipeline_id"])
        try:
            found = list(_reasons(session, inspect_source(session, definition, project)))
        except StartError:  # the source may not exist yet: an ingest says what is wrong
            continue
        except QueryFailed as error:
            relation = definition.clock_relation or definition.source_relation
            said = f"cannot find out what holds it back: {error.message}"
            end = f"repair {relation}, or the connection to its server"
            found = [("unreadable", said, end)]
        what = f"pipeline {definition.pipeline_name}"
        problems += [
            {"what": what, "kind": kind, "problem": said, "remedy": end}
            for kind, said, end in found
        ]
    return problems


def gaps(session: Session) -> list[dict[str, str]]:
    """Return a problem for each enabled pipeline with gaps that undone runs have left."""
    problems = []
    for pipeline in pipelines(session):
        if found := ledger.gaps(session, pipeline["pipeline_id"]):
            name, low, high = pipeline["pipeline_name"], found[0][0], found[-1][1]
            count = "a gap" if len(found) == 1 else f"{len(found)} gaps"
            said = f"was undone and has {count}: {edge(low)} to {edge(high)}"
            reason = {"problem": said, "remedy": f"run {fill(name, low, high)}"}
            problems.append({"what": f"pipeline {name}", "kind": "gap", **reason})
    return problems


def fill(pipeline: str, low: str, high: str) -> str:
    """Return the command that fills a gap, quoted for a shell."""
    edges = [moment.replace(" ", "T") for moment in (low, high)]
    return f"backfill {shlex.quote(pipeline)} --from {edges[0]} --to {edges[1]}"


def edge(moment: str) -> str:
    """Return an end of a range as people read it, to the minute."""
    return "the beginning" if moment == "-infinity" else moment[:16]


def _reasons(session: Session, source: Source) -> Iterator[tuple[str, str, str]]:
    """Yield a kind of problem, why rows wait or may be missing, and what to do about it."""
    clock = read_clock(session, source)
    conditions = Conditions(session, source, clock)
    promise = promise_of(source, clock)
    if promise.word not in ("exact", "settled"):
        name = source.definition.pipeline_name
        problem = f"guarantee is only {promise.word}: {promise.sentence}"
        yield "promise", problem, f"see: pipelines show {name}"
    else:
        is_found_later = promise.word == "exact"
        if reason := _blocker(conditions, clock, is_found_later):
            yield "held", *reason
    if reason := _ahead(conditions):
        yield "ahead", *reason


def _ahead(conditions: Conditions) -> tuple[str, str] | None:
    """Return which rows have a cursor more than an hour in the future, and what to do."""
    source = conditions.source
    query = sql.SQL("select count(*) as rows, max({})::text as last from {} as source where {}")
    found = conditions.session.row(
        query.format(source.cursor_name, source.relation, conditions.soon()).as_string()
    )
    if not found["rows"]:
        return None
    rows = "1 row waits" if found["rows"] == 1 else f"{found['rows']:,} rows wait"
    cursor, last = source.cursor.name, found["last"][:19]
    return (
        f"{rows}: {cursor} is more than an hour in the future, up to {last}",
        f"correct {cursor} in {source.definition.source_relation}, or wait",
    )


def _blocker(conditions: Conditions, clock: Clock, is_found_later: bool) -> tuple[str, str] | None:
    """Return which rows wait for whom and for how long, and what ends it."""
    source = conditions.source
    if clock.held_since is None or clock.held_by is None:
        return None
    # Both are in UTC.
    age = datetime.fromisoformat(clock.clock[:19]) - datetime.fromisoformat(clock.held_since)
    # Past max_hold nobody waits for rows that are found later anyway.
    goes_on = clock.hold_is_over and is_found_later
    if age < MIN_HOLD or goes_on:
        return None
    waiting = conditions.window(clock.settled, clock.clock)
    if not exists(conditions.session, source, waiting):
        return None
    rows = "all rows" if clock.settled == "-infinity" else f"rows newer than {clock.settled[:19]}"
    return f"{rows} wait: {clock.held_by}, for {_words(age)}", _remedy(clock.held_by, source)


def _remedy(held_by: str, source: Source) -> str:
    where = "" if source.kind != "foreign" else ", on the server of the source"
    if re.match(r"server process \d+, milepost ", held_by):
        return "wait for it to end"
    if found := re.match(r"server process (\d+),", held_by):
        return f"{UNDOES}select pg_terminate_backend({found[1]}){where}"
    if found := re.match(r"prepared transaction (.+) of \S+$", held_by):
        name = sql.Literal(found[1]).as_string(None)
        ways = f"commit prepared {name}, or rollback prepared {name}"
        return f"whoever prepared it has to end it: {ways}{where}"
    if found := re.match(r"connection (\d+),", held_by):
        return f"{UNDOES}kill {found[1]}{where}"
    return f"wait until it ends, or end it{where}"


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
