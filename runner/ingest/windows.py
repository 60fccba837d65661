"""Windows: where the next one ends; at first after the defined size, then after what fits."""

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.conditions import Conditions
from runner.ingest.source import Source
from runner.project.template import render

TARGET_SECONDS = 10.0
MAX_ROWS = 1_000_000
MIN_SHARE, MAX_SHARE = 2.0**-30, 2.0**10


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open range of the cursor, [low, high), as text: the ends may be infinite.

    `share` is the progress once it is loaded, from 0 to 1.
    """

    low: str
    high: str
    is_last: bool = True
    share: float = 1.0


@dataclass(slots=True)
class Pace:
    """How large windows are, as a multiple of the definition's window size, learned from others."""

    share: float = 1.0
    max_share: float = MAX_SHARE

    def adapt(self, rows: int, seconds: float) -> None:
        """Learn from a window: aim at the target time and row count, by at most a factor of 2."""
        fit = min(TARGET_SECONDS / max(seconds, 0.001), MAX_ROWS / max(rows, 1))
        self.share = min(self.max_share, max(MIN_SHARE, self.share * min(2.0, max(0.5, fit))))

    def is_too_many(self, rows: int) -> bool:
        """Whether a window expected to hold so many rows should be smaller."""
        return rows > 2 * MAX_ROWS and self.share > MIN_SHARE

    def halve(self) -> None:
        self.share = max(MIN_SHARE, self.share / 2)

    def limit(self) -> None:
        """Halve the size after a statement that took too long, and never exceed that again."""
        self.halve()
        self.max_share = self.share


class Windows:
    """The windows of one range of a source, one after the other."""

    def __init__(self, work: Session, source: Source, pace: Pace) -> None:
        self.work = work
        self.source = source
        self.pace = pace
        self.conditions = Conditions(work, source)
        self.origin: str | None = None  # the time of the first row: progress counts from there

    def next(self, low: str, high: str) -> Window:
        """Return the next window towards `high`, which skips empty ranges."""
        query = sql.SQL("explain (format json) select from {} as source where {}")
        while True:
            window = self._propose(low, high)
            condition = self.conditions.window(window.low, window.high)
            plan = self.work.value(query.format(self.source.relation, condition).as_string())
            # The planner's estimate, from its statistics.
            if not self.pace.is_too_many(int(plan[0]["Plan"]["Plan Rows"])):
                return window
            self.pace.halve()

    def between(self, low: str, high: str) -> Iterator[Window]:
        is_last = False
        while not is_last:
            window = self.next(low, high)
            yield window
            low, is_last = window.high, window.is_last

    def _propose(self, low: str, high: str) -> Window:
        source, cursor = self.source, self.source.cursor_name
        zone = sql.Literal(source.definition.cursor_timezone)
        moment = sql.SQL("({} at time zone {})").format(cursor, zone)
        values = {
            "source": source.relation,
            "condition": self.conditions.ahead(low, high),
            "cursor": cursor,
            "moment": moment if source.cursor.is_naive else cursor,
            "low": low,
            "settled": high,
            "origin": self.origin,
            "size": source.definition.window_size,
            "share": self.pace.share,
        }
        text = render(named_query("ingest/windows.next_window"), values, "ingest/windows.sql")
        found = self.work.row(text)
        self.origin = self.origin or found["moment"]
        return Window(low, found["high"], found["is_last"], float(found["share"]))
