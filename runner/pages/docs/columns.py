"""Column lineage: which columns each column is made from, and what reads it.

It is read from the parsed SQL of a project's scripts, views and cards. Nothing is guessed: what
cannot be told, such as what a function of the project reads, is unknown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from runner.build.compose import Composer
from runner.build.inspect.functions import without_comment_statements
from runner.database.ledger import Position
from runner.errors import StartError
from runner.pages.dashboard.cards import Card, load
from runner.pages.docs.expressions import (
    CONSTANT,
    ROWS,
    FromItem,
    Origin,
    TableColumn,
    union,
    unknown,
)
from runner.pages.docs.functions import Function, functions
from runner.pages.docs.queries import QueryReader
from runner.project.graph import reachable
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import Target

DIALECT = "postgres"
VIEW = re.compile(r"^create (?:or replace )?view .*?;$", re.MULTILINE | re.DOTALL)
Tables = Mapping[str, Sequence[str]]  # the columns of tables


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """Where each column comes from, and what each table reads besides, in conditions and joins."""

    origins: Mapping[TableColumn, Origin]  # not of columns that nothing fills, such as a source's
    read: Mapping[str, frozenset[TableColumn]]

    def sources(self, columns: Iterable[TableColumn]) -> Origin:
        """Return the columns that nothing fills, such as a source's, from which these come."""
        nearest = {column: origin.columns for column, origin in self.origins.items()}
        for table, read in self.read.items():  # its rows are made from the rows of what it reads
            nearest[table, ROWS] = frozenset((other, ROWS) for other, _ in read)
        wanted = set(columns)
        reached = wanted | reachable(wanted, nearest)
        reasons = (self.origins[each].unknown for each in reached if each in self.origins)
        return Origin(frozenset(reached - nearest.keys()), frozenset[str]().union(*reasons))

    def readers(self) -> dict[TableColumn, dict[str, bool]]:
        """Return the tables that read each column, and whether a value of theirs comes from it."""
        found: dict[TableColumn, dict[str, bool]] = {}
        for table, columns in self.read.items():
            for column in columns:
                found.setdefault(column, {}).setdefault(table, False)
        for (table, _), origin in self.origins.items():
            for column in origin.columns:
                if column[0] != table:
                    found.setdefault(column, {})[table] = True
        return found


def column_lineage(
    manifest: Manifest, tables: Tables, replicas: Iterable[tuple[str, str]]
) -> ColumnLineage:
    """Return the lineage of all scripts and views.

    `tables` has the columns of the database's tables, `replicas` pairs of a source and its replica.
    """
    origins: dict[TableColumn, Origin] = {}
    read: dict[str, set[TableColumn]] = {}
    positions = {name: Position(0, 0, 0) for name in manifest.raw_needs()}
    composer = Composer(manifest, Target(), positions)
    own = functions(
        "\n".join(piece.text for layer in LAYERS for piece in composer.layer(layer)), tables
    )
    for source, replica in replicas:
        for name in {*tables.get(source, ())}.intersection(tables.get(replica, ())):
            origins[replica, name] = Origin(frozenset({(source, name)}))
            read.setdefault(replica, set()).add((source, name))
    texts = [_text(composer, script) for script in manifest.scripts.values()]
    for layer in ("orchestrator", *LAYERS):
        texts += [view for piece in composer.layer(layer) for view in VIEW.findall(piece.text)]
    for text in texts:
        for table, made, touched in _made(text, tables, own):
            read.setdefault(table, set()).update(each for each in touched if each[0] != table)
            for name, origin in made.items():
                origins[table, name] = origins.get((table, name), CONSTANT) | origin
    for table, script in manifest.fillers().items():
        for name in tables.get(table, ()):  # columns that no statement was seen to fill
            origins.setdefault((table, name), unknown(f"what {script.path} does"))
    return ColumnLineage(origins, {table: frozenset(found) for table, found in read.items()})


def _text(composer: Composer, script: Script) -> str:
    if script.is_view:
        return composer.definitions(script)[0].text
    own = {table: f"{script.layer}.{table}" for table in script.tables}
    return composer.script(script, "full", own).text


def _made(
    text: str, tables: Tables, functions: Mapping[str, Function]
) -> Iterator[tuple[str, Mapping[str, Origin], set[TableColumn]]]:
    """Yield the columns that each statement of a text makes, by table, and what it reads."""
    temporary: dict[str, FromItem] = {}
    try:
        statements = sqlglot.parse(without_comment_statements(text), dialect=DIALECT)
    except sqlglot.errors.SqlglotError:
        return  # its columns are unknown
    for statement in statements:
        reader = QueryReader(tables, functions, temporary)
        if isinstance(statement, exp.Insert | exp.Update | exp.Delete):
            reader.change(statement)
        elif isinstance(statement, exp.Create) and isinstance(statement.expression, exp.Query):
            relation = reader.query(statement.expression)
            table = statement.find(exp.Table)
            if statement.kind == "VIEW" and table:
                reader.made.append((f"{table.db}.{table.name}", relation.columns))
            elif table:
                temporary[table.name] = relation
        for name, made in reader.made:
            yield name, made, reader.touched


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """A table or card that reads a column, and whether a value of it comes from the column."""

    name: str
    is_card: bool
    is_value: bool


@dataclass(frozen=True, slots=True)
class CardLineage:
    """A card, what its columns are made from, and the columns of sources behind all of them."""

    card: Card
    columns: Mapping[str, Origin]
    sources: Origin


@dataclass(frozen=True, slots=True)
class ProjectLineage:
    """What is known of all columns of a project and of its dashboard."""

    origins: Mapping[TableColumn, Origin]
    readers: Mapping[TableColumn, Sequence[ColumnReader]]
    cards: Sequence[CardLineage]


def project_lineage(
    manifest: Manifest, tables: Tables, replicas: Iterable[tuple[str, str]]
) -> ProjectLineage:
    """Return the lineage of a project's tables, and of its cards if it has any."""
    lineage = column_lineage(manifest, tables, replicas)
    readers: dict[TableColumn, list[ColumnReader]] = {
        column: [ColumnReader(name, False, is_value) for name, is_value in sorted(found.items())]
        for column, found in lineage.readers().items()
    }
    try:
        cards = load(manifest.project).cards
    except StartError:  # there are none, or one that `dashboard --check` refuses
        cards = ()
    found = []
    for card in cards:
        reader = QueryReader(tables, {})
        try:
            columns = reader.query(sqlglot.parse_one(card.sql, dialect=DIALECT)).columns
        except sqlglot.errors.SqlglotError:
            columns = dict.fromkeys(card.columns, unknown(f"what {card.path} reads"))
        made = union(columns.values())
        sources = lineage.sources(made.columns) | Origin(unknown=made.unknown)
        found.append(CardLineage(card, columns, sources))
        for column in sorted(reader.touched):
            is_value = column in made.columns
            readers.setdefault(column, []).append(ColumnReader(card.name, True, is_value))
    return ProjectLineage(lineage.origins, readers, found)
