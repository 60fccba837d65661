"""Publishes tables from the scratch target, where they were filled, to the target itself."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from runner.build.changes import RowDiff
from runner.build.compose import Composer, Piece, run_pieces
from runner.build.plan import Step
from runner.build.shape import columns, reshaped, shape_differences
from runner.database.locks import ATTEMPTS, LOCK_TIMEOUT, lock_exclusively
from runner.database.session import LOCK_NOT_AVAILABLE, Changes, QueryFailed, Session
from runner.database.tables import count, exists, kind
from runner.errors import RunnerError
from runner.project.graph import followers, neighbours, reachable
from runner.project.manifest import Script

FIRST_ATTEMPTS = 8  # about five seconds: then the rows are copied instead


def find_reshaped(session: Session, composer: Composer, steps: Sequence[Step]) -> set[str]:
    """Return the keys of the scripts whose table or view changes shape, and of all that depend on
    them. RunnerError if somebody else's object has a table's name, or depends on such a table.
    """
    full = [step.script for step in steps if step.mode == "full"]
    changed = _of_other_kind(session, composer, full)
    changed |= set(reshaped(session, composer, [script for script in full if not script.is_view]))
    _refuse_dependents(session, composer, [script for script in full if script.key in changed])
    # Redefining a view blocks its readers, among them the scripts that depend on it.
    changed |= {step.script.key for step in steps if step.script.is_view and step.changed}
    return followers(composer.manifest, changed)


def _refuse_dependents(session: Session, composer: Composer, scripts: Sequence[Script]) -> None:
    tables = [table for script in scripts for table in composer.target.tables(script)]
    found = session.named(
        "build/shape.dependents",
        tables=[table for table in tables if exists(session, table)],
        ours=_views(composer),
    )
    if found:
        what = ", ".join(row["what"] for row in found)
        problem = f"{found[0]['table_name']} changes shape, and this depends on it: {what}"
        raise RunnerError(problem, "save its definition, drop it, build, and create it again")


def _views(composer: Composer) -> list[str]:
    """Return the views of the project: these may depend on its tables."""
    scripts = composer.manifest.scripts.values()
    return [composer.target.table(each.layer, each.name) for each in scripts if each.is_view]


def _of_other_kind(session: Session, composer: Composer, scripts: Sequence[Script]) -> set[str]:
    """Return the keys of the scripts whose table was a view before, or whose view was a table.

    RunnerError if no build of the script created it, so that it may be somebody else's.
    """
    keys = set()
    for script in scripts:
        for table in composer.target.tables(script):
            found = kind(session, table)
            if not found or (found == "v") == script.is_view:
                continue
            who = {"target": composer.target.name, "script": script.key, "table": table}
            if not session.named("build/shape.is_built", **who)[0]["is_built"]:
                what, wanted = ("view", "table") if found == "v" else ("table", "view")
                raise RunnerError(
                    f"{table} is a {what} that no build has made, but its script makes a {wanted}",
                    f"alter {what} {table} rename to a free name; the next build creates it",
                )
            keys.add(script.key)
    return keys


@dataclass(frozen=True, slots=True)
class _Table:
    """A table to publish: its `live` name, and `fresh`, the table that was filled."""

    script: Script
    name: str
    live: str
    fresh: str
    definition: Piece


@dataclass(slots=True)
class Publisher:
    """Publishes tables from the scratch target.

    A table that keeps its shape gets the difference, which blocks no reader. A table of another
    shape is replaced, under an exclusive lock that is taken last and held briefly. `staged` has the
    differences that are already known, by table; None if a table does not differ.
    """

    session: Session
    composer: Composer
    staged: Mapping[str, RowDiff | None] = field(default_factory=dict)
    swaps: list[_Table] = field(default_factory=list)
    views: list[tuple[Script, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # In a first build: the tables that may be replaced because they are empty, and those of them
    # that will be.
    empty: Collection[str] = ()
    firsts: list[_Table] = field(default_factory=list)

    def replace_empty(self) -> None:
        """Also replace empty tables, so that no row is written twice. Tables stay whose settings
        somebody has changed, or on which somebody's object depends, directly or by a view.
        """
        scripts = self.composer.manifest.scripts.values()
        tables = [table for script in scripts for table in self._tables(script)]
        for table in tables:
            if not table.script.is_view and not exists(self.session, table.live):
                run_pieces(self.session, [table.definition])
        tables = [table for table in tables if exists(self.session, table.live)]
        live, fresh = [table.live for table in tables], [table.fresh for table in tables]
        schemas, ours = self.composer.target.scratch.schemas, _views(self.composer)

        def named(query: str, names: list[str]) -> set[str]:
            values = {"tables": names, "fresh": fresh, "ours": ours, "schemas": schemas}
            found = self.session.named(f"build/shape.{query}", **values)
            return {row["table_name"] for row in found}

        bound = named("strangers", fresh) | named("set_up", live) | named("dependents", live)
        tied = {table.script for table in tables if not bound.isdisjoint((table.live, table.fresh))}
        needs, _ = neighbours(self.composer.manifest)
        held = reachable({script.key for script in tied if script.is_view}, needs)
        self.empty = {
            table.live
            for table in tables
            if bound.isdisjoint((table.live, table.fresh))
            and not table.script.is_view
            and table.script.key not in held
            and not count(self.session, table.live, 1)
            and not shape_differences(self.session, table.live, table.fresh)
        }

    def publish(self, script: Script, is_changed: bool) -> Changes:
        """Publish what differs, and leave what has to be replaced to `swap`.

        Returns the changes that readers will see. `is_changed`: the text of the script is new.
        """
        if script.is_view:
            self.views.append((script, is_changed))
            return Changes()
        changes = Changes()
        for table in self._tables(script):
            if table.live in self.empty:
                self.firsts.append(table)
                continue
            is_missing = not exists(self.session, table.live)
            if is_missing:
                # A table that is created in a schema gets the schema's default privileges; one that
                # is moved there does not. So create an empty table, whose grants the new one takes.
                run_pieces(self.session, [table.definition])
            if is_missing or self._is_new_shape(table):
                self.swaps.append(table)
                fresh, live = (count(self.session, name) for name in (table.fresh, table.live))
                changes += Changes(inserted=fresh, deleted=live)
                continue
            changes += self._publish_difference(table)
        return changes

    def _tables(self, script: Script) -> list[_Table]:
        target, definitions = self.composer.target, self.composer.definitions(script)
        names = script.tables, target.tables(script), target.scratch.tables(script), definitions
        return [_Table(script, *each) for each in zip(*names, strict=True)]

    def _publish_difference(self, table: _Table) -> Changes:
        # For new indexes and comments. Only this table's DDL: the script's other table may still
        # lack a column.
        run_pieces(self.session, [table.definition])
        rows = self.staged.get(table.live)
        if rows is None and table.live in self.staged:
            return Changes()
        pieces = self.composer.publish(table.script, table.name, table.fresh, self.session, rows)
        run_pieces(self.session, pieces, table.script.path)
        self.session.run(f"analyze {table.live}")
        return self.session.changes(table.live)

    def _new_views(self) -> dict[str, tuple[Script, bool]]:
        """Return the views to recreate, by name, and whether each has to be dropped first, because
        its columns change or because it reads a table that is replaced.
        """
        target = self.composer.target
        dropped = {table.live for table in (*self.swaps, *self.firsts)}
        views = {}
        for script, is_changed in self.views:
            name = target.table(script.layer, script.name)
            reads = {target.table(*need.split(".")) for need in script.needs}
            old = list(columns(self.session, name).items())
            new = columns(self.session, target.scratch.table(script.layer, script.name))
            is_new_shape = (
                bool(reads & dropped)
                or old != list(new.items())[: len(old)]
                or kind(self.session, name) not in (None, "v")
            )
            if is_new_shape:
                _refuse_dependents(self.session, self.composer, [script])
            if is_new_shape and old:
                dropped.add(name)
            if is_changed or is_new_shape or not old:
                views[name] = script, is_new_shape and bool(old)
        return views

    def swap(self) -> list[Script]:
        """Replace tables, and recreate views; return the scripts of both."""
        views = self._new_views()
        if self.firsts:
            try:
                self._lock(views, FIRST_ATTEMPTS)
            except QueryFailed as error:
                if error.sqlstate != LOCK_NOT_AVAILABLE:
                    raise
                for table in self.firsts:
                    self._publish_difference(table)
                self.firsts = []
                views = self._new_views()
        tables = [*self.swaps, *self.firsts]
        if not tables and not views:
            return []
        self._lock(views, ATTEMPTS)
        new_views = [name for name, (_, is_new) in views.items() if is_new]
        grants = {name: self._grants(name, name, name) for name in new_views}
        for name in reversed(new_views):
            self._drop(name)
        for table in tables:
            grants_of_old = self._grants(table.live, table.fresh, table.live)
            self._drop(table.live)
            parts = self.session.named("build/shape.partitions", table=table.fresh)
            for name in (*(row["name"] for row in parts), table.fresh):
                self.session.run(f"alter table {name} set schema {table.live.partition('.')[0]}")
            self.session.run(grants_of_old)
        self._refuse_strangers([table.live for table in tables])
        for name, (script, _) in views.items():
            run_pieces(self.session, self.composer.definitions(script))
            self.session.run(grants.get(name, ""))
        self.session.run("set local lock_timeout to default")
        return [*(table.script for table in tables), *(script for script, _ in views.values())]

    def _drop(self, name: str) -> None:
        what = "view" if kind(self.session, name) == "v" else "table"
        self.session.run(f"drop {what} if exists {name}")

    def _grants(self, old: str, new: str, final: str) -> str:
        """Return statements that give `new`, by its `final` name, the owner and grants of `old`."""
        found = self.session.named("build/shape.grants", old=old, new=new, final=final)
        return "; ".join(row["text"] for row in found)

    def _refuse_strangers(self, tables: list[str]) -> None:
        """RunnerError if tables use types or functions of scratch schemas, which are dropped."""
        schemas = self.composer.target.scratch.schemas
        found = self.session.named("build/shape.strangers", tables=tables, schemas=schemas)
        if found:
            names = ", ".join(row["name"] for row in found)
            problem = f"{', '.join(tables)} cannot be replaced: it uses {names} from its own schema"
            raise RunnerError(problem, "move the type or function to another schema")

    def _lock(self, views: Collection[str], attempts: int) -> None:
        tables = [*self.swaps, *self.firsts]
        live = [*(table.live for table in tables), *(v for v in views if exists(self.session, v))]
        for names in ([table.fresh for table in tables], live):
            if names:
                lock_exclusively(self.session, names, "to be replaced", attempts)
        # Until the swap is done: while it waits for a lock, readers wait behind it.
        self.session.run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")

    def _is_new_shape(self, table: _Table) -> bool:
        parts = shape_differences(self.session, table.live, table.fresh)
        if kind(self.session, table.live) == "v":
            parts = ["a view before", *parts]
        if parts:
            self.notes.append(
                f"{table.live} was replaced, because its shape changed ({', '.join(parts)}): a"
                " transaction that was already open and had not read it yet finds it empty"
            )
        return bool(parts)
