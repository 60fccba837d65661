"""Brings tables that were filled beside a target to its readers."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from runner.build.changes import Rows, differing, publish
from runner.build.compose import Composer
from runner.build.restate import restatement
from runner.build.shape import columns, differences
from runner.database.queries import named_query
from runner.database.session import (
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    Changes,
    QueryFailed,
    Session,
)
from runner.errors import RunnerError
from runner.project.manifest import LAYERS, Script

# A strong lock makes new readers wait behind it for as long as it is waited for itself.
LOCK_TIMEOUT = "50ms"
ATTEMPTS = 40
LONGEST_DELAY_SECONDS = 2.0


@dataclass(slots=True)
class Publisher:
    """From the tables of a target beside, to those of a target that people read.

    A table that has its shape already gets what differs, which no reader waits for. One that has
    another is put out of the way for the new one: that wants a strong lock, taken at the very end
    and for a moment.
    """

    session: Session
    composer: Composer
    beside: Composer
    staged: Mapping[str, Rows] = field(default_factory=dict)
    swaps: list[tuple[Script, str, str]] = field(default_factory=list)
    views: list[tuple[Script, str, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse_obstacles(self, scripts: Sequence[Script]) -> None:
        """RunnerError if something of somebody's hangs on a table that would have to go."""
        target = self.composer.target
        views = {
            target.table(script.layer, script.name)
            for script in self.composer.manifest.scripts.values()
            if script.is_view
        }
        tables = [table for script in scripts for table in target.tables(script)]
        found = self.session.rows(
            named_query("build/shape.obstacles"),
            {"tables": [table for table in tables if self._exists(table)], "ours": list(views)},
        )
        if found:
            what = ", ".join(row["what"] for row in found)
            raise RunnerError(
                f"{found[0]['table_name']} gets another shape, and this hangs on it: {what}",
                "drop it, build, and make it again",
            )

    def refuse_other_kinds(self, scripts: Sequence[Script]) -> None:
        """RunnerError if a view stands where a script fills a table, or the other way round."""
        for script in scripts:
            for table in self.composer.target.tables(script):
                found = self.session.rows(named_query("build/shape.kind"), {"name": table})
                if found and (found[0]["kind"] == "v") != script.is_view:
                    what = "a view" if found[0]["kind"] == "v" else "a table"
                    raise RunnerError(
                        f"{table} is {what}, and its script makes another thing of it",
                        f"drop {what.split()[1]} {table}; the next build makes it anew",
                    )

    def differ(self, script: Script, is_changed: bool) -> Changes:
        """Publish what differs; what has another shape is kept for the swap, and so is a view that
        says another thing than it did. Returns what changes for readers.
        """
        if script.is_view:
            self._keep_view(script, is_changed)
            return Changes()
        changes = Changes()
        definitions = self.composer.definitions(script)
        for name, definition in zip(script.tables, definitions, strict=True):
            fresh = self.beside.target.table(script.layer, name)
            table = self.composer.target.table(script.layer, name)
            is_missing = not self._exists(table)
            if is_missing:
                # What is made in a schema has the grants that it gives to new tables, what is moved
                # there has not. So an empty one is made, for the new one to take its place.
                self.session.run(definition.text, definition.file)
            if is_missing or self._is_new_shape(table, fresh):
                self.swaps.append((script, table, fresh))
                changes += Changes(inserted=self._count(fresh), deleted=self._count(table))
            else:
                # An index, a comment; of this table alone, as the other may still lack a column.
                self.session.run(definition.text, definition.file)
                before = self.session.changes(table)
                if script.is_restated and name == script.name:
                    assert self.composer.run_id is not None
                    kept = restatement(self.session, self.composer.run_id, script.key, table, fresh)
                    self.session.run(kept, "restate.sql")
                rows = self.staged.get(table) or differing(self.session, table, fresh)
                self.session.run(publish(self.session, table, rows), "publish.sql")
                self.session.run(f"analyze {table}")
                changes += self.session.changes(table) - before
        return changes

    def _keep_view(self, script: Script, is_changed: bool) -> None:
        """A view that stays is left alone. One whose columns stay is replaced where it is."""
        target = self.composer.target
        name = target.table(script.layer, script.name)
        reads = {target.table(*need.split(".")) for need in script.needs}
        gone = {table for _, table, _ in self.swaps}
        gone |= {view for _, view, is_new in self.views if is_new}
        old = list(columns(self.session, name).items())
        new = columns(self.session, self.beside.target.table(script.layer, script.name))
        is_new_shape = bool(reads & gone) or old != list(new.items())[: len(old)]
        if is_new_shape:
            self.refuse_obstacles([script])
        if is_changed or is_new_shape or not old:
            self.views.append((script, name, is_new_shape and bool(old)))

    def swap(self) -> list[Script]:
        """Put new tables in the place of the old, and views over them; returns whose they are."""
        names = [name for _, name, _ in (*self.swaps, *self.views) if self._exists(name)]
        self._lock([*names, *(fresh for _, _, fresh in self.swaps)])
        new_views = [name for _, name, is_new in self.views if is_new]
        rights = {name: self._rights(name, name, name) for name in new_views}
        for name in reversed(new_views):
            self.session.run(f"drop view {name}")
        for _, table, fresh in self.swaps:
            of_the_old = self._rights(table, fresh, table)
            self.session.run(f"drop table if exists {table}")
            self.session.run(f"alter table {fresh} set schema {table.partition('.')[0]}")
            self._run_all(of_the_old)
        self._refuse_strangers([table for _, table, _ in self.swaps])
        for view, name, _ in self.views:
            for piece in self.composer.definitions(view):
                self.session.run(piece.text, piece.file)
            self._run_all(rights.get(name, []))
        self.session.run("set local lock_timeout to default")
        return [script for script, _, _ in (*self.swaps, *self.views)]

    def _run_all(self, texts: list[str]) -> None:
        for text in texts:
            self.session.run(text)

    def _rights(self, old: str, new: str, to: str) -> list[str]:
        """Statements that give `new`, when it is called `to`, the owner and the grants of `old`."""
        values = {"old": old, "new": new, "to": to}
        return [row["text"] for row in self.session.rows(named_query("build/shape.rights"), values)]

    def _refuse_strangers(self, tables: list[str]) -> None:
        """A type or function that was made beside would be dropped with all that uses it."""
        schemas = [f"{self.beside.target.prefix}{layer}" for layer in LAYERS]
        values = {"tables": tables, "schemas": schemas}
        found = self.session.rows(named_query("build/shape.strangers"), values)
        if found:
            names = ", ".join(row["name"] for row in found)
            raise RunnerError(
                f"{', '.join(tables)}: {names} of the same schema is used by it, so it cannot be"
                " put in the place of the old one",
                "keep types and functions that columns need in a schema of their own",
            )

    def _lock(self, tables: list[str]) -> None:
        """Lock all or none; a reader's transaction is waited for, but never with readers behind."""
        if not tables:
            return
        names = sql.SQL(", ").join(sql.Identifier(*table.split(".", 1)) for table in tables)
        text = sql.SQL("lock table {} in access exclusive mode").format(names).as_string(None)
        for attempt in range(ATTEMPTS):
            try:
                with self.session.savepoint():
                    # Until the swap is done: what it still waits for, readers wait for too. The
                    # first is for each lock, the second for all of them.
                    self.session.run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                    self.session.run(f"set local statement_timeout = '{LOCK_TIMEOUT}'")
                    self.session.run(text)
                    self.session.run("set local statement_timeout to default")
                return
            except QueryFailed as error:
                if error.sqlstate not in (LOCK_NOT_AVAILABLE, QUERY_CANCELED):
                    raise
            time.sleep(random.uniform(0.5, 1) * min(LONGEST_DELAY_SECONDS, 0.05 * 2**attempt))
        holders = self.session.rows(named_query("build/shape.holders"), {"tables": tables})
        who = ", ".join(
            "{application_name} (server process {pid}, {state})".format(**h) for h in holders
        )
        raise RunnerError(
            f"{', '.join(tables)}: in use for too long to be replaced, by {who or 'somebody'}",
            "let it end, or end it, and build again",
        )

    def _is_new_shape(self, table: str, fresh: str) -> bool:
        differing = differences(self.session, table, fresh)
        if differing:
            self.notes.append(
                f"{table} was replaced, as it has another shape ({', '.join(differing)}): a"
                " transaction that was open before and had not read it yet finds it empty"
            )
        return bool(differing)

    def _exists(self, table: str) -> bool:
        found = self.session.row("select to_regclass(%(table)s) as oid", {"table": table})
        return found["oid"] is not None

    def _count(self, table: str) -> int:
        if not self._exists(table):
            return 0
        return int(self.session.row(f"select count(*) as rows from {table}")["rows"])
