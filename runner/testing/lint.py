"""Checks that each script declares in the manifest exactly the tables that it reads."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import sqlglot
from sqlglot import exp

from runner.build.compose import Composer
from runner.database.ledger import Position
from runner.errors import RunnerError
from runner.project.graph import order
from runner.project.manifest import Manifest, Script
from runner.project.target import Target
from runner.testing.cases import raw_names


def lint(manifest: Manifest, keys: Collection[str] | None = None) -> list[str]:
    """Return a line for each problem of all scripts, or of those in `keys`, with its file."""
    order(manifest)  # no cycles
    return [
        problem
        for key, script in manifest.scripts.items()
        if keys is None or key in keys
        for problem in _problems(manifest, script)
    ]


def tables_read(manifest: Manifest, script: Script) -> set[str]:
    """Return the tables that a script, its checks and observations read, as needs name them."""
    positions = {name: Position(0, 0, 0) for name in raw_names(manifest)}
    # With the replicas in `raw`, the schema of a name is its layer.
    composer = Composer(manifest, Target(raw_schema="raw"), positions)
    own = {table: f"{script.layer}.{table}" for table in script.tables}
    # The incremental text has every line of the full one, and those that read change sets.
    texts = [(script.path, composer.script(script, "incremental", own).text)]
    if script.is_view:
        texts = [(script.path, composer.definitions(script)[0].text)]
    for path in (*script.checks, *script.observations):
        texts.append((path, composer.check(path, "incremental").text))
    read = {name for path, text in texts for name in _tables(path, text)}
    return read - (set() if script.is_view else set(own.values()))


def _problems(manifest: Manifest, script: Script) -> Iterator[str]:
    try:
        read = tables_read(manifest, script)
    except RunnerError as error:
        yield error.message
        return
    for table in sorted(read - set(script.needs)):
        yield f"{script.path}: reads {table}, which [{script.key}] does not declare in its needs"
    for table in sorted(set(script.needs) - read):
        yield f"{script.path}: does not read {table}, which [{script.key}] declares in its needs"


def _without_comments(text: str) -> str:
    """Drop `comment on`, which reads nothing and has strings that the parser does not know."""
    return re.sub(
        r"^comment on .*?;$",
        lambda found: "\n" * found[0].count("\n"),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def _tables(path: Path, text: str) -> Iterator[str]:
    try:
        statements = sqlglot.parse(_without_comments(text), dialect="postgres")
    except sqlglot.errors.ParseError as error:
        place = error.errors[0]
        raise RunnerError(f"{path}:{place['line']}: {place['description']}") from error
    for statement in statements:
        if statement is None or isinstance(statement, exp.Comment | exp.Command | exp.Analyze):
            continue
        defined = {cte.alias for cte in statement.find_all(exp.CTE)}
        created = statement.this if isinstance(statement, exp.Create) else None
        for table in statement.find_all(exp.Table):
            if table is created or (not table.db and table.name in defined):
                continue
            schema, name = table.db, table.name
            if schema == "pg_temp":  # a script's own, as are its CTEs
                continue
            yield f"{schema}.{name.removeprefix('raw_')}" if schema == "raw" else f"{schema}.{name}"
