"""SQL that makes a table equal to another, and records what that changes. Queries: changes.sql."""

import json
from dataclasses import dataclass

from runner.database.queries import named_query
from runner.database.session import Row, Session
from runner.database.tables import Equality
from runner.errors import RunnerError
from runner.project.template import plain, render


@dataclass(frozen=True, slots=True)
class RowDiff:
    """How two tables differ: the keys of the rows that only the first one has, and the rows that
    are new or changed in the second. Each is a query in parentheses, or a table with its result.
    """

    removed: str
    added: str


def publish_difference(session: Session, live: str, fresh: str, rows: RowDiff | None = None) -> str:
    """Return the SQL that makes `live` equal to `fresh`; `rows` is the difference, if it is already
    known. RunnerError if `live` has no key.
    """
    lists = _keyed(session, live, "removed")
    rows = rows or difference_queries(session, live, fresh, lists)
    return _render("publish", {**lists, "live": live, "removed": rows.removed, "added": rows.added})


def restatement(session: Session, run_id: int, table_name: str, live: str, fresh: str) -> str:
    """Return the SQL that records in orchestrator.restatements what publishing `fresh` is about to
    change in `live`, a table with the same columns. Rows are recorded under `table_name`, which is
    the same for all targets. RunnerError if `live` has no key.
    """
    lists = _keyed(session, live, "fresh")
    names = {"live": live, "fresh": fresh, "replaced": _rows_but(lists, live, fresh)}
    return _render("restate", {**lists, **names}, run_id=run_id, table_name=table_name)


def column_lists(session: Session, table: str, other: str = "other") -> Row:
    """Return the columns of a table in the lists of changes.sql; `keys` is None if it has no key.
    `other` is the alias of the row that a row of it is compared with.
    """
    equality = Equality(session, table)
    values = {"table": table, "texts": json.dumps(equality.texts)}
    lists = session.named("build/changes.column_lists", **values)[0]
    is_same_key = equality.of_rows(lists["key_columns"], "stored", other, lists["optional_keys"])
    return {**lists, "is_same_key": is_same_key.as_string()}


def difference_queries(
    session: Session, live: str, fresh: str, lists: Row | None = None
) -> RowDiff:
    """Return the queries of what publishing `fresh` changes in `live`, by its column_lists()."""
    lists = lists or _keyed(session, live)
    keys = lists["keys"]
    removed = f"(select {keys} from {live} except select {keys} from {fresh})"
    return RowDiff(removed, _rows_but(lists, fresh, live))


def _rows_but(lists: Row, one: str, other: str) -> str:
    """Return a query, in parentheses, of the rows of one table that the other lacks."""
    columns, restored = lists["compared"], lists["restored"]
    rows = f"(select {columns} from {one} except select {columns} from {other})"
    return f"(select {restored} from {rows} as rows)" if restored else rows


def _keyed(session: Session, table: str, other: str = "other") -> Row:
    lists = column_lists(session, table, other)
    if not lists["keys"]:
        hint = "give it a primary key in schema/"
        raise RunnerError(f"{table} has no key to match changed rows by", hint)
    return lists


def _render(query: str, parts: Row, **values: object) -> str:
    texts = {name: plain(part) for name, part in parts.items() if isinstance(part, str)}
    text = named_query(f"build/changes.{query}").lstrip()
    return render(text, {**texts, **values}, "changes.sql")
