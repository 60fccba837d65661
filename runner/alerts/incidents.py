"""Incidents: problems with a beginning and an end, each told once to each receiver."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner.alerts.receivers import Incident, NotDelivered, Receiver, receivers
from runner.database import ledger
from runner.database.session import Database, Row, Session
from runner.status import Status, status

NUMBER = re.compile(r"^(build|verify|run) [0-9]+$")
LOCK = 5_390_717  # of the sessions that deliver, one at a time


def alert(
    database: Database,
    project: Path,
    warn: Callable[[str, str | None], None],
    target: str = "live",
    found: Status | None = None,
) -> None:
    """Keep the problems of a target, and tell each receiver those that it does not know; warn of
    what could not be delivered. UsageError if there is no receiver.
    """
    known = receivers()
    found = found or status(database, project, target)
    with database.session("milepost alerts") as session:
        ledger.require(session)
        _record(session, target, found.problems)
        for failure in _deliver(session, known):
            warn(f"alert not delivered, {failure}", "the next round tries again")


def _record(session: Session, target: str, problems: Sequence[Row]) -> None:
    """Keep which problems there are now: new ones begin, known ones go on, others are over."""
    # Builds and runs have a new number each time.
    rows = [{**row, "subject": NUMBER.sub(r"\1", row["what"])} for row in problems]
    found = {(row["subject"], row["kind"]): row for row in reversed(rows)}
    text = json.dumps(list(found.values()))
    session.named("alerts/incidents.record", target=target, problems=text)


def _deliver(session: Session, known: Sequence[Receiver]) -> Iterator[str]:
    """Tell each receiver what it has not been told yet; yield what could not be delivered.

    A receiver that fails is left alone until the next time. What was delivered is recorded at once,
    so that nobody is told twice, unless this process dies between the two.
    """
    if not session.value(f"select pg_try_advisory_lock({LOCK})"):
        return  # whoever holds it delivers
    for receiver in known:
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
