"""Conditions: which rows of a source a statement reads. Queries: conditions.sql.

A condition is an SQL expression about a row called `source`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from runner.database.names import column_of, join
from runner.database.session import Session
from runner.ingest.columns import Column
from runner.ingest.source import Clock, Source

# When clocks are set back in autumn, this much local time occurs twice.
AUTUMN_HOUR = "1 hour"
# Ages of transactions are compared modulo 2^32: beyond half of that they mean nothing.
MAX_HORIZON_AGE = 2**31 - 1_000_000


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one transaction. Moments are text, and the ends of windows may be infinite.

    Without a clock, only windows can be selected. Rows in `gaps` are left out where it says so.
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
        """Rows of [low, high) whose first one begins a window: without those at -infinity, and with
        no hour read twice.
        """
        edges = self._edges(low, high, slack="0")
        condition = self._between(edges["low"], edges["high"])
        if not self.source.is_postgres:
            return condition
        return sql.SQL("{} and {} > '-infinity'").format(condition, self.source.cursor_name)

    def behind(self, low: str, since: str | None) -> sql.Composed:
        """Rows of the lookback before `low`, outside gaps. `since` is where the run ended whose
        horizon this search starts from: if it is earlier, the lookback is the one before it.
        """
        edges = self._edges(low, since=since)
        return self.outside_gaps(self._between(edges["behind"], edges["low"]))

    def odd(self) -> sql.Composed:
        """Rows whose cursor is null, infinite or over a day ahead: no window holds them yet, or
        ever.
        """
        return _either([self._from("ahead"), *self._without_time()])

    def timeless(self) -> sql.Composed:
        """Rows whose cursor is null or -infinity: no window ever holds them."""
        return _either([*self._without_time()] or [sql.SQL("false").format()])

    def soon(self) -> sql.Composed:
        """Rows whose cursor is more than an hour ahead."""
        return self._from("soon")

    def _from(self, edge: str) -> sql.Composed:
        moment = self.source.moment(self._edges("-infinity")[edge])
        return sql.SQL("{} >= {}").format(self.source.cursor_name, moment)

    def _without_time(self) -> Iterator[sql.Composed]:
        cursor = self.source.cursor_name
        if self.source.is_postgres:
            yield sql.SQL("{} = {}").format(cursor, self.source.moment("-infinity"))
        if not self.source.cursor.is_required:
            yield sql.SQL("{} is null").format(self.source.cursor_text)

    def unreadable(self) -> sql.Composed:
        """Rows whose cursor is a text that is no time."""
        text = "({} is null and {} is not null)"
        return sql.SQL(text).format(self.source.cursor_name, self.source.cursor_text)

    def newest(self) -> dict[str, sql.Composable]:
        """Return aggregates: when the newest row was written, and when it happened; with the time
        of a row, and whether it has passed.

        Times over a day ahead are left out, or one of them would be the newest for ever.
        """
        source, ahead = self.source, sql.Literal(self._edges("-infinity")["ahead"])
        zone = sql.Literal(source.definition.cursor_timezone)

        def is_past(column: Column, name: sql.Composed) -> sql.Composed:
            text = sql.SQL("{0} >= '0001-01-01' and {0} < {1}::{2}")
            return text.format(name, ahead, sql.SQL(column.type))

        def newest(column: Column, name: sql.Composed) -> sql.Composed:
            text = "(max({}) filter (where {}))"
            text += "::timestamp at time zone {}" if column.is_naive else ""
            return sql.SQL(text).format(name, is_past(column, name), zone)

        event, moment = source.event, source.cursor_name
        values: dict[str, sql.Composable] = {"newest_arrival": newest(source.cursor, moment)}
        if event:
            moment = column_of("source", event.name)
        values["newest_event"] = newest(event, moment) if event else sql.SQL("null::timestamptz")
        return {**values, "moment": moment, "is_past": is_past(event or source.cursor, moment)}

    def written_since(self, condition: sql.Composed, horizon: int | None) -> sql.Composed:
        """Narrow a condition to rows that transactions have written since a horizon.

        Without a horizon, or with one so old that ages mean nothing, nothing is narrowed.
        """
        now = self.clock.next_xid if self.clock else None
        if horizon is None or now is None or not self.source.has_horizon:
            return condition
        age = now - horizon
        if age > MAX_HORIZON_AGE:
            return condition
        return sql.SQL("{} and {}").format(condition, self.source.is_recent(age))

    def _between(self, low: str, high: str) -> sql.Composed:
        # With a key, rows at -infinity are loaded with the odd ones.
        is_open = low == "-infinity" and self.source.is_postgres and self.source.has_key
        text = "({0} > {1} and {0} < {2})" if is_open else "({0} >= {1} and {0} < {2})"
        return sql.SQL(text).format(
            self.source.cursor_name, self.source.moment(low), self.source.moment(high)
        )

    def outside_gaps(self, condition: sql.Composed) -> sql.Composed:
        for low, high in self.gaps:
            gap = self.window(low, high)
            condition = sql.SQL("({} and not {})").format(condition, gap)
        return condition

    def _edges(
        self, low: str, high: str = "infinity", slack: str | None = None, since: str | None = None
    ) -> Mapping[str, str]:
        """Return moments as the cursor has them; the server knows the time zones."""
        definition, is_naive = self.source.definition, self.source.cursor.is_naive
        if slack is None:
            slack = AUTUMN_HOUR if self.source.reads_hours_twice else "0"
        values = {"low": low, "high": high, "since": since, "slack": slack}
        values |= {"start": definition.start_at, "lookback": definition.lookback}
        clock = self.clock.clock if self.clock else None
        values |= {"clock": clock, "zone": definition.cursor_timezone}
        [found] = self.session.named("ingest/conditions.edges", **values, is_naive=is_naive)
        return dict(found["edges"])


def _either(parts: Sequence[sql.Composed]) -> sql.Composed:
    return sql.SQL("({})").format(join(parts, " or "))


def exists(session: Session, source: Source, condition: sql.Composable) -> bool:
    """Return whether the source has a row that meets a condition."""
    query = sql.SQL("select exists (select from {} as source where {})")
    return bool(session.value(query.format(source.relation, condition).as_string()))
