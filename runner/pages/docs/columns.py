"""Which columns each column is made from, and which are read, by the parsed SQL of a project.

Nothing is guessed: what cannot be told, such as what a function of the project reads, is unknown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from runner.build.compose import Composer
from runner.build.reads import without_comment_statements
from runner.database.ledger import Position
from runner.pages.docs.queries import NOTHING, Column, Columns, Origin, Reader, Relation
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import Target

DIALECT = "postgres"
CONSTANT_TABLES = ("pg_temp",)


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """Where each column comes from, and what each table reads besides, in conditions and joins."""

    origins: Mapping[Column, Origin]
    read: Mapping[str, frozenset[Column]]

    def sources(self, column: Column) -> Origin:
        """Return the columns that nothing is known to make, from which this one comes."""
        found: set[Column] = set()
        unknown: set[str] = set()
        seen, waiting = {column}, [column]
        while waiting:
            one = waiting.pop()
            origin = self.origins.get(one)
            if origin is None:
                found.add(one)
                continue
            unknown |= origin.unknown
            new = origin.columns - seen
            seen |= new
            waiting += new
        return Origin(frozenset(found - {column}), frozenset(unknown))

    def readers(self) -> dict[Column, dict[str, bool]]:
        """Return the tables that read each column, and whether a value of theirs comes from it."""
        found: dict[Column, dict[str, bool]] = {}
        for table, columns in self.read.items():
            for column in columns:
                found.setdefault(column, {}).setdefault(table, False)
        for (table, _), origin in self.origins.items():
            for column in origin.columns:
                if column[0] != table:
                    found.setdefault(column, {})[table] = True
        return found


def column_lineage(
    manifest: Manifest,
    tables: Mapping[str, Columns],
    replicas: Iterable[tuple[str, str]],
) -> ColumnLineage:
    """Return the lineage of all scripts and views; `tables` has the columns of the database, and
    `replicas` are pairs of a source and its replica.
    """
    origins: dict[Column, Origin] = {}
    read: dict[str, set[Column]] = {}
    composer = Composer(
        manifest, Target(), {name: Position(0, 0, 0) for name in manifest.raw_needs()}
    )
    functions = "\n".join(piece.text for layer in LAYERS for piece in composer.layer(layer))
    for source, replica in replicas:
        known = set(tables.get(source, ()))
        for name in tables.get(replica, ()):
            if name in known:
                origins[replica, name] = Origin(frozenset({(source, name)}))
                read.setdefault(replica, set()).add((source, name))
    layers = [piece.text for name in ("orchestrator", *LAYERS) for piece in composer.layer(name)]
    texts = [*layers, *(_text(composer, script) for script in manifest.scripts.values())]
    for text in texts:
        for table, made, touched in _made(text, tables, functions):
            read.setdefault(table, set()).update(each for each in touched if each[0] != table)
            for name, origin in made.items():
                origins[table, name] = origins.get((table, name), NOTHING) | origin
    return ColumnLineage(origins, {table: frozenset(found) for table, found in read.items()})


def _text(composer: Composer, script: Script) -> str:
    if script.is_view:
        return composer.definitions(script)[0].text
    own = {table: f"{script.layer}.{table}" for table in script.tables}
    return composer.script(script, "full", own).text


def of_query(text: str, tables: Mapping[str, Columns]) -> tuple[dict[str, Origin], set[Column]]:
    """Return the origins of the columns of one query, such as a card's, and all that it reads."""
    reader = Reader(tables, "")
    relation = reader.query(sqlglot.parse_one(text, dialect=DIALECT))
    return dict(relation.columns), reader.touched


def _made(
    text: str, tables: Mapping[str, Columns], functions: str
) -> Iterable[tuple[str, Mapping[str, Origin], set[Column]]]:
    """Yield the columns that each statement of a text makes, by table, and what it reads."""
    temporary: dict[str, Relation] = {}
    statements = sqlglot.parse(without_comment_statements(text), dialect=DIALECT)
    for statement in statements:
        reader = Reader(tables, functions, temporary)
        if isinstance(statement, exp.Insert):
            yield from _inserted(reader, statement)
        elif isinstance(statement, exp.Update):
            table = _name(statement.this)
            yield table, reader.update(statement), reader.touched
        elif isinstance(statement, exp.Delete):
            reader.delete(statement)
            yield _name(statement.this), {}, reader.touched
        elif isinstance(statement, exp.Create) and isinstance(statement.expression, exp.Query):
            relation = reader.query(statement.expression)
            if statement.kind == "VIEW":
                yield _name(statement.this), relation.columns, reader.touched
            else:
                temporary[statement.find(exp.Table).name] = relation


def _inserted(
    reader: Reader, statement: exp.Insert
) -> Iterable[tuple[str, Mapping[str, Origin], set[Column]]]:
    target = statement.this
    names = [each.name for each in target.expressions] if isinstance(target, exp.Schema) else []
    relation = reader.query(statement.expression, statement.args.get("with_"))
    found = list(relation.columns.values())
    if not names or len(names) != len(found):
        found = [Origin(unknown=frozenset({"an insert without its columns"}))] * len(names)
    yield _name(target), dict(zip(names, found, strict=True)), reader.touched


def _name(target: exp.Expression) -> str:
    table = target.find(exp.Table)
    return f"{table.db}.{table.name}" if table else ""
