"""The DDL that distributes tables in a cluster, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.build.compose import Composer
from runner.build.placement import distributed_by, place_of, statements
from runner.errors import StartError
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import PROJECT, edit

DDL = Path("schema/warehouse/x.sql")


@pytest.mark.parametrize(
    ("text", "place", "column"),
    [
        ("create table x ();", "local", None),
        ("-- Place: local\n", "local", None),
        ("-- Place: reference\n", "reference", None),
        ("-- Place: distributed by user_id\n", "distributed by user_id", "user_id"),
    ],
)
def test_a_place_is_the_first_paragraph_of_its_name(
    text: str, place: str, column: str | None
) -> None:
    assert (place_of(text, DDL), distributed_by(text)) == (place, column)


@pytest.mark.parametrize(
    "place", ["everywhere", "distributed", "distributed by User", "by user_id"]
)
def test_what_is_no_place_is_refused_with_the_file(place: str) -> None:
    with pytest.raises(StartError, match=f"{DDL}: '{place}' is not a placement"):
        place_of(f"-- Place: {place}\n", DDL)


def test_statements_stay_on_their_lines_whatever_is_in_quotes() -> None:
    text = (
        "-- a; comment\ncreate table x (a text default ';');\n\n"
        "comment on table x is\n'one; it''s';\n"
        "do $do$ begin perform 1; end $do$;\n/* ; */ select 1 - 2\n-- the end;\n"
    )
    found = statements(text)
    assert [each.strip() for each in found] == [
        "-- a; comment\ncreate table x (a text default ';');",
        "comment on table x is\n'one; it''s';",
        "do $do$ begin perform 1; end $do$;",
        "/* ; */ select 1 - 2\n-- the end;",
    ]
    for each in found:
        first = each.count("\n", 0, len(each) - len(each.lstrip()))
        assert text.splitlines()[first] == each.lstrip().splitlines()[0]


def test_a_table_is_placed_right_after_its_definition_in_every_target(project: Path) -> None:
    manifest = edit(
        project, "sql/manifest.toml", 'name = "miles"', 'name = "miles"\nengine = "citus"'
    )
    for target in (Target(), Target().scratch, Target("dev")):
        composer = Composer(manifest, target, {})
        (fact,) = composer.definitions(manifest.scripts["warehouse.fact_miles_earned"])
        assert f"'{target.prefix}warehouse.fact_miles_earned',\n        'user_id'" in fact.parts[-1]
        assert fact.text.endswith(fact.parts[-1])
        daily, engagement = composer.definitions(manifest.scripts["warehouse.agg_user_daily"])
        assert daily.parts and not engagement.parts


def test_where_there_is_no_cluster_nothing_is_placed() -> None:
    manifest = load(PROJECT)
    composer = Composer(manifest, Target(), {})
    pieces = [each for script in manifest.scripts.values() for each in composer.definitions(script)]
    assert not any(each.parts or "create_distributed_table" in each.text for each in pieces)
