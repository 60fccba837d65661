"""How the columns of a table compare, whatever the search path. Queries: equality.sql.

A plain `=` of two values of an extension's type is not found in pg_catalog, or is that of another
type: the texts in two citexts are not equal where the citexts are.
"""

from collections.abc import Sequence

from psycopg import sql

from runner.database.session import Session


class Equality:
    """The equality of each column: that of the operator class which its key's index has."""

    def __init__(self, session: Session, relation: str) -> None:
        """`relation` is quoted where necessary."""
        found = session.named("database/equality.operators", relation=relation)
        self._own = {row["name"]: (row["type"], row["operator"]) for row in found}

    def equal(self, column: str, one: sql.Composable, other: sql.Composable) -> sql.Composed:
        """Return the condition that two values of a column are equal."""
        if column not in self._own:
            return sql.SQL("{} = {}").format(one, other)
        kind, operator = map(sql.SQL, self._own[column])
        return sql.SQL("{}::{} {} {}::{}").format(one, kind, operator, other, kind)

    def same(self, column: str, one: sql.Composable, other: sql.Composable) -> sql.Composed:
        """Return the condition that two values are equal, or both null."""
        if column not in self._own:
            return sql.SQL("{} is not distinct from {}").format(one, other)
        equal = self.equal(column, one, other)
        return sql.SQL("coalesce({}, num_nulls({}, {}) = 2)").format(equal, one, other)

    def all_equal(self, columns: Sequence[str], one: str, other: str) -> sql.Composed:
        """Return the condition that two rows have the same key: each an alias, or a row in a
        column. No rows have the same key where there is none.
        """
        if not columns:
            return sql.SQL("false").format()
        return sql.SQL(" and ").join(
            self.equal(
                name, *(sql.SQL(f"{row}.{{}}").format(sql.Identifier(name)) for row in (one, other))
            )
            for name in columns
        )
