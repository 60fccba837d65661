"""The SQL that brings a table that readers use to the rows of another one with its columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from runner.database.queries import named_query
from runner.database.session import Row, Session
from runner.errors import RunnerError
from runner.project.template import plain, render


@dataclass(frozen=True, slots=True)
class Rows:
    """What differs between two tables: the keys of rows that are gone, and rows that came or
    changed. Each is a query, or the name of a table that has its result.
    """

    gone: str
    come: str


def differing(session: Session, live: str, fresh: str) -> Rows:
    """The queries of what publishing `fresh` makes of `live`."""
    shape = _shape(session, live)
    columns, keys = _names(shape), _names([column for column in shape if column["is_key"]])
    return Rows(
        f"(select {keys} from {live} except select {keys} from {fresh})",
        f"(select {columns} from {fresh} except select {columns} from {live})",
    )


def publish(session: Session, live: str, rows: Rows) -> str:
    """What makes `live` have these rows."""
    shape = _shape(session, live)
    same_key, assignments = [], []
    for column in shape:
        name = plain(column["column_name"])
        # Hash joins know `=` only; a key column may be null too, as the cohort of an average is.
        same = "stored.{0} = gone.{0}"
        if not column["is_required"]:
            same = "stored.{0} is not distinct from gone.{0}"
        if column["is_key"]:
            same_key.append(sql.SQL(same).format(name))
        else:
            assignments.append(sql.SQL("{0} = excluded.{0}").format(name))
    return render(
        Path(__file__).with_name("publish.sql").read_text(encoding="utf-8"),
        {
            "live": plain(live),
            "gone": plain(rows.gone),
            "come": plain(rows.come),
            "columns": plain(_names(shape)),
            "keys": plain(_names([column for column in shape if column["is_key"]])),
            "is_same_key": sql.SQL(" and ").join(same_key),
            "action": sql.SQL("update set {}").format(sql.SQL(", ").join(assignments))
            if assignments
            else sql.SQL("nothing"),
        },
        "publish.sql",
    )


def _shape(session: Session, table: str) -> list[Row]:
    shape = session.rows(named_query("database/ledger.table_shape"), {"table": table})
    if not shape:
        raise RunnerError(
            f"{table} has no key, by which what differs could be published",
            "give it a primary key in schema/",
        )
    return shape


def _names(columns: list[Row]) -> str:
    return ", ".join(column["column_name"] for column in columns)
