"""The proof of builds: what each of these tests shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proof.world import (
    World,
    cloned,
    created,
    earn,
    event,
    new_name,
    prepare,
    redeem,
    search,
)

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
    """Nobody writes beside an ingest here, but where a test says so."""


@pytest.fixture(scope="session")
def mould(server_uri: str) -> Iterator[str]:
    """The name of a database with a history that is built, to be cloned."""
    with created(server_uri, new_name("mould")) as database:
        prepare(database, *HISTORY)
        yield database.conninfo.split("dbname=")[1].split()[0]


@pytest.fixture
def world(server_uri: str, mould: str) -> Iterator[World]:
    with cloned(server_uri, mould) as world:
        yield world
