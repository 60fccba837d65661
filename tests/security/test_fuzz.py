"""Whatever stands in a file, an argument or a definition: an answer, or one line with a hint."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from runner.database.session import Database, QueryFailed
from runner.errors import RunnerError, StartError
from runner.pages.dashboard import cards, spec
from runner.pages.dashboard.data import script_json
from runner.pages.dashboard.json_file import read_spec
from runner.project.graph import order, select
from runner.project.manifest import MANIFEST, load
from runner.project.template import plain, render
from runner.setup.load_csv import load as load_csv
from tests.support import PROJECT, earn, insert_events, query, run_all, scalar
from tests.support.commands import command
from tests.support.sweeps import with_examples

SHIPPED = load(PROJECT)


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def refused(attempt: Callable[[], Any]) -> RunnerError | None:
    """The error of an attempt, which people can act on; any other exception is a bug."""
    try:
        attempt()
    except RunnerError as error:
        assert error.exit_code in (1, 2, 3)
        assert error.message and error.hint, error.message
        return error
    return None


# What may stand where something else was meant.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXTS,
    st.sampled_from(
        ["", "null", "*", "[", "+", "raw.", ".", "warehouse.x.y", "'", "--", "{{ x }}"]
    ),
)
NESTED = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


# The manifest.

TOML = (
    "1", "-0", "1.5", "nan", "inf", "1e400", "99999999999999999999999", "true", '""', '"x"', "[]",
    "[[]]", "{}", "{ a = 1 }", '["a", 1]', "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00",
    '"""\na\nb"""', '"\\u0000"', '"\\u202e"', "'{{ x }}'", '["raw.event_stream", ""]', '["."]',
    '["raw.a.b"]', '["reporting.kpi_daily"]', "[" * 3000, "0x10", "x", "=", "[[a]]",
)  # fmt: skip
LINES = (PROJECT / MANIFEST).read_text(encoding="utf-8").splitlines()
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["value", "drop", "double", "key", "text", "section"]),
        st.integers(0, len(LINES) - 1),
        st.sampled_from(TOML),
        TEXTS,
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, whose files are overwritten one at a time."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("sql", "schema", "dashboard"):
        shutil.copytree(PROJECT / name, folder / name)
    return folder


def edited(edits: list[tuple[str, int, str, str]]) -> str:
    lines = list(LINES)
    for what, number, value, text in edits:
        name = lines[number].partition("=")[0]
        lines[number] = {
            "value": f"{name}= {value}",
            "drop": "",
            "double": f"{lines[number]}\n{lines[number]}",
            "key": f"{json.dumps(text)} = {value}",
            "text": text,
            "section": f"[warehouse.{json.dumps(text)}]",
        }[what]
    return "\n".join(lines)


@bounded(150)
@given(edits=EDITS)
@example(edits=[("text", 0, "", "[warehouse]\nx = { needs = 1 }")])
def test_a_manifest_is_read_or_refused(
    folder: Path, edits: list[tuple[str, int, str, str]]
) -> None:
    (folder / MANIFEST).write_text(edited(edits), encoding="utf-8")
    with suppress(RunnerError):  # whose shape is looked at below
        order(load(folder))
    refused(lambda: order(load(folder)))


@pytest.mark.parametrize("value", TOML)
@pytest.mark.parametrize(
    "line",
    [
        "name = {}",
        "[variables]\nx = {}",
        "[warehouse]\nx = {}",
        "[warehouse.x]\nneeds = {}",
        "warehouse = {}",
        "variables = {}",
    ],
)
def test_every_kind_of_value_is_read_or_refused(folder: Path, line: str, value: str) -> None:
    (folder / MANIFEST).write_text(line.format(value), encoding="utf-8")
    refused(lambda: order(load(folder)))


def test_a_command_says_it_in_one_line(folder: Path) -> None:
    for text in ('["a\\nb"]\nx = 1', '[warehouse]\n"x\\ny" = { needs = [] }', "x = [", "name = 1"):
        (folder / MANIFEST).write_text(text, encoding="utf-8")
        done = command("plan", project=folder)
        assert_one_line(done.stderr)
        assert done.returncode == 3, done.stderr


def assert_one_line(said: str) -> None:
    lines = said.splitlines()
    assert "Traceback" not in said and "unexpected" not in said, said
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], said


# Selectors.


@bounded(300)
@given(pattern=TEXTS | st.text("+*?[]!-._afwr", max_size=12))
def test_a_selector_selects_or_is_refused(pattern: str) -> None:
    refused(lambda: select(SHIPPED, [pattern]))


# Templates.

VALUES = {"this": plain("warehouse", "dim_users"), "zone": "UTC", "days": 3, "types": ["a"]}
PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "this",
        "zone",
        "days",
        "types",
        "nothing",
        "|",
        ".",
        "[",
        "]",
        "(",
        ")",
        "'",
        '"',
        "+",
        "-",
        "*",
        "~",
        ",",
        ":",
        "=",
        "if",
        "for",
        "in",
        "endif",
        "endfor",
        "set",
        "raw",
        "endraw",
        "macro",
        "block",
        "extends",
        "include",
        "import",
        "call",
        "filter",
        "loop",
        "range",
        "__class__",
        "attr",
        "format",
        "join",
        "map",
        "select",
        "sort",
        "upper",
        "0",
        "1",
        "--",
        "\\",
        "\n",
        "%",
    ]
)


@bounded(400)
@given(pieces=st.lists(PIECES | TEXTS, max_size=14))
def test_a_template_is_rendered_or_refused_with_its_line(pieces: list[str]) -> None:
    try:
        render("select 1\n" + " ".join(pieces), VALUES, "a.sql")
    except RunnerError as error:
        assert error.message.startswith("a.sql:"), error.message
        assert error.hint


# Cards.

HEADER = st.lists(
    st.sampled_from(
        ["-- A title", "--", "-- Question: why", "-- Meaning: that", "-- Show: table", "-- Show: x",
         "-- Width: half", "-- Columns: a: A, number", "--   a: A, number, bar, bar", "-- Nothing: x",
         "select 1", "/* x */", ";", "\x00", "-- Columns:"]
    ) | TEXTS,
    max_size=8,
)  # fmt: skip


@bounded(150)
@given(lines=HEADER)
def test_a_card_is_read_or_refused(folder: Path, lines: list[str]) -> None:
    (folder / "dashboard" / "99_fuzz.sql").write_text("\n".join(lines), encoding="utf-8")
    (folder / "dashboard" / "99_fuzz.vl.json").unlink(missing_ok=True)
    refused(lambda: cards.load(folder))


WORDS = st.sampled_from(
    [
        "mark",
        "encoding",
        "transform",
        "layer",
        "concat",
        "facet",
        "x",
        "y",
        "field",
        "type",
        "data",
        "name",
        "value",
        "params",
        "url",
        "filter",
        "calculate",
        "as",
        "aggregate",
        "groupby",
        "fold",
        "repeat",
        "resolve",
        "sort",
    ]
)
SPECS = st.dictionaries(
    WORDS,
    st.recursive(
        ODD | WORDS,
        lambda one: st.lists(one, max_size=2) | st.dictionaries(WORDS, one, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@bounded(300)
@given(odd=SPECS | NESTED)
def test_a_chart_is_drawn_or_refused(folder: Path, odd: Any) -> None:
    given_spec = {"data": {"name": "rows"}, **odd} if isinstance(odd, dict) else odd
    (folder / "dashboard" / "99_fuzz.sql").write_text(
        "-- A title\n-- Question: why?\n-- Meaning: that.\nselect 1 as a\n", encoding="utf-8"
    )
    (folder / "dashboard" / "99_fuzz.vl.json").write_text(json.dumps(given_spec), encoding="utf-8")
    found: list[cards.Dashboard] = []
    if not refused(lambda: found.append(cards.load(folder))):
        [card] = [card for card in found[0].cards if card.name == "fuzz"]
        assert card.spec is not None
        assert all(token and said for token, said in spec.problems(card.spec, ["a"]))
        assert script_json(card.spec).encode()


CHART = (PROJECT / "dashboard" / "20_active_users.vl.json").read_text(encoding="utf-8")


@bounded(100)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, len(CHART)),
            st.integers(0, 3),
            st.sampled_from(
                [",", ",\n", "{", "}", "[", "]", '"', ":", "NaN", "1e999", "\\ud800", ""]
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_typing_error_in_a_chart_is_told_with_file_and_line(
    folder: Path, changes: list[tuple[int, int, str]]
) -> None:
    text = CHART
    for place, gone, put in changes:
        text = text[:place] + put + text[place + gone :]
    file = folder / "dashboard" / "99_typed.vl.json"
    file.write_text(text, encoding="utf-8")
    try:
        found = read_spec(file, Path("dashboard/99_typed.vl.json"))
    except StartError as error:
        told = re.fullmatch(r"dashboard/99_typed\.vl\.json:(\d+): .+", error.message, re.DOTALL)
        assert told and 1 <= int(told[1]) <= text.count("\n") + 1, error.message
        assert error.hint
    else:
        assert script_json(found).encode()
    finally:
        file.unlink()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"data": ' * 50_000, "", "\x00", "{", "nan", "[]"]
)
def test_a_file_of_a_chart_is_read_or_refused(folder: Path, text: str) -> None:
    (folder / "dashboard" / "99_fuzz.sql").write_text(
        "-- T\n-- Question: w\n-- Meaning: t\nselect 1"
    )
    (folder / "dashboard" / "99_fuzz.vl.json").write_text(text, encoding="utf-8")
    assert refused(lambda: cards.load(folder))


# CSV files.

FIELDS = st.one_of(
    st.sampled_from(
        ["2026-01-05 10:00:00", "2026-01-05", "05/01/2026", "now", "infinity", "u_1", "7", "1e400",
         "NaN", "", '""', '"', "'", "\\N", "\\.", "a\nb", "\x00", "x" * 300, "-1", "miles_earned",
         "\ufeff", "\u202e", "2026-01-05 24:00:00", "0000-00-00", "294277-01-01"]
    ),
    TEXTS,
)  # fmt: skip
COLUMNS = ("event_time", "user_id", "event_type", "miles_amount", "country")


def as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue().encode()


FILES = st.one_of(
    st.lists(st.lists(FIELDS, min_size=4, max_size=6), max_size=6).map(as_csv),
    st.binary(max_size=60).map(lambda rest: ",".join(COLUMNS).encode() + b"\n" + rest),
    st.binary(max_size=60),
)


@with_examples(20, 60, content=FILES, history=st.booleans())
def test_a_file_is_loaded_or_refused_and_never_half(
    clone: Database, folder: Path, content: bytes, history: bool
) -> None:
    rows = "select count(*) from public.event_stream"
    kept = "select coalesce(sum(rows_loaded), 0)::bigint from orchestrator.loaded_files"
    before, kept_before = scalar(clone, rows), scalar(clone, kept)
    file = folder / "fuzz.csv"
    file.write_bytes(content)
    loaded = []
    error = refused(lambda: loaded.append(load_csv(clone, file, history, again=True)))
    added = 0 if error else loaded[0].rows
    assert scalar(clone, rows) == before + added
    assert scalar(clone, kept) == kept_before + added
    assert error or added


@pytest.fixture(scope="module")
def clone(request: pytest.FixtureRequest) -> Iterator[Database]:
    """One database for all files: none of them may leave anything but rows."""
    from tests.support.databases import Moulds, apply_schema

    moulds: Moulds = request.getfixturevalue("moulds")
    with moulds.clone(apply_schema) as database:
        yield database


# Definitions of pipelines.

DEFINED = (
    "source_relation", "target_relation", "cursor_column", "key_columns", "write_mode",
    "window_size", "start_at", "lookback", "sweep_every", "max_hold", "odd_cursors", "on_delete",
    "max_rejected_share", "cursor_timezone", "column_types", "clock_relation", "event_column",
    "data_warn_after", "quiet_gaps", "on_column_drop", "owner", "pipeline_name",
)  # fmt: skip
HOSTILE = st.one_of(
    st.sampled_from(
        ["public.event_stream", "public.nothing", "pg_catalog.pg_class", "public.ev'ent", "a.b",
         'public."x', "event_time", "user_id", "no such", "-1 day", "0", "infinity", "1 day",
         "178000000 years", "-infinity", "NaN", "UTC", "Mars", '{"a": 1}', '{"user_id": "int"}',
         '{"created_at": "text"}', '{"created_at": null}', "{user_id}", "{}", "{country}", "{a,b}",
         '{""}', "warehouse.raw_x", "warehouse.raw_event_stream", "orchestrator.runs", "%s", "%",
         "{{ x }}", "x; drop table public.event_stream", "\n", "\x1b[2J", "append", "mark"]
    ),
    TEXTS.filter(lambda text: "\0" not in text),
)  # fmt: skip


@pytest.fixture(scope="module")
def loaded(request: pytest.FixtureRequest) -> Iterator[Database]:
    from tests.support.databases import Moulds, apply_schema

    moulds: Moulds = request.getfixturevalue("moulds")
    with moulds.clone(apply_schema) as database:
        insert_events(database, [earn(day, f"u_{day % 3}", 100) for day in range(5)])
        run_all(database)
        query(database, "create table public.before as table orchestrator.pipeline_definitions")
        yield database


@with_examples(
    3,
    12,
    values=st.lists(st.tuples(st.sampled_from(DEFINED), HOSTILE), min_size=1, max_size=2),
)
def test_a_definition_is_followed_or_refused(
    loaded: Database, values: list[tuple[str, str]]
) -> None:
    table = sql.Identifier("orchestrator", "pipeline_definitions")
    rows = query(loaded, "select * from warehouse.raw_event_stream order by event_id")
    for column, value in values:
        kind = scalar(
            loaded,
            "select format_type(atttypid, atttypmod) from pg_attribute where attrelid ="
            " 'orchestrator.pipeline_definitions'::regclass and attname = %(c)s",
            c=column,
        )
        text = sql.SQL("update {} set {} = %(value)s::{} where pipeline_id = 1").format(
            table, sql.Identifier(column), sql.SQL(kind)
        )
        with loaded.session("test") as session, suppress(QueryFailed):
            session.rows(text.as_string(), {"value": value})
    try:
        name = scalar(
            loaded,
            "select pipeline_name from orchestrator.pipeline_definitions where pipeline_id = 1",
        )
        for words in (("ingest", "--wait", "0"), ("status",), ("pipelines", "show", "--", name)):
            done = command(*words, database=loaded)
            assert "Traceback" not in done.stderr and "unexpected" not in done.stderr, done.stderr
            assert done.returncode in (0, 1, 2, 3), done.stderr
            if "error: " in done.stderr:
                errors = [
                    line for line in done.stderr.splitlines() if not line.startswith("warning")
                ]
                assert sum(line.startswith("error: ") for line in errors) == 1, done.stderr
                assert errors[-1].startswith("hint: "), done.stderr
    finally:
        query(
            loaded,
            f"update orchestrator.pipeline_definitions as now set ({', '.join(DEFINED)})"
            f" = (select {', '.join(DEFINED)} from public.before as before"
            " where before.pipeline_id = now.pipeline_id)",
        )
    kept = query(loaded, "select * from warehouse.raw_event_stream order by event_id")
    assert [row["event_id"] for row in kept] == [row["event_id"] for row in rows]
