"""Which server to use: the one that the environment names, otherwise the embedded one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import INSTALL_EMBEDDED, StartError

if TYPE_CHECKING:
    from runner.database.embedded import Server

PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")


@dataclass(frozen=True, slots=True)
class Address:
    """A connection string, and whether it is that of the embedded server."""

    conninfo: str
    is_embedded: bool


def is_given() -> bool:
    """Whether the environment names a server. If that one fails, no other is used instead."""
    return bool(os.environ.get("DATABASE_URL")) or any(map(os.environ.get, PG_VARIABLES))


def embedded(project: Path) -> Server:
    """Return the embedded server of a project, running or not; StartError if not installed."""
    try:
        from runner.database.embedded import Server, default_data
    except ModuleNotFoundError as error:
        raise StartError("the embedded server is not installed", INSTALL_EMBEDDED) from error
    return Server(default_data(project))


def find(project: Path) -> Address:
    """Return which server to use; start the embedded one if that is used and not running."""
    if is_given():
        return Address(os.environ.get("DATABASE_URL", ""), is_embedded=False)
    return Address(embedded(project).start().uri, is_embedded=True)
