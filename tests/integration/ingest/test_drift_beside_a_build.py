"""A replica changes while a build reads: the build reads what was there."""

from __future__ import annotations

import threading

from runner.build.build import build
from runner.build.plan import Step
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, assert_equals_rebuild, ingest, insert_events, query, scalar
from tests.support.listeners import Hearing


def test_a_type_widens_after_a_build_that_has_begun(empty_database: Database) -> None:
    database = empty_database
    query(
        database,
        """
        create table public.utm_campaigns (
            utm_source text primary key,
            campaign text,
            channel text,
            is_paid boolean not null default false,
            monthly_cost integer,
            updated_at timestamptz not null default now()
        )
        """,
    )
    schema.apply(database, load(PROJECT), Target())
    query(database, "insert into public.utm_campaigns values ('x', 'c', 'search', true, 5)")
    insert_events(
        database,
        [
            {
                "event_time": "2026-01-01",
                "user_id": "one",
                "event_type": "like",
                "utm_source": "x",
            }
        ],
    )
    ingest(database)
    query(database, "alter table public.utm_campaigns alter column monthly_cost type numeric")
    beside = threading.Thread(target=ingest, args=(database, "utm_campaigns"))

    def starting(step: Step, index: int, count: int) -> None:
        if index == 0:
            beside.start()
            beside.join(timeout=1)  # it waits for this build, if builds are what they should be

    build(database, load(PROJECT), Target(), listener=Hearing(starting))
    beside.join()
    costs = "select count(*) from warehouse.dim_utm_sources where monthly_cost is not null"
    assert scalar(database, costs) > 0
    assert_equals_rebuild(database)
