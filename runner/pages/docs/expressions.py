"""Reads the expressions of parsed queries: which columns of tables a value is made from."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from sqlglot import exp

from runner.pages.docs.functions import Function

Column = tuple[str, str]  # a table with its schema, and a column of it, or * for its rows
Columns = Sequence[str]
ROWS = "*"


@dataclass(frozen=True, slots=True)
class Origin:
    """The columns that a value is made from, and what about that cannot be told."""

    columns: frozenset[Column] = frozenset()
    unknown: frozenset[str] = frozenset()

    def __or__(self, other: "Origin") -> "Origin":
        return Origin(self.columns | other.columns, self.unknown | other.unknown)

    def either(self, others: Iterable["Origin"]) -> "Origin":
        """Return what a value is made from that may be made from any of these, too."""
        return reduce(or_, others, self)


NOTHING = Origin()


@dataclass(frozen=True, slots=True)
class Relation:
    """What a FROM item has: columns in their order, and the tables whose rows it counts."""

    columns: Mapping[str, Origin]
    tables: frozenset[str] = frozenset()
    is_closed: bool = True  # else it may have more columns than are known

    def renamed(self, names: Sequence[str]) -> "Relation":
        """Return it with the column names of an alias, of which there may be fewer."""
        found = list(self.columns.items())
        kept = [(new, origin) for new, (_, origin) in zip(names, found, strict=False)]
        return Relation(dict([*kept, *found[len(kept) :]]), self.tables, self.is_closed)


Scope = Mapping[str, Relation]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a query stands: the relations that it can name."""

    scopes: tuple[Scope, ...] = ()  # by alias, the nearest first
    names: Scope = field(default_factory=dict)  # that a WITH or the script has given

    def inside(self, scope: Scope) -> "Place":
        """Return the place where these relations can be named, too."""
        return Place((scope, *self.scopes), self.names)

    def knowing(self, name: str, relation: Relation) -> "Place":
        """Return the place where a WITH has named one more."""
        return Place(self.scopes, {**self.names, name: relation})


@dataclass(slots=True)
class Expressions(ABC):
    """Reads values where some relations can be named."""

    tables: Mapping[str, Columns]
    functions: Mapping[str, Function]  # the project's own
    temporary: Scope = field(default_factory=dict)  # the tables of a script
    touched: set[Column] = field(default_factory=set)  # all columns that were read

    @abstractmethod
    def query(self, query: exp.Expr, place: Place | None = None) -> Relation:
        """Return the columns of a query."""

    def value(self, value: exp.Expr, place: Place) -> Origin:
        """Return what a value is made from: all columns of its expression and subqueries."""
        if isinstance(value, exp.Column):
            return self._column(value, place.scopes)
        if isinstance(value, exp.Subquery | exp.Query) and not isinstance(value, exp.Table):
            before = set(self.touched)
            relation = self.query(value, place)
            made = NOTHING.either(relation.columns.values())
            if isinstance(value.parent, exp.Exists | exp.In):  # what it finds, it finds by these
                made |= Origin(frozenset(self.touched - before))
            return made
        found = NOTHING
        if isinstance(value, exp.Count) and isinstance(value.this, exp.Star) and place.scopes:
            tables = {table for each in place.scopes[0].values() for table in each.tables}
            found = Origin(frozenset((table, ROWS) for table in tables))
        if isinstance(value, exp.Window) and isinstance(value.args.get("alias"), exp.Identifier):
            found |= self._named_window(value, place)
        found = found.either(self.value(each, place) for each in value.iter_expressions())
        return found | self._of_function(value)

    def _named_window(self, value: exp.Window, place: Place) -> Origin:
        select = value.find_ancestor(exp.Select)
        found = NOTHING
        for window in (select.args.get("windows") or ()) if select else ():
            if window.name == value.alias:
                for part in ("partition_by", "order"):
                    parts = window.args.get(part) or []
                    for each in parts if isinstance(parts, list) else [parts]:
                        found |= self.value(each, place)
        return found

    def _of_function(self, value: exp.Expr) -> Origin:
        """A function of the project that reads tables makes its result unknown."""
        name, _ = called(value)
        function = self.functions.get(name)
        if name and (function is None or function.reads_tables):
            return Origin(unknown=frozenset({f"what {name}() reads"}))
        return NOTHING

    def _column(self, column: exp.Column, scopes: Sequence[Scope]) -> Origin:
        for scope in scopes:
            if column.table:
                if column.table not in scope:
                    continue
                relation = scope[column.table]
                if column.name in relation.columns:
                    return self.note([relation.columns[column.name]])
                if isinstance(column.this, exp.Star):
                    return self.note(relation.columns.values())
                break
            having = [each for each in scope.values() if column.name in each.columns]
            if having:  # several have it where USING joined them: PostgreSQL refuses the others
                return self.note([each.columns[column.name] for each in having])
            if column.name in scope:  # a row as a whole
                return self.note(scope[column.name].columns.values())
            if not all(each.is_closed for each in scope.values()):
                return Origin(unknown=frozenset({f"where {column.name} comes from"}))
        return Origin(unknown=frozenset({f"where {column.sql('postgres')} comes from"}))

    def note(self, origins: Iterable[Origin]) -> Origin:
        found = NOTHING.either(origins)
        self.touched |= {each for each in found.columns if each[1] != ROWS}
        return found

    def touch(
        self,
        part: exp.Expr | list[exp.Expr] | None,
        place: Place,
        outputs: Mapping[str, Origin] | None = None,
    ) -> None:
        """Note what a clause reads; it may name a column of the result, too."""
        for each in part if isinstance(part, list) else [part] if part else []:
            for inner in each.iter_expressions() if not isinstance(each, exp.Column) else [each]:
                if not (
                    outputs is not None
                    and isinstance(inner, exp.Column)
                    and not inner.table
                    and inner.name in outputs
                    and not any(inner.name in one.columns for one in place.scopes[0].values())
                ):
                    self.value(inner, place)


def called(value: exp.Expr) -> tuple[str, Sequence[exp.Expr]]:
    """Return the name and the arguments of a function that has a schema; "" for anything else."""
    call = value.expression if isinstance(value, exp.Dot) else value.this
    schema = value.this.name if isinstance(value, exp.Dot) else value.text("db")
    if isinstance(call, exp.Anonymous) and schema:
        return f"{schema}.{call.name}", call.expressions
    return "", ()
