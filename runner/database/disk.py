"""How full the disk of the server is, if that can be known. Queries: disk.sql."""

import shutil
from pathlib import Path

from runner.database.session import QueryFailed, Session

GIGABYTE = 1024**3
MAKE_ROOM = "make room: python -m runner prune --older-than 90d, or a larger disk"


def disk(session: Session) -> tuple[int, int] | None:
    """Return the free and all bytes of the disk with the data; None if that cannot be known."""
    try:
        with session.savepoint():
            place = session.named("database/disk.data_directory")[0]
    except QueryFailed:  # this role lacks pg_read_all_settings
        return None
    if not (place["is_local"] and place["folder"]):
        return None
    try:
        usage = shutil.disk_usage(Path(place["folder"]))
    except OSError:  # the server is in a container, or this user may not enter the folder
        return None
    return usage.free, usage.total


def is_full(free: int, total: int) -> bool:
    """Whether so little is left that the next build may fail."""
    return free < GIGABYTE or free < total / 50


def sentence(free: int, total: int) -> str:
    return f"{free / GIGABYTE:.1f} GB of {total / GIGABYTE:.1f} GB are free"
