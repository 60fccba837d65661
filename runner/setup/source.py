"""Finds the table that `load` and `seed` fill, with the columns that a file may have."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from runner.database import ledger
from runner.database.session import Session
from runner.errors import RunnerError


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column that a file may or must have; its type has no length."""

    name: str
    type: str
    is_required: bool
    time_type: str | None = None  # the type of the times that it contains, if any
    has_parts: bool = False  # whether they are in an array or a range


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table, by its name in pipelines and quoted; `cursor`, if any, says when a row arrived."""

    name: str
    table: sql.SQL
    cursor: str | None
    columns: Sequence[SourceColumn]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def happened(self) -> str | None:
        """The column that says when something happened: the first required time or date."""
        for column in self.columns:
            is_day = (column.time_type or "").startswith(("timestamp", "date"))
            if is_day and column.is_required and not column.has_parts:
                return column.name
        return None


def find(session: Session, name: str | None = None) -> SourceTable:
    """Return the table of this name, or the source of the first pipeline; RunnerError if there is
    none. Identity and generated columns are left out, and so is the cursor: loading fills it in.
    """
    ledger.require(session)
    pipelines = session.named("setup/source.pipeline", name=name)
    if pipelines:
        name, cursor = pipelines[0]["source"], pipelines[0]["cursor"]
    elif name:
        cursor = None
    else:
        raise RunnerError("there is no pipeline with a source to fill", "name a table: --into")
    rows = session.named("setup/source.columns", source=name, cursor=cursor)
    if not rows:
        hint = "python -m runner schema apply creates a project's sources"
        raise RunnerError(f"{name} does not exist", hint)
    found = session.named("ingest/columns.time_types", types=[row["type"] for row in rows])
    times = {row["name"]: (row["time_type"], row["has_parts"]) for row in found}
    return SourceTable(
        name or "",
        sql.SQL(rows[0]["table"]),
        cursor,
        [
            SourceColumn(row["name"], row["type"], row["is_required"], *times.get(row["type"], ()))
            for row in rows
        ],
    )
