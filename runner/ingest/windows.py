"""Which window comes next, and how large it is: the definition's size at first, then what fits."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.conditions import Conditions
from runner.ingest.source import Source
from runner.project.template import render

TARGET_SECONDS = 10.0
MOST_ROWS = 1_000_000
SMALLEST, LARGEST = 2.0**-30, 2.0**10


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of the cursor, [low, high), as text: the ends may be infinite.

    `share` is how much of the way to the settled bound is done with it, from 0 to 1.
    """

    low: str
    high: str
    is_last: bool = True
    share: float = 1.0


@dataclass(slots=True)
class Pace:
    """How many of the definition's window sizes a window takes."""

    share: float = 1.0
    most: float = LARGEST

    def adapt(self, rows: int, seconds: float) -> None:
        """Learn from a window: aim at so much time and so many rows, by at most a factor of 2."""
        fit = min(TARGET_SECONDS / max(seconds, 0.001), MOST_ROWS / max(rows, 1))
        self.share = min(self.most, max(SMALLEST, self.share * min(2.0, max(0.5, fit))))

    def is_too_many(self, rows: int) -> bool:
        """Whether a window that is expected to have so many rows should be smaller."""
        return rows > 2 * MOST_ROWS and self.share > SMALLEST

    def halve(self) -> None:
        """For a window that would be too large."""
        self.share = max(SMALLEST, self.share / 2)

    def limit(self) -> None:
        """After a statement that took too long: half of it, and never more again."""
        self.halve()
        self.most = self.share


class Windows:
    """The windows of one stretch of a source, one after the other."""

    def __init__(self, work: Session, source: Source, pace: Pace) -> None:
        self.work = work
        self.source = source
        self.pace = pace
        self.scopes = Conditions(work, source)
        self.origin: str | None = None  # where the first window with rows began

    def next(self, low: str, high: str) -> Window:
        """The next window towards `high`: it begins at `low`, jumps over what is empty, and takes
        what fits.
        """
        while True:
            window = self._propose(low, high)
            if not self.pace.is_too_many(self._estimate(window)):
                return window
            self.pace.halve()

    def _estimate(self, window: Window) -> int:
        """How many rows the planner expects, from its statistics."""
        query = sql.SQL("explain (format json) select from {} as source where {}")
        scope = self.scopes.window(window.low, window.high)
        plan = self.work.row(query.format(self.source.relation, scope).as_string())["QUERY PLAN"]
        return int(plan[0]["Plan"]["Plan Rows"])

    def _propose(self, low: str, high: str) -> Window:
        cursor, zone = self.source.cursor_name, self.source.definition["cursor_timezone"]
        moment = sql.SQL("({} at time zone {})").format(cursor, sql.Literal(zone))
        text = render(
            named_query("ingest/pipeline.next_window"),
            {
                "source": _literally(self.source.relation),
                "scope": _literally(self.scopes.ahead(low, high)),
                "cursor": _literally(cursor),
                "moment": _literally(moment if self.source.is_naive else cursor),
            },
            "ingest/pipeline.sql",
        )
        values = {
            "low": low,
            "settled": high,
            "origin": self.origin,
            "size": self.source.definition["window_size"],
            "share": self.pace.share,
        }
        found = self.work.row(text, values)
        self.origin = self.origin or found["moment"]
        return Window(low, found["high"], found["is_last"], float(found["share"]))


def _literally(part: sql.Composable) -> sql.SQL:
    """As part of a text that has parameters: there a % in a name is written twice."""
    return sql.SQL(part.as_string().replace("%", "%%"))
