"""Fixtures of the tests of builds under fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.database import retry
from tests.build_faults.world import (
    World,
    cloned,
    earn,
    event,
    opened,
    prepare,
    redeem,
    search,
)
from tests.support import PROJECT
from tests.support.databases import created, name_of, new_name

# Two months of three users, with a gap or two in each.
HISTORY = (
    *[earn(day, "ann", miles=day + 40) for day in (-31, -30, -17, -3, 0, 1)],
    *[event(day, "bob", "share", country="TH", platform="web") for day in (-29, -1, 0, 6)],
    event(-20.4, "cat", utm_source=None),
    search(-20, "cat"),
    redeem(-19.5, "cat", miles="2.50"),
    event(0, None),
    event(2, "cat", "cancelled"),
)


@pytest.fixture(autouse=True)
def _no_margin(no_margin: None) -> None:
    """No transaction is open beside an ingest, unless a test opens one."""


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that lose their connection are not retried: these tests look at what the first leaves."""
    monkeypatch.setattr(retry, "is_worth_a_build", lambda error, failures: False)


@pytest.fixture(scope="session")
def mould(server_uri: str) -> Iterator[str]:
    """The name of a database with a history that was built, to be cloned."""
    with created(server_uri, new_name("mould")) as database:
        prepare(database, *HISTORY)
        yield name_of(database)


@pytest.fixture(scope="session")
def large_mould(server_uri: str, mould: str) -> Iterator[str]:
    """The same, with some thousand events."""
    with created(server_uri, new_name("mould"), mould) as database:
        with opened(database, PROJECT) as world:
            world.all(
                """
                insert into public.event_stream (
                    event_time, user_id, event_type, transaction_category, miles_amount, platform,
                    utm_source, country, created_at, updated_at
                )
                select
                    timestamptz '2025-12-01 00:00+00' + number * interval '47 minutes',
                    'user ' || number * 7919 % 97,
                    (array['miles_earned', 'miles_redeemed', 'reward_search', 'share', 'like'])[
                        number % 5 + 1
                    ],
                    case when number % 5 < 3 then 'category ' || number % 11 end,
                    case when number % 5 < 2 then number % 100 end,
                    'ios', 'google', 'SG', now() - interval '1 minute', now() - interval '1 minute'
                from generate_series(1, 2000) as numbers (number)
                """
            )
            world.run_all()
        yield name_of(database)


@pytest.fixture
def busy(server_uri: str, large_mould: str) -> Iterator[World]:
    with cloned(server_uri, large_mould) as world:
        yield world


@pytest.fixture
def world(server_uri: str, mould: str) -> Iterator[World]:
    with cloned(server_uri, mould) as world:
        yield world
