"""Quiet pipelines, whose sources have nothing new: they are found and recorded many at a time.

A pipeline is quiet if a run of its own would read no row and have nothing to report. This is no
guess from statistics: the sources are queried with the conditions of that run, in one snapshot,
taken after the same clock and under the same locks. Anything unusual is left to a run of its own.
Queries: quiet.sql.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from runner.database import ledger
from runner.database.names import join, relation
from runner.database.queries import named_query
from runner.database.session import PIPELINE_LOCK, REPLICA_LOCK, Row, Session, host, lock_number
from runner.errors import StartError
from runner.ingest import drift
from runner.ingest.columns import DELETED_AT, RUN_ID, Column, loose_keys
from runner.ingest.conditions import Conditions
from runner.ingest.pipelines import PipelineDefinition, definition_of
from runner.ingest.promise import Promise, Reach, promise_of
from runner.ingest.run import QUICK_SECONDS, RunResult
from runner.ingest.source import Clock, Source, ask_clock, clock_text
from runner.ingest.windows import Window
from runner.project.files import read_text, statement
from runner.project.template import render

# A whole table is searched here, together with others, if that takes no longer.
BRIEF_SECONDS = 0.05

Definitions = dict[int, PipelineDefinition]


@dataclass(frozen=True, slots=True)
class WindowConditions(Conditions):
    """The conditions of one window, whose edges were read together with those of others."""

    edges: Mapping[str, str] = field(default_factory=dict)

    def new(self) -> sql.Composed:
        """Rows of the window, and those up to the clock, which a run would wait for."""
        return self._between(self.edges["low"], self.edges["high"])

    def earlier(self) -> sql.Composed:
        """Rows of all windows before it."""
        return self._between(self.edges["start"], self.edges["low"])

    def _edges(self, *_: object, **__: object) -> Mapping[str, str]:
        return self.edges


@dataclass(frozen=True, slots=True)
class Search:
    """What a run of a pipeline would search for, and what it may promise if there is nothing."""

    source: Source
    window: Window
    chain: str
    reach: Reach
    promise: Promise
    finds: sql.Composed  # the condition that there is something


def record_quiet(work: Session, project: Path, pipeline_ids: Sequence[int]) -> dict[int, RunResult]:
    """Record runs of the pipelines that are quiet; return them by pipeline_id. `work` must hold no
    other locks.
    """
    started, text = time.monotonic(), clock_text(project, sql.Literal(ledger.BUILD_MARK))
    for name in ("append", "merge"):  # an error if it cannot be read
        read_text(statement(project, name))
    known = _definitions(work, pipeline_ids)
    with _locked(work, known) as known:
        if not known:
            return {}
        before = ask_clock(work, text)  # before any snapshot that reads rows
        with work.transaction():
            tables = join(relation(each.source_relation) for each in known.values())
            lock = sql.SQL("lock table {} in access share mode nowait").format(tables).as_string()
            work.run(f"set local synchronous_commit = off; {lock}")
            clock = ask_clock(work, text)  # the first query takes the snapshot
            now = _definitions(work, list(known))
            known = {number: each for number, each in now.items() if each == known[number]}
            searches = _searches(work, project, known, before, clock)
            quiet = _without_rows(work, searches)
            run_ids = _record(work, quiet, before, clock) if quiet else {}
    seconds = (time.monotonic() - started) / max(len(quiet), 1)
    results = {}
    for number, each in quiet.items():
        name, word = each.source.definition.pipeline_name, each.promise.word
        results[number] = RunResult(name, run_ids[number], "window", each.window, word, seconds)
    return results


def _definitions(work: Session, pipeline_ids: Sequence[int]) -> Definitions:
    """Return the definitions of pipelines that could be quiet, by pipeline_id."""
    definition = _of_each("ingest/pipelines.definition", pipeline_id="asked.pipeline_id")
    rows = _ask(work, "definitions", {"definition": definition}, ids=list(pipeline_ids))
    return {
        each.pipeline_id: each
        for each in map(definition_of, rows)
        if not each.is_new
        and each.cursor_timezone == "UTC"
        and not each.column_types
        and each.clock_relation is None
        and each.archived_before is None
    }


@contextlib.contextmanager
def _locked(work: Session, known: Definitions) -> Iterator[Definitions]:
    """Hold the locks of pipelines; yield those whose locks were free."""
    try:
        rows = _ask(
            work,
            "lock",
            ids=list(known),
            replicas=[lock_number(each.target_relation) for each in known.values()],
            sources=[each.source_relation for each in known.values()],
            pipeline_lock=PIPELINE_LOCK,
            replica_lock=REPLICA_LOCK,
        )
        yield {row["pipeline_id"]: known[row["pipeline_id"]] for row in rows if row["has_both"]}
    finally:  # even if the query failed half-way
        if not work.connection.closed:
            work.rows("select pg_advisory_unlock_all()")


def _searches(
    work: Session, project: Path, known: Definitions, before: Clock, clock: Clock
) -> dict[int, Search]:
    """Return what to search for, for pipelines where nothing has changed since their last run."""
    sources: dict[int, Source] = {}
    chains: dict[int, str] = {}
    seconds: dict[int, float] = {}
    for row in _facts(work, project, known):
        number, definition = row["pipeline_id"], known[row["pipeline_id"]]
        with contextlib.suppress(StartError):  # a run of its own says what is wrong
            if source := _regular(definition, row):
                sources[number], seconds[number] = source, row["expected_seconds"]
                chains[number] = source.chain_of(clock, row["files"], row["identity"])
    rows = _ask(
        work,
        "history",
        _history(),
        ids=list(sources),
        watermarks=[known[number].watermark for number in sources],
        chains=list(chains.values()),
        are_naive=[source.cursor.is_naive for source in sources.values()],
        clock=before.clock,
        settled=before.settled,
        next_xid=clock.next_xid,
    )
    found: dict[int, Search] = {}
    for row in rows:
        number, horizons = row["pipeline_id"], ledger.Horizons(**row["horizons"])
        conditions = WindowConditions(work, sources[number], clock, edges=row["edges"])
        window = Window(known[number].watermark, row["high"])
        search = _search(conditions, clock, horizons, window, chains[number], seconds[number])
        if search:
            found[number] = search
    return found


def _facts(work: Session, project: Path, known: Definitions) -> list[Row]:
    files = {"source": "asked.source", "target": "asked.target"}
    tables = sql.SQL(_of_each("ingest/source.tables", **files).as_string())
    file = statement(project, "identity")
    return _ask(
        work,
        "facts",
        {
            "source_columns": _of_each("ingest/columns.columns", relation="asked.source"),
            "target_columns": _of_each("ingest/columns.columns", relation="asked.target"),
            "nature": _of_each(
                "ingest/source.nature",
                relation="asked.source",
                keys="pipelines.key_columns",
                target="asked.target",
            ),
            "files": _of_each("ingest/source.files", **files),
            "identity": sql.SQL(
                render(read_text(file).replace("%", "%%"), {"tables": tables}, file)
            ),
            "expected_seconds": _of_each("ingest/source.expected_seconds", source="asked.source"),
        },
        ids=list(known),
        sources=[relation(each.source_relation).as_string() for each in known.values()],
        targets=[relation(each.target_relation).as_string() for each in known.values()],
    )


def _history() -> Mapping[str, sql.Composable]:
    pipeline = {"pipeline_id": "asked.pipeline_id"}
    return {
        "gaps": _of_each("database/ledger.gaps", **pipeline),
        "horizons": _of_each(
            "database/ledger.horizons",
            **pipeline,
            chain="asked.chain",
            next_xid="%(next_xid)s",
            sweep_every="pipelines.sweep_every",
        ),
        "edges": _of_each(
            "ingest/conditions.edges",
            low="asked.watermark",
            high="%(clock)s",
            since="horizons.lookback_high",
            start="pipelines.start_at",
            clock="%(clock)s",
            lookback="pipelines.lookback",
            is_naive="asked.is_naive",
            zone="'UTC'",
            slack="'0'",
        ),
    }


def _regular(definition: PipelineDefinition, row: Row) -> Source | None:
    """Return the source of a pipeline if a run would not have to alter the replica."""
    columns, stored = ([Column(**each) for each in row[of] or ()] for of in ("columns", "stored"))
    nature = dict(row["nature"])
    is_elsewhere = any([nature.pop("is_built"), nature.pop("is_distributed")])
    source = Source(definition, columns, **nature, has_row_age=True, clock_text=None)
    follows = drift.compare(definition, columns, stored, ())
    _ = source.event  # StartError if it is no timestamp
    types = {column.name: column.type for column in stored if column.is_required}
    is_regular = (
        source.kind == "table"
        and not is_elsewhere
        and not source.is_monthly  # each run may create a month
        and source.cursor.type.startswith("timestamp")
        and (source.has_key or source.cursor.is_required)
        and types.get(RUN_ID) == "bigint"
        and (definition.on_delete != "mark" or DELETED_AT in [each.name for each in stored])
        and not follows.statements
        and not loose_keys(definition.key_columns, columns, stored)
        and row["may_write"]
    )
    return source if is_regular else None


def _search(
    conditions: WindowConditions,
    clock: Clock,
    horizons: ledger.Horizons,
    window: Window,
    chain: str,
    seconds: float,
) -> Search | None:
    """Return what a run would search for; None if that takes too long, or if a sweep is due."""
    source = conditions.source
    wanted = [conditions.new()]
    reach: Reach = "window"
    if source.has_key:
        last = horizons.search_seconds
        wants_sweeps = source.definition.sweep_every is not None
        is_quick = wants_sweeps and (seconds if last is None else last) <= QUICK_SECONDS
        if not horizons.has_table or (horizons.is_due and not is_quick):
            return None
        # The table may have grown since the last search that was timed.
        if is_quick and max(seconds, last or 0) > BRIEF_SECONDS:
            return None
        reach, horizon = ("table", horizons.table) if is_quick else ("lookback", horizons.lookback)
        is_included = source.definition.odd_cursors == "include"
        late = conditions.earlier() if is_quick else conditions.behind(window.low, None)
        odd = conditions.timeless() if is_included else conditions.odd()
        wanted += [conditions.written_since(each, horizon) for each in (late, odd)]
    promise = promise_of(source, clock, reach)
    exists = sql.SQL("exists (select from {} as source where {})")
    finds = join((exists.format(source.relation, each) for each in wanted), " or ")
    return Search(source, window, chain, reach, promise, finds)


def _without_rows(work: Session, searches: Mapping[int, Search]) -> dict[int, Search]:
    if not searches:
        return {}
    query = sql.SQL("select {}::integer as pipeline_id where {}")
    parts = (query.format(number, search.finds) for number, search in searches.items())
    rows = work.rows(join(parts, " union all ").as_string())
    found = {row["pipeline_id"] for row in rows}
    return {number: search for number, search in searches.items() if number not in found}


def _record(
    work: Session, quiet: Mapping[int, Search], before: Clock, clock: Clock
) -> dict[int, int]:
    """Record a run of each; return the run_ids by pipeline_id."""
    searches = quiet.values()
    rows = _ask(
        work,
        "record",
        ids=list(quiet),
        lows=[each.window.low for each in searches],
        highs=[each.window.high for each in searches],
        words=[each.promise.word for each in searches],
        sentences=[each.promise.sentence for each in searches],
        reaches=[each.reach for each in searches],
        chains=[each.chain for each in searches],
        horizon=clock.horizon,
        host=host(),
        started_at=before.clock,
    )
    return {row["pipeline_id"]: row["run_id"] for row in rows}


def _of_each(query: str, **values: str) -> sql.SQL:
    """Return a query for one pipeline as part of a query for many: its values become columns."""
    # Escaped percent signs stay escaped.
    return sql.SQL(named_query(query).replace("%%", "%%%%") % values)


def _ask(
    work: Session, query: str, parts: Mapping[str, sql.Composable] | None = None, **values: object
) -> list[Row]:
    text = render(named_query(f"ingest/quiet.{query}"), parts or {}, "ingest/quiet.sql")
    return work.rows(text, values, may_prepare=True)
