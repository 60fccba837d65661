"""Reads parsed queries: which columns of tables each of their columns is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from runner.pages.docs.expressions import (
    CONSTANT,
    ExpressionReader,
    FromItem,
    Namespace,
    Origin,
    called,
    union,
    unknown,
)


@dataclass(slots=True)
class QueryReader(ExpressionReader):
    """Reads queries and statements over tables of which the columns are known."""

    # The columns that statements fill, by table.
    made: list[tuple[str, Mapping[str, Origin]]] = field(default_factory=list)

    def query(self, query: exp.Expr, names: Namespace | None = None) -> FromItem:
        """Return the columns of a query."""
        names = self._with(query, names)
        if isinstance(query, exp.Subquery):
            return self.query(query.this, names)
        if isinstance(query, exp.SetOperation):
            return _united(self.query(query.this, names), self.query(query.expression, names))
        if isinstance(query, exp.Values):
            return self._values(query, names)
        if isinstance(query, exp.Select):
            return self._select(query, names)
        return FromItem({}, is_closed=False)

    def change(self, statement: exp.Expr, names: Namespace | None = None) -> FromItem:
        """Note what an insert, an update or a delete makes and reads; return what it returns."""
        names = self._with(statement, names)
        target = statement.this.find(exp.Table)
        if isinstance(statement, exp.Insert):
            columns = [each.name for each in statement.this.expressions]
            found = list(self.query(statement.expression, names).columns.values())
            if len(columns) != len(found):
                found = [unknown("an insert whose columns cannot be told")] * len(columns)
            made = dict(zip(columns, found, strict=True))
            names = names.inside({target.alias_or_name: FromItem(made)})
        else:
            names = names.inside(self._items(statement, names))
            made = {
                each.this.name: self.value(each.expression, names)
                for each in statement.expressions
                if isinstance(each, exp.EQ)
            }
            self.touch(statement.args.get("where"), names)
        self.made.append((f"{target.db}.{target.name}", made))
        returning = statement.args.get("returning")
        returned = returning.expressions if returning else ()
        return FromItem({each.alias_or_name: self.value(each, names) for each in returned})

    def _with(self, statement: exp.Expr, names: Namespace | None) -> Namespace:
        """Add what WITH defines to the names; outside of a query, these are temporary tables."""
        names = names or Namespace((), self.temporary)
        if part := statement.args.get("with_"):
            for cte in part.expressions:
                relation = self._cte(cte, bool(part.args.get("recursive")), names)
                names = names.knowing(cte.alias, relation)
        return names

    def _cte(self, cte: exp.CTE, is_recursive: bool, names: Namespace) -> FromItem:
        aliases = [each.name for each in cte.args["alias"].columns]
        body = cte.this
        if isinstance(body, exp.Insert | exp.Update | exp.Delete):
            return self.change(body, names).renamed(aliases)
        if not is_recursive or not isinstance(body, exp.SetOperation):
            return self.query(body, names).renamed(aliases)
        found = self.query(body.this, names).renamed(aliases)
        while True:  # each turn only adds, until nothing is new
            more = self.query(body, names.knowing(cte.alias, found)).renamed(aliases)
            if more == found:
                return found
            found = more

    def _values(self, values: exp.Values, names: Namespace) -> FromItem:
        rows = [[self.value(cell, names) for cell in row.expressions] for row in values.expressions]
        columns = enumerate(zip(*rows, strict=True), 1)
        return FromItem({f"column{number}": union(cells) for number, cells in columns})

    def _select(self, select: exp.Select, names: Namespace) -> FromItem:
        scope = self._items(select, names)
        names = names.inside(scope)
        columns: dict[str, Origin] = {}
        is_closed = True
        for number, each in enumerate(select.expressions):
            is_column = isinstance(each, exp.Column)
            if isinstance(each.this if is_column else each, exp.Star):
                for relation in [scope[each.table]] if is_column else scope.values():
                    is_closed = is_closed and relation.is_closed
                    columns |= relation.columns
                    self.note(relation.columns.values())
            else:
                name = each.alias_or_name
                name = name if name and name not in columns else f"{name}?{number}"
                columns[name] = self.value(each, names)
        for clause in ("where", "group", "having", "order", "qualify", "distinct", "windows"):
            self.touch(select.args.get(clause), names, columns)
        tables = frozenset[str]().union(*(relation.tables for relation in scope.values()))
        return FromItem(columns, tables, is_closed)

    def _items(self, query: exp.Expr, names: Namespace) -> dict[str, FromItem]:
        """Return the items of FROM and JOIN by alias; each may refer to those before it."""
        scope: dict[str, FromItem] = {}
        names = names.inside(scope)

        def add(item: exp.Expr) -> None:
            relation = self._item(item, names)
            scope[item.alias_or_name or f"?{len(scope)}"] = relation.renamed(_aliases(item))

        begin = query.args.get("from_")
        items = [begin.this] if begin else []
        if isinstance(query, exp.Update | exp.Delete):
            items = [query.this, *items, *(query.args.get("using") or [])]
        joins = [*(query.args.get("joins") or [])]
        for item in items:
            add(item)
            joins = [*(item.args.get("joins") or []), *joins]
        for lateral in query.args.get("laterals") or ():
            add(lateral)
        for join in joins:
            add(join.this)
            for inner in join.this.args.get("joins") or ():
                add(inner.this)
                self.touch(inner.args.get("on"), names)
            self.touch(join.args.get("on"), names)
            for column in join.args.get("using") or ():
                self.note(one.columns.get(column.name, CONSTANT) for one in scope.values())
        return scope

    def _item(self, item: exp.Expr, names: Namespace) -> FromItem:
        if isinstance(item, exp.Values):
            return self._values(item, names)
        if isinstance(item, exp.Lateral | exp.Subquery):
            inner = item.this
            if isinstance(inner, exp.Query | exp.Subquery | exp.Values):
                return self.query(inner, names)
            return self._function(item, inner, names)
        if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
            return self._function(item, item, names)
        if not item.db or item.db == "pg_temp":
            return names.relations.get(item.name, FromItem({}, is_closed=False))
        name = f"{item.db}.{item.name}"
        columns = {each: Origin(frozenset({(name, each)})) for each in self.tables.get(name, ())}
        return FromItem(columns, frozenset({name}), is_closed=name in self.tables)

    def _function(self, item: exp.Expr, call: exp.Expr, names: Namespace) -> FromItem:
        """Return the columns of a function in FROM.

        The query of a project's function is read as if it stood here. Of other functions, each
        column may come from each argument.
        """
        columns = _aliases(item)
        bare = call.copy()
        bare.set("alias", None)
        bare.set("offset", None)
        name, arguments = called(bare)
        function = self.functions.get(name)
        if function and function.query is not None:
            values = [self.value(each, names) for each in arguments]
            given = FromItem(dict(zip(function.parameters, values, strict=False)))
            return self.query(function.query, Namespace(({"": given},))).renamed(function.columns)
        columns = columns or (function.columns if function else [])
        found = dict.fromkeys(columns or [item.alias_or_name], self.value(bare, names))
        offset = item.args.get("offset")
        if isinstance(offset, exp.Identifier):
            found[offset.name] = CONSTANT
        return FromItem(found, is_closed=bool(columns))


def _aliases(item: exp.Expr) -> list[str]:
    """Return the names that an alias gives to the columns of an item of FROM."""
    alias = item.args.get("alias")
    return [each.name for each in alias.columns] if isinstance(alias, exp.TableAlias) else []


def _united(one: FromItem, other: FromItem) -> FromItem:
    tables = one.tables | other.tables
    if len(other.columns) != len(one.columns):
        origin = unknown("a union of queries whose columns are not known")
        return FromItem(dict.fromkeys(one.columns, origin), tables, is_closed=False)
    pairs = zip(one.columns.items(), other.columns.values(), strict=True)
    columns = {name: origin | more for (name, origin), more in pairs}
    return FromItem(columns, tables, one.is_closed and other.is_closed)
