"""What readers have seen, and what a publication makes of it: orchestrator.restatements."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from runner.database.queries import named_query
from runner.database.session import Row, Session
from runner.errors import RunnerError
from runner.project.template import plain, render


def restatement(session: Session, run_id: int, table_name: str, live: str, fresh: str) -> str:
    """The SQL that keeps what publishing `fresh` is about to change in `live`; both have the same
    columns. `table_name` is what the rows are kept under: the same for all targets.
    """
    shape = session.rows(named_query("database/ledger.table_shape"), {"table": live})
    keys = [column for column in shape if column["is_key"]]
    if not keys:
        raise RunnerError(
            f"{table_name} is restated, and its table has no key to know its rows by",
            "give it a primary key, or take restated out of its entry",
        )
    days = [column["column_name"] for column in keys if column["is_date"]]
    return render(
        Path(__file__).with_name("restate.sql").read_text(encoding="utf-8"),
        {
            "run_id": run_id,
            "table_name": table_name,
            "live": plain(live),
            "fresh": plain(fresh),
            "columns": _list("{0}", shape),
            "stored_keys": _list("stored.{0}", keys),
            "day": plain(days[0]) if days else sql.SQL("null::date"),
            "stored_day": plain("stored", days[0]) if days else sql.SQL("null::date"),
            # Hash joins know `=` only; a key column may be null too.
            "is_same_key": sql.SQL(" and ").join(
                sql.SQL(
                    "stored.{0} = fresh.{0}"
                    if column["is_required"]
                    else "stored.{0} is not distinct from fresh.{0}"
                ).format(plain(column["column_name"]))
                for column in keys
            ),
        },
        "restate.sql",
    )


def _list(form: str, columns: list[Row]) -> sql.Composed:
    names = (plain(column["column_name"]) for column in columns)
    return sql.SQL(", ").join(sql.SQL(form).format(name) for name in names)
