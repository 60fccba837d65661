"""Scopes: which rows of a source a statement takes, as a condition on rows called `source`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from runner.database.queries import named_query
from runner.database.session import Session
from runner.ingest.source import OLDEST_HORIZON, Clock, Source

AUTUMN_HOUR = "1 hour"


@dataclass(frozen=True, slots=True)
class Conditions:
    """The scopes of one transaction. Moments come as text, ends of windows may be infinite. Without
    a clock there are windows only.
    """

    session: Session
    source: Source
    clock: Clock | None = None
    gaps: Sequence[tuple[str, str]] = ()

    def window(self, low: str, high: str) -> sql.Composed:
        """Rows of [low, high)."""
        edges = self._edges(low, high)
        return self._between(edges["low"], edges["high"])

    def ahead(self, low: str, high: str) -> sql.Composed:
        """Rows of [low, high) to look for the first of: none at -infinity, no hour twice."""
        edges = self._edges(low, high, slack="0")
        scope = self._between(edges["low"], edges["high"])
        if not self.source.is_postgres:
            return scope
        return sql.SQL("{} and {} > '-infinity'").format(scope, self.source.cursor_name)

    def behind(self, low: str, since: str | None) -> sql.Composed:
        """Rows of the lookback before `low`, but those of gaps. The lookback begins before `since`,
        if that is earlier: where the run ended from whose horizon on rows are looked at.
        """
        edges = self._edges(low, since=since)
        return self._outside_gaps(self._between(edges["behind"], edges["low"]))

    def window_but_gaps(self, low: str, high: str) -> sql.Composed:
        """Rows of [low, high), but those of gaps."""
        return self._outside_gaps(self.window(low, high))

    def odd(self) -> sql.Composed:
        """Rows whose cursor is null, infinite or more than a day ahead: no window holds them, or
        not for long.
        """
        cursor = self.source.cursor_name
        ahead = self.source.moment(self._edges("-infinity")["ahead"])
        parts = [sql.SQL("{} >= {}").format(cursor, ahead)]
        if self.source.is_postgres:
            parts.append(sql.SQL("{} = {}").format(cursor, self.source.moment("-infinity")))
        if not self.source.cursor.is_required:
            parts.append(sql.SQL("{} is null").format(cursor))
        return sql.SQL("({})").format(sql.SQL(" or ").join(parts))

    def written_since(self, scope: sql.Composed, horizon: int | None) -> sql.Composed:
        """Of a scope, what was written by the transactions since a horizon. All of it where there
        is no such horizon, or where it is so old that ages mean nothing.
        """
        now = self.clock.next_xid if self.clock else None
        if horizon is None or now is None or not self.source.has_horizon:
            return scope
        age = now - horizon
        if age > OLDEST_HORIZON:
            return scope
        return sql.SQL("{} and {}").format(scope, self.source.is_recent(age))

    def _between(self, low: str, high: str) -> sql.Composed:
        # Rows at -infinity are odd, where there is a key to merge them by.
        is_open = low == "-infinity" and self.source.is_postgres and self.source.has_key
        text = "({0} > {1} and {0} < {2})" if is_open else "({0} >= {1} and {0} < {2})"
        return sql.SQL(text).format(
            self.source.cursor_name, self.source.moment(low), self.source.moment(high)
        )

    def _outside_gaps(self, scope: sql.Composed) -> sql.Composed:
        for low, high in self.gaps:
            edges = self._edges(low, high)
            gap = self._between(edges["low"], edges["high"])
            scope = sql.SQL("({} and not {})").format(scope, gap)
        return scope

    def _edges(
        self,
        low: str,
        high: str = "infinity",
        slack: str | None = None,
        since: str | None = None,
    ) -> dict[str, str]:
        definition = self.source.definition
        if slack is None:
            slack = AUTUMN_HOUR if self.source.reads_hours_twice else "0"
        query = named_query("ingest/pipeline.edges")
        values = {
            "low": low,
            "high": high,
            "since": since,
            "start": definition["start_at"],
            "clock": self.clock.clock if self.clock else None,
            "lookback": definition["lookback"],
            "is_naive": self.source.is_naive,
            "zone": definition["cursor_timezone"],
            "slack": slack,
        }
        edges: dict[str, str] = self.session.row(query, values)["edges"]
        return edges
