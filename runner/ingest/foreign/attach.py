"""Attaching a source elsewhere: which kind it is, and what creates its foreign table here."""

from pathlib import Path

from runner.database.session import Session
from runner.errors import UsageError
from runner.ingest.foreign import mariadb, postgres
from runner.ingest.foreign.address import FILE, MARIADB, POSTGRES, SourceAddress
from runner.ingest.foreign.attachment import Attachment
from runner.ingest.foreign.file import FileAttachment

ATTACHMENTS: dict[str, type[Attachment]] = {
    POSTGRES: postgres.PostgresAttachment,
    MARIADB: mariadb.MariaDBAttachment,
    FILE: FileAttachment,
}
SOURCE_SQL = {"postgres": postgres.source_sql, "mariadb": mariadb.source_sql}


def attach(
    session: Session, address: SourceAddress, source: str | None, cursor: str, is_local_time: bool
) -> Attachment:
    """Create the foreign table of a source elsewhere, inside a transaction of the caller's.

    `is_local_time` is whether the cursor of a file has no time zone.
    """
    if address.wrapper == FILE:
        file = Path(address.options["filename"])
        names = [name.replace(".", "_") for name in (file.parent.name or "files", file.stem)]
        source = source or ".".join(names)
    if source is None:
        raise UsageError("--source is missing", "name the table to read: --source SCHEMA.TABLE")
    attachment = ATTACHMENTS[address.wrapper]
    return attachment(session, address, source, cursor, is_local_time).make()


def script_for_source(kind: str, project: Path, source: str, role: str) -> str:
    """Return what the owner of a source in a `postgres` or `mariadb` runs before it is added."""
    return SOURCE_SQL[kind](project, source, role)
