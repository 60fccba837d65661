"""Finds SQL that Citus refuses, or that gives other results there than in PostgreSQL.

docs/citus.md has the rules. They hold in statements that use a distributed table, so a project
without one has no problems. `-- Waived: RULE, REASON` in a statement waives a rule there.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from runner.build.inspect.functions import without_comment_statements
from runner.build.inspect.reads import rendered, tables_of_functions
from runner.build.placement import distributed_by, place_of, statements
from runner.project.graph import order
from runner.project.manifest import Manifest, Script
from runner.project.scripts import header, without_comments, words

KEY = re.compile(r"(?:primary key|unique)(?: index [^(]*)?\s*\(([^)]*)\)")
WAIVED = re.compile(r"--.*\bWaived: (\w+), \S")
# What each rule forbids with a distributed table, and what to write instead.
RULES = {
    "columns": "a select without columns: select 1",
    "correlated": "a correlated subquery across local and distributed: left join, or in (...)",
    "create": "create table as, which makes a local table",
    "function": "a function that reads a table",
    "group": "rollup, cube or grouping sets: group in a subquery first",
    "key": "a key without the distribution column",
    "join": "a join of two that does not use the distribution column",
    "lateral": "lateral, from a local table: group by its column, without limit or left join",
    "limit": "a subquery in limit: compare row_number() with a count",
    "lock": "for update",
    "merge": "merge: insert ... on conflict",
    "moment": "a function that each worker evaluates itself: take times from the data",
    "move": "an update of the distribution column: delete the row, and insert it",
    "recursive": "a recursive CTE in the same statement",
    "sample": "tablesample, which takes other rows",
    "subquery": "a subquery in values or in do update set: insert ... select",
    "union": "a union with local rows, which fetches all of its rows: count each side alone",
    "unnest": "a union of selects without from, in lateral: unnest()",
    "view": "a view of several, joined by another column: where x > (select ...)",
}
SIMPLE: dict[str, tuple[type[exp.Expr], ...]] = {
    "group": (exp.Rollup, exp.Cube, exp.GroupingSets),
    "lock": (exp.Lock,),
    "merge": (exp.Merge,),
    "moment": (exp.CurrentTimestamp, exp.CurrentDate, exp.Rand),
    "sample": (exp.TableSample,),
}
MOMENTS = {"clock_timestamp", "gen_random_uuid", "statement_timestamp", "transaction_timestamp"}


@dataclass(frozen=True, slots=True)
class Places:
    """The distribution columns of tables, and of views of them, by name."""

    columns: dict[str, str]
    unions: set[str]  # the views that unite several distributed tables


def problems(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the key of a script and a line for each rule that a statement of it breaks, or waives
    without need. RunnerError if a text cannot be parsed.
    """
    tables = [
        (script, f"{script.layer}.{table}", path, manifest.read(path))
        for script in order(manifest)
        for table, path in zip(script.tables, script.definitions, strict=True)
        if not script.is_view
    ]
    columns = {
        name: column
        for _, name, path, text in tables
        if (column := place_of(text, path) and distributed_by(text))
    }
    if not columns:
        return
    for script, name, path, text in tables:
        if "Place" not in header(text):
            yield script.key, f"{path}: has no placement, as other tables have: -- Place: local"
        keys = KEY.findall(without_comments(text)) if name in columns else ()
        if not all(columns[name] in words(key) for key in keys):
            yield script.key, f"{path}: with a distributed table, {RULES['key']} (key)"
    places = Places(columns, set())
    for script in order(manifest):
        for path, text in rendered(manifest, script):
            for part in statements(without_comment_statements(text)):
                for problem in _problems(manifest, part, places):
                    yield script.key, f"{path}:{problem}"
        if script.is_view:
            _add_view(manifest, script, places)


def _add_view(manifest: Manifest, script: Script, places: Places) -> None:
    """Add a view to the places, if it reads distributed tables."""
    _, text = next(rendered(manifest, script))
    tree = sqlglot.parse_one(statements(text)[0], dialect="postgres")
    statement = _Statement(tree, places)
    if column := next(filter(None, map(statement.column, tree.find_all(exp.Table))), None):
        places.columns[script.key] = column
        if any(map(statement.reads, tree.find_all(exp.SetOperation))):
            places.unions.add(script.key)


def _problems(manifest: Manifest, part: str, places: Places) -> Iterator[str]:
    tree = sqlglot.parse_one(part, dialect="postgres")
    statement = _Statement(tree, places)
    broken = dict(statement.broken()) if statement.reads(tree) else {}
    if statement.reads(tree) and tables_of_functions(manifest, part):
        broken["function"] = tree
    start = part.count("\n", 0, len(part) - len(part.lstrip())) + 1
    waived = set(WAIVED.findall(part))
    for rule in broken.keys() - waived:
        nodes = (*broken[rule].walk(), *tree.walk())
        line = next((each.meta["line"] for each in nodes if "line" in each.meta), start)
        yield f"{line}: with a distributed table, {RULES[rule]} ({rule})"
    for rule in waived - broken.keys():
        yield f"{start}: {rule} is waived, but not broken"


class _Statement:
    def __init__(self, tree: exp.Expr, places: Places) -> None:
        self.tree, self.places = tree, places
        self.ctes = {cte.alias: cte for cte in tree.find_all(exp.CTE)}
        self.uses = Counter(table.name for table in tree.find_all(exp.Table) if not table.db)

    def reads(self, node: exp.Expr, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a part names a distributed table, or a CTE that reads one."""
        return any(
            self.column(table)
            or (
                not table.db
                and table.name in self.ctes.keys() - seen
                and self.reads(self.ctes[table.name].this, seen | {table.name})
            )
            for table in node.find_all(exp.Table)
        )

    def reads_rows(self, side: exp.Expr) -> bool:
        """Whether a side of a union is rows of a distributed table, and not groups of them."""
        return self.reads(side) and not (side.args.get("group") or side.args.get("distinct"))

    def column(self, table: exp.Expr) -> str | None:
        if not isinstance(table, exp.Table):
            return None
        return self.places.columns.get(f"{table.db}.{table.name}")

    def unites(self, source: exp.Expr) -> bool:
        return isinstance(source, exp.Table) and f"{source.db}.{source.name}" in self.places.unions

    def lies_there(self, source: exp.Expr | None) -> bool:
        """Whether the rows of a source stay on the workers; those of a CTE used twice do not."""
        if isinstance(source, exp.Table) and not source.db and source.name in self.ctes:
            cte = self.ctes[source.name]
            is_once = self.uses[source.name] == 1 and cte.args.get("materialized") is not True
            return is_once and self.reads(cte.this)
        return source is not None and self.reads(source)

    def broken(self) -> Iterator[tuple[str, exp.Expr]]:
        """Yield the rules that the statement breaks, each with the node."""
        tree = self.tree
        for rule, types in SIMPLE.items():
            yield from ((rule, node) for node in tree.find_all(*types))
        for call in tree.find_all(exp.Anonymous):
            if call.name.lower() in MOMENTS:
                yield "moment", call
        is_copy = isinstance(tree, exp.Create) and tree.kind == "TABLE" and tree.expression
        if is_copy and not tree.find(exp.TemporaryProperty):
            yield "create", tree
        column = self.column(tree.this) if isinstance(tree, exp.Update) else None
        if column and any(each.this.name == column for each in tree.expressions):
            yield "move", tree
        if any(each.args.get("recursive") for each in tree.find_all(exp.With)):
            yield "recursive", tree
        for node in tree.find_all(exp.Values, exp.OnConflict):
            if node.find(exp.Select):
                yield "subquery", node
        for limit in tree.find_all(exp.Limit):
            if limit.find(exp.Select):
                yield "limit", limit
        for operation in tree.find_all(exp.SetOperation):
            sides = [self.reads(side) for side in (operation.left, operation.right)]
            rows = [side for side in (operation.left, operation.right) if self.reads_rows(side)]
            if rows and not all(sides):
                yield "union", operation
        for select in tree.find_all(exp.Select):
            yield from self._of_select(select)

    def _of_select(self, select: exp.Select) -> Iterator[tuple[str, exp.Expr]]:
        if not select.expressions:
            yield "columns", select
        joins: Sequence[exp.Join] = select.args.get("joins") or ()
        first = select.args.get("from_")
        sources = [first.this] if first else []
        sources += [join.this for join in joins if not isinstance(join.this, exp.Lateral)]
        is_there = any(self.lies_there(source) for source in sources)
        placed = [column for source in sources if (column := self.column(source))]
        for join in joins:
            using, on = join.args.get("using") or (), join.args.get("on")
            by = {each.name for each in (*using, *(on.find_all(exp.Column) if on else ()))}
            if (column := self.column(join.this)) and len(placed) > 1 and column not in by:
                yield "join", join
            is_equal = using or (on and on.find(exp.EQ))
            if not is_equal and join.this in sources and any(map(self.unites, sources)):
                yield "view", join
            if isinstance(join.this, exp.Lateral) and isinstance(join.this.this, exp.Subquery):
                yield from self._of_lateral(join, sources, is_there)
        for inner in select.find_all(exp.Select):
            if inner is not select and inner.parent_select is select:
                yield from self._of_subquery(inner, is_there)

    def _of_lateral(
        self, join: exp.Join, sources: Sequence[exp.Expr], is_there: bool
    ) -> Iterator[tuple[str, exp.Expr]]:
        inner = join.this.this.this
        if not self.reads(inner):
            union = isinstance(inner, exp.SetOperation) and any(map(self.column, sources))
            if union and any(not each.args.get("from_") for each in inner.find_all(exp.Select)):
                yield "unnest", join
            return
        here = {each.alias_or_name for each in sources if not self.lies_there(each)}
        asks_here = any(each.table in here for each in inner.find_all(exp.Column))
        if not is_there and (join.side or inner.find(exp.Limit, exp.Offset)):
            yield "lateral", join
        for each in inner.find_all(exp.Select):
            group = each.args.get("group")
            by = {name.name for name in group.find_all(exp.Column)} if group else set()
            has_sums = group or any(item.find(exp.AggFunc) for item in each.expressions)
            if asks_here and has_sums and not by & set(self.places.columns.values()):
                yield "lateral", join

    def _of_subquery(self, inner: exp.Select, is_there: bool) -> Iterator[tuple[str, exp.Expr]]:
        if isinstance(inner.parent, exp.CTE) or inner.find_ancestor(exp.From, exp.Join):
            return
        known = {
            each.alias_or_name for each in inner.find_all(exp.Table, exp.Subquery, exp.Lateral)
        }
        if not any(each.table and each.table not in known for each in inner.find_all(exp.Column)):
            return
        is_local = not self.reads(inner) and any(each.db for each in inner.find_all(exp.Table))
        if is_local if is_there else self.reads(inner):
            yield "correlated", inner
