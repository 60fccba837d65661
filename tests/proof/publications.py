"""The ways in which a new version of the warehouse is published, each with new rows in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from tests.proof.world import World, earn, event, redeem

_numbers = count(1)


def bring_rows(world: World) -> None:
    """New, late, changed and deleted rows, of a user and a category that nobody had before."""
    number = next(_numbers)
    ids = world.event_ids()
    world.insert(
        earn(number % 40, f"user {number}", f"category {number % 50}", number),
        redeem(-number % 30, "bob", miles=number),
        event(number % 50, f"user {number // 2}", "share"),
    )
    world.update(ids[number % len(ids)], event_type="miles_earned", miles_amount=number)
    world.delete(ids[(number * 7) % len(ids)])
    world.ingest()
    world.pipeline().reconcile()


def incremental(world: World) -> None:
    bring_rows(world)
    world.build()


def forced(world: World) -> None:
    bring_rows(world)
    world.build("agg_user_daily")


def forced_whole(world: World) -> None:
    bring_rows(world)
    world.build("*")


def edited(world: World) -> None:
    bring_rows(world)
    for file in ("sql/warehouse/fact_miles_earned.sql", "schema/reporting/kpi_daily.sql"):
        with (world.project / file).open("a", encoding="utf-8") as text:
            text.write("\n")
    world.build()


def moved(world: World) -> None:
    bring_rows(world)
    world.timezone = "UTC" if world.timezone != "UTC" else "Asia/Singapore"
    world.build()


PUBLICATIONS: dict[str, Callable[[World], None]] = {
    "new rows": incremental,
    "a forced script": forced,
    "all scripts forced": forced_whole,
    "edited scripts": edited,
    "another time zone": moved,
}
