"""What the catalogue says about a single table."""

from runner.database.names import relation
from runner.database.session import Session


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
    """Return how many rows a table has, and `limit` if it has more."""
    few = f"select 1 from {relation(name).as_string()} limit {limit or 'all'}"
    return int(session.value(f"select count(*) from ({few}) as few"))
