"""The address of a source in another database or a file, whose password is never shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from runner.errors import UsageError

# The variable with the password: a command line is visible to everybody who lists processes.
PASSWORD_VARIABLE = "MILEPOST_SOURCE_PASSWORD"
POSTGRES, MARIADB, FILE = "postgres_fdw", "mysql_fdw", "file_fdw"
WRAPPERS = {"postgresql": POSTGRES, "postgres": POSTGRES, "mariadb": MARIADB, "mysql": MARIADB}
# Notice a lost network, end a query that hangs, and fetch ten thousand rows at a time.
SERVER_OPTIONS: dict[str, dict[str, str]] = {
    POSTGRES: {
        "port": "5432",
        "fetch_size": "10000",
        "connect_timeout": "10",
        "keepalives_idle": "60",
        "keepalives_interval": "10",
        "keepalives_count": "6",
        "options": "-c statement_timeout=10min -c idle_in_transaction_session_timeout=1h",
    },
    MARIADB: {
        "port": "3306",
        "fetch_size": "10000",
        # Without it, text arrives in the encoding of this machine, and is not converted.
        "character_set": "utf8mb4",
        # Moments arrive in UTC.
        "init_command": "SET time_zone='+00:00'",
    },
    FILE: {},
}


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """A server with its options, a database and a user on it; or a file, without a user."""

    wrapper: str
    database: str
    options: Mapping[str, str]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def place(self) -> dict[str, str]:
        """The options that identify the database and its server."""
        names = ("host", "port", "dbname")
        return {name: self.options[name] for name in names if name in self.options}


def parse_address(address: str, password: str | None) -> SourceAddress:
    """Parse the path of a CSV file, or a URL: its own password wins over `password`."""
    if "://" not in address:
        return SourceAddress(FILE, "files", {"filename": str(Path(address).absolute())})
    # No error repeats a part of the address: any part may be the password.
    try:
        parts = urlsplit(address)
        port, given = parts.port, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise UsageError(
            "--from is not a valid address",
            "scheme://user@host:port/database; in a password, write @ as %40, / as %2F, : as %3A",
        ) from None
    wrapper, database = WRAPPERS.get(parts.scheme), unquote(parts.path.strip("/"))
    if wrapper is None or not database or not re.fullmatch(r"[^./]+", database):
        raise UsageError(
            "--from names no database of a kind that can be read",
            "postgresql://user@host/database, mariadb://user@host/database, or a CSV file",
        )
    if not parts.username:
        raise UsageError("--from names no user", "scheme://user@host/database")
    if any("password" in name for name in given):
        raise UsageError(
            "--from has a password after its ?", f"remove it, and set {PASSWORD_VARIABLE}"
        )
    options = {**SERVER_OPTIONS[wrapper], **given}
    if parts.hostname:
        options["host"] = unquote(parts.hostname)
    if port:
        options["port"] = str(port)
    if wrapper == POSTGRES:
        options["dbname"] = database
    inside = unquote(parts.password) if parts.password else None
    return SourceAddress(wrapper, database, options, unquote(parts.username), inside or password)
