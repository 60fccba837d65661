"""Writes a small working project: the example in starter/, with the names of one's own source."""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError, UsageError

EXAMPLE = Path(__file__).with_name("starter")
# Left out for another source: the example's table, and cases with its columns.
EXAMPLE_ALONE = (Path("schema", "source.sql"), Path("tests", "sql", "warehouse"))
# A folder that has only these counts as empty.
HARMLESS = (".git", ".venv")
# Other names are made from it, and PostgreSQL truncates names to 63 bytes.
LONGEST_NAME = 48
# PostgreSQL accepts these as names of columns only in quotes.
WORDS_OF_SQL = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign freeze from full grant group having ilike in
    initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
    references returning right select session_user similar some symmetric system_user table
    tablesample then to trailing true union unique user using variadic verbose when where window
    with
"""


@dataclass(frozen=True, slots=True)
class SourceNames:
    """The table to read, its key column, and its cursor, which says when a row was written."""

    schema: str
    table: str
    key: str
    cursor: str


ORDERS = SourceNames("public", "orders", "order_id", "updated_at")


def parse(source: str | None, key: str | None, cursor: str | None) -> SourceNames:
    """Return the source that the options describe; without any, that of the example."""
    if source is None and key is None and cursor is None:
        return ORDERS
    if source is None or key is None or cursor is None:
        hint = "--source public.invoices --key invoice_id --cursor updated_at"
        raise UsageError("--source, --key and --cursor belong together", hint)
    schema, dot, table = source.partition(".")
    if not dot:
        raise UsageError(f"--source {source} does not name its schema", f"--source public.{source}")
    _check_name("--source", schema)
    _check_name("--source", table)
    for option, name in (("--key", key), ("--cursor", cursor)):
        _check_name(option, name)
        if name in WORDS_OF_SQL.split():
            hint = "read a view that gives it another name"
            raise UsageError(f"{option} {name} is a reserved word of SQL", hint)
    if key in (cursor, f"{cursor}_day"):
        problem = f"--key {key} and --cursor {cursor} would be the same column of the fact"
        raise UsageError(problem, "the key identifies a row, the cursor says when it was written")
    return SourceNames(schema, table, key, cursor)


def write(folder: Path, source: SourceNames, *, is_example: bool) -> list[Path]:
    """Write the project into an empty folder; return its files, relative to the folder."""
    refuse_filled(folder)
    files = []
    try:
        for template in sorted(filter(Path.is_file, EXAMPLE.rglob("*"))):
            path = template.relative_to(EXAMPLE)
            if not is_example and any(map(path.is_relative_to, EXAMPLE_ALONE)):
                continue
            if path.name == "gitignore":
                path = path.with_name(".gitignore")
            files.append(Path(_renamed(path.as_posix(), source)))
            file = folder / files[-1]
            file.parent.mkdir(parents=True, exist_ok=True)
            text = template.read_text(encoding="utf-8")
            file.write_text(_renamed(text, source), encoding="utf-8")
    except OSError as error:
        raise RunnerError(f"{error.filename}: {error.strerror}") from error
    return sorted(files)


def next_steps(folder: Path, source: SourceNames, program: str, *, needs_server: bool) -> list[str]:
    """Return the commands to run next, up to the first report."""
    away = os.path.relpath(folder)
    steps = []
    if away != ".":
        steps.append(f"cd {shlex.quote(away if not folder.is_absolute() else str(folder))}")
        if "/" in program:  # a path to a virtual environment, relative to the present folder
            program = os.path.join(os.path.relpath(".", folder), program)
    if needs_server:
        where = f"the server that has {source.schema}.{source.table}"
        steps.append(f"export DATABASE_URL=postgresql://...  # {where}")
    look = f"table reporting.{source.table}_daily"
    commands = ("schema apply", "run-all", f"db psql -c '{look}'")
    return [*steps, *(f"{program} {command}" for command in commands)]


def _check_name(option: str, name: str) -> None:
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", name):
        raise UsageError(
            f"{option}: {name!r} is not a plain name",
            f"use lower-case letters, digits and _, at most {LONGEST_NAME};"
            " a view can give a table or column such a name",
        )


def refuse_filled(folder: Path) -> None:
    """UsageError if a folder is not empty, except for a repository and a virtual environment."""
    try:
        there = sorted(path.name for path in folder.iterdir() if path.name not in HARMLESS)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", "name a new folder") from error
    if there:
        raise UsageError(f"{folder} is not empty: it has {there[0]}", "name a new folder")


def _renamed(text: str, source: SourceNames) -> str:
    """Replace the names of the example in a text, all in one pass."""
    # In a template, `after.items` would be the method of the dictionary, not its entry.
    entry = f'["{source.table}"]' if hasattr(dict, source.table) else f".{source.table}"
    names = {
        f"{ORDERS.schema}.{ORDERS.table}": f"{source.schema}.{source.table}",
        f".{ORDERS.table} }}}}": f"{entry} }}}}",
        ORDERS.table: source.table,
        ORDERS.key: source.key,
        ORDERS.cursor: source.cursor,
    }
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)
