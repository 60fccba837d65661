"""Collects the server's plans of the statements that a session runs, by auto_explain."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from runner.database import ledger
from runner.database.session import QueryFailed, Session
from runner.errors import UsageError

KEEP = "MILEPOST_KEEP_PLANS"  # seconds: plans of longer statements are stored with their build
# `duration: 12.3 ms  plan:`, the query string, the plan.
MESSAGE = re.compile(r"duration: ([\d.]+) ms  plan:\n(.*)", re.DOTALL)
FIRST_NODE = re.compile(r"^[A-Z][\w ]*.*  \(cost=[\d.]+\.\.([\d.]+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one statement: its duration, its estimated cost, its nodes."""

    seconds: float
    cost: float
    text: str

    @property
    def head(self) -> str:
        """What the statement does, by the first node: `Insert on kpi_daily`."""
        return self.text.partition("  (cost=")[0]


@contextlib.contextmanager
def gathered(session: Session, seconds: float = 0.0) -> Iterator[list[Plan] | None]:
    """Collect plans of statements that run at least so long; None if the role may not see them."""
    plans: list[Plan] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        found = MESSAGE.search(notice.message_primary or "")
        node = FIRST_NODE.search(found[2]) if found else None
        if found and node:
            text = found[2][node.start() :].rstrip()
            plans.append(Plan(float(found[1]) / 1000, float(node[1]), text))

    try:
        session.run(
            "load 'auto_explain'; set auto_explain.log_level = 'notice';"
            f" set auto_explain.log_min_duration = {round(seconds * 1000)}"
        )
    except QueryFailed:
        yield None
        return
    session.connection.add_notice_handler(hear)
    session.run("set client_min_messages = 'notice'")
    try:
        yield plans
    finally:
        session.connection.remove_notice_handler(hear)
        if not session.connection.closed:
            with contextlib.suppress(QueryFailed):
                session.run(
                    "set client_min_messages = 'warning'; set auto_explain.log_min_duration = -1"
                )


@contextlib.contextmanager
def kept(work: Session, evidence: Session, run_id: int) -> Iterator[None]:
    """Log plans of statements slower than MILEPOST_KEEP_PLANS; UsageError if it is not a number."""
    limit = os.environ[KEEP]
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", limit):
        raise UsageError(f"{KEEP}={limit}: not a number of seconds", f"for example {KEEP}=5")
    with gathered(work, float(limit)) as plans:
        try:
            yield
        finally:
            if plans is None:
                note = f"{KEEP}: this role may not load auto_explain"
                ledger.log(evidence, note, "warning", run_id)
            for plan in plans or ():
                what = f"slow statement: {plan.head}, {plan.seconds:.1f}s"
                ledger.log(evidence, what, "info", run_id, plan=plan.text)
