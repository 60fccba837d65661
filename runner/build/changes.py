"""SQL that makes a table equal to another one, and that records what this changes: changes.sql."""

import json
from dataclasses import dataclass

from runner.database.queries import named_query
from runner.database.session import Row, Session
from runner.database.tables import Equality
from runner.errors import RunnerError
from runner.project.template import plain, render


@dataclass(frozen=True, slots=True)
class Rows:
    """How two tables differ: the keys of removed rows, and the rows that were added or changed.
    Each is a query in parentheses, or the name of a table that holds its result.
    """

    removed: str
    added: str


def publish_difference(session: Session, live: str, fresh: str, rows: Rows | None = None) -> str:
    """Return the SQL that makes `live` equal to `fresh`; `rows` is the difference, where it is
    known already. RunnerError if `live` has no key.
    """
    lists = _keyed(session, live, "removed")
    rows = rows or difference_queries(session, live, fresh, lists)
    return _render("publish", {**lists, "live": live, "removed": rows.removed, "added": rows.added})


def restatement(session: Session, run_id: int, table_name: str, live: str, fresh: str) -> str:
    """Return the SQL that records in orchestrator.restatements what publishing `fresh` is about to
    change in `live`, a table with the same columns. Rows are recorded under `table_name`, which is
    the same for all targets. RunnerError if `live` has no key.
    """
    lists = column_lists(session, live, "fresh")
    if not lists["keys"]:
        raise RunnerError(
            f"{table_name} is restated, and its table has no key that identifies a row",
            "give it a primary key, or remove restated from its entry",
        )
    names = {"live": live, "fresh": fresh, "replaced": _rows_but(lists, live, fresh)}
    return _render("restate", {**lists, **names}, run_id=run_id, table_name=table_name)


def column_lists(session: Session, table: str, other: str = "other") -> Row:
    """Return the columns of a table as changes.sql lists them; `keys` is None if it has no key, and
    `other` the row that its rows are compared with.
    """
    equality = Equality(session, table)
    values = {"table": table, "texts": json.dumps(equality.texts)}
    lists = session.named("build/changes.column_lists", **values)[0]
    is_same_key = equality.of_rows(lists["key_columns"], "stored", other, lists["optional_keys"])
    return {**lists, "is_same_key": is_same_key.as_string()}


def difference_queries(session: Session, live: str, fresh: str, lists: Row | None = None) -> Rows:
    """Return the queries of what publishing `fresh` changes in `live`; `lists` are its columns."""
    lists = lists or _keyed(session, live)
    keys = lists["keys"]
    removed = f"(select {keys} from {live} except select {keys} from {fresh})"
    return Rows(removed, _rows_but(lists, fresh, live))


def _rows_but(lists: Row, one: str, other: str) -> str:
    """Return the query, in parentheses, of the rows of one table that another does not have."""
    columns, restored = lists["compared"], lists["restored"]
    rows = f"(select {columns} from {one} except select {columns} from {other})"
    return f"(select {restored} from {rows} as rows)" if restored else rows


def _keyed(session: Session, table: str, other: str = "other") -> Row:
    lists = column_lists(session, table, other)
    if not lists["keys"]:
        raise RunnerError(
            f"{table} has no key, so a difference cannot be published to it",
            "give it a primary key in schema/",
        )
    return lists


def _render(query: str, parts: Row, **values: object) -> str:
    texts = {name: plain(part) for name, part in parts.items() if isinstance(part, str)}
    text = named_query(f"build/changes.{query}").lstrip()
    return render(text, {**texts, **values}, "changes.sql")
