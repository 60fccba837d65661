"""Reads parsed queries: which columns of tables each of their columns is made from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from runner.pages.docs.expressions import (
    NOTHING,
    Expressions,
    Origin,
    Relation,
    Scope,
    called,
)


@dataclass(slots=True)
class Reader(Expressions):
    """Reads queries over tables of which the columns are known; `touched` has all that they read,
    and `made` the columns that statements fill.
    """

    made: list[tuple[str, Mapping[str, Origin]]] = field(default_factory=list)

    def query(
        self,
        query: exp.Expr,
        outer: Sequence[Scope] = (),
        known: Scope | None = None,
    ) -> Relation:
        """Return the columns of a query; `outer` surrounds it, and WITH has named what is known."""
        names = self._named(query, outer, self.temporary if known is None else known)
        if isinstance(query, exp.Subquery):
            return self.query(query.this, outer, names)
        if isinstance(query, exp.SetOperation):
            one = self.query(query.this, outer, names)
            other = self.query(query.expression, outer, names)
            return _side_by_side(one, other)
        if isinstance(query, exp.Values):
            return self._values(query, outer, names)
        if isinstance(query, exp.Select):
            return self._select(query, outer, names)
        return Relation({}, is_closed=False)

    def change(
        self,
        statement: exp.Expr,
        outer: Sequence[Scope] = (),
        known: Scope | None = None,
    ) -> Relation:
        """Note what an insert, an update or a delete makes and reads; return what it returns."""
        names = self._named(statement, outer, self.temporary if known is None else known)
        target = statement.this.find(exp.Table)
        table = f"{target.db}.{target.name}"
        if isinstance(statement, exp.Insert):
            made = self._inserted(statement, outer, names)
            scope = {target.alias_or_name: Relation(made)}
        else:
            scope = self._items(statement, outer, names)
            made = {
                each.this.name: self.value(each.expression, (scope, *outer), names)
                for each in statement.expressions
                if isinstance(each, exp.EQ)
            }
            self.touch(statement.args.get("where"), (scope, *outer), names)
        self.made.append((table, made))
        returning = statement.args.get("returning")
        return Relation(
            {
                each.alias_or_name: self.value(each, (scope, *outer), names)
                for each in (returning.expressions if returning else ())
            }
        )

    def _inserted(
        self, statement: exp.Insert, outer: Sequence[Scope], names: Scope
    ) -> dict[str, Origin]:
        target = statement.this
        columns = [each.name for each in target.expressions]
        relation = self.query(statement.expression, outer, names)
        found = list(relation.columns.values())
        if len(columns) != len(found):
            unknown = Origin(unknown=frozenset({"an insert whose columns cannot be told"}))
            return dict.fromkeys(columns, unknown)
        return dict(zip(columns, found, strict=True))

    def _named(
        self, statement: exp.Expr, outer: Sequence[Scope], known: Scope
    ) -> dict[str, Relation]:
        """Return the names that are known, and those of a WITH."""
        names = {**known}
        if part := statement.args.get("with_"):
            is_recursive = bool(part.args.get("recursive"))
            for cte in part.expressions:
                names[cte.alias] = self._cte(cte, is_recursive, outer, names)
        return names

    def _cte(
        self,
        cte: exp.CTE,
        is_recursive: bool,
        outer: Sequence[Scope],
        names: Scope,
    ) -> Relation:
        aliases = [each.name for each in cte.args["alias"].columns]
        body = cte.this
        if isinstance(body, exp.Insert | exp.Update | exp.Delete):
            return self.change(body, outer, names).renamed(aliases)
        if not is_recursive or not isinstance(body, exp.SetOperation):
            return self.query(body, outer, names).renamed(aliases)
        found = self.query(body.this, outer, names).renamed(aliases)
        while True:  # each turn only adds, until nothing is new
            more = self.query(body, outer, {**names, cte.alias: found}).renamed(aliases)
            if more == found:
                return found
            found = more

    def _values(self, values: exp.Values, outer: Sequence[Scope], names: Scope) -> Relation:
        found: list[Origin] = []
        for row in values.expressions:
            cells = [self.value(cell, outer, names) for cell in row.expressions]
            before = found or [NOTHING] * len(cells)
            found = [one | other for one, other in zip(before, cells, strict=True)]
        return Relation({f"column{place}": one for place, one in enumerate(found, 1)})

    def _select(self, select: exp.Select, outer: Sequence[Scope], names: Scope) -> Relation:
        scope = self._items(select, outer, names)
        scopes = (scope, *outer)
        columns: dict[str, Origin] = {}
        is_closed = True
        for place, each in enumerate(select.expressions):
            if isinstance(each, exp.Star) or (
                isinstance(each, exp.Column) and isinstance(each.this, exp.Star)
            ):
                of = [scope[each.table]] if isinstance(each, exp.Column) else list(scope.values())
                for relation in of:
                    is_closed = is_closed and relation.is_closed
                    columns |= relation.columns
                    self.note(relation.columns.values())
            else:
                name = each.alias_or_name
                name = name if name and name not in columns else f"{name}?{place}"
                columns[name] = self.value(each, scopes, names)
        for clause in ("where", "group", "having", "order", "qualify", "distinct", "windows"):
            self.touch(select.args.get(clause), scopes, names, columns)
        tables = frozenset[str]().union(*(relation.tables for relation in scope.values()))
        return Relation(columns, tables, is_closed)

    def _items(self, query: exp.Expr, outer: Sequence[Scope], names: Scope) -> dict[str, Relation]:
        """Return what stands in FROM and JOIN by alias; each item may look at those before it."""
        scope: dict[str, Relation] = {}
        begin = query.args.get("from_")
        items = [begin.this] if begin else []
        if isinstance(query, exp.Update | exp.Delete):
            items = [query.this, *items, *(query.args.get("using") or [])]
        joins = [*(query.args.get("joins") or [])]
        for item in items:
            self._add(item, scope, outer, names)
            joins = [*(item.args.get("joins") or []), *joins]
        for lateral in query.args.get("laterals") or ():
            self._add(lateral, scope, outer, names)
        for join in joins:
            self._add(join.this, scope, outer, names)
            for inner in join.this.args.get("joins") or ():
                self._add(inner.this, scope, outer, names)
                self.touch(inner.args.get("on"), (scope, *outer), names)
            self.touch(join.args.get("on"), (scope, *outer), names)
            for column in join.args.get("using") or ():
                for relation in scope.values():
                    self.note([relation.columns.get(column.name, NOTHING)])
        return scope

    def _add(
        self,
        item: exp.Expr,
        scope: dict[str, Relation],
        outer: Sequence[Scope],
        names: Scope,
    ) -> None:
        relation = self._item(item, (scope, *outer), names)
        alias = item.args.get("alias")
        aliases = [each.name for each in alias.columns] if isinstance(alias, exp.TableAlias) else []
        scope[item.alias_or_name or f"?{len(scope)}"] = relation.renamed(aliases)

    def _item(self, item: exp.Expr, scopes: Sequence[Scope], names: Scope) -> Relation:
        if isinstance(item, exp.Lateral | exp.Subquery):
            inner = item.this
            if isinstance(inner, exp.Query | exp.Subquery | exp.Values):
                return self.query(inner, scopes, names)
            return self._function(item, inner, scopes, names)
        if isinstance(item, exp.Values):
            return self._values(item, scopes, names)
        if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
            if not item.db or item.db == "pg_temp":
                return names.get(item.name, Relation({}, is_closed=False))
            name = f"{item.db}.{item.name}"
            if name not in self.tables:
                return Relation({}, frozenset({name}), is_closed=False)
            columns = {each: Origin(frozenset({(name, each)})) for each in self.tables[name]}
            return Relation(columns, frozenset({name}))
        return self._function(item, item, scopes, names)

    def _function(
        self,
        item: exp.Expr,
        call: exp.Expr,
        scopes: Sequence[Scope],
        names: Scope,
    ) -> Relation:
        """A function in FROM. One of the project with a query is read as if that stood here; of
        others, each column may come from each argument.
        """
        alias = item.args.get("alias")
        columns = [each.name for each in alias.columns] if isinstance(alias, exp.TableAlias) else []
        bare = call.copy()
        bare.set("alias", None)
        bare.set("offset", None)
        name, arguments = called(bare)
        function = self.functions.get(name)
        if function and function.query is not None:
            values = [self.value(each, scopes, names) for each in arguments]
            given = Relation(dict(zip(function.parameters, values, strict=False)))
            return self.query(function.query, [{"": given}], {}).renamed(function.columns)
        origin = self.value(bare, scopes, names)
        known = function.columns if function else []
        found = dict.fromkeys(columns or known or [item.alias_or_name], origin)
        offset = item.args.get("offset")
        if isinstance(offset, exp.Identifier):
            found[offset.name] = NOTHING
        return Relation(found, is_closed=bool(columns or known))


def _side_by_side(one: Relation, other: Relation) -> Relation:
    origins = list(other.columns.values())
    if len(origins) != len(one.columns):
        unknown = Origin(unknown=frozenset({"a union of queries whose columns are not known"}))
        return Relation(dict.fromkeys(one.columns, unknown), one.tables | other.tables, False)
    pairs: Iterator[tuple[tuple[str, Origin], Origin]] = zip(
        one.columns.items(), origins, strict=True
    )
    columns = {name: origin | more for (name, origin), more in pairs}
    return Relation(columns, one.tables | other.tables, one.is_closed and other.is_closed)
