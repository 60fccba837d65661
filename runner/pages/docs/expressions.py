"""Reads the expressions of parsed queries: which columns of tables a value is made from."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from sqlglot import exp

from runner.pages.docs.functions import Function

TableColumn = tuple[str, str]  # a table with its schema, and a column of it, or ROWS
ROWS = "*"  # stands for the rows of a table that are counted


@dataclass(frozen=True, slots=True)
class Origin:
    """The columns that a value is made from, and what about that is unknown."""

    columns: frozenset[TableColumn] = frozenset()
    unknown: frozenset[str] = frozenset()

    def __or__(self, other: "Origin") -> "Origin":
        return Origin(self.columns | other.columns, self.unknown | other.unknown)


CONSTANT = Origin()


def unknown(reason: str) -> Origin:
    """Return an origin that cannot be told, and why."""
    return Origin(unknown=frozenset({reason}))


def union(origins: Iterable[Origin]) -> Origin:
    """Return the origin of a value that may come from any of these."""
    return reduce(or_, origins, CONSTANT)


@dataclass(frozen=True, slots=True)
class FromItem:
    """An item of FROM, or what a query returns: its columns, and the tables whose rows it has."""

    columns: Mapping[str, Origin]  # in their order
    tables: frozenset[str] = frozenset()
    is_closed: bool = True  # otherwise it may have more columns than are known

    def renamed(self, names: Sequence[str]) -> "FromItem":
        """Return it with the column names of an alias, of which there may be fewer."""
        found = list(self.columns.items())
        kept = [(new, origin) for new, (_, origin) in zip(names, found, strict=False)]
        return FromItem(dict([*kept, *found[len(kept) :]]), self.tables, self.is_closed)


Scope = Mapping[str, FromItem]


@dataclass(frozen=True, slots=True)
class Namespace:
    """The names that a part of a query can use."""

    scopes: tuple[Scope, ...] = ()  # items of FROM by alias, the innermost query first
    relations: Scope = field(default_factory=dict)  # of WITH, and temporary tables

    def inside(self, scope: Scope) -> "Namespace":
        """Return the names inside a query with these items of FROM."""
        return Namespace((scope, *self.scopes), self.relations)

    def knowing(self, name: str, relation: FromItem) -> "Namespace":
        """Return the names after a WITH has defined one more."""
        return Namespace(self.scopes, {**self.relations, name: relation})


@dataclass(slots=True)
class ExpressionReader(ABC):
    """Reads expressions, and notes all columns that it meets in `touched`."""

    tables: Mapping[str, Sequence[str]]  # the columns of tables
    functions: Mapping[str, Function]  # the project's own
    temporary: Scope = field(default_factory=dict)  # the temporary tables of a script
    touched: set[TableColumn] = field(default_factory=set)

    @abstractmethod
    def query(self, query: exp.Expr, names: Namespace | None = None) -> FromItem:
        """Return the columns of a query."""

    def value(self, value: exp.Expr, names: Namespace) -> Origin:
        """Return what a value is made from: all columns of its expression and subqueries."""
        if isinstance(value, exp.Column):
            return self._column(value, names.scopes)
        if isinstance(value, exp.Subquery | exp.Query) and not isinstance(value, exp.Table):
            before = set(self.touched)
            made = union(self.query(value, names).columns.values())
            if isinstance(value.parent, exp.Exists | exp.In):  # it depends on the conditions, too
                made |= Origin(frozenset(self.touched - before))
            return made
        found = union(self.value(each, names) for each in value.iter_expressions())
        if isinstance(value, exp.Count) and isinstance(value.this, exp.Star) and names.scopes:
            tables = {table for each in names.scopes[0].values() for table in each.tables}
            found |= Origin(frozenset((table, ROWS) for table in tables))
        if isinstance(value, exp.Window) and isinstance(value.args.get("alias"), exp.Identifier):
            found |= self._named_window(value, names)
        name, _ = called(value)
        function = self.functions.get(name)
        if name and (function is None or function.reads_tables):
            found |= unknown(f"what {name}() reads")
        return found

    def _named_window(self, value: exp.Window, names: Namespace) -> Origin:
        select = value.find_ancestor(exp.Select)
        found = CONSTANT
        for window in (select.args.get("windows") or ()) if select else ():
            if window.name == value.alias:
                for part in ("partition_by", "order"):
                    parts = window.args.get(part) or []
                    for each in parts if isinstance(parts, list) else [parts]:
                        found |= self.value(each, names)
        return found

    def _column(self, column: exp.Column, scopes: Sequence[Scope]) -> Origin:
        for scope in scopes:
            if column.table:
                if column.table not in scope:
                    continue
                columns = scope[column.table].columns
                if column.name in columns:
                    return self.note([columns[column.name]])
                if isinstance(column.this, exp.Star):
                    return self.note(columns.values())
                break
            having = [each for each in scope.values() if column.name in each.columns]
            if having:  # more than one only after a join with USING
                return self.note([each.columns[column.name] for each in having])
            if column.name in scope:  # a row as a whole
                return self.note(scope[column.name].columns.values())
            if not all(each.is_closed for each in scope.values()):
                return unknown(f"where {column.name} comes from")
        return unknown(f"where {column.sql('postgres')} comes from")

    def note(self, origins: Iterable[Origin]) -> Origin:
        """Note columns that were read, and return their union."""
        found = union(origins)
        self.touched |= {each for each in found.columns if each[1] != ROWS}
        return found

    def touch(
        self,
        part: exp.Expr | list[exp.Expr] | None,
        names: Namespace,
        outputs: Collection[str] = (),
    ) -> None:
        """Note what a clause reads; it may also name columns that the query returns."""
        for each in part if isinstance(part, list) else [part] if part else []:
            for inner in each.iter_expressions() if not isinstance(each, exp.Column) else [each]:
                is_output = (
                    isinstance(inner, exp.Column)
                    and not inner.table
                    and inner.name in outputs
                    and not any(inner.name in one.columns for one in names.scopes[0].values())
                )
                if not is_output:
                    self.value(inner, names)


def called(value: exp.Expr) -> tuple[str, Sequence[exp.Expr]]:
    """Return the name and the arguments of a function that has a schema; "" for anything else."""
    call = value.expression if isinstance(value, exp.Dot) else value.this
    schema = value.this.name if isinstance(value, exp.Dot) else value.text("db")
    if isinstance(call, exp.Anonymous) and schema:
        return f"{schema}.{call.name}", call.expressions
    return "", ()
