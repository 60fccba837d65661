"""A warehouse of a test's own: a source whose rows may do anything, and hard questions to what is
built of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from runner.build.build import build
from runner.build.transaction import BuildResult
from runner.database.session import Database
from runner.ingest.pipeline import IngestionPipeline, Sessions
from runner.ingest.pipelines import pipelines
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline
from runner.setup import schema
from tests import oracle, oracle_warehouse
from tests.support import PROJECT, REPORTS, assert_equals_rebuild, frozen
from tests.support.databases import created, new_name
from tests.support.listeners import Hearing
from tests.warehouse.test_warehouse_equals_oracle import InfiniteDate, InfiniteTime

Rows = tuple[list[oracle.Event], list[oracle.Campaign], list[oracle.Cost]]
FEBRUARY = datetime(2026, 2, 1, 12, tzinfo=UTC)

# The source as far as this project goes: rows change, and they go.
CHANGING = """
alter table public.event_stream add column updated_at timestamptz not null default now();
create index on public.event_stream (updated_at);

update orchestrator.pipeline_definitions
set write_mode = 'upsert', cursor_column = 'updated_at', on_delete = 'apply', sweep_every = null
where pipeline_name = 'event_stream';

update orchestrator.pipeline_definitions
set on_delete = 'apply', sweep_every = null
where pipeline_name in ('utm_campaigns', 'campaign_costs');

-- Nothing is waited for: what is held back is found later.
update orchestrator.pipeline_definitions set max_hold = '0 s';

drop view warehouse.classified_events;
drop table warehouse.raw_event_stream;
"""


def event(day: float, user: str | None = "ann", kind: str | None = "like", **values: Any) -> Any:
    """An event so many days after noon of 1 February 2026, a Sunday."""
    return {
        "event_time": FEBRUARY + timedelta(days=day),
        "user_id": user,
        "event_type": kind,
        "platform": "ios",
        "utm_source": "google",
        "country": "SG",
        **values,
    }


def earn(day: float, user: str = "ann", category: str | None = "dining", miles: Any = 10) -> Any:
    return event(day, user, "miles_earned", transaction_category=category, miles_amount=miles)


def redeem(day: float, user: str = "ann", category: str | None = "flight", miles: Any = 5) -> Any:
    return event(day, user, "miles_redeemed", transaction_category=category, miles_amount=miles)


def search(day: float, user: str = "ann", category: str | None = "hotel") -> Any:
    return event(day, user, "reward_search", transaction_category=category)


class World:
    """The miles warehouse over a source that changes, with a copy of the project to be edited."""

    def __init__(
        self, database: Database, project: Path, connection: psycopg.Connection[Any]
    ) -> None:
        self.database = database
        self.project = project
        self.connection = connection
        self.timezone = "UTC"
        self.has_months = False
        self.connection.execute("set timezone = 'UTC'")
        self.connection.adapters.register_loader("date", InfiniteDate)
        self.connection.adapters.register_loader("timestamptz", InfiniteTime)
        self._ids = {row["pipeline_name"]: row["pipeline_id"] for row in self._pipelines()}

    def _pipelines(self) -> list[dict[str, Any]]:
        with self.database.session("test") as session:
            return pipelines(session)

    @property
    def manifest(self) -> Manifest:
        found = load(self.project)
        now = {"reporting_timezone": self.timezone, "monthly_facts": self.has_months}
        return dataclasses.replace(found, variables={**found.variables, **now})

    def tables(self) -> list[str]:
        """The tables of all scripts, without views."""
        return [table for table, script in self.manifest.fillers().items() if not script.is_view]

    def every_table(self) -> list[str]:
        """These, and the tables that say which version they are."""
        return [*self.tables(), "orchestrator.build_inputs", "orchestrator.built_scripts"]

    def all(self, text: str, **values: Any) -> list[dict[str, Any]]:
        cursor = self.connection.execute(sql.SQL(text), values or None)
        return cursor.fetchall() if cursor.description else []

    def one(self, text: str, **values: Any) -> Any:
        return next(iter(self.all(text, **values)[0].values()))

    # What happens to the source.

    def insert(self, *events: Mapping[str, Any]) -> list[int]:
        ids = []
        for values in events:
            statement = sql.SQL(
                "insert into public.event_stream ({}) values ({}) returning event_id"
            ).format(
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(map(sql.Placeholder, values)),
            )
            cursor = self.connection.execute(statement, values)
            ids += [row["event_id"] for row in cursor]
        return ids

    def update(self, event_id: int, **values: Any) -> None:
        assignments = "".join(f"{name} = %({name})s, " for name in values)
        self.all(
            f"update public.event_stream set {assignments} updated_at = clock_timestamp()"
            " where event_id = %(event_id)s",
            event_id=event_id,
            **values,
        )

    def delete(self, event_id: int) -> None:
        self.all("delete from public.event_stream where event_id = %(id)s", id=event_id)

    def event_ids(self) -> list[int]:
        rows = self.all("select event_id from public.event_stream order by event_id")
        return [row["event_id"] for row in rows]

    def set_campaign(self, utm_source: str, cost: Any, is_paid: bool = True) -> None:
        self.all(
            """
            insert into public.utm_campaigns (utm_source, campaign, channel, is_paid, monthly_cost)
            values (%(utm_source)s, 'spring', 'social', %(is_paid)s, %(cost)s)
            on conflict (utm_source) do update set
                monthly_cost = excluded.monthly_cost,
                is_paid = excluded.is_paid,
                updated_at = clock_timestamp()
            """,
            utm_source=utm_source,
            cost=cost,
            is_paid=is_paid,
        )

    def set_cost(self, utm_source: str, month: str, cost: Any) -> None:
        self.all(
            """
            insert into public.campaign_costs (utm_source, month, cost)
            values (%(utm_source)s, %(month)s, %(cost)s)
            on conflict (utm_source, month) do update set
                cost = excluded.cost,
                updated_at = clock_timestamp()
            """,
            utm_source=utm_source,
            month=month,
            cost=cost,
        )

    # What the runner does.

    def pipeline(self, name: str = "event_stream") -> RepairedPipeline:
        return RepairedPipeline(self._ids[name], self.database, self.project)

    def ingest(self, *names: str) -> None:
        with Sessions(self.database) as sessions:
            for name in names or self._ids:
                number = self._ids[name]
                IngestionPipeline(number, self.database, self.project, sessions=sessions).run()

    def build(
        self,
        *forced: str,
        starting: Callable[[int], None] = lambda index: None,
        done: Callable[[int], None] = lambda count: None,
    ) -> BuildResult:
        """`starting` gets the number of each script before it runs, `done` how many have run."""
        ended = 0

        def tell(result: Any) -> None:
            nonlocal ended
            ended += 1
            done(ended)

        return build(
            self.database,
            self.manifest,
            Target(),
            forced,
            listener=Hearing(lambda step, index, count: starting(index), tell),
        )

    def run_all(self) -> BuildResult:
        self.ingest()
        return self.build()

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.project / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    # What must be true.

    def replica(self) -> Rows:
        """The rows of the replicas, as the oracle reads them."""
        rows = self.all(
            """
            select
                event_id, case when isfinite(event_time) then event_time end as event_time,
                event_time = 'infinity' as is_after, event_time = '-infinity' as is_before,
                user_id, event_type, transaction_category, miles_amount, platform, utm_source,
                country, created_at
            from warehouse.raw_event_stream
            order by event_id
            """
        )
        events = []
        for row in rows:
            is_after, is_before = row.pop("is_after"), row.pop("is_before")
            if is_after or is_before:
                row["event_time"] = float("inf") if is_after else float("-inf")
            events.append(oracle.Event(**row))
        campaigns = self.all(
            "select utm_source, campaign, channel, is_paid, monthly_cost"
            " from warehouse.raw_utm_campaigns order by utm_source"
        )
        costs = self.all(
            "select utm_source, month, cost from warehouse.raw_campaign_costs"
            " order by utm_source, month"
        )
        return (
            events,
            [oracle.Campaign(**row) for row in campaigns],
            [oracle.Cost(**row) for row in costs],
        )

    def assert_equals_python(self, rows: Rows) -> None:
        """Every table holds exactly what plain Python computes from these rows."""
        reports = oracle.all_reports(*rows, timezone=self.timezone, slices=True)
        expected: dict[str, list[Mapping[str, Any]]] = {
            f"reporting.{table}": list(reports[table]) for table in REPORTS
        }
        tables = oracle_warehouse.all_tables(*rows, timezone=self.timezone)
        expected |= {f"warehouse.{table}": list(found) for table, found in tables.items()}
        for table, wanted_rows in expected.items():
            columns = ", ".join(wanted_rows[0]) if wanted_rows else "*"
            found = _counted(self.all(f"select {columns} from {table}"))
            wanted = _counted(wanted_rows)
            missing, surplus = wanted - found, found - wanted
            assert not missing and not surplus, (
                f"{table}: {missing.total()} rows missing, {surplus.total()} too many, for example"
                f"\n  wanted {sorted(map(sorted, missing), key=str)[:3]}"
                f"\n  found  {sorted(map(sorted, surplus), key=str)[:3]}"
            )

    def assert_equals_rebuild(self) -> None:
        assert_equals_rebuild(self.database, self.manifest)

    def assert_exact(self) -> None:
        """Assert that the live tables follow from the replicas, by the oracle and by a rebuild."""
        self.assert_equals_python(self.replica())
        self.assert_equals_rebuild()
        self.assert_sound()

    def assert_sound(self) -> None:
        """After a build nothing in the ledger still runs, and no script counts whose build does
        not.
        """
        runs = self.all(
            """
            select scripts.run_id, scripts.kind, scripts.status, builds.status as of_build
            from orchestrator.runs as scripts
            left join orchestrator.runs as builds on builds.run_id = scripts.parent_run_id
            where scripts.kind in ('build', 'script')
            """
        )
        assert [run for run in runs if run["status"] == "running"] == []
        assert [
            run
            for run in runs
            if run["kind"] == "script"
            and run["status"] == "succeeded"
            and run["of_build"] != "succeeded"
        ] == []

    def assert_replicas_equal_sources(self) -> None:
        for name in self._ids:
            source, replica = f"public.{name}", f"warehouse.raw_{name}"
            columns = ", ".join(
                row["attname"]
                for row in self.all(
                    "select quote_ident(attname) as attname from pg_attribute"
                    f" where attrelid = '{source}'::regclass and attnum > 0 and not attisdropped"
                )
            )
            for one, other in ((source, replica), (replica, source)):
                only = f"select {columns} from {one} except all select {columns} from {other}"
                assert self.all(only) == []

    def version(self) -> dict[str, str]:
        """A hash of the rows of each table, as a reader sees them."""
        return versions(self.connection, self.every_table())

    def builds(self) -> list[dict[str, Any]]:
        """The builds of the live target with their scripts, oldest first."""
        return self.all(
            """
            select
                builds.run_id,
                builds.status,
                count(*) filter (where scripts.status = 'succeeded') as succeeded,
                count(*) filter (where scripts.status = 'rolled_back') as rolled_back,
                count(*) filter (where scripts.status = 'failed') as failed
            from orchestrator.runs as builds
            left join orchestrator.runs as scripts
                on scripts.parent_run_id = builds.run_id and scripts.kind = 'script'
            where builds.kind = 'build' and builds.target = 'live'
            group by builds.run_id, builds.status
            order by builds.run_id
            """
        )


def versions(
    connection: psycopg.Connection[Any], tables: Iterable[str], **values: str
) -> dict[str, str]:
    """Hashes of the rows of tables, and values from the same snapshot."""
    parts = [
        f"select '{table}' as name,"
        f" md5(coalesce(string_agg(stored::text, chr(10) order by stored::text), '')) as hash"
        f" from {table} as stored"
        for table in tables
    ]
    parts += [f"select '{name}' as name, {value} as hash" for name, value in values.items()]
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(sql.SQL(" union all ".join(parts)))
        return {row["name"]: row["hash"] for row in cursor.fetchall()}


def _counted(rows: Iterable[Mapping[str, Any]]) -> Counter[frozenset[tuple[str, Any]]]:
    return Counter(frozen(row) for row in rows)


# --- databases --------------------------------------------------------------------------------------


def prepare(database: Database, *events: Mapping[str, Any]) -> None:
    """A database with a source that changes, and a history that was built."""
    schema.apply(database, load(PROJECT), Target())
    with database.session("test") as session:
        session.run(CHANGING)
    written = datetime.now(UTC) - timedelta(hours=1)  # nobody has to wait for it
    with opened(database, PROJECT) as world:
        world.insert(*({"created_at": written, "updated_at": written, **row} for row in events))
        world.run_all()


@contextlib.contextmanager
def opened(database: Database, project: Path) -> Iterator[World]:
    with psycopg.connect(
        database.conninfo, autocommit=True, row_factory=dict_row, prepare_threshold=None
    ) as connection:
        yield World(database, project, connection)


@contextlib.contextmanager
def cloned(server_uri: str, template: str) -> Iterator[World]:
    """A world that starts as a clone of another, with a copy of the project."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-"))
    try:
        for name in ("sql", "schema"):
            shutil.copytree(PROJECT / name, folder / name)
        with (
            created(server_uri, new_name("world"), template) as database,
            opened(database, folder) as world,
        ):
            yield world
    finally:
        shutil.rmtree(folder)
