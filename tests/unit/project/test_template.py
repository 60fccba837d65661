"""Values in templates are quoted, and errors name the file and the line."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import sql

from runner.errors import RunnerError
from runner.project import jinja
from runner.project.template import FULL, INCREMENTAL, plain, quote, render


def refusal(text: str, **values: Any) -> RunnerError:
    with pytest.raises(RunnerError) as raised:
        render(text, values, "sql/warehouse/dim_users.sql")
    return raised.value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("UTC", "'UTC'"),
        ("O'Brien", "'O''Brien'"),
        ("'; drop table users; --", "'''; drop table users; --'"),
        ("", "''"),
        (" spaced ", "' spaced '"),
        ("two\nlines", "'two\nlines'"),
        ("{{ other }}", "'{{ other }}'"),
        (None, "NULL"),
        (True, "true"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        (date(2025, 3, 7), "'2025-03-07'::date"),
        (sql.Identifier("public", 'odd "name"'), '"public"."odd ""name"""'),
        (plain("dev_warehouse", "dim_users"), "dev_warehouse.dim_users"),
    ],
)
def test_value_is_quoted_by_its_type(value: object, expected: str) -> None:
    assert render("select {{ value }};\n", {"value": value}, "x.sql") == f"select {expected};\n"


def test_negative_number_keeps_its_distance_from_a_minus_before_it() -> None:
    assert render("select {{ days }}", {"days": -7}, "x.sql").split() == ["select", "-7"]
    assert "--" not in render("select 5 -{{ days }}", {"days": -7}, "x.sql")


def test_backslash_is_quoted_for_whichever_way_the_server_reads_strings() -> None:
    assert render("{{ value }}", {"value": "a\\'b"}, "x.sql").strip() == r"E'a\\''b'"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_string_stays_inside_its_quotes(value: str) -> None:
    quoted = render("{{ value }}", {"value": value}, "x.sql").strip()
    if "\\" in value:
        assert quoted.startswith("E")
        quoted = quoted.removeprefix("E").replace("\\\\", "\\")
    inside = quoted[1:-1]
    assert quoted == f"'{inside}'"
    assert "'" not in inside.replace("''", "")
    assert inside.replace("''", "'") == value


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_identifier_stays_inside_its_quotes(name: str) -> None:
    quoted = render("{{ name }}", {"name": sql.Identifier(name)}, "x.sql")
    assert quoted == '"' + name.replace('"', '""') + '"'


def test_text_outside_of_braces_is_left_as_it_is() -> None:
    text = "select 'O''Brien', 10 % 3, '{}'::jsonb, $$x$$; -- 100 %\n\n"
    assert render(text, {}, "x.sql") == text


def test_undefined_variable_is_named_with_file_and_line() -> None:
    error = refusal("select 1;\n\nselect {{ zone }};\n")
    assert error.message == "sql/warehouse/dim_users.sql:3: zone is not defined"
    assert error.hint == "variables are declared under [variables] in sql/manifest.toml"


def test_undefined_member_is_named_with_file_and_line() -> None:
    error = refusal("select\n    {{ after.event_straem }};\n", after={"event_stream": 3})
    assert error.message == "sql/warehouse/dim_users.sql:2: event_straem is not defined"


def test_line_is_that_of_the_undefined_variable_and_not_of_its_namesake() -> None:
    error = refusal("select {{ after.zone }};\nselect {{ zone }};\n", after={"zone": 3})
    assert error.message == "sql/warehouse/dim_users.sql:2: zone is not defined"


def test_undefined_variable_of_a_condition_is_named_with_its_line() -> None:
    error = refusal("select 1\n{% if zone %}where true{% endif %};\n")
    assert error.message == "sql/warehouse/dim_users.sql:2: zone is not defined"


def test_undefined_variable_is_an_error_even_where_it_would_be_compared() -> None:
    assert "zone is not defined" in refusal("{{ zone == 'UTC' }}").message


def test_syntax_error_is_named_with_file_and_line() -> None:
    error = refusal("select 1;\nselect {{ zone ;\n")
    assert error.message.startswith("sql/warehouse/dim_users.sql:2: ")


def test_unknown_filter_is_named_with_file_and_line() -> None:
    error = refusal("select 1;\n\n\nselect {{ zone | uper }};\n", zone="UTC")
    assert error.message.startswith("sql/warehouse/dim_users.sql:4: ")
    assert "uper" in error.message


PIECES = [
    "{{ zone }}", "{{ days }}", "{{ after.event_stream }}", "{{ source.items }}", "{{ nothing }}",
    "{{ after.nothing }}", "{{zone}}", "{{ zone | upper }}", "{{ true }}", "{{", "}}", "{#", "#}",
    "{% if days %}", "{% endif %}", "{", "}", "%", "'", "--", "\n", "\r\n", "x",
]  # fmt: skip


@example("{{{ zone }}")
@example("{{ zone }}}")
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_names_are_filled_in_as_jinja_does(text: str) -> None:
    values = {"zone": "UTC", "days": -3, "after": SimpleNamespace(event_stream=7)}
    values["source"] = {"items": {"relation": "x"}}

    def outcome(fill_in: Callable[[], str]) -> str:
        try:
            return fill_in()
        except RunnerError as error:
            return f"{error.message} {error.hint}"

    ours = outcome(lambda: render(text, values, "x.sql"))
    assert ours == outcome(lambda: jinja.render(text, values, quote, "x.sql"))


def test_names_alone_need_no_jinja() -> None:
    code = (
        "import sys\nfrom runner.project.template import render\n"
        "assert render('{{ zone }}', {'zone': 'UTC'}, 'x.sql') == \"'UTC'\"\n"
        "assert 'jinja2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


SCRIPT = """\
delete from t
{{ incremental }} using changed
{{ incremental }} where t.id = changed.id
;
"""


def test_incremental_lines_count_in_an_incremental_build() -> None:
    assert render(SCRIPT, {"incremental": INCREMENTAL}, "x.sql") == (
        "delete from t\n using changed\n where t.id = changed.id\n;\n"
    )


def test_incremental_lines_are_comments_in_a_full_build() -> None:
    assert render(SCRIPT, {"incremental": FULL}, "x.sql") == (
        "delete from t\n-- using changed\n-- where t.id = changed.id\n;\n"
    )


@pytest.mark.parametrize("mode", [INCREMENTAL, FULL])
def test_line_of_the_rendered_text_is_the_line_of_the_file(mode: sql.SQL) -> None:
    lines = render(SCRIPT, {"incremental": mode}, "x.sql").split("\n")
    assert len(lines) == len(SCRIPT.split("\n"))
    for rendered, written in zip(lines, SCRIPT.split("\n"), strict=True):
        assert rendered.endswith(re.sub(r"\{\{.*?\}\}", "", written))
