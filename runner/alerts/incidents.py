"""Records problems with their beginning and end, and sends each once to each receiver."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner.alerts.receivers import Incident, NotDelivered, Receiver, receivers
from runner.database import ledger
from runner.database.session import Database, Row, Session
from runner.status import Status, status

NUMBER = re.compile(r"^(build|verify|run) [0-9]+$")
LOCK = 5_390_717  # held while alerts are delivered, by one session at a time


def alert(
    database: Database,
    project: Path,
    warn: Callable[[str, str | None], None],
    target: str = "live",
    found: Status | None = None,
) -> None:
    """Record the problems of a target, and send each receiver those that it has not been told.

    Failed deliveries are warnings. Raises UsageError if there is no receiver.
    """
    named = receivers()
    found = found or status(database, project, target)
    with database.session("milepost alerts") as session:
        ledger.require(session)
        _record(session, target, found.problems)
        for failure in _deliver(session, named):
            warn(f"alert not delivered, {failure}", "the next round tries again")


def _record(session: Session, target: str, problems: Sequence[Row]) -> None:
    """Record the current problems: new ones begin, known ones go on, all others are over."""
    # A problem of the next build or run is the same problem, whatever its number.
    rows = [{**row, "subject": NUMBER.sub(r"\1", row["what"])} for row in problems]
    found = {(row["subject"], row["kind"]): row for row in reversed(rows)}
    text = json.dumps(list(found.values()))
    session.named("alerts/incidents.record", target=target, problems=text)


def _deliver(session: Session, named: Sequence[Receiver]) -> Iterator[str]:
    """Send each receiver what it has not been told yet; yield the failures.

    After a failure, a receiver is skipped until the next call. Each delivery is recorded at once,
    so a receiver is told twice only if this process dies between the two.
    """
    if not session.value(f"select pg_try_advisory_lock({LOCK})"):
        return  # another session delivers
    for receiver in named:
        for row in session.named("alerts/incidents.waiting", receiver=receiver.name):
            alert_id = row.pop("alert_id")
            values = {"alert_id": alert_id, "event": row["event"], "receiver": receiver.name}
            try:
                receiver.send(Incident(**row))
            except NotDelivered as error:
                reason = f"{receiver.name}: {error}"
                session.named("alerts/incidents.failed", alert_id=alert_id, reason=reason)
                yield reason
                break
            session.named("alerts/incidents.delivered", **values)
