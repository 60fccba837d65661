"""Reads parsed queries: which columns of tables each of their columns is made from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from runner.pages.docs.expressions import NOTHING, Expressions, Origin, Place, Relation, called


@dataclass(slots=True)
class Reader(Expressions):
    """Reads queries over tables of which the columns are known."""

    # The columns that statements fill.
    made: list[tuple[str, Mapping[str, Origin]]] = field(default_factory=list)

    def query(self, query: exp.Expr, place: Place | None = None) -> Relation:
        """Return the columns of a query."""
        place = self._named(query, place)
        if isinstance(query, exp.Subquery):
            return self.query(query.this, place)
        if isinstance(query, exp.SetOperation):
            return _side_by_side(self.query(query.this, place), self.query(query.expression, place))
        if isinstance(query, exp.Values):
            return self._values(query, place)
        if isinstance(query, exp.Select):
            return self._select(query, place)
        return Relation({}, is_closed=False)

    def change(self, statement: exp.Expr, place: Place | None = None) -> Relation:
        """Note what an insert, an update or a delete makes and reads; return what it returns."""
        place = self._named(statement, place)
        target = statement.this.find(exp.Table)
        if isinstance(statement, exp.Insert):
            made = self._inserted(statement, place)
            place = place.inside({target.alias_or_name: Relation(made)})
        else:
            place = place.inside(self._items(statement, place))
            made = {
                each.this.name: self.value(each.expression, place)
                for each in statement.expressions
                if isinstance(each, exp.EQ)
            }
            self.touch(statement.args.get("where"), place)
        self.made.append((f"{target.db}.{target.name}", made))
        returning = statement.args.get("returning")
        columns = returning.expressions if returning else ()
        return Relation({each.alias_or_name: self.value(each, place) for each in columns})

    def _inserted(self, statement: exp.Insert, place: Place) -> dict[str, Origin]:
        columns = [each.name for each in statement.this.expressions]
        found = list(self.query(statement.expression, place).columns.values())
        if len(columns) != len(found):
            unknown = Origin(unknown=frozenset({"an insert whose columns cannot be told"}))
            return dict.fromkeys(columns, unknown)
        return dict(zip(columns, found, strict=True))

    def _named(self, statement: exp.Expr, place: Place | None) -> Place:
        """Add the names of a WITH to those that are known: at first, the temporary tables."""
        place = place or Place((), self.temporary)
        if part := statement.args.get("with_"):
            for cte in part.expressions:
                relation = self._cte(cte, bool(part.args.get("recursive")), place)
                place = place.knowing(cte.alias, relation)
        return place

    def _cte(self, cte: exp.CTE, is_recursive: bool, place: Place) -> Relation:
        aliases = [each.name for each in cte.args["alias"].columns]
        body = cte.this
        if isinstance(body, exp.Insert | exp.Update | exp.Delete):
            return self.change(body, place).renamed(aliases)
        if not is_recursive or not isinstance(body, exp.SetOperation):
            return self.query(body, place).renamed(aliases)
        found = self.query(body.this, place).renamed(aliases)
        while True:  # each turn only adds, until nothing is new
            more = self.query(body, place.knowing(cte.alias, found)).renamed(aliases)
            if more == found:
                return found
            found = more

    def _values(self, values: exp.Values, place: Place) -> Relation:
        found: list[Origin] = []
        for row in values.expressions:
            cells = [self.value(cell, place) for cell in row.expressions]
            before = found or [NOTHING] * len(cells)
            found = [one | other for one, other in zip(before, cells, strict=True)]
        return Relation({f"column{number}": one for number, one in enumerate(found, 1)})

    def _select(self, select: exp.Select, place: Place) -> Relation:
        scope = self._items(select, place)
        place = place.inside(scope)
        columns: dict[str, Origin] = {}
        is_closed = True
        for number, each in enumerate(select.expressions):
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
                name = name if name and name not in columns else f"{name}?{number}"
                columns[name] = self.value(each, place)
        for clause in ("where", "group", "having", "order", "qualify", "distinct", "windows"):
            self.touch(select.args.get(clause), place, columns)
        tables = frozenset[str]().union(*(relation.tables for relation in scope.values()))
        return Relation(columns, tables, is_closed)

    def _items(self, query: exp.Expr, place: Place) -> dict[str, Relation]:
        """Return what stands in FROM and JOIN by alias; each item may look at those before it."""
        scope: dict[str, Relation] = {}
        place = place.inside(scope)

        def add(item: exp.Expr) -> None:
            relation = self._item(item, place)
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
                self.touch(inner.args.get("on"), place)
            self.touch(join.args.get("on"), place)
            for column in join.args.get("using") or ():
                for relation in scope.values():
                    self.note([relation.columns.get(column.name, NOTHING)])
        return scope

    def _item(self, item: exp.Expr, place: Place) -> Relation:
        if isinstance(item, exp.Lateral | exp.Subquery):
            inner = item.this
            if isinstance(inner, exp.Query | exp.Subquery | exp.Values):
                return self.query(inner, place)
            return self._function(item, inner, place)
        if isinstance(item, exp.Values):
            return self._values(item, place)
        if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
            if not item.db or item.db == "pg_temp":
                return place.names.get(item.name, Relation({}, is_closed=False))
            name = f"{item.db}.{item.name}"
            if name not in self.tables:
                return Relation({}, frozenset({name}), is_closed=False)
            columns = {each: Origin(frozenset({(name, each)})) for each in self.tables[name]}
            return Relation(columns, frozenset({name}))
        return self._function(item, item, place)

    def _function(self, item: exp.Expr, call: exp.Expr, place: Place) -> Relation:
        """A function in FROM. One of the project with a query is read as if that stood here; of
        others, each column may come from each argument.
        """
        columns = _aliases(item)
        bare = call.copy()
        bare.set("alias", None)
        bare.set("offset", None)
        name, arguments = called(bare)
        function = self.functions.get(name)
        if function and function.query is not None:
            values = [self.value(each, place) for each in arguments]
            given = Relation(dict(zip(function.parameters, values, strict=False)))
            inside = Place(({"": given},))
            return self.query(function.query, inside).renamed(function.columns)
        origin = self.value(bare, place)
        known = function.columns if function else []
        found = dict.fromkeys(columns or known or [item.alias_or_name], origin)
        offset = item.args.get("offset")
        if isinstance(offset, exp.Identifier):
            found[offset.name] = NOTHING
        return Relation(found, is_closed=bool(columns or known))


def _aliases(item: exp.Expr) -> list[str]:
    """Return the names that an alias gives to the columns of what stands in FROM."""
    alias = item.args.get("alias")
    return [each.name for each in alias.columns] if isinstance(alias, exp.TableAlias) else []


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
