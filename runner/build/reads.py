"""Which tables the SQL of a script reads, and whether it declares them. Needs no server.

The parser is an extra, and imported only where a text is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from runner.build.compose import Composer
from runner.database.ledger import Position
from runner.errors import RunnerError, StartError
from runner.project.manifest import LAYERS, LEAVES, MANIFEST, Manifest, Script
from runner.project.target import Target

HINT = f"correct the SQL, or the needs in {MANIFEST}"


def check(manifest: Manifest, scripts: Iterable[Script]) -> list[str]:
    """Return warnings for scripts whose tables cannot be told, or that need more than they read.

    StartError if one reads what it does not declare: it would not follow when that changes.
    """
    warnings: list[str] = []
    for script in scripts:
        try:
            read = tables_read(manifest, script)
        except ImportError:
            what = "scripts have changed, and whether they declare what they read is not known"
            return [f"{what}: without the extra [lint] nothing parses them"]
        except RunnerError as error:
            warnings.append(f"whether it declares what it reads is not known: {error.message}")
            continue
        for problem in undeclared(script, read):
            if problem.partition(" reads ")[2].partition(".")[0] in (*LAYERS, *LEAVES):
                raise StartError(problem, HINT)
            warnings.append(problem)
        warnings += unread(script, read)
    return warnings


def undeclared(script: Script, read: set[str]) -> list[str]:
    return [
        f"{script.path}: reads {table}, which [{script.key}] does not declare in its needs"
        for table in sorted(read - set(script.needs))
    ]


def unread(script: Script, read: set[str]) -> list[str]:
    return [
        f"{script.path}: does not read {table}, which [{script.key}] declares in its needs"
        for table in sorted(set(script.needs) - read)
    ]


def tables_read(manifest: Manifest, script: Script) -> set[str]:
    """Return the tables that a script, its checks and observations read, as needs name them.

    RunnerError, with file and line, if a text cannot be parsed.
    """
    positions = {name: Position(0, 0, 0) for name in manifest.raw_needs()}
    # With the replicas in `raw`, the schema of a name is its layer.
    composer = Composer(manifest, Target(raw_schema="raw"), positions)
    own = {table: f"{script.layer}.{table}" for table in script.tables}
    # The incremental text has every line of the full one, and those that read change sets.
    texts = [(script.path, composer.script(script, "incremental", own).text)]
    if script.is_view:
        texts = [(script.path, composer.definitions(script)[0].text)]
    for path in (*script.checks, *script.observations):
        texts.append((path, composer.check(path, "incremental").text))
    read: set[str] = set()
    for path, text in texts:
        try:
            read |= _tables(text)
        except SyntaxProblem as error:
            raise RunnerError(f"{path}:{error.message}") from error
    return read - (set() if script.is_view else set(own.values()))


class SyntaxProblem(RunnerError):
    """The parser does not know a piece of syntax."""


def _without_comments(text: str) -> str:
    """Drop `comment on`, which reads nothing and has strings that the parser does not know."""
    return re.sub(
        r"^comment on .*?;$",
        lambda found: "\n" * found[0].count("\n"),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


@cache
def _tables(text: str) -> frozenset[str]:
    return frozenset(_read_by(text))


def _read_by(text: str) -> Iterator[str]:
    import sqlglot
    from sqlglot import exp

    try:
        statements = sqlglot.parse(_without_comments(text), dialect="postgres")
    except sqlglot.errors.ParseError as error:
        place = error.errors[0]
        raise SyntaxProblem(f"{place['line']}: {place['description']}") from error
    for statement in statements:
        if statement is None or isinstance(statement, exp.Comment | exp.Command | exp.Analyze):
            continue
        defined = {cte.alias for cte in statement.find_all(exp.CTE)}
        created = statement.this if isinstance(statement, exp.Create) else None
        for table in statement.find_all(exp.Table):
            if table is created or not table.name or (not table.db and table.name in defined):
                continue  # without a name: a function
            schema, name = table.db, table.name
            if schema == "pg_temp":  # a script's own, as are its CTEs
                continue
            yield f"{schema}.{name.removeprefix('raw_')}" if schema == "raw" else f"{schema}.{name}"
