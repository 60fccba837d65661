"""Rows of a source that came, or changed, after their month had gone into a file."""

from collections.abc import Callable

from psycopg import sql

from runner.ingest.conditions import Conditions

# So many are kept as they are; more are those of somebody who has rewritten the table.
MOST_KEPT = 10_000


def late_rows(
    conditions: Conditions,
    horizon: int | None,
    count: Callable[[sql.Composable], int],
    warn: Callable[[str], object],
) -> tuple[sql.Composable, str] | None:
    """Return the condition of such rows, if they are to be set aside, and why. Where it is not
    known when rows were written, without a horizon, warn if they are more than were archived.
    """
    definition = conditions.source.definition
    before = definition.archived_before or "-infinity"
    where = f"{conditions.source.cursor.name} before {before[:10]}, which is archived"
    condition = conditions.window(definition.defined_start_at, before)
    condition = conditions.written_since(condition, horizon)
    rows = count(condition)
    if horizon is None:
        if (more := rows - definition.archived_rows) > 0:
            warn(f"the source has {more:,} more rows than the files, with {where}")
        return None
    if not rows:
        return None
    is_kept = rows <= MOST_KEPT
    left = "set aside, in orchestrator.rejected_rows" if is_kept else "left in the source"
    warn(f"{rows:,} rows came late or changed, with {where}: they are {left}")
    return (condition, where) if is_kept else None
