"""Composes the SQL of a build, in order: `parts` yields it, a build runs it, `render` prints it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runner.build.changes import RowDiff, publish_difference, restatement
from runner.build.fingerprint import functions_of
from runner.build.plan import NEVER_BUILT, Mode, Step
from runner.database.ledger import BUILD_MARK, Position
from runner.database.names import join, relation
from runner.database.session import Changes, Session
from runner.database.tables import count
from runner.project.files import find, layer_files
from runner.project.manifest import CITUS, LAYERS, Manifest, Script
from runner.project.scripts import days_within, deletes_rows, merged_tables
from runner.project.target import Target
from runner.project.template import FULL, INCREMENTAL, plain, render

# Prefer index lookups to scans of large tables, and keep sorts and hashes in memory. Memoize is
# off: with it, the planner reads all rows of a user instead of those of a few days. The engagement
# of 6,344 users at a million events takes 0.84 s with it, and 0.59 s without.
SETTINGS = """\
set local search_path = pg_catalog, pg_temp;
set local timezone = 'UTC';
set local random_page_cost = 1.1;
set local work_mem = '64MB';
set local jit = off;
set local enable_memoize = off;
"""
# By this lock an ingest recognizes the transaction of a build, for which it does not wait
# (sql/ingest/clock.sql).
PRELUDE = f"lock table {BUILD_MARK} in row exclusive mode;\n{SETTINGS}"


@dataclass(frozen=True, slots=True)
class Piece:
    """SQL to run, as a whole or in `parts`. Errors name the `file` that it is from, if any."""

    text: str
    file: Path | None = None
    is_ddl: bool = False
    parts: Sequence[str] = ()


def run_pieces(session: Session, pieces: Iterable[Piece], file: Path | None = None) -> None:
    """Run pieces in order; an error names the file of its piece, or else `file`."""
    for piece in pieces:
        for text in piece.parts or (piece.text,):
            session.run(text, piece.file or file)


@dataclass(frozen=True, slots=True)
class Composer:
    """Composes the SQL of a build of one target, from one snapshot."""

    manifest: Manifest
    target: Target
    positions: Mapping[str, Position]
    run_id: int | None = None  # of the build under which restated rows are recorded
    is_printed: bool = False  # not run: no piece may depend on rows that an earlier one inserts

    @property
    def scratch(self) -> "Composer":
        """The composer of the target in which tables are filled before readers may see them."""
        return replace(self, target=self.target.scratch, run_id=None)

    def layer(self, name: str) -> list[Piece]:
        """Compose the schema of a layer and its functions; nothing if the project has none."""
        project, values = self.manifest.project, self.target.values()
        return [
            Piece(self._render(path, values, find(project, path)), path, is_ddl=True)
            for path in layer_files(project, name)
        ]

    def schemas(self, steps: Sequence[Step] = ()) -> Iterator[Piece]:
        """Compose the schemas that a build creates, with their functions.

        `schema apply` creates those of the live target. A build runs a layer of it again if its
        functions have changed, or if a new script may be the first to use them.
        """
        for layer in LAYERS:
            functions = {functions_of(path) for path in layer_files(self.manifest.project, layer)}
            has_news = any(
                step.reason == NEVER_BUILT or functions & set(step.changed) for step in steps
            )
            if has_news or not self.target.is_live:
                yield from self.layer(layer)

    def definitions(self, script: Script) -> list[Piece]:
        """Compose the DDL of a script's tables, or of a view."""
        values, pieces = self.target.values(), []
        for path, table in zip(script.definitions, self.target.tables(script), strict=True):
            text, parts = self._render(path, values), list[str]()
            if self.manifest.engine == CITUS and not script.is_view:
                from runner.build.placement import in_place  # optional (ADR 22)

                parts = in_place(self.manifest, path, table, text)
            pieces.append(Piece(text + "".join(parts[-1:]), path, is_ddl=True, parts=parts))
        return pieces

    def update(self, step: Step, session: Session) -> Iterator[Piece]:
        """Compose what brings the tables of a script up to date where they are.

        A full build, and a script that deletes no rows, compute the whole table: they fill a
        temporary table, and publish the difference. A full build fills an empty table directly. A
        view that has not changed is left alone, because replacing it blocks readers.
        """
        script, mode = step.script, step.mode
        if mode == "full" and (not script.is_view or step.reason == NEVER_BUILT or step.changed):
            yield from self.definitions(script)
        if script.is_view:
            return
        tables = self._tables(script)
        is_full = mode == "full"
        is_empty = is_full and not any(count(session, table, 1) for table in tables.values())
        if is_empty:
            yield from self._fill(script, tables, session)
        elif is_full or not deletes_rows(self.manifest.read(script.path)):
            # Also into an empty table, in an incremental build: asking each table costs more.
            yield from self._fill_temporary(step, tables, session)
            return
        else:
            if months := self._months(script):
                yield Piece(months.make_ahead(self.manifest, self.target, script))
            yield self.script(script, mode, tables, session)
        if is_full:
            yield from map(_analyze, tables.values())

    def _fill_temporary(
        self, step: Step, tables: Mapping[str, str], session: Session
    ) -> Iterator[Piece]:
        script, is_full = step.script, step.mode == "full"
        fresh = {name: f"pg_temp.{name}" for name in tables}
        # For many rows it is cheaper to create keys afterwards.
        keyed = self._merged(script) if is_full else tables
        for name, table in tables.items():
            yield Piece(
                f"create temporary table {name} (like {table} including constraints including"
                " defaults including generated including identity"
                f"{' including indexes' if name in keyed else ''}) on commit drop;\n"
            )
        yield self.script(script, step.mode, fresh, session)
        for name, table in tables.items():
            if name not in keyed:
                for key in session.named("build/shape.keys", tables=[table]):
                    if key["definition"]:
                        yield Piece(f"alter table {fresh[name]} add {key['definition']};\n")
            if is_full:
                yield _analyze(fresh[name])
            yield from self.publish(script, name, fresh[name], session)
            if is_full:
                yield _analyze(table)
            yield Piece(f"drop table {fresh[name]};\n")

    def publish(
        self, script: Script, name: str, fresh: str, session: Session, rows: RowDiff | None = None
    ) -> Iterator[Piece]:
        """Compose what gives a table the rows of `fresh`. If it is restated, that is recorded."""
        table = self.target.table(script.layer, name)
        if script.is_restated and name == script.name and self.run_id is not None:
            yield Piece(restatement(session, self.run_id, script.key, table, fresh))
        if (months := self._months(script)) and (
            day := months.day_columns(self.manifest, script).get(name)
        ):
            yield Piece(months.make(table, day, rows.added if rows else fresh))
        yield Piece(publish_difference(session, table, fresh, rows))

    def create(self, script: Script, session: Session) -> Iterator[Piece]:
        """Compose what creates the tables of a script, in the scratch target, and fills them.

        Nobody reads them yet, so indexes are created after the rows are inserted, except those that
        the script itself needs for `on conflict`.
        """
        yield from self.definitions(script)
        if script.is_view:
            return
        tables, merged = self._tables(script), self._merged(script)
        unmerged = [table for name, table in tables.items() if name not in merged]
        keys = session.named("build/shape.keys", tables=unmerged)
        yield from (Piece(f"{key['drop']};\n") for key in keys)
        yield from self._fill(script, tables, session)
        yield from (Piece(f"{key['make']};\n") for key in keys if key["make"])
        yield from self.definitions(script)  # creates the other indexes
        yield from map(_analyze, tables.values())

    def _fill(self, script: Script, tables: Mapping[str, str], session: Session) -> Iterator[Piece]:
        """Compose what fills empty tables. Rows of monthly partitions go through temporary tables:
        which partitions are needed is known once the rows are there.
        """
        months = self._months(script)
        days = months.day_columns(self.manifest, script) if months else {}
        fresh = {name: f"pg_temp.{name}" for name in days}
        for name in fresh:
            yield Piece(f"create temporary table {name} (like {tables[name]}) on commit drop;\n")
        yield self.script(script, "full", {**tables, **fresh}, session)
        for name, day in days.items():
            yield Piece(months.move(session, tables[name], day, fresh[name]))

    def needs_in_scratch(self, script: Script, reshaped: Collection[str]) -> Iterator[Piece]:
        """Compose scratch views of the live tables that a script reads and that are not rebuilt."""
        fillers = self.manifest.fillers()
        for need in script.needs:
            if need in fillers and fillers[need].key not in reshaped:
                table = need.split(".")
                yield Piece(
                    f"create or replace view {self.target.scratch.table(*table)} as"
                    f" select * from {self.target.table(*table)}"
                )

    def script(
        self, script: Script, mode: Mode, tables: Mapping[str, str], session: Session | None = None
    ) -> Piece:
        """Compose a script that fills `tables`, which maps its table names to relations.

        In `session`, the scripts before it have run: it tells in which months their changes are.
        """
        values = {**self._values(mode), "this": plain(tables[script.name])}
        within = days_within(self.manifest.read(script.path))
        values["within"] = dict.fromkeys(within, plain("true"))
        if session and mode != "full" and self.manifest.has_months and not self.is_printed:
            from runner.build import months  # optional (ADR 22)

            where = self.manifest, self.target, script.layer
            values["within"] = months.within(session, *where, within)
        values["live"] = plain(Target().table(script.layer, script.name))
        if script.state:
            values["state"] = plain(tables[script.state])
        return Piece(self._render(script.path, values), script.path)

    def check(self, check: Path, mode: Mode) -> Piece:
        """Compose the query of a check or an observation."""
        return Piece(self._render(check, self._values(mode)).rstrip().rstrip(";"), check)

    def _months(self, script: Script) -> Any:
        """Return the module for monthly partitions, if a table of the script has them."""
        if not self.manifest.has_months:
            return None
        from runner.build import months  # optional (ADR 22)

        return months if months.day_columns(self.manifest, script) else None

    def _tables(self, script: Script) -> dict[str, str]:
        return {name: self.target.table(script.layer, name) for name in script.tables}

    def _merged(self, script: Script) -> set[str]:
        """The tables that a script inserts into with `on conflict`, which needs their key."""
        names = {"this": script.name, "state": script.state}
        text = self.manifest.read(script.path)
        return {name for key in merged_tables(text) if (name := names[key])}

    def _values(self, mode: Mode) -> dict[str, Any]:
        # {{ archived.x }} keeps its line in full builds once rows of raw.x are archived.
        keeping = {
            name: INCREMENTAL if mode == "full" and position.archived_before else FULL
            for name, position in self.positions.items()
        }
        return {
            **self.target.values(),
            "incremental": INCREMENTAL if mode == "incremental" else FULL,
            "after": self._of_each("after"),
            "through": self._of_each("through"),
            "pipeline": self._of_each("pipeline_id"),
            "archived": SimpleNamespace(**keeping),
            "archived_before": self._of_each("archived_before"),
            "archived_rows": self._of_each("archived_rows"),
        }

    def _of_each(self, attribute: str) -> SimpleNamespace:
        """One attribute of each replica's position, as in `{{ after.event_stream }}`."""
        return SimpleNamespace(
            **{name: getattr(position, attribute) for name, position in self.positions.items()}
        )

    def _render(self, path: Path, values: Mapping[str, Any], file: Path | None = None) -> str:
        """Render a file of the project, or `file`, the packaged one that stands in for it."""
        text = self.manifest.read(file or path)
        return render(text, {**self.manifest.values, **values}, path)


@dataclass(frozen=True, slots=True)
class Part:
    """The pieces of one script; if `step` is None, what later parts need."""

    step: Step | None
    composer: Composer
    pieces: Iterator[Piece]


def run_part(session: Session, step: Step, part: Part) -> Changes:
    """Run the pieces of a script; return the changes to the table of its name."""
    script = step.script
    table = part.composer.target.table(script.layer, script.name)
    run_pieces(session, part.pieces, script.path)
    return session.changes(table)


FindReshaped = Callable[[Session, Composer, Sequence[Step]], Collection[str]]


def parts(
    session: Session, composer: Composer, steps: Sequence[Step], find_reshaped: FindReshaped
) -> Iterator[Part]:
    """Compose a build from its steps, part by part.

    A piece may depend on what the one before has done: run each before asking for the next.
    `find_reshaped` returns the keys of the scripts that are filled in the scratch target, because
    their tables change shape.
    """
    yield Part(None, composer, chain([Piece(PRELUDE)], composer.schemas(steps)))
    reshaped = find_reshaped(session, composer, steps)
    scratch = composer.scratch
    if reshaped:
        yield Part(None, scratch, scratch.schemas())
    for step in steps:
        if step.script.key in reshaped:
            needs = composer.needs_in_scratch(step.script, reshaped)
            yield Part(step, scratch, chain(needs, scratch.create(step.script, session)))
        else:
            yield Part(step, composer, composer.update(step, session))


def lock_replicas(replicas: Sequence[str]) -> list[Piece]:
    """Compose the locks that keep the columns of replicas as they are, to take before the snapshot.

    Changing the type of a column rewrites the table, which an older snapshot then sees empty.
    """
    names = join([relation(name) for name in replicas]).as_string(None)
    return [Piece(f"lock table {names} in access share mode;\n")] if replicas else []


def _analyze(table: str) -> Piece:
    return Piece(f"analyze {table};\n")
