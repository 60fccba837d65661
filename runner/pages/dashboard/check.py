"""Checks that each card's query runs, reads only reports, and has the columns that it names."""

from collections.abc import Iterator
from pathlib import Path

import sqlglot
from sqlglot import exp

from runner.database.session import Database, QueryFailed, Session
from runner.pages.dashboard.cards import FIGURES, SENTENCES, SLICE, Card, inspect
from runner.pages.dashboard.data import MISSING, begin, require
from runner.pages.dashboard.json_file import line_of
from runner.pages.dashboard.spec import problems as problems_of_spec
from runner.project.files import read_text


def check(database: Database, project: Path) -> tuple[int, list[str]]:
    """Return the number of cards, and a line for each problem."""
    found, unread = inspect(project)
    problems = [error.message for error in unread]
    with database.session("milepost dashboard") as session, session.transaction():
        require(session)
        begin(session)
        for card in (*([found.page] if found.page else []), *found.cards):
            problems += _problems(session, card, project)
        if found.page and not problems:
            columns = session.columns(found.page.sql, found.page.path)
            if not set(SLICE) <= set(columns):
                path = found.page.path
                problems.append(f"{path}: must return slice and slice_value, the members to show")
    return len(found.cards), problems


def _problems(session: Session, card: Card, project: Path) -> Iterator[str]:
    unfit = list(_of_text(card))
    yield from unfit
    if unfit:
        return
    try:
        with session.savepoint():
            columns = session.columns(card.sql, card.path)
    except QueryFailed as error:
        scripts = f"; created by {', '.join(card.scripts)}"
        yield error.message + (scripts if error.sqlstate in MISSING else "")
        return
    yield from _of_columns(card, columns)
    if card.spec is not None:
        # The page adds the figures of the period before, with Compare, and whether a row is of
        # everybody, for a chart that stands beside a table.
        known = [*columns, *(f"before_{name}" for name in columns), "is_everybody"]
        text = read_text(project / card.spec_path, card.spec_path)
        for token, problem in problems_of_spec(card.spec, known):
            yield f"{card.spec_path}:{line_of(text, token)}: {problem}"


def _of_text(card: Card) -> Iterator[str]:
    """Check that the card is one query, and reads reports alone."""
    try:
        statements = sqlglot.parse(card.sql, dialect="postgres")
    except sqlglot.errors.ParseError as error:
        place = error.errors[0]
        yield f"{card.path}:{place['line']}: {place['description']}"
        return
    queries = [statement for statement in statements if statement is not None]
    if len(queries) != 1 or not isinstance(queries[0], exp.Query):
        yield f"{card.path}: is not one query: a card is a select, and nothing else"
        return
    known = {cte.alias for cte in queries[0].find_all(exp.CTE)}
    for table in queries[0].find_all(exp.Table):
        if table.name and table.db != "reporting" and (table.db or table.name not in known):
            name = f"{table.db}.{table.name}" if table.db else table.name
            yield f"{card.path}: reads {name}: cards read only reporting"


def _of_columns(card: Card, columns: list[str]) -> Iterator[str]:
    for name in card.columns:
        if name not in columns:
            yield f"{card.path}: Columns: {name} is not a column of the query"
    if len(set(columns)) < len(columns):
        yield f"{card.path}: two columns have the same name"
    for name in {"figures": FIGURES, "sentences": SENTENCES}.get(card.show, ()):
        if name not in columns:
            yield f"{card.path}: Show: {card.show} needs a column {name}"
    if len({*SLICE} & {*columns}) == 1:
        yield f"{card.path}: slice and slice_value belong together"
    looks = [column.look for column in card.columns.values()]
    if "across" in (*looks[:1], *looks[-1:]):
        yield f"{card.path}: Columns: the column across stands between those of rows and of values"
