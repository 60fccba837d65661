"""Where fixture cases are tried: the tables of a test target, filled from files and held against
other files.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.build.compose import Composer
from runner.database import ledger
from runner.database.names import join
from runner.database.queries import named_query
from runner.database.session import QueryFailed, Row, Session
from runner.errors import StartError
from runner.ingest.pipelines import read_definition
from runner.ingest.replica import ensure_replica
from runner.project import files as shared
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import RAW_SCHEMA, Target
from runner.testing.cases import Rows, raw_names

# In which run a row came is no matter between two builds.
RUN = "_run_id"

# A row as pairs of column and value, and how often it is there.
Bag = Counter[tuple[tuple[str, Any], ...]]
Contents = Mapping[str, Bag]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Rows that a table lacks, and rows that it should not have, by the columns that identify them
    or tell them apart.
    """

    table: str
    columns: list[str]
    missing: list[Row]
    unexpected: list[Row]


@dataclass(slots=True)
class CaseTables:
    """The tables of a test target, in a transaction that is rolled back."""

    session: Session
    target: Target
    raw_names: list[str] = field(default_factory=list)
    _columns: dict[str, dict[str, Row]] = field(default_factory=dict)

    def make_raw_tables(self, manifest: Manifest) -> None:
        """Empty raw tables with the columns of the replicas or, before the first ingest, of the
        sources. A database that is new gets what it needs for that, until the rollback.
        """
        self.raw_names = raw_names(manifest)
        composer = Composer(manifest, self.target, {})
        if not self._exists("orchestrator.runs"):
            self._run_layer(composer, "orchestrator")
        self.session.run(f"create schema {self.target.raw_schema}")
        missing = []
        for name in self.raw_names:
            replica = f"{RAW_SCHEMA}.raw_{name}"
            if self._exists(replica):
                table = self._table(f"raw.{name}")
                self.session.run(f"create table {table} (like {replica} including all)")
            else:
                missing.append(name)
        if missing:
            if not self._has_sources(manifest):
                self._run_layer(composer, "source")
            self._run_layer(composer, "pipelines")
            for name in missing:
                self._make_like_source(manifest, name)

    def make_tables(self, composer: Composer, scripts: Iterable[Script]) -> None:
        """The tables of scripts that do not run, and the schemas of all."""
        layers = [piece for layer in LAYERS for piece in composer.layer(layer)]
        tables = [piece for script in scripts for piece in composer.definitions(script)]
        for piece in (*layers, *tables):
            self.session.run(piece.text, piece.file)

    def fill(self, rows: Rows, run: int) -> None:
        """Put the rows of a file into its table: into a raw one as those that a run brought, into
        another one in place of what is there. What a file says nothing of is null.
        """
        table, known = self._table(rows.table), self._columns_of(rows.table)
        if RUN in rows.columns and rows.is_raw:
            raise StartError(f"{rows.path}:1: {RUN} comes by itself", "take the column out")
        self._check_columns(rows)
        lacking = [
            name
            for name, column in known.items()
            if column["is_required"] and name not in rows.columns and name != RUN
        ]
        for name in lacking:
            if known[name]["is_key"]:
                raise StartError(
                    f"{rows.path}:1: column {name} is missing, and {rows.table} is keyed by it",
                    "give it in every row",
                )
        changes = [f"alter column {_quoted(name)} drop not null" for name in lacking]
        if rows.is_raw:
            changes.append(f"alter column {RUN} set default {run}")
        else:
            self.session.run(f"delete from {table}")
        if changes:
            self.session.run(f"alter table {table} {', '.join(changes)}")
        self._copy(rows, table)

    def expect(self, rows: Rows) -> Mismatch | None:
        """Hold a table against a file, in the columns of the file; the database says what is the
        same.
        """
        self._check_columns(rows)
        table, columns = self._table(rows.table), _names(rows.columns)
        expected = "pg_temp.expected_rows"
        self.session.run(f"create temporary table expected_rows as table {table} with no data")
        self._copy(rows, expected)
        found: dict[str, list[Row]] = {}
        for side, one, other in (("missing", expected, table), ("unexpected", table, expected)):
            found[side] = [
                _decoded(row["content"])
                for row in self.session.rows(
                    f"select to_jsonb(surplus.*)::text as content from (select {columns} from {one}"
                    f" except all select {columns} from {other}) as surplus order by 1"
                )
            ]
        self.session.run(f"drop table {expected}")
        if not found["missing"] and not found["unexpected"]:
            return None
        return self._mismatch(rows.table, rows.columns, found["missing"], found["unexpected"])

    def contents(self, scripts: Iterable[Script]) -> Contents:
        """What the tables of scripts hold."""
        tables = [
            f"{script.layer}.{name}"
            for script in scripts
            if not script.is_view
            for name in script.tables
        ]
        found: dict[str, Bag] = {table: Counter() for table in tables}
        rows = self.session.rows(
            " union all ".join(
                f"select '{table}' as name, (to_jsonb(held.*) - '{RUN}')::text as content"
                f" from {self._table(table)} as held"
                for table in tables
            )
        )
        for row in rows:
            found[row["name"]][tuple(_decoded(row["content"]).items())] += 1
        return found

    def compare(
        self, before: Contents, after: Contents, but: Collection[str] = ()
    ) -> list[Mismatch]:
        """The tables that hold something else than before."""
        return [
            self._mismatch(
                table,
                [name for name in self._columns_of(table) if name != RUN],
                _sorted(before[table] - after[table]),
                _sorted(after[table] - before[table]),
            )
            for table in before
            if table not in but and before[table] != after[table]
        ]

    def _mismatch(
        self, table: str, columns: Sequence[str], missing: list[Row], unexpected: list[Row]
    ) -> Mismatch:
        known = self._columns_of(table)
        shown = [
            name
            for name in columns
            if not missing
            or not unexpected
            or known[name]["is_key"]
            or Counter(row[name] for row in missing) != Counter(row[name] for row in unexpected)
        ]
        return Mismatch(
            table,
            shown,
            [{name: row[name] for name in shown} for row in missing],
            [{name: row[name] for name in shown} for row in unexpected],
        )

    def _copy(self, rows: Rows, table: str) -> None:
        try:
            self.session.copy(
                f"copy {table} ({_names(rows.columns)}) from stdin"
                " with (format csv, header true, encoding 'utf8')",
                [rows.header, *rows.records],
            )
        except QueryFailed as error:
            place = re.search(r", line (\d+)(?:, column ([^:]+))?", error.context)
            line = f":{place[1]}" if place else ""
            column = f"column {place[2]}: " if place and place[2] else ""
            reason = error.reason.replace(f"{self.target.name}_", "")
            raise StartError(
                f"{rows.path}{line}: {column}{reason}",
                error.hint or f"each line has to be a row of {rows.table}",
            ) from error

    def _check_columns(self, rows: Rows) -> None:
        known = self._columns_of(rows.table)
        for name in rows.columns:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
                raise StartError(f"{rows.path}:1: {rows.table} has no column {name}", hint)

    def _columns_of(self, table: str) -> dict[str, Row]:
        if table not in self._columns:
            found = self.session.rows(
                named_query("testing/run.columns"), {"table": self._table(table)}
            )
            self._columns[table] = {row["name"]: row for row in found}
        return self._columns[table]

    def _table(self, table: str) -> str:
        layer, _, name = table.partition(".")
        if layer == "raw":
            return f"{self.target.raw_schema}.raw_{name}"
        return self.target.table(layer, name)

    def _make_like_source(self, manifest: Manifest, name: str) -> None:
        pipelines = ledger.positions(self.session, self.target.name)
        if name not in pipelines:
            raise StartError(
                f"raw.{name} has neither a replica nor a pipeline",
                "describe it in schema/pipelines.sql, or with python -m runner pipelines add",
            )
        definition = replace(
            read_definition(self.session, pipelines[name].pipeline_id),
            target_relation=self._table(f"raw.{name}"),
        )
        try:
            ensure_replica(self.session, definition, manifest.project)
        except StartError as error:
            raise StartError(
                f"raw.{name} has neither a replica nor a source: {error.message}",
                "test where the source is, or make it in schema/source.sql",
            ) from error

    def _has_sources(self, manifest: Manifest) -> bool:
        """Whether a table of schema/source.sql is there: others use it, and it is left alone."""
        file = shared.find(manifest.project, Path("schema", "source.sql"))
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        names = re.findall(r"create table (?:if not exists )?([a-z0-9_]+[.][a-z0-9_]+)", text)
        return any(map(self._exists, names))

    def _run_layer(self, composer: Composer, name: str) -> None:
        for piece in composer.layer(name):
            self.session.run(piece.text, piece.file)

    def _exists(self, table: str) -> bool:
        values = {"table": table}
        found = self.session.row("select to_regclass(%(table)s) is not null as is_there", values)
        return bool(found["is_there"])


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def _names(names: Iterable[str]) -> str:
    return join([sql.Identifier(name) for name in names]).as_string(None)


def _decoded(content: str) -> Row:
    """A row as JSON has it, with exact numbers; a value within is one text."""
    values = json.loads(content, parse_float=Decimal)
    return {
        name: json.dumps(value, default=str) if isinstance(value, list | dict) else value
        for name, value in values.items()
    }


def _sorted(bag: Bag) -> list[Row]:
    return [dict(row) for row in sorted(bag.elements(), key=str)]
