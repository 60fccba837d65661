"""What the catalogue says about one table."""

from collections.abc import Collection, Sequence

from psycopg import sql

from runner.database.names import column_of, join, relation
from runner.database.session import Row, Session


def exists(session: Session, name: str) -> bool:
    """Return whether a table, view or foreign table named `schema.table` exists."""
    return kind(session, name) is not None


def kind(session: Session, name: str) -> str | None:
    """Return the relkind of pg_class for `schema.table`; None if there is no such relation."""
    found = session.rows(
        "select relkind::text as kind from pg_class where oid = to_regclass(%(name)s)",
        {"name": relation(name).as_string()},
    )
    return found[0]["kind"] if found else None


def count(session: Session, name: str, limit: int | None = None) -> int:
    """Return how many rows a table has, `limit` at most."""
    few = f"select 1 from {relation(name).as_string()} limit {limit or 'all'}"
    return int(session.value(f"select count(*) from ({few}) as few"))


class Equality:
    """How the columns of a table are compared, whatever the search path: each by the operator that
    an index on it would use.

    A plain `=` finds only operators of pg_catalog. It knows none for an extension's type, or that
    of another type: it would compare two citexts as texts, with regard to case.
    """

    def __init__(self, session: Session, relation: str) -> None:
        """`relation` is quoted where necessary."""
        found: list[Row] = []
        if session.named("database/tables.has_others", relation=relation)[0]["has_others"]:
            found = session.named("database/tables.operators", relation=relation)
        self._own = {
            row["name"]: (row["type"], row["operator"]) for row in found if row["operator"]
        }
        # Values of a type without equality are equal if they are written in the same way.
        self.texts = {row["name"]: row["type"] for row in found if not row["operator"]}

    def of_rows(
        self, keys: Sequence[str] | None, one: str, other: str, optional: Collection[str] = ()
    ) -> sql.Composable:
        """Return the condition that two rows have the same key; false if there is no key. Columns
        that are not `optional` are never null: compared by `=`, they allow a hash join.
        """
        same = [
            self.same(key, one, other) if key in optional else self._equal(key, one, other)
            for key in keys or ()
        ]
        return join(same, " and ") if same else sql.SQL("false")

    def same(self, column: str, one: str, other: str) -> sql.Composed:
        """Return the condition that two rows have equal values in a column, or both are null."""
        values = column_of(one, column), column_of(other, column)
        if column in self.texts:
            return sql.SQL("{}::text is not distinct from {}::text").format(*values)
        if column not in self._own:
            return sql.SQL("{} is not distinct from {}").format(*values)
        equal = self._equal(column, one, other)
        return sql.SQL("coalesce({}, num_nulls({}, {}) = 2)").format(equal, *values)

    def _equal(self, column: str, one: str, other: str) -> sql.Composed:
        values = column_of(one, column), column_of(other, column)
        if column not in self._own:
            return sql.SQL("{} = {}").format(*values)
        kind, operator = map(sql.SQL, self._own[column])
        return sql.SQL("{}::{} {} {}::{}").format(values[0], kind, operator, values[1], kind)
