"""What `prune` deletes, what it leaves, and that nobody else notices."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.build.build import build
from runner.cli.show.coverage import coverage
from runner.compare.rebuild import verify
from runner.database import ledger
from runner.database.session import BUILD_LOCK, Database, LockHeld, lock_number
from runner.errors import RunnerError, UsageError
from runner.ingest.run import RunResult
from runner.project.manifest import load
from runner.project.target import Target
from runner.repairs.pipeline import RepairedPipeline
from runner.setup import new_project, prune, schema
from runner.setup.prune import Pruner, PruneResult
from tests.integration.cli.test_prompts import asked
from tests.support import PROJECT, query, rebuild, scalar
from tests.support.commands import assert_refused, command
from tests.support.databases import Moulds

ROWS = "select order_id, customer, amount, _run_id from warehouse.raw_orders order by 1"
TABLES = ("warehouse.fact_orders", "reporting.orders_daily")
LEDGER = ("runs", "logs", "check_results", "replaced_rows", "build_inputs")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter project: three scripts over the orders of a shop."""
    folder = tmp_path_factory.mktemp("shop") / "shop"
    new_project.write(folder, new_project.ORDERS, is_example=True)
    return folder


class World:
    """A database of the shop, and the actions of its users."""

    def __init__(self, database: Database, shop: Path) -> None:
        self.database, self.manifest = database, load(shop)
        self.pipeline = RepairedPipeline(1, database, shop)
        schema.apply(database, self.manifest, Target())
        query(database, "update orchestrator.pipeline_definitions set on_delete = 'apply'")

    def do(self, text: str, **values: Any) -> None:
        query(self.database, text, **values)

    def insert(self, amount: int, days_late: int = 0) -> None:
        self.do(
            "insert into public.orders (customer, amount, updated_at)"
            " values ('dee', %(amount)s, now() - %(days)s * interval '1 day')",
            amount=amount,
            days=days_late,
        )

    def change(self, order: int, amount: int, is_dated: bool = True) -> None:
        """Change an order. Without a new cursor, only the ID of the transaction reveals it."""
        dated = ", updated_at = now()" if is_dated else ""
        self.do(
            f"update public.orders set amount = %(amount)s{dated} where order_id = %(order)s",
            amount=amount,
            order=order,
        )

    def build(self, target: str = "live") -> str:
        done = build(self.database, self.manifest, Target(target))
        return str([(each.step.script.key, each.step.mode) for each in done.results])

    def prune(self, days: int = 0) -> PruneResult:
        """Date everything that has ended back, as if it were old."""
        return Pruner(self.database, self.manifest, days).prune()

    def tables(self, *prefixes: str) -> dict[str, list[dict[str, Any]]]:
        found = {"rows": query(self.database, ROWS)}
        for table in (f"{prefix}{table}" for prefix in prefixes for table in TABLES):
            rows = query(self.database, f"select to_jsonb(t.*) - 'updated_at' as r from {table} t")
            found[table] = sorted(rows, key=str)
        return found

    def gaps(self) -> int:
        with self.database.session("test") as session:
            return len(ledger.gaps(session, 1))

    def covered(self) -> list[bool]:
        with self.database.session("test") as session:
            return [stretch.is_covered for stretch in coverage(session, 1)]


@pytest.fixture
def worlds(moulds: Moulds, shop: Path, no_margin: None) -> Iterator[tuple[World, World]]:
    with moulds.clone() as one, moulds.clone() as other:
        yield World(one, shop), World(other, shop)


@pytest.fixture
def world(worlds: tuple[World, World]) -> World:
    return worlds[0]


# --- whoever comes after a prune does not notice ---------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_a_prune_at_any_time_changes_nothing_that_others_do(
    worlds: tuple[World, World], seed: int
) -> None:
    """Two databases go through the same actions; one is pruned of all that has ended now and then."""
    kept, pruned = worlds
    chance = random.Random(seed)
    prunes = undos = 0
    for _ in range(40):
        act = chance.choice(ACTS)
        if act is undo:
            run_id = chance.randint(1, max(1, last_run(kept)))
            try:
                undone = say(pruned.pipeline.undo(run_id))
            except UsageError as error:
                if "were pruned" not in error.message and "already undone" not in error.message:
                    raise
                continue
            assert say(kept.pipeline.undo(run_id)) == undone
            undos += 1
        else:
            number, days = chance.randint(1, 20), chance.randint(0, 9)
            assert act(kept, number, days) == act(pruned, number, days), act.__name__
        if chance.random() < 0.3:
            prunes += pruned.prune().deleted > 0
        assert kept.tables() == pruned.tables()
        assert kept.gaps() == pruned.gaps()
    for each in worlds:
        say(each.pipeline.run())
        each.build()
        each.build("dev")
    assert kept.tables("", "dev_") == pruned.tables("", "dev_")
    assert kept.covered() == pruned.covered()
    for each in worlds:
        assert not verify(each.database, each.manifest, Target()).differences
    assert prunes and last_run(kept) == last_run(pruned)
    # Something was deleted each time that counts; runs only where nobody may still ask for them.
    assert scalar(pruned.database, COUNT) <= scalar(kept.database, COUNT)


COUNT = "select count(*) from orchestrator.runs"


def last_run(world: World) -> int:
    return int(scalar(world.database, "select max(run_id) from orchestrator.runs") or 0)


def say(runs: list[RunResult]) -> list[Any]:
    """The kind and the counts of each run."""
    return [(each.kind, each.counts) for each in runs]


def insert(world: World, number: int, days: int) -> None:
    world.insert(number)


def insert_late(world: World, number: int, days: int) -> None:
    world.insert(number, days)


def change(world: World, number: int, days: int) -> None:
    world.change(number, number + days)


def change_silently(world: World, number: int, days: int) -> None:
    world.change(number, number - days, is_dated=False)


def remove(world: World, number: int, days: int) -> None:
    world.do("delete from public.orders where order_id = %(order)s", order=number)


def ingest(world: World, number: int, days: int) -> list[Any]:
    return say(world.pipeline.run())


def sweep(world: World, number: int, days: int) -> list[Any]:
    return say(world.pipeline.run(sweep=True))


def backfill(world: World, number: int, days: int) -> list[Any] | str:
    since = datetime.now(UTC) - timedelta(days=days + 1)
    try:
        return say(world.pipeline.backfill(since.isoformat(), "infinity"))
    except UsageError as error:  # nothing was loaded yet
        return error.message.partition(" between ")[0]


def fill_gaps(world: World, number: int, days: int) -> list[Any]:
    return say(world.pipeline.fill_gaps())


def reconcile(world: World, number: int, days: int) -> list[Any]:
    return say(world.pipeline.reconcile(force=True))


def build_live(world: World, number: int, days: int) -> str:
    try:
        return world.build()
    except RunnerError as error:  # before the first ingest
        return error.message


def build_dev(world: World, number: int, days: int) -> str:
    try:
        return world.build("dev")
    except RunnerError as error:
        return error.message


def undo(world: World, number: int, days: int) -> None:
    raise AssertionError("the test does that itself")


ACTS: tuple[Callable[[World, int, int], Any], ...] = (
    *(insert, insert_late, change, change, change_silently, remove),
    *(ingest, ingest, ingest, sweep, backfill, fill_gaps, reconcile),
    *(build_live, build_live, build_dev, undo, undo),
)


def test_images_wait_for_every_target(world: World) -> None:
    world.pipeline.run()
    world.build()
    world.build("dev")
    world.change(1, 99)
    world.pipeline.run()
    world.build()
    assert world.prune().tables[0].deleted == 0
    world.build("dev")
    assert world.prune().tables[0].deleted == 1
    before = world.tables("", "dev_")
    assert not verify(world.database, world.manifest, Target("dev")).differences
    assert world.tables("", "dev_") == before


def test_what_is_young_stays(world: World) -> None:
    for amount in (1, 2, 3):
        world.change(1, amount)
        world.pipeline.run()
        world.build()
    assert not world.prune(days=7).deleted
    world.do(
        "update orchestrator.runs set started_at = started_at - interval '8 days',"
        " finished_at = finished_at - interval '8 days'"
    )
    assert world.prune(days=7).deleted


def test_nothing_is_pruned_beside_a_build(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pipeline.run()
    world.build()
    monkeypatch.setattr(prune, "WAIT_SECONDS", 1)
    with (
        world.database.session("a build") as session,
        session.lock(BUILD_LOCK, lock_number("live"), "a build of live"),
        pytest.raises(LockHeld, match="a build of live is already running"),
    ):
        world.prune()


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def old(built: Database) -> Database:
    """Half a year ago costs of campaigns changed twice, and were built; one run is of today."""
    for cost in (100, 200):
        query(
            built,
            "insert into public.utm_campaigns (utm_source, monthly_cost) values ('google', %(cost)s)"
            " on conflict (utm_source) do update set monthly_cost = %(cost)s, updated_at = now()",
            cost=cost,
        )
        assert command("run-all", "--wait", "5", database=built).returncode == 0
    query(
        built,
        "update orchestrator.runs set started_at = started_at - interval '180 days',"
        " finished_at = finished_at - interval '180 days';"
        " update orchestrator.logs set logged_at = logged_at - interval '180 days'",
    )
    assert command("ingest", database=built).returncode == 0
    return built


def ledger_rows(database: Database) -> dict[str, int]:
    return {
        name: int(scalar(database, f"select count(*) from orchestrator.{name}")) for name in LEDGER
    }


def test_a_dry_run_says_what_would_go_and_changes_nothing(old: Database) -> None:
    before = ledger_rows(old)
    done = command("prune", "--older-than", "90d", "--dry-run", "--json", database=old)
    assert done.returncode == 0, done.stderr
    said = {each["table"]: each for each in json.loads(done.stdout)["tables"]}
    assert ledger_rows(old) == before
    assert {name: said[name]["rows"] for name in LEDGER} == before
    assert said["runs"]["deleted"] > 0
    done = command("prune", "--older-than", "90d", "--yes", database=old)
    assert done.returncode == 0 and "rows; " in done.stdout, done.stderr
    assert ledger_rows(old) == {name: before[name] - said[name]["deleted"] for name in LEDGER}
    again = command("prune", "--older-than", "90d", "--yes", database=old)
    assert "nothing to delete" in again.stdout


def test_a_run_whose_images_are_gone_cannot_be_undone(old: Database) -> None:
    [run_id] = [
        row["run_id"]
        for row in query(
            old,
            "select max(run_id) as run_id from orchestrator.runs where rows_updated = 1"
            " and kind = 'window'",
        )
    ]
    before = query(old, "table warehouse.raw_utm_campaigns")
    assert before[0]["monthly_cost"] == 200
    assert command("prune", "--older-than", "12w", "--yes", database=old).returncode == 0
    assert scalar(old, "select count(*) from orchestrator.replaced_rows") == 0
    shown = command("runs", "show", str(run_id), database=old)
    assert "no: what it replaced was pruned on" in shown.stdout
    done = command("runs", "undo", str(run_id), "--yes", database=old)
    assert_refused(done, 2, f"run {run_id} cannot be undone", "reconcile utm_campaigns")
    assert query(old, "table warehouse.raw_utm_campaigns") == before
    gone = scalar(
        old,
        "select min(n) from generate_series(1, 999) as n where not exists"
        " (select from orchestrator.runs where run_id = n)",
    )
    done = command("runs", "undo", str(gone), "--yes", database=old)
    assert_refused(done, 2, f"no run {gone} of a pipeline, or it was pruned")
    assert "equal a rebuild" in command("verify", database=old).stdout


def test_a_person_is_asked_and_may_say_no(old: Database) -> None:
    before = ledger_rows(old)
    prune = ("prune", "--older-than", "90d")
    done = command(*prune, database=old)
    assert_refused(done, 2, "needs confirmation", "--yes")
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        assert ledger_rows(old) == before
        with asked(*prune, database=old, question="delete this?") as (process, terminal):
            assert (
                scalar(
                    old,
                    "select count(*) from pg_stat_activity where datname ="
                    " current_database() and application_name like 'milepost prune%'",
                )
                == 0
            )
            os.write(terminal, answer)
            assert process.wait(timeout=60) == code
    assert ledger_rows(old)["runs"] < before["runs"]


@pytest.mark.parametrize("age", ["90", "3d", "-90d", "1h", "999y", "ninety"])
def test_an_age_that_is_none_is_refused(built: Database, age: str) -> None:
    done = command("prune", f"--older-than={age}", "--yes", database=built)
    assert done.returncode == 2 and "--older-than" in done.stderr


# --- scripts and targets that left ------------------------------------------------------------------


@pytest.fixture
def without(built: Database, project: Path) -> Path:
    """The project without its report of acquisition; it was built with it."""
    for path in project.rglob("acquisition*.sql"):
        path.unlink()
    file = project / "sql/manifest.toml"
    text = file.read_text()
    start = text.index("[reporting.acquisition]")
    end = text.find("\n[", start + 1)
    file.write_text(text[:start] + (text[end + 1 :] if end > 0 else ""))
    return project


@pytest.mark.parametrize("is_built", [False, True])
def test_a_script_that_left_is_named_by_plan_and_its_table_dropped(
    built: Database, without: Path, is_built: bool
) -> None:
    if is_built:
        rebuild(built, manifest=load(without))
    assert scalar(built, "select to_regclass('reporting.acquisition') is not null")
    plan = command("plan", database=built, project=without)
    assert "no longer in the manifest: reporting.acquisition" in plan.stdout
    assert "acquisition" not in command("prune", database=built).stdout  # with it, all is used
    done = command("prune", "--dry-run", database=built, project=without)
    assert "drop reporting.acquisition" in done.stdout
    done = command("prune", "--yes", database=built, project=without)
    assert done.returncode == 0 and "dropped reporting.acquisition" in done.stdout, done.stderr
    assert scalar(built, "select to_regclass('reporting.acquisition') is null")
    assert (
        "no longer in the manifest" not in command("plan", database=built, project=without).stdout
    )
    rebuild(built, manifest=load(without))
    rebuild(built)  # it comes back, and is built in full
    assert scalar(built, "select count(*) from reporting.acquisition") > 0


def test_what_is_somebodys_stays(built: Database, without: Path) -> None:
    """A view over the table, and another table that took its place."""
    query(built, "create view public.mine as select * from reporting.acquisition")
    done = command("prune", "--yes", database=built, project=without)
    assert done.returncode == 0 and "view public.mine depends" in done.stderr, done.stderr
    query(
        built,
        "drop view public.mine; drop table reporting.acquisition;"
        " create table reporting.acquisition (mine int)",
    )
    assert "nothing to delete" in command("prune", "--yes", database=built, project=without).stdout
    assert query(built, "table reporting.acquisition") == []


def test_a_target_is_dropped_with_what_was_built_in_it_and_nothing_else(built: Database) -> None:
    rebuild(built, target="dev")
    live = query(built, "table reporting.kpi_daily")
    assert "prune --drop-target dev" in command("plan", database=built).stdout
    query(built, "create table dev_warehouse.notes (mine text)")
    drop = ("prune", "--drop-target", "dev", "--yes")
    assert_refused(command(*drop, database=built), 1, "no build has made dev_warehouse.notes")
    query(built, "drop table dev_warehouse.notes")
    query(built, "insert into dev_reporting.goals values ('users', '2026-01-01', 9) returning 1")
    assert_refused(command(*drop, database=built), 1, "no build has made dev_reporting.goals")
    query(built, "delete from dev_reporting.goals returning 1")
    query(built, "create view public.mine as select * from dev_reporting.kpi_daily")
    assert_refused(command(*drop, database=built), 1, "view public.mine depends")
    assert scalar(built, "select count(*) from dev_reporting.kpi_daily") == len(live)
    query(built, "drop view public.mine")
    done = command(*drop, database=built)
    assert done.returncode == 0 and "dropped target dev" in done.stdout, done.stderr
    left = "select count(*) from pg_namespace where nspname like 'dev\\_%'"
    assert scalar(built, left) == 0
    assert query(built, "table reporting.kpi_daily") == live
    assert_refused(command(*drop, database=built), 2, "no target dev")
    live_too = ("prune", "--drop-target", "live", "--yes")
    assert_refused(command(*live_too, database=built), 2, "live is what readers see")
    rebuild(built, target="dev")
    assert scalar(built, "select count(*) from dev_reporting.kpi_daily") == len(live)


def test_the_room_is_given_back(built: Database) -> None:
    query(
        built,
        "insert into orchestrator.logs (level, message, logged_at)"
        " select 'info', repeat('long ', 100), now() - interval '1 year'"
        " from generate_series(1, 20000)",
    )
    done = Pruner(built, load(PROJECT), days=90).prune()
    [logs] = [table for table in done.tables if table.table == "logs"]
    assert logs.deleted == 20_000
    assert logs.bytes_after < logs.bytes_before / 50
