"""New rows, and the ways to publish a version of the warehouse with them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from runner.compare.rebuild import rebuild
from runner.project.target import Target
from tests.build_faults.world import World, earn, event, redeem

Publish = Callable[[World], None]
_numbers = count(1)


def bring_rows(world: World) -> None:
    """New, late, changed and deleted rows, of a new user and a new category."""
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


def add_line(world: World, *files: str) -> None:
    """Change the text of files, and nothing that they compute."""
    for file in files:
        with (world.project / file).open("a", encoding="utf-8") as text:
            text.write("\n")


def build(*forced: str) -> Publish:
    def publish(world: World) -> None:
        world.build(*forced)

    return publish


def edited(world: World) -> None:
    add_line(world, "sql/warehouse/fact_miles_earned.sql", "schema/reporting/kpi_daily.sql")
    world.build()


def rebuilt(jobs: int) -> Publish:
    def publish(world: World) -> None:
        rebuild(world.database, world.manifest, Target(), jobs)

    return publish


def moved(world: World) -> None:
    world.timezone = "UTC" if world.timezone != "UTC" else "Asia/Singapore"
    world.build()


# A column more: in the table's definition and in the script that fills it.
COLUMN = (
    (
        "schema/warehouse/dim_platforms.sql",
        "    first_seen_date date not null,\n",
        "    first_seen_date date not null,\n    last_seen_date date not null,\n",
    ),
    (
        "sql/warehouse/dim_platforms.sql",
        "    platform, first_seen_date\n)",
        "    platform, first_seen_date, last_seen_date\n)",
    ),
    (
        "sql/warehouse/dim_platforms.sql",
        "    min(event_date) as first_seen_date\n",
        "    min(event_date) as first_seen_date,\n    max(event_date) as last_seen_date\n",
    ),
)
# Another type for one: nobody's text has to change.
TYPE = (
    (
        "schema/warehouse/agg_engagement_daily.sql",
        "    events bigint not null,\n",
        "    events numeric not null,\n",
    ),
    (
        "schema/reporting/kpi_daily.sql",
        "    events bigint not null,\n",
        "    events numeric not null,\n",
    ),
)


def reshape(world: World, edits: tuple[tuple[str, str, str], ...]) -> None:
    """Make the edits, or undo them if they were made before."""
    for file, old, new in edits:
        text = (world.project / file).read_text(encoding="utf-8")
        world.edit(file, *((new, old) if new in text else (old, new)))


def reshaped(world: World) -> None:
    reshape(world, COLUMN)
    reshape(world, TYPE)
    world.build()


# Those that no reader has to know of, and those that put something in the place of another.
PLAIN: dict[str, Publish] = {
    "new rows": build(),
    "a forced script": build("agg_user_daily"),
    "all scripts forced": build("*"),
    "edited scripts": edited,
    "a rebuild": rebuilt(1),
    "a rebuild by two": rebuilt(2),
}
SWAPPING: dict[str, Publish] = {"another time zone": moved, "other columns": reshaped}
