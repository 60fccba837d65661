"""The SQL that makes a table that readers use equal to another one, and the SQL that first keeps a
record of what that changes. Texts: changes.sql.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from runner.database.equality import Equality
from runner.database.queries import named_query
from runner.database.session import Row, Session
from runner.errors import RunnerError
from runner.project.template import plain, render


@dataclass(frozen=True, slots=True)
class Rows:
    """How two tables differ: the keys of removed rows, and the rows that were added or changed.

    Each is a query in parentheses, or the name of a table that holds its result.
    """

    removed: str
    added: str


def difference_queries(session: Session, live: str, fresh: str) -> Rows:
    """Return the queries of what publishing `fresh` changes in `live`."""
    shape = _shape(session, live)
    columns, keys = _list("{0}", shape), _list("{0}", _keys(shape))
    names, key_names = columns.as_string(None), keys.as_string(None)
    return Rows(
        removed=f"(select {key_names} from {live} except select {key_names} from {fresh})",
        added=f"(select {names} from {fresh} except select {names} from {live})",
    )


def publish_difference(session: Session, live: str, rows: Rows) -> str:
    """Return the SQL that applies the difference to `live`. RunnerError if it has no key."""
    shape = _shape(session, live)
    others = [column for column in shape if not column["is_key"]]
    action: sql.Composable = sql.SQL("nothing")
    if others:
        action = sql.SQL("update set {}").format(_list("{0} = excluded.{0}", others))
    values = {
        "live": plain(live),
        "removed": plain(rows.removed),
        "added": plain(rows.added),
        "columns": _list("{0}", shape),
        "keys": _list("{0}", _keys(shape)),
        "is_same_key": _is_same_key(session, live, shape, "removed"),
        "action": action,
    }
    return _render("publish", values)


def restatement(session: Session, run_id: int, table_name: str, live: str, fresh: str) -> str:
    """Return the SQL that records in orchestrator.restatements what publishing `fresh` is about to
    change in `live`, a table with the same columns. Rows are recorded under `table_name`, which is
    the same for all targets. RunnerError if `live` has no key.
    """
    shape = session.named("database/ledger.table_shape", table=live)
    if not shape:
        raise RunnerError(
            f"{table_name} is restated, and its table has no key that identifies a row",
            "give it a primary key, or remove restated from its entry",
        )
    days = [column["column_name"] for column in _keys(shape) if column["is_date"]]
    values = {
        "run_id": run_id,
        "table_name": table_name,
        "live": plain(live),
        "fresh": plain(fresh),
        "columns": _list("{0}", shape),
        "stored_keys": _list("stored.{0}", _keys(shape)),
        "day": plain(days[0]) if days else sql.SQL("null::date"),
        "stored_day": plain("stored", days[0]) if days else sql.SQL("null::date"),
        "is_same_key": _is_same_key(session, live, shape, "fresh"),
    }
    return _render("restate", values)


def _render(name: str, values: Mapping[str, Any]) -> str:
    return render(named_query(f"build/changes.{name}").lstrip(), values, "changes.sql")


def _shape(session: Session, table: str) -> list[Row]:
    shape = session.named("database/ledger.table_shape", table=table)
    if not shape:
        raise RunnerError(
            f"{table} has no key, so a difference cannot be published to it",
            "give it a primary key in schema/",
        )
    return shape


def _keys(shape: list[Row]) -> list[Row]:
    return [column for column in shape if column["is_key"]]


def _list(form: str, columns: list[Row]) -> sql.Composed:
    names = (plain(column["column_name"]) for column in columns)
    return sql.SQL(", ").join(sql.SQL(form).format(name) for name in names)


def _is_same_key(session: Session, live: str, shape: list[Row], other: str) -> sql.Composed:
    """Compare by `=` where possible, because only that can be a hash join. A column of a key may be
    null, as the cohort of an average is.
    """
    equality = Equality(session, live)
    conditions = []
    for column in _keys(shape):
        name = column["column_name"]
        compare = equality.equal if column["is_required"] else equality.same
        conditions.append(compare(column["name"], plain("stored", name), plain(other, name)))
    return sql.SQL(" and ").join(conditions)
