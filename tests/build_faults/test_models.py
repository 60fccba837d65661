"""Models know what was before their cut, whatever happens behind it and however it came to be so:
each version is what plain Python and a rebuild make of the same rows.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests import oracle
from tests.build_faults.steps import Delete, Reconcile, Undo
from tests.build_faults.world import World, earn, event, opened, redeem, search
from tests.support import PROJECT, edit
from tests.support.databases import created, name_of, new_name

CLUSTERS, USERS = 2, 12
PEOPLE = [f"user {number}" for number in range(24)]
# In the order of their hashes.
BY_HASH = sorted(PEOPLE, key=lambda user: oracle.oracle_clusters.md5(user))
SAMPLED, SPARED = BY_HASH[:USERS], BY_HASH[USERS:]
COUNTRIES, CATEGORIES = ("SG", "TH", "MY"), ("dining", "flight", "hotel", "spa", None)
JANUARY, FEBRUARY, MARCH = (-20, -1), (0, 20), (30, 40)


def some_event(chance: random.Random, user: str, days: tuple[float, float]) -> dict[str, Any]:
    """An event of any type, country and platform: people travel, and have several devices."""
    day, category = chance.uniform(*days), chance.choice(CATEGORIES)
    made = chance.choice(
        [
            lambda: earn(day, user, category, chance.choice([0, 10, 250, "7.50", -20])),
            lambda: redeem(day, user, category, chance.choice([0, 5, "2.25"])),
            lambda: search(day, user, category),
            lambda: event(day, user, "share"),
            lambda: event(day, user, "like"),
        ]
    )()
    return {
        **made,
        "country": chance.choice(COUNTRIES),
        "platform": chance.choice(["ios", "web"]),
        "utm_source": chance.choice(["google", "email"]),
    }


@pytest.fixture
def chance() -> random.Random:
    return random.Random(21)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose models are small enough for so few users."""
    folder = tmp_path_factory.mktemp("small")
    for name in ("sql", "schema"):
        shutil.copytree(PROJECT / name, folder / name)
    edit(folder, "sql/manifest.toml", "cluster_count = 5", f"cluster_count = {CLUSTERS}")
    edit(folder, "sql/manifest.toml", "model_users = 1000", f"model_users = {USERS}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "CLUSTER_COUNT", CLUSTERS)
        patch.setattr(oracle, "MODEL_USERS", USERS)
        yield folder


@pytest.fixture(scope="module")
def of_nobody(server_uri: str, mould: str, small: Path) -> Iterator[str]:
    """The name of a database without users."""
    with created(server_uri, new_name("mould"), mould) as database:
        with opened(database, small) as world:
            world.all("truncate public.event_stream")
            # Other sources have corrections.
            world.all(
                "alter table public.event_stream drop constraint miles_amount_is_not_negative"
            )
            Reconcile("event_stream").do(world)
            world.build()
        yield name_of(database)


@pytest.fixture(scope="module")
def of_everybody(server_uri: str, of_nobody: str, small: Path) -> Iterator[str]:
    """The name of a database in which all users were active in January, and some in February."""
    chance = random.Random(20)
    with created(server_uri, new_name("mould"), of_nobody) as database:
        with opened(database, small) as world:
            world.insert(*[some_event(chance, user, JANUARY) for user in PEOPLE for _ in range(6)])
            half = PEOPLE[::2]
            world.insert(*[some_event(chance, user, FEBRUARY) for user in half for _ in range(3)])
            world.run_all()
            world.assert_exact()
            assert cut(world) == date(2026, 1, 31)
        yield name_of(database)


@pytest.fixture
def empty(server_uri: str, of_nobody: str, small: Path) -> Iterator[World]:
    name = new_name("world")
    with created(server_uri, name, of_nobody) as database, opened(database, small) as world:
        yield world


@pytest.fixture
def world(server_uri: str, of_everybody: str, small: Path) -> Iterator[World]:
    name = new_name("world")
    with created(server_uri, name, of_everybody) as database, opened(database, small) as world:
        yield world


def cut(world: World) -> date:
    found: date = world.one("select distinct cut from warehouse.model_sample")
    return found


def models(world: World) -> list[list[dict[str, Any]]]:
    return [
        world.all(f"select * from warehouse.{table} order by 1, 2")
        for table in ("model_user_clusters", "model_category_similarities", "model_cluster_trials")
    ]


def sample(world: World) -> set[str]:
    return {row["user_id"] for row in world.all("select user_id from warehouse.model_sample")}


def test_a_day_behind_the_cut_moves_no_centre_and_no_number(
    world: World, chance: random.Random
) -> None:
    before = models(world)
    profiles = world.all("select * from warehouse.agg_user_profiles")
    world.insert(*[some_event(chance, user, (21, 22)) for user in PEOPLE for _ in range(3)])
    world.insert(*[some_event(chance, f"new {number}", (21, 22)) for number in range(9)])
    world.insert(earn(22, "user 3", "golf"))
    done = world.run_all()
    assert models(world) == before
    for result in done.results:
        if result.step.script.name.startswith("model_"):
            assert not result.changes.inserted + result.changes.updated + result.changes.deleted
    assert world.all("select * from warehouse.agg_user_profiles") != profiles
    world.assert_exact()


def test_a_late_row_in_the_past_of_the_sample_moves_the_model(world: World) -> None:
    before = models(world)
    world.insert(earn(-3, SAMPLED[3], "golf", 5000), search(-3, SAMPLED[3], "spa"))
    world.run_all()
    now = models(world)
    assert now[0] != before[0] and now[1] != before[1]
    world.assert_exact()


def test_a_late_row_of_somebody_else_moves_nothing(world: World) -> None:
    before = models(world)
    world.insert(earn(-3, SPARED[3], "golf", 5000))
    world.run_all()
    assert models(world) == before
    world.assert_exact()


@pytest.mark.slow
def test_a_late_first_event_takes_a_place_in_the_sample(world: World) -> None:
    early = next(
        user
        for user in (f"late {number}" for number in range(1000))
        if oracle.oracle_clusters.md5(user) < oracle.oracle_clusters.md5(SAMPLED[0])
    )
    world.insert(event(3, early))
    world.run_all()
    assert sample(world) == set(SAMPLED)
    (number,) = world.insert(event(-3, early))
    world.run_all()
    assert sample(world) == {early, *SAMPLED[:-1]}
    world.assert_exact()
    # And leaves it, as the event turns out to be of another day.
    world.update(number, event_time=event(4)["event_time"])
    world.run_all()
    assert sample(world) == set(SAMPLED)
    world.assert_exact()


@pytest.mark.slow
def test_the_cut_moves_when_the_month_turns_and_back_when_it_does_not(world: World) -> None:
    before = models(world)
    (number,) = world.insert(event(28, PEOPLE[0]))
    world.run_all()
    assert cut(world) == date(2026, 2, 28)
    assert models(world) != before
    world.assert_exact()
    world.delete(number)
    Reconcile("event_stream").do(world)
    world.build()
    assert models(world) == before
    world.assert_exact()


@pytest.mark.slow
def test_who_stays_away_is_another_on_a_day_that_is_known(world: World) -> None:
    """Miles are too old after 90 days, and another centre is nearer after some. The model is the
    same on all these days, so that only those whose day has come are looked at.
    """
    world.insert(earn(-28, SPARED[0], "golf", 5000), event(61, PEOPLE[0]))
    world.run_all()
    fitted = models(world)
    for day in (62, 72, 86):
        world.insert(event(day, PEOPLE[0]))
        world.run_all()
        assert models(world) == fitted
        world.assert_exact()


@pytest.mark.slow
def test_the_last_day_moves_either_way_and_users_with_it(world: World) -> None:
    (number,) = world.insert(event(26, PEOPLE[0]))
    world.run_all()
    world.assert_exact()
    world.update(number, event_time=event(19)["event_time"])
    world.run_all()
    world.assert_exact()


@pytest.mark.slow
def test_before_a_month_has_enough_users_the_model_moves_daily(
    empty: World, chance: random.Random
) -> None:
    world = empty
    world.insert(*[some_event(chance, user, JANUARY) for user in PEOPLE[:19] for _ in range(3)])
    world.insert(*[some_event(chance, user, (0, 2)) for user in PEOPLE[15:] for _ in range(3)])
    world.insert(event(2, PEOPLE[20]))
    world.run_all()
    assert cut(world) == date(2026, 2, 3)
    world.assert_exact()
    world.insert(event(3, PEOPLE[0]))
    world.run_all()
    assert cut(world) == date(2026, 2, 4)
    world.assert_exact()
    # Another one was there in January after all: they are enough.
    world.insert(event(-2, PEOPLE[20]))
    world.run_all()
    assert cut(world) == date(2026, 1, 31)
    world.assert_exact()


@pytest.mark.slow
def test_fewer_different_users_than_clusters_are_fewer_clusters(empty: World) -> None:
    world = empty
    world.insert(*[event(-3, user) for user in PEOPLE])
    world.run_all()
    count = "select count(distinct cluster) from warehouse.model_user_clusters"
    assert world.one(count) == 1
    world.assert_exact()
    world.insert(event(-2, SAMPLED[0]), event(1, SPARED[0]))
    world.run_all()
    assert world.one(count) == CLUSTERS
    world.assert_exact()


def test_nobody_is_left(world: World) -> None:
    world.all("delete from public.event_stream")
    Reconcile("event_stream").do(world)
    world.build()
    assert models(world) == [[], [], []]
    world.assert_exact()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_comes_and_goes_models_are_those_of_a_rebuild(world: World, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(6):
        for _ in range(chance.randint(1, 3)):
            days = chance.choice([JANUARY, (-2, 1), FEBRUARY, FEBRUARY, (25, 33), MARCH])
            user = chance.choice([*PEOPLE, f"new {chance.randint(1, 9)}"])
            chance.choice(
                [
                    lambda user=user, days=days: world.insert(some_event(chance, user, days)),
                    lambda user=user, days=days: world.insert(some_event(chance, user, days)),
                    lambda days=days: world.update(
                        chance.choice(world.event_ids()),
                        **some_event(chance, chance.choice(PEOPLE), days),
                    ),
                    lambda: Delete(chance.randrange(1000), chance.random() < 0.3).do(world),
                    lambda: Undo(chance.randrange(4)).do(world),
                ]
            )()
        world.ingest()
        if chance.random() < 0.5:
            Reconcile("event_stream").do(world)
        world.build()
        world.assert_exact()
