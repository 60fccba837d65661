"""Preflight: what stands between a source and a better guarantee. Queries: preflight.sql."""

import re
from pathlib import Path

from runner.database.session import Session
from runner.errors import RunnerError
from runner.ingest.pipelines import read_definition
from runner.ingest.source import Source, inspect_source, read_clock

# Defaults that are never earlier than the start of the transaction.
NOW = re.compile(r"now\(\)|current_timestamp|(transaction|statement|clock)_timestamp\(\)", re.I)


def of_pipeline(session: Session, pipeline_id: int, project: Path) -> list[str]:
    """Return doubts about the source of a pipeline, or why it cannot be read at all."""
    definition = read_definition(session, pipeline_id)
    try:
        return findings(session, inspect_source(session, definition, project))
    except RunnerError as error:
        return [error.message]


def findings(session: Session, source: Source) -> list[str]:
    """Return doubts about a source, one sentence each, the most serious first."""
    definition, cursor = source.definition, source.cursor
    clock = read_clock(session, source)
    which = {"relation": source.relation.as_string(), "cursor": cursor.name}
    [found] = session.named("ingest/preflight.preflight", **which)
    name, keys = definition.source_relation, ", ".join(definition.key_columns)
    is_table = source.kind == "table"
    sentences = {
        f"this role may not read {name}: grant select on it": not found["is_readable"],
        f"row security hides rows of {name} from this role": source.hides_rows,
        "there is no key: duplicates go unnoticed, late rows cannot be found; set key_columns": (
            not keys
        ),
        f"{name} has no unique index on {keys}: rows with the same key would become one": (
            source.has_key and source.is_unique is False
        ),
        "this role cannot see the transactions of others, nor know what they may still write:"
        " grant pg_read_all_stats to it": clock.horizon is not None and not clock.sees_all,
        f"{name} has no clock: without clock_relation, rows that are committed late are only found"
        " within the lookback": source.clock_text is None,
        "a view does not show which transaction wrote a row: rows dated or changed before the"
        " lookback are not seen; read the table itself if you can": source.kind == "view",
        f"no index begins with {cursor.name}: every window reads the whole of {name}": (
            is_table and not found["has_index"]
        ),
        f"{cursor.name} may be null: only the search for late rows finds such rows": (
            not cursor.is_required and source.kind != "foreign"
        ),
        f"{cursor.name} has no default such as now(): rows may arrive with an older time, and are"
        " found within the lookback, or by the next sweep": (
            is_table and not NOW.search(found["cursor_default"] or "")
        ),
    }
    return [sentence for sentence, applies in sentences.items() if applies]
