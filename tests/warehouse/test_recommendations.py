"""Whether recommendations are worth more than what everybody uses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runner.database.session import Database
from runner.setup.demo import Demo, seed
from runner.setup.load_csv import load
from tests.support import PROJECT, REAL_FILE, event, insert_events, query, run_all
from tests.warehouse.test_reports_equal_oracle import real_file

pytestmark = pytest.mark.usefixtures("no_margin")

# Kept for this test: nothing was ever chosen by looking at what it gives.
HELD_OUT = Demo(12_000, 400, 180, seed=4711, end=datetime(2026, 7, 1, tzinfo=UTC), append=False)
PLACES = 5


@pytest.mark.slow
def test_recommendations_find_what_users_came_to_use_better_than_popularity_does(
    database: Database,
) -> None:
    seed(database, PROJECT, HELD_OUT)
    _hide_the_category_that_each_user_came_to_last(database)
    run_all(database)
    places = _places_of_the_hidden(database)
    assert len(places) > 300
    recommended, popular = (
        [place[name] for place in places] for name in ("recommended", "popular")
    )
    assert _hit_rate(recommended) > _hit_rate(popular)
    assert _mean_reciprocal_rank(recommended) > _mean_reciprocal_rank(popular)


def test_observation_says_for_how_many_users_something_is_left(database: Database) -> None:
    def use(user: str, *categories: str | None) -> list[dict[str, object]]:
        return [
            event(1, user, "reward_search", transaction_category=category)
            for category in categories
        ]

    used = [*use("full", "air", "bar"), *use("half", "air", None), *use("lone", "zoo")]
    insert_events(
        database, [*used, *use("full", "zoo", "sea"), *use("fuller", "air", "bar", "zoo", "sea")]
    )
    insert_events(database, [event(1, "liker", "like"), *use("nameless", None)])
    run_all(database)
    assert _left(database) == {
        "users with something left": 2,
        "have used no category yet": 2,
        "have used every category": 2,
        "nothing similar is left": 0,
    }
    insert_events(database, use("apart", "golf"))
    run_all(database)
    assert _left(database) == {
        "users with something left": 2,
        "have used no category yet": 2,
        "have used every category": 0,
        "nothing similar is left": 3,
    }


@real_file
def test_real_file_has_hardly_anything_left_and_says_so(database: Database) -> None:
    load(database, REAL_FILE, as_history=True)
    run_all(database)
    assert _left(database) == {
        "users with something left": 3,
        "have used no category yet": 0,
        "have used every category": 97,
        "nothing similar is left": 0,
    }
    # Fewer than may be shown by segment and category.
    found = query(
        database,
        "select segment, transaction_category, users from reporting.category_recommendations",
    )
    assert found == [{"segment": "other", "transaction_category": "other", "users": 3}]


def _hide_the_category_that_each_user_came_to_last(database: Database) -> None:
    """Of users of one category nothing would be left, so they are not asked for."""
    query(
        database,
        """
        create table public.hidden as
        with first_uses as (
            select
                events.user_id,
                events.transaction_category,
                min(events.event_time) as first_time,
                count(*) over (partition by events.user_id) as categories
            from public.event_stream as events
            where
                events.event_type in ('miles_earned', 'miles_redeemed', 'reward_search')
                and events.transaction_category is not null
            group by events.user_id, events.transaction_category
        )

        select distinct on (first_uses.user_id)
            first_uses.user_id,
            first_uses.transaction_category
        from first_uses
        where first_uses.categories > 1
        order by
            first_uses.user_id,
            first_uses.first_time desc,
            first_uses.transaction_category collate "C"
        """,
    )
    query(
        database,
        """
        delete from public.event_stream as events
        using public.hidden
        where
            events.user_id = hidden.user_id
            and events.transaction_category = hidden.transaction_category
        """,
    )


def _places_of_the_hidden(database: Database) -> list[dict[str, Any]]:
    """Where what was hidden stands among the recommendations, and among the categories that most
    use of those that the user does not.
    """
    return query(
        database,
        """
        with popularity as (
            select
                hidden.user_id,
                engagement.transaction_category,
                row_number() over (
                    partition by hidden.user_id
                    order by engagement.users desc, engagement.transaction_category collate "C"
                ) as place
            from public.hidden
            cross join warehouse.agg_category_engagement as engagement
            left join warehouse.agg_user_categories as used
                on
                    used.user_id = hidden.user_id
                    and used.transaction_category = engagement.transaction_category
            where used.user_id is null
        )

        select
            recommendations.rank as recommended,
            popularity.place as popular
        from public.hidden
        left join warehouse.agg_category_recommendations as recommendations
            on
                recommendations.user_id = hidden.user_id
                and recommendations.transaction_category = hidden.transaction_category
        left join popularity
            on
                popularity.user_id = hidden.user_id
                and popularity.transaction_category = hidden.transaction_category
        """,
    )


def _hit_rate(places: list[int | None]) -> float:
    return sum(place is not None and place <= PLACES for place in places) / len(places)


def _mean_reciprocal_rank(places: list[int | None]) -> float:
    return sum(1 / place for place in places if place) / len(places)


def _left(database: Database) -> dict[str, Any]:
    rows = query(
        database,
        """
        select
            observations.label,
            observations.value
        from orchestrator.observations
        where
            observations.observation_name = 'agg_user_recommendations.left'
            and observations.run_id = (
                select max(newest.run_id) from orchestrator.observations as newest
            )
        order by observations.position
        """,
    )
    return {row["label"]: row["value"] for row in rows}
