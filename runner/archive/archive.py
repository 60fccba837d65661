"""Archives months of replicas: writes each to a file, and drops it from the database.

If the process dies, the month is still in the database, and perhaps in its file: the next archive
compares the two, and goes on. Queries: archive.sql.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.archive import files
from runner.build.compose import Composer
from runner.build.inspect.archived import keeping_checks, refuse_losses
from runner.database import ledger
from runner.database.locks import lock_exclusively
from runner.database.names import column_of, join, relation
from runner.database.queries import named_query
from runner.database.session import Database, Session
from runner.database.tables import count
from runner.errors import RunnerError, StartError, UsageError
from runner.ingest.columns import stored_columns
from runner.ingest.months.months import VARIABLE, Months, read_partitions, replica_of
from runner.ingest.pipelines import PipelineDefinition, pipelines, read_definition, replica_locks
from runner.project.manifest import MANIFEST, Manifest
from runner.project.target import Target
from runner.project.template import render

FILE = "archive/archive.sql"


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a pipeline's replica that may be archived, or was."""

    pipeline: str
    month: str
    low: str
    high: str
    partition: str
    rows: int
    file: Path
    bytes: int = 0
    sha256: str = ""


def inspect(
    database: Database, manifest: Manifest, before: str, folder: Path, name: str | None = None
) -> list[Month]:
    """Return what `archive` would archive."""
    found = []
    with database.session("milepost archive") as session:
        for archive in _archives(session, manifest, folder, name):
            with replica_locks(session, archive.definition), session.rehearsal():
                found += archive.due(before)
    return found


def archive(
    database: Database,
    manifest: Manifest,
    before: str,
    folder: Path,
    name: str | None = None,
    on_wait: Callable[[str], object] = lambda message: None,
    on_archived: Callable[[Month], object] = lambda month: None,
) -> list[Month]:
    """Archive the months before `before`, such as 2026-01, of one pipeline or of all whose replicas
    are partitioned by month. Each goes into a CSV file in `folder`, which is compared with the rows
    before they are dropped.

    UsageError or StartError if facts of these rows might be lost; LockHeld if an ingest is running.
    """
    done = []
    with database.session("milepost archive") as session:
        session.on_wait = on_wait
        for archive in _archives(session, manifest, folder, name):
            with replica_locks(session, archive.definition):
                for month in archive.due(before):
                    done.append(archive.move(month))
                    on_archived(done[-1])
    return done


def _archives(
    session: Session, manifest: Manifest, folder: Path, name: str | None
) -> list["_Archive"]:
    """Return those of the pipeline of that name, or of all with replicas partitioned by month."""
    ledger.require(session)
    found = [read_definition(session, each["pipeline_id"]) for each in pipelines(session, name)]
    monthly = [each for each in found if read_partitions(session, each.target_relation)]
    if not monthly:
        what = f"{found[0].target_relation} is not" if name else "no replica is"
        raise UsageError(
            f"{what} partitioned by month",
            f"name it in {VARIABLE} in {MANIFEST}; docs/retention.md says how its rows move",
        )
    return [_Archive(session, manifest, each, folder) for each in monthly]


@dataclass(frozen=True, slots=True)
class _Archive:
    """Archives months of one pipeline into a folder, under its locks."""

    session: Session
    manifest: Manifest
    definition: PipelineDefinition
    folder: Path

    @property
    def target(self) -> str:
        return self.definition.target_relation

    def due(self, before: str) -> list[Month]:
        """Return the months that end by the beginning of `before`."""
        moment = f"{before}-01"
        with self.session.savepoint():
            Months(self.session, self.definition).create_due()
        pipeline, table = self.definition.pipeline_name, self.target.partition(".")[2]
        due = []
        for each in read_partitions(self.session, self.target):
            # Years have four digits, so texts of days compare as the days do.
            if each.low and each.high and each.high[:10] <= moment:
                month, rows = each.low[:7], count(self.session, each.name)
                file = self.folder / f"{table}_{month}.csv"
                due.append(Month(pipeline, month, each.low, each.high, each.name, rows, file))
        if due:
            self._refuse(moment)
        return due

    def _refuse(self, before: str) -> None:
        """Refuse to archive rows that may still change, or that are not in the facts yet."""
        definition, session = self.definition, self.session
        name = definition.pipeline_name
        edges = {"watermark": definition.watermark, "lookback": definition.lookback}
        [reach] = session.named("archive/archive.reach", before=before, **edges)
        if reach["is_too_far"]:
            raise UsageError(
                f"pipeline {name}: the next run still looks back at rows before {before[:7]}",
                f"archive --before {reach['month']} at most" if reach["month"] else "ingest first",
            )
        for low, high in ledger.gaps(session, definition.pipeline_id):
            raise StartError(
                f"pipeline {name}: {low} to {high} was undone and not filled again, which is"
                " impossible once it is archived",
                f"python -m runner backfill {name}",
            )
        refuse_losses(self.manifest, replica_of(definition))
        values = {"pipeline_id": definition.pipeline_id}
        targets = [row["target"] for row in session.named("archive/archive.targets", **values)]
        if not targets and replica_of(definition) not in self.manifest.raw_needs():
            return  # no script reads these rows
        for target in targets or [Target().name]:
            position = ledger.positions(session, target)[replica_of(definition)]
            is_behind = position.has_new or position.was_recreated or position.has_forgotten
            if is_behind or not targets:
                option = "" if target == Target().name else f" --target {target}"
                raise StartError(
                    f"pipeline {name}: target {target} has not built all of its rows yet",
                    f"python -m runner build{option}"
                    + (f"; or prune --drop-target {target}" if option else ""),
                )

    def move(self, month: Month) -> Month:
        """Write the file of a month, compare it with the rows, and drop them."""
        session, partition = self.session, month.partition
        with self._rows(partition) as blocks:
            files.write(month.file, blocks)
        with session.transaction():
            # Nobody writes by hand from now on; what was written since the file makes it differ.
            session.run(f"lock table {relation(partition).as_string()} in share mode")
            with self._rows(partition) as blocks:
                stored = files.content_of(blocks)
            if files.read(month.file) != stored:  # byte for byte
                raise RunnerError(
                    f"{month.file} does not hold what {self.target} has of {month.month}; no row"
                    " was dropped",
                    "move the file away, and run the same command again",
                )
            about: dict[str, Any] = {"pipeline_id": self.definition.pipeline_id}
            values = {**about, "partition": relation(partition), "low": month.low}
            values |= {"high": month.high, "file_name": str(month.file), "sha256": stored.sha256}
            [recorded] = session.rows(self._text("record", **values))
            self._check()
            lock_exclusively(session, [self.target], "to drop a month")
            names = {"target": relation(self.target), "partition": relation(partition)}
            session.run(self._text("drop", **names))
            rows = recorded["rows"]
            ledger.log(session, f"archived {rows:,} rows of {month.month} to {month.file}", **about)
        return replace(month, rows=rows, bytes=stored.bytes, sha256=stored.sha256)

    def _rows(self, partition: str) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the rows of a month as CSV, always in the same order."""
        columns = join(
            sql.Identifier(column.name) for column in stored_columns(self.session, self.definition)
        )
        keys: Sequence[str] = self.definition.key_columns
        order = join([column_of("stored", key) for key in keys] or [sql.SQL("stored.*::text")])
        text = sql.SQL(
            "copy (select {} from {} as stored order by {}, stored._run_id) to stdout"
            " with (format csv, header)"
        )
        return self.session.copy_out(text.format(columns, relation(partition), order).as_string())

    def _check(self) -> None:
        """RunnerError unless the live facts hold the rows that the open transaction archives."""
        live = Target()
        composer = Composer(self.manifest, live, ledger.positions(self.session, live.name))
        for path in keeping_checks(self.manifest, replica_of(self.definition)):
            text = composer.check(path, "full").text
            if rows := self.session.query(text, path):
                raise RunnerError(
                    f"{path}: the facts do not hold what would be archived: {rows[0]}; no row was"
                    " dropped",
                    "run python -m runner verify --repair, then the same command again",
                )

    def _text(self, query: str, **values: object) -> str:
        return render(named_query(f"archive/archive.{query}"), values, FILE)


def is_month(text: str) -> bool:
    return re.fullmatch(r"[12]\d{3}-(0[1-9]|1[0-2])", text) is not None
