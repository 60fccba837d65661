"""The tables that test cases run in: filled from files, and compared with other files."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from psycopg import sql

from runner.build.compose import Composer, run_pieces
from runner.database import ledger, version
from runner.database.names import join
from runner.database.session import QueryFailed, Row, Session
from runner.database.tables import exists
from runner.errors import StartError, did_you_mean
from runner.ingest.pipelines import read_definition
from runner.ingest.replica import ensure_replica
from runner.project.files import tables_of
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import RAW_SCHEMA, Target
from runner.testing.cases import RowFile

RUN = "_run_id"  # left out of comparisons, as it may differ between two builds

# Rows as pairs of column and value, with their counts.
Bag = Counter[tuple[tuple[str, Any], ...]]
Contents = Mapping[str, Bag]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Missing and unexpected rows of a table, in the columns of its key and those that differ."""

    table: str
    columns: tuple[str, ...]
    missing: tuple[Row, ...]
    unexpected: tuple[Row, ...]


@dataclass(slots=True)
class CaseTables:
    """The tables of a test target, in a transaction that the caller rolls back."""

    session: Session
    target: Target
    raw_names: list[str] = field(default_factory=list)
    _columns: dict[str, dict[str, Row]] = field(default_factory=dict)

    def create_raw_tables(self, manifest: Manifest) -> None:
        """Create empty raw tables with the columns of the replicas or, before the first ingest, of
        the sources. In a new database, first create the ledger, the sources and the pipelines.
        """
        self.raw_names = manifest.raw_needs()
        composer = Composer(manifest, self.target, {})
        if not exists(self.session, "orchestrator.runs"):
            run_pieces(self.session, composer.layer("orchestrator"))
            version.record(self.session)
        self.session.run(f"create schema {self.target.raw_schema}")
        missing = []
        for name in self.raw_names:
            replica = f"{RAW_SCHEMA}.raw_{name}"
            if exists(self.session, replica):
                table = self._table(f"raw.{name}")
                self.session.run(f"create table {table} (like {replica} including all)")
            else:
                missing.append(name)
        if missing:
            # If a table of schema/source.sql exists, it is in use and left alone.
            sources = tables_of(manifest.project, "source")
            if not any(exists(self.session, name) for name in sources):
                run_pieces(self.session, composer.layer("source"))
            run_pieces(self.session, composer.layer("pipelines"))
            for name in missing:
                self._create_like_source(manifest, name)

    def create_tables(self, composer: Composer, scripts: Iterable[Script]) -> None:
        """Create all schemas, and the tables of these scripts, which do not run."""
        layers = [piece for layer in LAYERS for piece in composer.layer(layer)]
        tables = [piece for script in scripts for piece in composer.definitions(script)]
        run_pieces(self.session, [*layers, *tables])

    def fill(self, rows: RowFile, run: int) -> None:
        """Insert the rows of a file into a raw table, as rows of a run, or put them in the place of
        the rows of another table. Columns that the file lacks are null.
        """
        table, known = self._table(rows.table), self._columns_of(rows.table)
        if RUN in rows.columns and rows.is_raw:
            raise StartError(f"{rows.path}:1: {RUN} is filled in by the test", "remove the column")
        self._check_columns(rows)
        required = {name for name, column in known.items() if column["is_required"]}
        lacking = sorted(required - {*rows.columns, RUN}, key=list(known).index)
        for name in lacking:
            if known[name]["is_key"]:
                raise StartError(
                    f"{rows.path}:1: column {name} is missing, and is in the key of {rows.table}",
                    "give it in every row",
                )
        changes = [f"alter column {_names([name])} drop not null" for name in lacking]
        if rows.is_raw:
            changes.append(f"alter column {RUN} set default {run}")
        else:
            self.session.run(f"delete from {table}")
        if changes:
            self.session.run(f"alter table {table} {', '.join(changes)}")
        self._copy(rows, table)

    def expect(self, rows: RowFile) -> Mismatch | None:
        """Compare a table with a file, in the file's columns, by SQL's equality; None if equal."""
        self._check_columns(rows)
        table, columns = self._table(rows.table), _names(rows.columns)
        expected = "pg_temp.expected_rows"
        self.session.run(f"create temporary table expected_rows as table {table} with no data")
        self._copy(rows, expected)
        missing, unexpected = (
            [
                _decoded(row["content"])
                for row in self.session.rows(
                    f"select to_jsonb(surplus.*)::text as content from (select {columns} from {one}"
                    f" except all select {columns} from {other}) as surplus order by 1"
                )
            ]
            for one, other in ((expected, table), (table, expected))
        )
        self.session.run(f"drop table {expected}")
        if not missing and not unexpected:
            return None
        return self._mismatch(rows.table, rows.columns, missing, unexpected)

    def contents(self, scripts: Iterable[Script]) -> Contents:
        """Return the rows of the scripts' tables, by table."""
        tables = [
            f"{script.layer}.{name}"
            for script in scripts
            if not script.is_view
            for name in script.tables
        ]
        query = " union all ".join(
            f"select '{table}' as name, (to_jsonb(stored.*) - '{RUN}')::text as content"
            f" from {self._table(table)} as stored"
            for table in tables
        )
        found: dict[str, Bag] = {table: Counter() for table in tables}
        for row in self.session.rows(query):
            found[row["name"]][tuple(_decoded(row["content"]).items())] += 1
        return found

    def compare(
        self, before: Contents, after: Contents, ignored: Collection[str] = ()
    ) -> list[Mismatch]:
        """Return how tables differ, by their contents before and after."""
        return [
            self._mismatch(
                table,
                [name for name in self._columns_of(table) if name != RUN],
                _sorted(before[table] - after[table]),
                _sorted(after[table] - before[table]),
            )
            for table in before
            if table not in ignored and before[table] != after[table]
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
        missing = [{name: row[name] for name in shown} for row in missing]
        unexpected = [{name: row[name] for name in shown} for row in unexpected]
        return Mismatch(table, tuple(shown), tuple(missing), tuple(unexpected))

    def _copy(self, rows: RowFile, table: str) -> None:
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
            hint = error.hint or f"each line must be a row of {rows.table}"
            raise StartError(f"{rows.path}{line}: {column}{reason}", hint) from error

    def _check_columns(self, rows: RowFile) -> None:
        known = self._columns_of(rows.table)
        for name in rows.columns:
            if name not in known:
                hint = did_you_mean(name, known, f"it has {', '.join(known)}")
                raise StartError(f"{rows.path}:1: {rows.table} has no column {name}", hint)

    def _columns_of(self, table: str) -> dict[str, Row]:
        if table not in self._columns:
            found = self.session.named("testing/run.columns", table=self._table(table))
            self._columns[table] = {row["name"]: row for row in found}
        return self._columns[table]

    def _table(self, table: str) -> str:
        layer, _, name = table.partition(".")
        is_raw = layer == "raw"
        return f"{self.target.raw_schema}.raw_{name}" if is_raw else self.target.table(layer, name)

    def _create_like_source(self, manifest: Manifest, name: str) -> None:
        pipelines = ledger.positions(self.session, self.target.name)
        if name not in pipelines:
            hint = "add a pipeline: in schema/pipelines.sql, or python -m runner pipelines add"
            raise StartError(f"raw.{name} has neither a replica nor a pipeline", hint)
        definition = replace(
            read_definition(self.session, pipelines[name].pipeline_id),
            target_relation=self._table(f"raw.{name}"),
        )
        try:
            ensure_replica(self.session, definition, manifest.project)
        except StartError as error:
            raise StartError(
                f"raw.{name} has neither a replica nor a source: {error.message}",
                "run the test in a database with the source, or create it in schema/source.sql",
            ) from error


def _names(names: Iterable[str]) -> str:
    return join([sql.Identifier(name) for name in names]).as_string(None)


def _decoded(content: str) -> Row:
    """Decode a row from JSON, with exact numbers; arrays and objects become texts."""
    values = json.loads(content, parse_float=Decimal)
    return {
        name: json.dumps(value, default=str) if isinstance(value, list | dict) else value
        for name, value in values.items()
    }


def _sorted(bag: Bag) -> list[Row]:
    return [dict(row) for row in sorted(bag.elements(), key=str)]
