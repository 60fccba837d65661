"""What the tests share: short ways to do what the commands do, and rows as the oracle wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg import sql

from runner import run
from runner.build.build import build
from runner.build.transaction import BuildResult
from runner.database.session import Database, Session
from runner.ingest.pipeline import RunResult
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from tests import oracle
from tests.support import kept

PROJECT = Path(__file__).parents[2]
REAL_FILE = PROJECT.parent / "shared" / "data" / "event_stream.csv"

# The tables that exist so far.
REPORTS = (
    "active_users_daily",
    "growth_accounting",
    "retention",
    "kpi_daily",
    "engagement_daily",
    "miles_by_category",
    "acquisition",
    "engagement_funnel",
    "miles_balance_daily",
    "category_performance",
    "user_segments",
    "cluster_quality",
    "category_recommendations",
    "kpi_periods",
    "kpi_drivers",
    "active_days_monthly",
    "retention_days",
    "cohort_value",
)


JANUARY = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(
    day: int, user: str | None = "u_1", event_type: str | None = "like", **values: object
) -> dict[str, object]:
    return {
        "event_time": JANUARY + timedelta(days=day),
        "user_id": user,
        "event_type": event_type,
        "platform": "ios",
        "country": "SG",
        **values,
    }


def earn(day: int, user: str, miles: int) -> dict[str, object]:
    return event(day, user, "miles_earned", miles_amount=miles, transaction_category="dining")


def modes(summary: BuildResult) -> dict[str, str]:
    return {result.step.script.name: result.step.mode for result in summary.results}


def edit(project: Path, file: str, old: str, new: str) -> Manifest:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new, 1))
    return load(project)


def query(database: Database, text: str, **values: Any) -> list[dict[str, Any]]:
    return kept.ask(database, lambda session: session.rows(text, values or None))


def scalar(database: Database, text: str, **values: Any) -> Any:
    return next(iter(query(database, text, **values)[0].values()))


def ingest(database: Database, name: str | None = None, project: Path = PROJECT) -> list[RunResult]:
    return run.ingest(database, project, run.Listener(), pipeline=name)


def rebuild(
    database: Database,
    target: str = "live",
    select: Iterable[str] = (),
    manifest: Manifest | None = None,
) -> BuildResult:
    return build(database, manifest or load(PROJECT), Target(target), select)


def run_all(database: Database) -> BuildResult:
    ingest(database)
    return rebuild(database)


def insert_events(database: Database, events: Iterable[Mapping[str, Any]]) -> None:
    """Add events to the source; columns that are left out get their defaults."""

    def insert(session: Session) -> None:
        with session.transaction():
            for event in events:
                statement = sql.SQL("insert into public.event_stream ({}) values ({})").format(
                    sql.SQL(", ").join(map(sql.Identifier, event)),
                    sql.SQL(", ").join(map(sql.Placeholder, event)),
                )
                session.rows(statement.as_string(None), event)

    kept.ask(database, insert)


def source_events(database: Database) -> list[oracle.Event]:
    """The source as the oracle reads it; infinite times come as the floats that it takes for them."""
    rows = query(
        database,
        """
        select
            event_id, case when isfinite(event_time) then event_time end as event_time,
            event_time = 'infinity' as is_after, event_time = '-infinity' as is_before,
            user_id, event_type, transaction_category, miles_amount, platform, utm_source, country,
            created_at
        from public.event_stream
        """,
    )
    events = []
    for row in rows:
        is_after, is_before = row.pop("is_after"), row.pop("is_before")
        if is_after or is_before:
            row["event_time"] = float("inf") if is_after else float("-inf")
        events.append(oracle.Event(**row))
    return events


def campaigns(database: Database) -> list[oracle.Campaign]:
    rows = query(
        database,
        "select utm_source, campaign, channel, is_paid, monthly_cost from public.utm_campaigns",
    )
    return [oracle.Campaign(**row) for row in rows]


def costs(database: Database) -> list[oracle.Cost]:
    rows = query(
        database,
        "select utm_source, case when month between '0001-01-01' and '9999-12-31' then month end as month, cost"
        " from public.campaign_costs",
    )
    return [oracle.Cost(**row) for row in rows]


def assert_reports_equal_oracle(database: Database, timezone: str = "UTC") -> None:
    """Every reporting table holds exactly the rows that plain Python computes from the source."""
    events, known, paid = source_events(database), campaigns(database), costs(database)
    expected = oracle.all_reports(events, known, paid, timezone=timezone, slices=True)
    with database.session("test") as session:
        rows = {table: session.rows(f"select * from reporting.{table}") for table in REPORTS}
    for table in REPORTS:
        found = _by_columns(rows[table])
        wanted = _by_columns(expected[table])
        missing, surplus = wanted - found, found - wanted
        assert not missing and not surplus, (
            f"reporting.{table}: {len(missing)} rows missing, {len(surplus)} too many, for example"
            f"\n  wanted {sorted(missing, key=str)[:3]}\n  found  {sorted(surplus, key=str)[:3]}"
        )


def assert_facts_equal_oracle(database: Database) -> None:
    """Every fact has as many rows as the oracle puts there."""
    counts = {
        fact: scalar(database, f"select count(*) from warehouse.{fact}")
        for fact in oracle.fact_counts([])
    }
    assert counts == oracle.fact_counts(source_events(database))


def differences(database: Database, left: str, right: str, tables: Iterable[str]) -> dict[str, int]:
    """Rows that only one of two targets has, per table, where there are any. Both ways, doubles
    included.
    """
    found = {}
    with database.session("test") as session:  # one for all: a session costs more than a query
        for table in tables:
            one, other = f"{Target(left).prefix}{table}", f"{Target(right).prefix}{table}"
            only = f"(table {one} except all table {other})"
            other_only = f"(table {other} except all table {one})"
            count = session.value(f"select count(*) from ({only} union all {other_only}) as found")
            if count:
                found[table] = count
    return found


def assert_equals_rebuild(database: Database, manifest: Manifest | None = None) -> None:
    """The live tables are those that a build from scratch makes of the same rows."""
    rebuild(database, target="scratch", manifest=manifest)
    tables = [
        table
        for table, script in load(PROJECT).fillers().items()
        if not script.is_view and not script.name.startswith("changed_")
    ]
    assert differences(database, "live", "scratch", tables) == {}
    with database.session("test") as session:
        session.run("drop schema scratch_warehouse cascade; drop schema scratch_reporting cascade")


def frozen(row: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """A row of a query or of the oracle, to be found in a set; lists and objects are tuples there."""
    try:
        return frozenset(row.items())
    except TypeError:
        return frozenset((name, _hashable(value)) for name, value in row.items())


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return tuple(value) if isinstance(value, list) else value


def _by_columns(rows: Iterable[Mapping[str, Any]]) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(sorted((name, _plain(value)) for name, value in row.items())) for row in rows}


def _plain(value: Any) -> Any:
    """One form for equal values, whatever their type or scale."""
    if isinstance(value, bool) or value is None or isinstance(value, date | datetime | str):
        return str(value)
    return str(Decimal(value).normalize() + 0)
