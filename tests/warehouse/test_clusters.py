"""K-means in SQL: the clusters that the oracle finds, and as good as those of scikit-learn."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from runner.database.session import Database
from runner.setup.demo import Demo, seed
from runner.setup.load_csv import load
from tests import oracle, oracle_clusters
from tests.oracle_clusters import MILLION, Place
from tests.support import (
    PROJECT,
    REAL_FILE,
    earn,
    event,
    insert_events,
    query,
    run_all,
    scalar,
)

END = datetime(2026, 3, 1, tzinfo=UTC)

# Of each number of clusters: the centres, each with its users, and their squared distances in all.
Found = dict[int, tuple[list[tuple[Place, int]], Decimal]]


# --- the clusters of the definition -----------------------------------------------------------------


def test_clusters_are_those_of_plain_python(database: Database) -> None:
    """On places of a coarse grid, so that ties and users at the same place are many."""
    chance = random.Random(17)
    for _ in range(25):
        places = _grid(chance, users=chance.randint(1, 25), steps=chance.randint(1, 4))
        counts = sorted({chance.randint(1, 7) for _ in range(3)})
        assert _k_means(database, places, counts) == _expected(places, counts)


def test_clusters_of_users_without_groups_are_those_of_plain_python(database: Database) -> None:
    """So it takes many rounds, in which few users change."""
    chance = random.Random(18)
    places = {
        f"u_{user:03}": tuple(
            round(chance.gauss(0, 1 + (feature < 3)) * MILLION) for feature in range(10)
        )
        for user in range(300)
    }
    assert _k_means(database, places, [3, 6]) == _expected(places, [3, 6])


def test_centre_that_loses_all_its_users_keeps_its_place(database: Database) -> None:
    corners = [(0, 4), (4, 1), (2, 5), (5, 3), (1, 4), (5, 1), (0, 5)]
    places = {
        f"u_{number:02}": (*(step * MILLION for step in corner), *[0] * 8)
        for number, corner in enumerate(corners)
    }
    found = _k_means(database, places, [3], starts=1)
    assert min(users for _, users in found[3][0]) == 0
    assert found == _expected(places, [3], starts=1)


def test_of_two_centres_as_near_the_first_one_has_the_user(database: Database) -> None:
    """The one in the middle stays as far from both, round after round."""
    steps = (0, 2, -4)
    names = sorted("abcdefgh", key=lambda name: oracle_clusters.md5(f"1:{name}"))
    places = {name: (step * MILLION, *[0] * 9) for name, step in zip(names, steps, strict=False)}
    found = _k_means(database, places, [2], starts=1)
    assert found[2][0] == [((-2 * MILLION, *[0] * 9), 2), ((2 * MILLION, *[0] * 9), 1)]
    assert found == _expected(places, [2], starts=1)


def test_a_half_is_rounded_away_from_zero(database: Database) -> None:
    places = {"ann": (2, -2, 3, *[0] * 7), "ben": (3, -3, 4, *[0] * 7)}
    found = _k_means(database, places, [1])
    assert found[1][0] == [((3, -3, 4, *[0] * 7), 2)]
    assert found == _expected(places, [1])


def test_order_of_users_does_not_matter(database: Database) -> None:
    chance = random.Random(19)
    places = _grid(chance, users=30, steps=5)
    shuffled = dict(chance.sample(list(places.items()), len(places)))
    assert _k_means(database, shuffled, [4]) == _k_means(database, places, [4])


def test_nobody_is_in_no_cluster(database: Database) -> None:
    assert query(database, "select * from warehouse.k_means(null, null, '{2}', 1)") == []


def test_a_user_far_from_everybody_is_in_the_nearest_cluster_too(
    database: Database, no_margin: None
) -> None:
    """Where the others hardly differ, the square of a coordinate is too large for a bigint."""
    crowd = [earn(number % 9, f"u_{number:02}", 1_000_000 + number % 2 * 2) for number in range(60)]
    insert_events(database, [*crowd, event(32, "far")])
    run_all(database)
    scale = query(
        database,
        "select distinct mean, deviation from warehouse.model_user_clusters"
        " where feature = 'miles earned'",
    )[0]
    assert (MILLION * scale["mean"] / scale["deviation"]) ** 2 > 2**63
    assert scalar(database, "select count(*) from warehouse.agg_user_profiles") == 61


def _grid(chance: random.Random, users: int, steps: int) -> dict[str, Place]:
    return {
        f"u_{user:02}": tuple(
            chance.randint(0, steps) * MILLION * (feature < 2) for feature in range(10)
        )
        for user in range(users)
    }


def _k_means(
    database: Database, places: dict[str, Place], counts: Iterable[int], starts: int = 5
) -> Found:
    rows = query(
        database,
        "select * from warehouse.k_means(%(users)s, %(places)s::bigint[], %(counts)s, %(starts)s)",
        users=list(places),
        places=[list(place) for place in places.values()],
        counts=list(counts),
        starts=starts,
    )
    return {
        count: _found(
            [(tuple(row["place"]), row["users"]) for row in rows if row["cluster_count"] == count],
            sum(row["squared_distance"] for row in rows if row["cluster_count"] == count),
        )
        for count in {row["cluster_count"] for row in rows}
    }


def _expected(places: dict[str, Place], counts: Iterable[int], starts: int = 5) -> Found:
    most = len(set(places.values()))
    found = {}
    for count in {min(count, most) for count in counts}:
        clusters = oracle_clusters.fit(places, count, starts)
        squares = [
            oracle_clusters.squared(place, clusters.centres[clusters.number_of[user] - 1])
            for user, place in places.items()
        ]
        found[count] = _found(
            list(zip(clusters.centres, clusters.sizes, strict=True)),
            Decimal(sum(squares)).scaleb(-12),
        )
    return found


def _found(centres: list[tuple[Place, int]], inertia: Any) -> tuple[list[tuple[Place, int]], Any]:
    return sorted(centres), inertia


# --- as good as they get ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not REAL_FILE.is_file(), reason=f"the real file is not here: {REAL_FILE}")
def test_clusters_of_the_real_file_are_as_good_as_those_of_scikit_learn(database: Database) -> None:
    load(database, REAL_FILE, as_history=True)
    run_all(database)
    _assert_as_good_as_scikit_learn(database)


@pytest.mark.parametrize(
    "number", [1, *(pytest.param(number, marks=pytest.mark.slow) for number in (2, 3))]
)
def test_clusters_of_demo_data_are_as_good_as_those_of_scikit_learn(
    database: Database, number: int
) -> None:
    seed(database, PROJECT, Demo(4_000, 200, 90, seed=number, end=END, append=False))
    run_all(database)
    _assert_as_good_as_scikit_learn(database)


def _assert_as_good_as_scikit_learn(database: Database) -> None:
    # Half a second, which a worker that has not got this test should not pay.
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    """Of the same sample, on scales that are made independently of ours."""
    rows = query(database, "select * from warehouse.model_sample order by user_id")
    columns = [name for name in rows[0] if name not in ("user_id", "cut", "category_events")]
    figures = [
        [*(float(row[name]) for name in columns), len(row["category_events"])] for row in rows
    ]
    features = StandardScaler().fit_transform(np.log1p(figures))
    theirs = KMeans(n_clusters=oracle.CLUSTER_COUNT, n_init=10, random_state=0).fit(features)
    ours = scalar(database, "select inertia from reporting.cluster_quality where is_chosen")
    assert float(ours) <= 1.1 * theirs.inertia_


# --- few users --------------------------------------------------------------------------------------


def test_fewer_users_than_clusters_have_one_each(database: Database, no_margin: None) -> None:
    insert_events(database, [event(0, "ann"), event(1, "ben"), event(1, "ben"), event(5, "cat")])
    run_all(database)
    # By how active they are.
    assert _clusters(database) == {"ben": 1, "cat": 2, "ann": 3}
    assert _quality(database) == [(2, 3, False), (3, 3, True)]


def test_users_in_whom_nothing_differs_are_one_cluster(database: Database, no_margin: None) -> None:
    insert_events(database, [event(0, "ann"), event(0, "ben"), event(0, "cat")])
    run_all(database)
    assert _clusters(database) == {"ann": 1, "ben": 1, "cat": 1}
    assert _quality(database) == [(1, 3, True)]
    centres = query(database, "select centre, deviation from warehouse.model_user_clusters")
    assert {(row["centre"], row["deviation"]) for row in centres} == {(0, 0)}


def test_one_user_is_a_cluster(database: Database, no_margin: None) -> None:
    insert_events(database, [event(0, "ann")])
    run_all(database)
    assert _clusters(database) == {"ann": 1}
    assert _quality(database) == [(1, 1, True)]


def test_without_users_there_are_no_clusters(database: Database) -> None:
    run_all(database)
    assert _clusters(database) == {}
    assert _quality(database) == []


def _clusters(database: Database) -> dict[str, int]:
    rows = query(database, "select user_id, cluster from warehouse.agg_user_profiles")
    return {row["user_id"]: row["cluster"] for row in rows}


def _quality(database: Database) -> list[tuple[int, int, bool]]:
    rows = query(database, "select * from reporting.cluster_quality order by cluster_count")
    return [(row["cluster_count"], row["users"], row["is_chosen"]) for row in rows]
