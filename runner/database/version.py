"""Which schema of the ledger this version needs, and which a database has. Queries: version.sql."""

from dataclasses import dataclass

from runner.about import VERSION
from runner.database.session import Session
from runner.errors import StartError

# schema/migrations/NNNN_name.sql, in order; the number of the last is the version.
MIGRATIONS = ("before_versions", "forget", "archived_months")
NEWEST = len(MIGRATIONS)
APPLY = "python -m runner schema apply"


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The version of a ledger, and the Milepost that applied it; 0 for those without versions."""

    number: int
    applied_by: str | None = None

    @property
    def is_older(self) -> bool:
        return self.number < NEWEST


def read(session: Session) -> SchemaVersion | None:
    """Return the version of the ledger in this database; None if it has none."""
    [found] = session.named("database/version.tables")
    if not found["is_versioned"]:
        return SchemaVersion(0) if found["has_any"] else None
    [newest] = session.named("database/version.newest")
    return SchemaVersion(**newest)


def refuse_newer(found: SchemaVersion | None) -> None:
    """StartError if a database has a schema that only a newer version understands."""
    if found and found.number > NEWEST:
        raise StartError(
            f"this database has a newer orchestrator schema, version {found.number} by Milepost"
            f" {found.applied_by}; this is Milepost {VERSION}, which knows {NEWEST}",
            f"install Milepost {found.applied_by} or newer",
        )


def require(session: Session) -> None:
    """StartError unless the database has exactly the schema of this version."""
    found = read(session)
    if found is None:
        raise StartError("this database has no orchestrator schema", APPLY)
    refuse_newer(found)
    if found.is_older:
        raise StartError(
            f"this database has an older orchestrator schema, version {found.number} of {NEWEST}",
            APPLY,
        )


def record(session: Session) -> None:
    """Record that the schema has this version, in the transaction that migrates it."""
    session.named("database/version.record", names=list(MIGRATIONS), applied_by=VERSION)
