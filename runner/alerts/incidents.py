"""Incidents: problems with a beginning and an end, each told once to each receiver.

Queries: incidents.sql.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.alerts.receivers import Incident, NotDelivered, Receiver, receivers
from runner.database import ledger
from runner.database.session import Database, Row
from runner.status import Status, status

LOCK = 5_390_717  # of the sessions that deliver, one at a time


def tell(
    database: Database, project: Path, target: str = "live", found: Status | None = None
) -> list[str]:
    """Keep the problems of a target, and tell each receiver those that it does not know; return
    what could not be delivered. UsageError if there is no receiver.
    """
    known = receivers()
    found = found or status(database, project, target)
    record(database, target, found.problems)
    return deliver(database, known)


def record(database: Database, target: str, problems: Iterable[Row]) -> None:
    """Keep which problems there are now: new ones begin, known ones go on, others are over."""
    found = {(_subject(row["what"]), row["kind"]): row for row in reversed(list(problems))}
    rows = [{**row, "subject": subject} for (subject, _), row in found.items()]
    with database.session("milepost alerts") as session:
        ledger.require(session)
        session.named("alerts/incidents.record", target=target, problems=json.dumps(rows))


def deliver(database: Database, known: Sequence[Receiver]) -> list[str]:
    """Tell each receiver what it has not been told yet; return what could not be delivered.

    A receiver that fails is left alone until the next time. What was delivered is recorded at once,
    so that nobody is told twice, unless this process dies between the two.
    """
    failures = []
    with database.session("milepost alerts") as session:
        if not session.row(f"select pg_try_advisory_lock({LOCK}) as is_ours")["is_ours"]:
            return []  # whoever holds it delivers
        for receiver in known:
            for row in session.named("alerts/incidents.waiting", receiver=receiver.name):
                alert_id = row.pop("alert_id")
                values = {"alert_id": alert_id, "event": row["event"], "receiver": receiver.name}
                try:
                    receiver.send(Incident(**row))
                except NotDelivered as error:
                    reason = f"{receiver.name}: {error}"
                    session.named("alerts/incidents.failed", alert_id=alert_id, reason=reason)
                    failures.append(reason)
                    break
                session.named("alerts/incidents.delivered", **values)
    return failures


def _subject(what: str) -> str:
    """What a problem is of: builds and runs have a new number each time."""
    return re.sub(r"^(build|verify|run) [0-9]+$", r"\1", what)
