"""What patterns find in the text of a script."""

from __future__ import annotations

import pytest

from runner.project import scripts

HEADER = """\
-- warehouse.dim_users
-- Grain: one row per user
--        (user_id).
-- Why:   one place.

select 1;  -- Not: a header
"""


def test_header_has_a_paragraph_for_each_first_word() -> None:
    assert scripts.header(HEADER) == {
        "Grain": "one row per user (user_id).",
        "Why": "one place.",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-- Rows without\n-- a user.\nselect 1;", {"": "Rows without a user."}),
        ("select 1;\n-- Why: late", {}),
        ("", {}),
    ],
)
def test_comment_without_such_words_is_one_paragraph(text: str, expected: dict[str, str]) -> None:
    assert scripts.header(text) == expected


def test_lines_that_are_only_a_comment_are_dropped_but_for_the_level_of_a_check() -> None:
    text = "-- A check.\n-- Level: warn\n  -- why\nselect 1  -- one\n"
    assert scripts.without_comments(text) == "-- Level: warn\nselect 1  -- one"
    assert scripts.is_warning(text)
    assert not scripts.is_warning("-- It does not warn.\nselect 1")


def test_only_words_in_placeholders_are_filled_in() -> None:
    text = "select {{ zone }} as days, '{% if\n limit_a %}x{% endif %}'"
    assert scripts.words_filled_in(text) == {"zone", "if", "limit_a", "endif"}


def test_functions_and_tables_that_a_file_creates() -> None:
    text = (
        "create or replace function {{ warehouse }}.depth(text) returns int\n"
        "create table if not exists public.orders (id int);\n"
        "create table plain (id int);\n"
        "-- create table if not exists public.none ()\n"
        "create table {{ warehouse }}.dim (id int);\n"
    )
    assert scripts.functions_created(text) == {"depth"}
    assert scripts.tables_created(text) == ["public.orders", "plain"]


def test_script_that_deletes_rows_of_its_table_does_not_fill_it_whole() -> None:
    assert scripts.deletes_rows("delete from {{ this }} as fact using x")
    assert not scripts.deletes_rows("delete from {{ state }} as fact")


def test_table_is_merged_into_where_its_insert_has_a_conflict_clause() -> None:
    text = (
        "insert into {{ this }} (a) select 1;\n"
        "insert into {{ state }} (a) select 1 on conflict (a) do nothing;\n"
    )
    assert scripts.merged_tables(text) == {"state"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # from the position of a pipeline
        ("delete from {{ this }};\ninsert into {{ this }} select {{ after.events }}", True),
        # from other change sets
        ("delete from {{ this }} as x;\nselect * from {{ warehouse }}.changed", True),
        # it keeps rows
        ("delete from {{ this }} using x;\nselect {{ after.events }}", False),
        # in a full build it reads everything
        (
            "delete from {{ this }};\nselect * from {{ warehouse }}.facts\n"
            "{{ incremental }} where {{ after.events }} > 1",
            False,
        ),
    ],
)
def test_change_set_is_emptied_and_filled_with_what_is_new(text: str, expected: bool) -> None:
    assert scripts.is_change_set(text, {"warehouse.changed"}) is expected
