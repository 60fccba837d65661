"""Compares the tables that a script's SQL reads with those that it declares. Needs no server."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import sqlglot
from sqlglot import exp

from runner.build.compose import Composer
from runner.build.inspect.functions import (
    function_bodies,
    functions_called,
    functions_reached,
    relations_named,
    without_comment_statements,
)
from runner.database.ledger import Position
from runner.errors import RunnerError, StartError
from runner.project.manifest import INPUTS, LAYERS, MANIFEST, Manifest, Script
from runner.project.scripts import without_comments
from runner.project.target import Target

HINT = f"correct the SQL, or the needs in {MANIFEST}"


def check(manifest: Manifest, scripts: Iterable[Script]) -> list[str]:
    """Return warnings for scripts that cannot be parsed, or declare more than they read.

    StartError if one reads a table that it does not declare, whose changes it would miss.
    """
    warnings: list[str] = []
    for script in scripts:
        try:
            read = tables_read(manifest, script)
        except RunnerError as error:
            warnings.append(f"cannot check that it declares what it reads: {error.message}")
            continue
        for problem in undeclared(script, read):
            if problem.partition(" reads ")[2].partition(".")[0] in (*LAYERS, *INPUTS):
                raise StartError(problem, HINT)
            warnings.append(problem)
        warnings += unread(script, read)
    return warnings


def undeclared(script: Script, read: Mapping[str, str]) -> list[str]:
    return [
        f"{script.path}: reads {table}{read[table]}, which [{script.key}] does not declare in its"
        " needs"
        for table in sorted(read.keys() - set(script.needs))
    ]


def unread(script: Script, read: Collection[str]) -> list[str]:
    return [
        f"{script.path}: does not read {table}, which [{script.key}] declares in its needs"
        for table in sorted(set(script.needs).difference(read))
    ]


def tables_read(manifest: Manifest, script: Script) -> dict[str, str]:
    """Return the tables that a script, its checks and observations read, named as in `needs`. Each
    maps to the function of the project that reads it, or to "" if the SQL itself does.

    RunnerError, with file and line, if a text cannot be parsed.
    """
    read: dict[str, str] = {}
    texts = list(rendered(manifest, script))
    for path, text in texts:
        try:
            read |= dict.fromkeys(_tables(text), "")
        except RunnerError as error:
            raise RunnerError(f"{path}:{error.message}") from error
    for _, text in texts:
        read = {**tables_of_functions(manifest, text), **read}
    own = () if script.is_view else [f"{script.layer}.{table}" for table in script.tables]
    return {table: where for table, where in read.items() if table not in own}


def rendered(manifest: Manifest, script: Script) -> Iterator[tuple[Path, str]]:
    """Yield the files of a script and its checks, each with its SQL for the live target."""
    composer = _composer(manifest)
    # The incremental text has every line of the full one, and those that read change sets.
    own = {table: f"{script.layer}.{table}" for table in script.tables}
    if script.is_view:
        yield script.path, composer.definitions(script)[0].text
    else:
        yield script.path, composer.script(script, "incremental", own).text
    for path in (*script.checks, *script.observations):
        yield path, composer.check(path, "incremental").text


def tables_of_functions(manifest: Manifest, text: str) -> dict[str, str]:
    """Return the tables read by the functions that a text calls, as in tables_read()."""
    composer = _composer(manifest)
    functions = "\n".join(piece.text for layer in LAYERS for piece in composer.layer(layer))
    return _tables_of_functions(text, functions, frozenset(manifest.fillers()))


def _composer(manifest: Manifest) -> Composer:
    positions = {name: Position(0, 0, 0) for name in manifest.raw_needs()}
    # With the replicas in `raw`, the schema of a name is its layer.
    return Composer(manifest, Target(raw_schema="raw"), positions)


@cache
def _tables_of_functions(text: str, functions: str, known: frozenset[str]) -> dict[str, str]:
    """Return the tables read by the functions that a text calls, and by those that they call.

    Function bodies may be in any language, and execute strings, so they are searched for names.
    """
    bodies = _bodies(functions)
    read: dict[str, str] = {}
    for name in sorted(functions_reached(functions_called(text), bodies)):
        for table in map(_as_needed, relations_named(bodies[name])):
            if table in known or table.startswith(tuple(f"{leaf}." for leaf in INPUTS)):
                read.setdefault(table, f" in {name}()")
    return read


@cache
def _bodies(functions: str) -> dict[str, str]:
    return function_bodies(without_comment_statements(without_comments(functions)))


@cache
def _tables(text: str) -> set[str]:
    """Return the tables in a text. RunnerError, which begins with a line, for bad syntax."""
    found = set()
    try:
        statements = sqlglot.parse(without_comment_statements(text), dialect="postgres")
    except sqlglot.errors.ParseError as error:
        place = error.errors[0]
        raise RunnerError(f"{place['line']}: {place['description']}") from error
    for statement in statements:
        if statement is None or isinstance(statement, exp.Comment | exp.Command | exp.Analyze):
            continue
        defined = {cte.alias for cte in statement.find_all(exp.CTE)}
        created = statement.this if isinstance(statement, exp.Create) else None
        for table in statement.find_all(exp.Table):
            if table is created or not table.name or (not table.db and table.name in defined):
                continue  # a function has no name here
            if table.db != "pg_temp":  # a script's own, as are its CTEs
                found.add(_as_needed(f"{table.db}.{table.name}"))
    return found


def _as_needed(name: str) -> str:
    """Return the name of a table as `needs` spells it."""
    return f"raw.{name.removeprefix('raw.raw_')}" if name.startswith("raw.raw_") else name
