"""Holds a table against its DDL, as `create table if not exists` does not."""

from __future__ import annotations

from runner.compose import Composer
from runner.database import Session
from runner.errors import RunnerError
from runner.manifest import Script
from runner.queries import queries
from runner.target import Target

# The DDL is run once more in schemas of this name, which are gone before the transaction ends.
SHADOW = Target("milepost_shape")


def refuse_other_shape(session: Session, composer: Composer, script: Script) -> None:
    """RunnerError if a table of a script has other columns than its DDL gives a new one."""
    schema = f"{SHADOW.prefix}{script.layer}"
    session.run(f"create schema {schema}")
    shadow = Composer(composer.manifest, SHADOW, composer.positions)
    for piece in shadow.definitions(script):
        session.run(piece.text, piece.file)
    for name, path in zip(script.tables, script.definitions, strict=True):
        table = composer.target.table(script.layer, name)
        found = _columns(session, table)
        wanted = _columns(session, SHADOW.table(script.layer, name))
        differing = [
            column for column in {**wanted, **found} if found.get(column) != wanted.get(column)
        ]
        if differing:
            raise RunnerError(
                f"{path}: {table} has other columns: {', '.join(differing)}",
                f"drop table {table}; the next build fills it anew",
            )
    session.run(f"drop schema {schema} cascade")


def _columns(session: Session, table: str) -> dict[str, str]:
    rows = session.rows(queries("ledger.sql")["table_columns"], {"table": table})
    return {row["name"]: row["definition"] for row in rows}
