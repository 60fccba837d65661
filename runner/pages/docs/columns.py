"""Which columns each column is made from, and who reads it, by the parsed SQL of a project; and so
for the cards of its dashboard.

Nothing is guessed: what cannot be told, such as what a function of the project reads, is unknown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

from runner.build.compose import Composer
from runner.build.inspect.functions import without_comment_statements
from runner.database.ledger import Position
from runner.errors import StartError
from runner.pages.dashboard.cards import Card, load
from runner.pages.docs.expressions import NOTHING, ROWS, Column, Columns, Origin, Relation
from runner.pages.docs.functions import Function, functions
from runner.pages.docs.queries import Reader
from runner.project.graph import reachable
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import Target

DIALECT = "postgres"
VIEW = re.compile(r"^create (?:or replace )?view .*?;$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """Where each column comes from, and what each table reads besides, in conditions and joins."""

    origins: Mapping[Column, Origin]
    read: Mapping[str, frozenset[Column]]

    def sources(self, columns: Iterable[Column]) -> Origin:
        """Return the columns that nothing makes, such as a source's, from which these come."""
        nearest = {column: origin.columns for column, origin in self.origins.items()}
        for table, read in self.read.items():  # its rows are made from the rows of what it reads
            nearest[table, ROWS] = frozenset((other, ROWS) for other, _ in read)
        wanted = set(columns)
        reached = wanted | reachable(wanted, nearest)
        unknown = (self.origins[each].unknown for each in reached if each in self.origins)
        return Origin(frozenset(reached - nearest.keys()), frozenset[str]().union(*unknown))

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
    manifest: Manifest, tables: Mapping[str, Columns], replicas: Iterable[tuple[str, str]]
) -> ColumnLineage:
    """Return the lineage of all scripts and views; `tables` has the columns of the database, and
    `replicas` are pairs of a source and its replica.
    """
    origins: dict[Column, Origin] = {}
    read: dict[str, set[Column]] = {}
    composer = Composer(
        manifest, Target(), {name: Position(0, 0, 0) for name in manifest.raw_needs()}
    )
    own = functions(
        "\n".join(piece.text for layer in LAYERS for piece in composer.layer(layer)), tables
    )
    for source, replica in replicas:
        known = set(tables.get(source, ()))
        for name in tables.get(replica, ()):
            if name in known:
                origins[replica, name] = Origin(frozenset({(source, name)}))
                read.setdefault(replica, set()).add((source, name))
    texts = [_text(composer, script) for script in manifest.scripts.values()]
    for layer in ("orchestrator", *LAYERS):
        texts += [view for piece in composer.layer(layer) for view in VIEW.findall(piece.text)]
    for text in texts:
        for table, made, touched in _made(text, tables, own):
            read.setdefault(table, set()).update(each for each in touched if each[0] != table)
            for name, origin in made.items():
                origins[table, name] = origins.get((table, name), NOTHING) | origin
    for table, script in manifest.fillers().items():
        for name in tables.get(table, ()):  # what no statement was seen to fill
            origins.setdefault(
                (table, name), Origin(unknown=frozenset({f"what {script.path} does"}))
            )
    return ColumnLineage(origins, {table: frozenset(found) for table, found in read.items()})


def _text(composer: Composer, script: Script) -> str:
    if script.is_view:
        return composer.definitions(script)[0].text
    own = {table: f"{script.layer}.{table}" for table in script.tables}
    return composer.script(script, "full", own).text


def of_query(text: str, tables: Mapping[str, Columns]) -> tuple[dict[str, Origin], set[Column]]:
    """Return the origins of the columns of one query, such as a card's, and all that it reads."""
    reader = Reader(tables, {})
    relation = reader.query(sqlglot.parse_one(text, dialect=DIALECT))
    return dict(relation.columns), reader.touched


def _made(
    text: str, tables: Mapping[str, Columns], functions: Mapping[str, Function]
) -> Iterable[tuple[str, Mapping[str, Origin], set[Column]]]:
    """Yield the columns that each statement of a text makes, by table, and what it reads."""
    temporary: dict[str, Relation] = {}
    try:
        statements = sqlglot.parse(without_comment_statements(text), dialect=DIALECT)
    except sqlglot.errors.SqlglotError:
        return  # its columns are unknown
    for statement in statements:
        reader = Reader(tables, functions, temporary)
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
class Reading:
    """Who reads a column: a table or a card, and whether a value of it comes from the column."""

    name: str
    is_card: bool
    is_value: bool


@dataclass(frozen=True, slots=True)
class CardTrail:
    """A card of the dashboard: its columns with what they are made from, and the sources of all."""

    name: str
    title: str
    question: str
    path: Path
    columns: Mapping[str, Origin]
    sources: Origin


@dataclass(frozen=True, slots=True)
class Trails:
    """By table and column: what a column is made from, and who reads it."""

    origins: Mapping[Column, Origin]  # none of what nothing makes, such as a source's
    readers: Mapping[Column, Sequence[Reading]]
    cards: Sequence[CardTrail]


def trails(
    manifest: Manifest, tables: Mapping[str, Columns], replicas: Iterable[tuple[str, str]]
) -> Trails:
    """Return what is known of all columns of a project and of its dashboard, if it has one."""
    lineage = column_lineage(manifest, tables, replicas)
    readers: dict[Column, list[Reading]] = {
        column: [Reading(name, False, is_value) for name, is_value in sorted(found.items())]
        for column, found in lineage.readers().items()
    }
    cards = []
    for card in _cards(manifest.project):
        try:
            columns, read = of_query(card.sql, tables)
        except sqlglot.errors.SqlglotError:
            unknown = Origin(unknown=frozenset({f"what {card.path} reads"}))
            columns, read = {name: unknown for name in card.columns}, set()
        made = NOTHING.either(columns.values())
        sources = lineage.sources(made.columns) | Origin(unknown=made.unknown)
        about = card.name, card.title, card.question, card.path
        cards.append(CardTrail(*about, columns, sources))
        for column in sorted(each for each in read if each[1] != ROWS):
            found = Reading(card.name, True, column in made.columns)
            readers.setdefault(column, []).append(found)
    return Trails(lineage.origins, readers, cards)


def _cards(project: Path) -> Sequence[Card]:
    """Return the cards; none where there are none, or one that `dashboard --check` refuses."""
    try:
        return load(project).cards
    except StartError:
        return ()
