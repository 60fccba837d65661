"""What the project's own functions take, return and read, by the text that creates them."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from runner.build.inspect.functions import function_bodies, functions_reached, relations_named


@dataclass(frozen=True, slots=True)
class Function:
    """A function; `query` is its body if that is a single query.

    `reads_tables` is also true if a function that it calls reads tables.
    """

    parameters: list[str]
    columns: list[str]
    query: exp.Expr | None
    reads_tables: bool


def functions(text: str, tables: Collection[str]) -> Mapping[str, Function]:
    """Return the functions that a rendered text creates, by their names."""
    bodies = function_bodies(text)
    return {
        name: Function(
            _names(re.match(r"\s*(\(.*)", body, re.DOTALL)),
            _names(re.search(r"\breturns table (\(.*)", body, re.DOTALL)),
            _query(body),
            reads_tables=any(
                table in tables
                for one in functions_reached([name], bodies)
                for table in relations_named(bodies[one])
            ),
        )
        for name, body in bodies.items()
    }


def _names(found: re.Match[str] | None) -> list[str]:
    """Return the first word of each item of a list in parentheses."""
    depth, items = 0, [""]
    for letter in found[1] if found else "":
        depth += (letter in "([") - (letter in ")]")
        if depth == 0:
            break
        if letter == "," and depth == 1:
            items.append("")
        elif depth > 1 or letter not in "(":
            items[-1] += letter
    return [words[0] for item in items if (words := item.split())]


def _query(body: str) -> exp.Expr | None:
    found = re.search(r"language sql\b.*?\$(\w*)\$(.*?)\$\1\$", body, re.DOTALL)
    try:
        statements = sqlglot.parse(found[2], dialect="postgres") if found else []
    except sqlglot.errors.SqlglotError:
        return None
    queries = [each for each in statements if each is not None]
    return queries[0] if len(queries) == 1 and isinstance(queries[0], exp.Query) else None
