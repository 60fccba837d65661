"""Rows of a replica that its source no longer has. Queries: deletes.sql."""

from typing import Any

from psycopg import sql

from runner.errors import RunnerError
from runner.ingest.columns import DELETED_AT
from runner.ingest.run import RunTransaction
from runner.ingest.writer import Counts

# More deletes than this, and than rows that stay, suggest a source that was emptied by mistake.
FEW_ROWS = 100


def handle_deletes(run: RunTransaction, is_forced: bool) -> Counts:
    """Do what on_delete says. RunnerError if these are most of the rows, unless `is_forced`."""
    rows, kept, sample = _find(run)
    definition = run.source.definition
    policy = definition.on_delete
    run.measured["rows_left"] = rows if policy == "report" else 0
    if not rows:
        return Counts()
    done = {"report": "left in place", "mark": "marked", "apply": "deleted"}[policy]
    run.notes.append(f"{rows:,} rows are no longer in the source, {done}; for example {sample}")
    if policy == "report":
        return Counts()
    # Nothing keeps others from emptying a foreign table at this moment.
    is_emptied = run.source.kind == "foreign" and not kept
    if (is_emptied or rows > max(kept, FEW_ROWS)) and not is_forced:
        name = definition.pipeline_name
        raise RunnerError(
            f"pipeline {name}: {rows:,} of {rows + kept:,} rows of {definition.target_relation}"
            f" are no longer in the source; so many are {done} only with --force",
            f"if the source is right: python -m runner reconcile {name} --force",
        )
    run.writer.execute("repairs/deletes.keep_removed")
    if policy == "mark":
        return Counts(updated=run.writer.execute("repairs/deletes.mark_removed"))
    return Counts(deleted=run.writer.execute("repairs/deletes.delete_removed"))


def _find(run: RunTransaction) -> tuple[int, int, list[Any]]:
    """Find the rows; return how many, how many others stay, and a few of their keys."""
    skips_marked = run.writer.has_mark and run.source.definition.on_delete != "apply"
    is_not_marked = sql.SQL(f"stored.{DELETED_AT} is null" if skips_marked else "true")
    relation = run.source.relation
    run.writer.execute("repairs/deletes.find_removed", source=relation, is_not_marked=is_not_marked)
    run.writer.execute(
        "repairs/deletes.resolve_removed", source=relation, rejected_key=run.writer.rejected_key()
    )
    count = run.writer.render("repairs/deletes.count_removed", is_not_marked=is_not_marked)
    found = run.work.row(count)
    return found["rows"], found["kept"], found["sample"]
