"""What the page tells of columns: where each comes from, who reads it, and so for each card."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlglot

from runner.errors import StartError
from runner.pages.dashboard.cards import Card, load
from runner.pages.docs.columns import column_lineage, of_query
from runner.pages.docs.expressions import NOTHING, ROWS, Column, Columns, Origin
from runner.project.manifest import Manifest


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
    """By table and column: what a column is made from, and who reads it. A column that nothing
    makes, such as one of a source, has no origin.
    """

    origins: Mapping[Column, Origin]
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
