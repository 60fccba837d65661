"""Publishes tables that were filled in the scratch target to the readers of the target."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.build.changes import Rows
from runner.build.compose import Composer
from runner.build.plan import Step
from runner.build.shape import columns, reshaped, shape_differences
from runner.database.names import join, relation
from runner.database.queries import named_query
from runner.database.session import (
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    Changes,
    QueryFailed,
    Session,
)
from runner.database.tables import exists, kind
from runner.errors import RunnerError
from runner.project.graph import followers
from runner.project.manifest import LAYERS, Script

# While a strong lock is waited for, new readers wait behind it.
LOCK_TIMEOUT = "50ms"
ATTEMPTS = 40
LONGEST_DELAY_SECONDS = 2.0


def find_reshaped(session: Session, composer: Composer, steps: Sequence[Step]) -> set[str]:
    """Return the keys of the scripts whose table or view changes shape, and of all that
    depend on them.

    RunnerError if something of the wrong kind has a table's name, or if something that is not
    the project's depends on a table that would be replaced.
    """
    full = [step.script for step in steps if step.mode == "full"]
    _refuse_other_kinds(session, composer, full)
    changed = set(reshaped(session, composer, [script for script in full if not script.is_view]))
    _refuse_dependents(session, composer, [script for script in full if script.key in changed])
    # Nobody can read a view while it is defined anew, and other scripts depend on it.
    changed |= {step.script.key for step in steps if step.script.is_view and step.changed}
    return followers(composer.manifest, changed)


def _refuse_dependents(session: Session, composer: Composer, scripts: Sequence[Script]) -> None:
    target = composer.target
    views = [
        target.table(script.layer, script.name)
        for script in composer.manifest.scripts.values()
        if script.is_view
    ]
    tables = [table for script in scripts for table in target.tables(script)]
    found = session.rows(
        named_query("build/shape.dependents"),
        {"tables": [table for table in tables if exists(session, table)], "ours": views},
    )
    if found:
        what = ", ".join(row["what"] for row in found)
        raise RunnerError(
            f"{found[0]['table_name']} changes shape, and this depends on it: {what}",
            "drop it, build, and create it again",
        )


def _refuse_other_kinds(session: Session, composer: Composer, scripts: Sequence[Script]) -> None:
    for script in scripts:
        for table in composer.target.tables(script):
            found = kind(session, table)
            if found and (found == "v") != script.is_view:
                what, wanted = ("view", "table") if found == "v" else ("table", "view")
                raise RunnerError(
                    f"{table} is a {what}, but its script makes a {wanted}",
                    f"drop {what} {table}; the next build creates it",
                )


@dataclass(slots=True)
class Publisher:
    """Brings tables from the scratch target to the target that people read.

    A table whose shape stays gets the difference, for which no reader waits. A table with another
    shape is replaced, which takes a strong lock, at the very end and for a moment. `staged` has the
    differences that are already known, by table.
    """

    session: Session
    composer: Composer
    staged: Mapping[str, Rows] = field(default_factory=dict)
    swaps: list[tuple[Script, str, str]] = field(default_factory=list)
    views: list[tuple[Script, str, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def publish(self, script: Script, is_changed: bool) -> Changes:
        """Publish what differs, and keep what has to be replaced for `swap`.

        Returns the changes that readers will see. `is_changed` says that the script's text is new.
        """
        if script.is_view:
            self._keep_view(script, is_changed)
            return Changes()
        target, changes = self.composer.target, Changes()
        definitions = self.composer.definitions(script)
        for name, definition in zip(script.tables, definitions, strict=True):
            table = target.table(script.layer, name)
            fresh = target.scratch.table(script.layer, name)
            is_missing = not exists(self.session, table)
            if is_missing:
                # A table created in a schema has its default grants, a table moved there has not.
                # So create an empty one, whose grants the new one takes over.
                self.session.run(definition.text, definition.file)
            if is_missing or self._is_new_shape(table, fresh):
                self.swaps.append((script, table, fresh))
                changes += Changes(inserted=self._count(fresh), deleted=self._count(table))
                continue
            # For a new index or comment. Only this table's: the other may still lack a column.
            self.session.run(definition.text, definition.file)
            before = self.session.changes(table)
            rows = self.staged.get(table)
            for piece in self.composer.publish(script, name, fresh, self.session, rows):
                self.session.run(piece.text, script.path)
            self.session.run(f"analyze {table}")
            changes += self.session.changes(table) - before
        return changes

    def _keep_view(self, script: Script, is_changed: bool) -> None:
        """Keep a view that changes for `swap`; it is dropped first if its columns do not stay."""
        target = self.composer.target
        name = target.table(script.layer, script.name)
        reads = {target.table(*need.split(".")) for need in script.needs}
        dropped = {table for _, table, _ in self.swaps}
        dropped |= {view for _, view, is_new in self.views if is_new}
        old = list(columns(self.session, name).items())
        new = columns(self.session, target.scratch.table(script.layer, script.name))
        is_new_shape = bool(reads & dropped) or old != list(new.items())[: len(old)]
        if is_new_shape:
            _refuse_dependents(self.session, self.composer, [script])
        if is_changed or is_new_shape or not old:
            self.views.append((script, name, is_new_shape and bool(old)))

    def swap(self) -> list[Script]:
        """Replace tables, and the views over them; returns their scripts."""
        if not self.swaps and not self.views:
            return []
        names = [name for _, name, _ in (*self.swaps, *self.views) if exists(self.session, name)]
        self._lock([*names, *(fresh for _, _, fresh in self.swaps)])
        new_views = [name for _, name, is_new in self.views if is_new]
        grants = {name: self._grants(name, name, name) for name in new_views}
        for name in reversed(new_views):
            self.session.run(f"drop view {name}")
        for _, table, fresh in self.swaps:
            grants_of_old = self._grants(table, fresh, table)
            self.session.run(f"drop table if exists {table}")
            self.session.run(f"alter table {fresh} set schema {table.partition('.')[0]}")
            self._run_all(grants_of_old)
        self._refuse_strangers([table for _, table, _ in self.swaps])
        for view, name, _ in self.views:
            for piece in self.composer.definitions(view):
                self.session.run(piece.text, piece.file)
            self._run_all(grants.get(name, []))
        self.session.run("set local lock_timeout to default")
        return [script for script, _, _ in (*self.swaps, *self.views)]

    def _run_all(self, texts: list[str]) -> None:
        for text in texts:
            self.session.run(text)

    def _grants(self, old: str, new: str, final: str) -> list[str]:
        """Statements that give `new`, once it is called `final`, the owner and grants of `old`."""
        values = {"old": old, "new": new, "final": final}
        return [row["text"] for row in self.session.rows(named_query("build/shape.grants"), values)]

    def _refuse_strangers(self, tables: list[str]) -> None:
        """A type or function of the scratch schemas would be dropped, with all that uses it."""
        schemas = [f"{self.composer.target.scratch.prefix}{layer}" for layer in LAYERS]
        values = {"tables": tables, "schemas": schemas}
        found = self.session.rows(named_query("build/shape.strangers"), values)
        if found:
            names = ", ".join(row["name"] for row in found)
            raise RunnerError(
                f"{', '.join(tables)} cannot be replaced: it uses {names} of its own schema",
                "keep types and functions that columns need in another schema",
            )

    def _lock(self, tables: list[str]) -> None:
        """Lock all tables or none. Wait for a reader's transaction, but never with other readers
        queued behind.
        """
        if not tables:
            return
        names = join([relation(table) for table in tables]).as_string(None)
        for attempt in range(ATTEMPTS):
            try:
                with self.session.savepoint():
                    # Both stay until the swap is done, as readers wait for whatever it waits for.
                    # The first limits each lock, the second all of them.
                    self.session.run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                    self.session.run(f"set local statement_timeout = '{LOCK_TIMEOUT}'")
                    self.session.run(f"lock table {names} in access exclusive mode")
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
            "wait for it to end, or end it, and build again",
        )

    def _is_new_shape(self, table: str, fresh: str) -> bool:
        parts = shape_differences(self.session, table, fresh)
        if parts:
            self.notes.append(
                f"{table} was replaced, because its shape changed ({', '.join(parts)}): a"
                " transaction that was already open and had not read it yet finds it empty"
            )
        return bool(parts)

    def _count(self, table: str) -> int:
        if not exists(self.session, table):
            return 0
        return int(self.session.row(f"select count(*) as rows from {table}")["rows"])
