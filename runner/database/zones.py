"""Time zones: only those that the server lists by name."""

from runner.database.session import Session

UTC = "UTC"
HINT = "a name such as Asia/Singapore; the view pg_timezone_names lists them"


def problem(session: Session, zone: str) -> str | None:
    """Return what is wrong with the name of a time zone, if anything is. PostgreSQL takes more than
    names: `UTC+8` and `Banana8` are zones to it, eight hours west of Greenwich, not east.
    """
    if zone == UTC:
        return None
    # The view reads every file of the time zone database.
    listed = "select exists (select from pg_timezone_names where name = %(zone)s)"
    return None if session.value(listed, {"zone": zone}) else f"there is no time zone {zone}"
