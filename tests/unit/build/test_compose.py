"""The texts of a build are composed from files and positions; what asks no table needs no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.build.compose import Composer, lock_replicas
from runner.build.fingerprint import functions_of
from runner.build.plan import NEVER_BUILT, Mode, Step
from runner.database.ledger import Position
from runner.project.target import Target
from tests.support.manifests import NEEDS, declare, write

LAYER = Path("schema/warehouse.depth.sql")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for key in NEEDS:
        path = Path(*key.split(".")).with_suffix(".sql")
        write(tmp_path, Path("schema") / path, f"create table {key};\n")
    script = (
        "insert into {{ this }} select 1\n{{ incremental }} where run > {{ after.events }}\n;\n"
    )
    write(tmp_path, Path("sql/warehouse/fact.sql"), script)
    write(tmp_path, Path("sql/warehouse/fact.check.sql"), "select 1 from {{ warehouse }}.fact;\n")
    write(tmp_path, LAYER, "create or replace function {{ warehouse }}.depth() returns int;\n")
    return tmp_path


def composer(project: Path, target: str = "live") -> Composer:
    return Composer(declare(NEEDS, project), Target(target), {"events": Position(1, 3, 5)})


@pytest.mark.parametrize(
    ("mode", "limit"), [("full", "-- where run > 3"), ("incremental", " where run > 3")]
)
def test_one_text_serves_full_and_incremental_builds(project: Path, mode: Mode, limit: str) -> None:
    composed = composer(project)
    script = composed.manifest.scripts["warehouse.fact"]
    piece = composed.script(script, mode, {"fact": "pg_temp.fact"})
    assert piece.text == f"insert into pg_temp.fact select 1\n{limit}\n;\n"
    assert piece.file == script.path


def test_check_is_a_query_of_its_target(project: Path) -> None:
    piece = composer(project, "dev").check(Path("sql/warehouse/fact.check.sql"), "full")
    assert piece.text == "select 1 from dev_warehouse.fact"


def test_scratch_target_reads_what_is_not_rebuilt_through_views(project: Path) -> None:
    composed = composer(project)
    costs = composed.manifest.scripts["reporting.costs"]
    texts = [piece.text for piece in composed.needs_in_scratch(costs, {"warehouse.dim"})]
    assert texts == [
        "create or replace view live_scratch_warehouse.fact as select * from warehouse.fact"
    ]


def test_tables_of_the_scratch_target_record_no_restatements(project: Path) -> None:
    composed = Composer(declare(NEEDS, project), Target(), {}, run_id=7)
    assert composed.scratch.run_id is None
    assert composed.scratch.target == Target("live_scratch")


@pytest.mark.parametrize(
    ("target", "reason", "changed", "is_composed"),
    [
        ("live", "forced", (), False),
        ("live", NEVER_BUILT, (), True),
        ("live", "changed", (functions_of(LAYER),), True),
        ("dev", "forced", (), True),
    ],
)
def test_layer_is_composed_where_its_functions_may_be_missing(
    project: Path, target: str, reason: str, changed: tuple[str, ...], is_composed: bool
) -> None:
    composed = composer(project, target)
    step = Step(composed.manifest.scripts["warehouse.fact"], "full", reason, changed)
    files = [piece.file for piece in composed.schemas([step])]
    assert (LAYER in files) is is_composed


def test_replicas_are_locked_together_if_there_are_any() -> None:
    (piece,) = lock_replicas(["warehouse.raw_events", "warehouse.raw_costs"])
    assert piece.text == (
        'lock table "warehouse"."raw_events", "warehouse"."raw_costs" in access share mode;\n'
    )
    assert lock_replicas([]) == []
