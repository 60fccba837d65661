"""`init` takes plain names and an empty folder, and says why it refuses others."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.project.files import HOME, SHARED, find
from runner.project.manifest import load
from runner.setup.new_project import (
    EXAMPLE,
    LONGEST_NAME,
    ORDERS,
    SourceNames,
    next_steps,
    parse,
    write,
)
from runner.testing.lint import lint

ITEMS = SourceNames("crm", "items", "item_no", "changed")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_without_options_it_is_the_example() -> None:
    assert parse(None, None, None) == ORDERS


def test_a_source_is_its_table_its_key_and_its_cursor() -> None:
    assert parse("crm.items", "item_no", "changed") == ITEMS


@pytest.mark.parametrize(
    ("source", "key", "cursor", "said"),
    [
        ("public.items", None, None, "belong together"),
        (None, "item_no", None, "belong together"),
        ("public.items", "item_no", None, "belong together"),
        ("items", "item_no", "changed", "does not name its schema"),
        ("public.", "item_no", "changed", "'' is not a plain name"),
        ("my.public.items", "item_no", "changed", "'public.items' is not a plain name"),
        ("public.Items", "item_no", "changed", "'Items' is not a plain name"),
        ("public.items; drop table items", "item_no", "changed", "is not a plain name"),
        ("public.items", "item no", "changed", "'item no' is not a plain name"),
        ("public.items", "item_no", 'chan"ged', "is not a plain name"),
        ("public.items", "item_no", "{{changed}}", "is not a plain name"),
        ("public.items", "item_no\n", "changed", "is not a plain name"),
        ("public.items", "_run_id", "changed", "is not a plain name"),
        ("public." + "x" * (LONGEST_NAME + 1), "item_no", "changed", "is not a plain name"),
        ("public.items", "user", "changed", "is a reserved word of SQL"),
        ("public.items", "item_no", "end", "is a reserved word of SQL"),
        ("public.items", "changed", "changed", "would be the same column"),
        ("public.items", "changed_day", "changed", "would be the same column"),
    ],
)
def test_what_is_no_plain_name_is_refused_with_a_hint(
    source: str | None, key: str | None, cursor: str | None, said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        parse(source, key, cursor)
    assert said in raised.value.message
    assert raised.value.hint


def test_the_example_is_written_as_it_stands_in_the_package(tmp_path: Path) -> None:
    written = write(tmp_path / "a" / "shop", ORDERS, is_example=True)
    assert {path.as_posix() for path in written} == files(tmp_path / "a" / "shop")
    assert {".gitignore" if name == "gitignore" else name for name in files(EXAMPLE)} == {
        path.as_posix() for path in written
    }
    for path in written:
        template = EXAMPLE / ("gitignore" if path.name == ".gitignore" else path)
        assert (tmp_path / "a" / "shop" / path).read_text() == template.read_text()


def test_another_source_leaves_no_trace_of_the_example(tmp_path: Path) -> None:
    write(tmp_path, ITEMS, is_example=False)
    assert "schema/source.sql" not in files(tmp_path)
    for name in files(tmp_path):
        text = name + "\n" + (tmp_path / name).read_text()
        for word in ("orders", "order_id", "updated_at", "public", "customer", "shop"):
            assert word not in text, f"{name}: {word}"
    assert "crm.items" in (tmp_path / "schema/pipelines.sql").read_text()


@pytest.mark.parametrize("table", ["orders_of_orders", "items", "keys", "user", "updated_at"])
def test_what_is_written_is_a_project_without_problems(tmp_path: Path, table: str) -> None:
    write(tmp_path, SourceNames("crm", table, "order_id", "orders"), is_example=False)
    manifest = load(tmp_path)
    assert lint(manifest) == []
    assert f"reporting.{table}_daily" in manifest.scripts


@pytest.mark.parametrize("name", ["notes.txt", ".gitignore", "sql"])
def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir() if name == "sql" else (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=f"is not empty: it has {name}"):
        write(tmp_path, ORDERS, is_example=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    with pytest.raises(UsageError, match="Not a directory"):
        write(tmp_path / "shop", ORDERS, is_example=True)


def test_a_new_repository_with_its_virtual_environment_is_as_good_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".venv").mkdir()
    assert write(tmp_path, ORDERS, is_example=True)


def test_the_next_steps_begin_where_the_person_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = "python -m runner"
    assert next_steps(Path("my shop"), ORDERS, runner, needs_server=False) == [
        "cd 'my shop'",
        f"{runner} schema apply",
        f"{runner} run-all",
        f"{runner} db psql -c 'table reporting.orders_daily'",
    ]
    here = next_steps(Path("."), ITEMS, ".venv/bin/python -m runner", needs_server=True)
    assert here[0].startswith("export DATABASE_URL=")
    assert here[1] == ".venv/bin/python -m runner schema apply"
    below = next_steps(Path("shop"), ORDERS, ".venv/bin/python -m runner", needs_server=False)
    assert below[1] == "../.venv/bin/python -m runner schema apply"


def test_a_file_of_the_projects_own_wins_and_what_is_not_shared_is_not_lent(tmp_path: Path) -> None:
    merge, source = Path("sql/ingest/merge.sql"), Path("schema/source.sql")
    assert find(tmp_path, merge) == HOME / merge
    assert not find(tmp_path, source).exists()
    (tmp_path / merge).parent.mkdir(parents=True)
    (tmp_path / merge).write_text("select 1")
    assert find(tmp_path, merge) == tmp_path / merge
    assert find(tmp_path, Path("sql/ingest/append.sql")) == HOME / "sql/ingest/append.sql"


def test_every_shared_file_is_there() -> None:
    assert [path for path in SHARED if not (HOME / path).is_file()] == []
