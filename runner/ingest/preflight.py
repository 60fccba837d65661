"""Preflight: what stands between a source and a better guarantee, before anything is read."""

from __future__ import annotations

import re
from pathlib import Path

from runner.database.queries import named_query
from runner.database.session import Session
from runner.errors import RunnerError
from runner.ingest.source import Source, look, read_clock

# Defaults that never lie before the start of the transaction, or of the statement.
NOW = re.compile(r"now\(\)|current_timestamp|(transaction|statement|clock)_timestamp\(\)", re.I)


def of_pipeline(session: Session, pipeline_id: int, project: Path) -> list[str]:
    """What is doubtful about the source of a pipeline, or why it cannot be read at all."""
    definition = session.row(
        named_query("ingest/pipeline.definition"), {"pipeline_id": pipeline_id}
    )
    try:
        return findings(session, look(session, definition, project))
    except RunnerError as error:
        return [error.message]


def findings(session: Session, source: Source) -> list[str]:
    """What is doubtful about a source, a sentence each, the gravest first."""
    definition, cursor = source.definition, source.cursor
    clock = read_clock(session, source, "-infinity")
    found = session.row(
        named_query("ingest/pipeline.preflight"),
        {
            "relation": source.relation.as_string(),
            "cursor": cursor.name,
        },
    )
    name, keys = definition["source_relation"], ", ".join(definition["key_columns"])
    is_table = source.kind == "table"
    sentences = {
        f"this role may not read {name}: grant select on it": not found["is_readable"],
        f"row security hides rows of {name} from this role": source.hides_rows,
        "without a key nobody would notice a row that comes twice, and late rows cannot be found:"
        " name key_columns": not keys,
        f"no unique index of {name} is on {keys}: rows with the same key would become one": (
            source.has_key and source.is_unique is False
        ),
        "the transactions of others are hidden from this role, and so is what they will write:"
        " grant pg_read_all_stats to it": clock.horizon is not None and not clock.sees_all,
        f"nobody tells the clock of {name}: without clock_relation rows that are committed late are"
        " found within the lookback only": source.clock_text is None,
        "a view shows no transaction of its rows: what is dated or changed behind the lookback is"
        " not seen; read the table itself, if you can": source.kind == "view",
        f"no index begins with {cursor.name}: every window reads the whole of {name}": (
            is_table and not found["has_index"]
        ),
        f"{cursor.name} may be null: such rows are found by the search for late rows only": (
            not cursor.is_required and source.kind != "foreign"
        ),
        f"{cursor.name} has no default such as now(): rows may come with an older time, and are"
        " found within the lookback, or by the next sweep": (
            is_table and not NOW.search(found["cursor_default"] or "")
        ),
    }
    return [sentence for sentence, applies in sentences.items() if applies]
