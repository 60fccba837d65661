"""Loads a CSV file into a table, as a rule the source of a pipeline, in one transaction. Lines that
do not fit the table are set aside in orchestrator.load_rejects. Queries: load_csv.sql.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from psycopg import sql

from runner.database.locks import pipeline_lock
from runner.database.names import join
from runner.database.queries import named_query
from runner.database.session import LOAD_LOCK, Database, QueryFailed, Session, lock_number
from runner.errors import CONVERT, RunnerError
from runner.setup.csv_records import LONGEST, as_text, end_of_records, is_clean, records
from runner.setup.csv_times import DateOrder, Times
from runner.setup.source import SourceTable, find

SHOW_REJECTS = "python -m runner db psql -c 'select * from orchestrator.load_rejects'"
BLOCK = 1 << 18
DATA_ERRORS = ("22", "23")  # classes of SQLSTATE: data exceptions, integrity constraints
LOST = "57P"  # the server ended the connection; an error without a SQLSTATE means the same
HINTS = {
    "42P01": "python -m runner schema apply",
    "53100": "make room on the server's disk, then load it again",
}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many lines of a file were loaded, and how many were set aside."""

    rows: int
    rejected: int
    is_behind: bool = False  # some rows are behind the watermark: a sweep will ingest them
    table: str = field(default="", compare=False)


def load(
    database: Database,
    file: Path,
    as_history: bool,
    again: bool = False,
    on_progress: OnProgress = lambda done, total: None,
    into: str | None = None,
    dates: DateOrder = "ymd",
) -> Loaded:
    """Load a file with a header, in constant memory; with `again`, even if it was loaded before.

    The table is `into`, or else the source of the first pipeline. The cursor of rows is the present
    time or, `as_history`, the time when they happened. Times without an offset are UTC; `dates` is
    the order of dates that are not written year first. `on_progress` is called with the bytes read
    and the size of the file. RunnerError if nothing was loaded; if no line fits, the rejects stay.
    """
    with contextlib.ExitStack() as held:
        with _named(file):
            content = held.enter_context(file.open("rb"))
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            content.seek(0)
        try:
            session = held.enter_context(database.session("milepost load"))
            source = find(session, into)
            if as_history and not (source.happened and source.cursor):
                problem = f"{source.name}: no column or no pipeline says when its rows happened"
                raise RunnerError(problem, "leave out --as-history")
            columns = _header(file, content, source)
            what = "a load of the same content"
            held.enter_context(session.lock(LOAD_LOCK, lock_number(sha256), what))
            if as_history:
                # The watermark must not move between reading it and committing older rows.
                for row in session.named("setup/load_csv.pipelines", source=source.name):
                    number, name = row["pipeline_id"], row["pipeline_name"]
                    held.enter_context(pipeline_lock(session, number, name))
            loading = _Loading(session, file, source, columns, dates)
            with session.transaction():
                loading.begin(sha256, as_history, again)
                for block in _blocks(file, content, sha256, on_progress):
                    loading.add(block)
                loading.end(as_history)
        except QueryFailed as error:
            raise _explained(file, error) from error
        if not loading.rows:
            raise RunnerError(
                f"{file}: no line fits {source.name}, {loading.rejected:,} rejected;"
                f" {loading.first_reject()}",
                f"nothing was loaded; to see each line with its reason: {SHOW_REJECTS}",
            )
    return Loaded(loading.rows, loading.rejected, loading.is_behind, source.name)


@contextlib.contextmanager
def _named(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "name a CSV file that can be read on this machine"
        raise RunnerError(f"{file}: {error.strerror or error}", hint) from error


def _explained(file: Path, error: QueryFailed) -> RunnerError:
    state = error.sqlstate or LOST
    if state.startswith(LOST):
        hint = "load it again; that is refused if it was committed before the connection was lost"
        return RunnerError(f"{file}: {error.message}", hint)
    problem = f"{file}: {error.message}; nothing was loaded"
    return RunnerError(problem, HINTS.get(state, error.hint))


def _header(file: Path, content: BinaryIO, source: SourceTable) -> list[str]:
    with _named(file):
        line = content.readline(LONGEST).removeprefix(BYTE_ORDER_MARK)
    try:
        text = re.sub(r"\r?\n\Z", "", line.decode())
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # of UTF-16, for example
        raise RunnerError(f"{file}:1: the header is not UTF-8", CONVERT)
    names = [re.sub(r'^"(.*)"$', r"\1", name) for name in text.split(",")]
    unknown = [name for name in names if name not in source.names]
    doubled = [name for name in names if names.count(name) > 1]
    missing = [each.name for each in source.columns if each.is_required and each.name not in names]
    if "\r" in text:
        problem = "the lines end with a carriage return alone; save the file with line feeds"
    elif not text:
        problem = "the header is missing"
    elif unknown:
        problem = f"unknown column {unknown[0][:40]!r}"
    elif doubled:
        problem = f"column {doubled[0]} appears twice"
    elif missing:
        problem = f"column {missing[0]} is missing"
    else:
        return names
    known = ",".join(source.names)
    raise RunnerError(f"{file}:1: {problem}", f"the first line names columns of the table: {known}")


def _blocks(file: Path, content: BinaryIO, sha256: str, on_progress: OnProgress) -> Iterator[bytes]:
    """Read what follows the header, in blocks of whole records."""
    with _named(file):
        start, total = content.tell(), os.fstat(content.fileno()).st_size
        content.seek(0)
        digest = hashlib.sha256(content.read(start))
    rest = b""
    while True:
        with _named(file):
            read, done = content.read(BLOCK), content.tell()
        on_progress(done, total)
        digest.update(read)
        block = rest + read
        if not read:
            break
        end = end_of_records(block)
        if len(block) - end > LONGEST:
            raise RunnerError(
                f"{file}: the line at byte {done - len(block) + end:,} is longer than"
                f" {LONGEST:,} bytes; nothing was loaded",
                "is it a CSV file?",
            )
        if end:
            yield block[:end]
        rest = block[end:]
    if digest.hexdigest() != sha256:
        hint = "load it once nobody writes to it"
        raise RunnerError(f"{file}: it changed while it was read; nothing was loaded", hint)
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


class _Loading:
    """Stages one file: a clean block as a whole, any other record by record."""

    def __init__(
        self,
        session: Session,
        file: Path,
        source: SourceTable,
        columns: list[str],
        dates: DateOrder,
    ) -> None:
        self.session = session
        self.source = source
        # A file name may contain any bytes; a text in the database may not.
        self.file_name = os.fsencode(file).decode(errors="backslashreplace")
        self.columns = columns
        self.names = join([sql.Identifier(name) for name in columns])
        self.happened = sql.Identifier(source.happened or "")
        self.times = Times(columns, source.columns, dates)
        self.load_id = self.rows = self.rejected = 0
        self.is_behind = False
        self.line = 2  # where the next block begins

    def begin(self, sha256: str, as_history: bool, again: bool) -> None:
        earlier = self.session.named("setup/load_csv.earlier", sha256=sha256)
        if earlier and not again:
            raise RunnerError(
                "{0}: the same content was loaded on {loaded_at}, as {file_name}:"
                " {rows_loaded:,} rows".format(self.file_name, **earlier[0]),
                "nothing was loaded; --again loads it once more",
            )
        about = {"sha256": sha256, "file_name": self.file_name, "as_history": as_history}
        [begun] = self.session.named("setup/load_csv.begin", **about, is_again=bool(earlier))
        self.load_id = begun["load_id"]
        self.session.run(f"set local datestyle = 'ISO, {self.times.order.upper()}'")
        types = {column.name: sql.SQL(column.type) for column in self.source.columns}
        fields = [(sql.Identifier(name), types[name]) for name in self.columns]
        texts = join([sql.SQL("{} text").format(name) for name, _ in fields])
        casts = join([sql.SQL("lines.{}::{}").format(*each) for each in fields])
        self.session.run(self._text("stage", text_columns=texts, values=casts))
        for row in self.session.named("setup/load_csv.not_given", names=self.columns):
            self.session.run(row["statement"])

    def add(self, block: bytes) -> None:
        if not (is_clean(block) and self.times.all_fit(block) and self._copy(block)):
            self._sift(block)
        self.line += block.count(b"\n")

    def end(self, as_history: bool) -> None:
        if not self.rows + self.rejected:
            hint = "rows follow the line with the columns"
            raise RunnerError(f"{self.file_name}: the file has no rows", hint)
        if as_history:
            self._look_behind_watermark()
        # No row can have arrived later than now, even if its time is in the future.
        arrival: sql.Composable = sql.SQL("now()")
        if as_history:
            arrival = sql.SQL("least(staged.{}, now())").format(self.happened)
        cursor = [sql.Identifier(self.source.cursor)] if self.source.cursor else []
        targets = join([self.names, *cursor])
        values = join([self.names, *([arrival] if cursor else [])])
        self.session.run(self._text("insert", targets=targets, values=values, arrival=arrival))
        counts = {"loaded": self.rows, "rejected": self.rejected, "load_id": self.load_id}
        self.session.named("setup/load_csv.end", **counts)

    def first_reject(self) -> str:
        [found] = self.session.named("setup/load_csv.first_reject", load_id=self.load_id)
        return "line {line_number}: {reason}".format(**found)

    def _text(self, name: str, **parts: sql.Composable) -> str:
        """Return a statement of load_csv.sql, on the table and the columns of the file."""
        query = sql.SQL(named_query(f"setup/load_csv.{name}"))
        names = {"columns": self.names, "table": self.source.table}
        return query.format(**names, **parts).as_string(None)

    def _copy(self, block: bytes) -> bool:
        """Stage a block; return False, with nothing staged, if a line does not fit."""
        try:
            with self.session.savepoint():
                self.rows += self.session.copy(self._text("copy_block"), [block])
        except QueryFailed as error:
            if (error.sqlstate or "")[:2] not in DATA_ERRORS:
                raise
            return False
        return True

    def _sift(self, block: bytes) -> None:
        """Stage the records of a block that fit the table, and set the others aside."""
        rejects: list[tuple[int, bytes, str]] = []
        fit: dict[int, bytes] = {}
        for line, record, fault in records(block, self.line, self.columns):
            if problem := fault or self.times.problem(record):
                rejects.append((line, record, problem))
            else:
                fit[line] = record
        if fit:
            lines = [b"%d,%s\n" % numbered for numbered in fit.items()]
            self.session.copy(self._text("copy_lines"), [b"".join(lines)])
            for row in self.session.named("setup/load_csv.sift", first=min(fit), last=max(fit)):
                line = row["line_number"]
                rejects.append((line, fit.pop(line), row["reason"]))
        about = self.load_id, self.file_name
        rows = [(*about, line, reason, as_text(text)) for line, text, reason in sorted(rejects)]
        self.session.copy_rows(named_query("setup/load_csv.copy_rejects"), rows)
        self.rows += len(fit)
        self.rejected += len(rejects)

    def _look_behind_watermark(self) -> None:
        """Refuse rows behind the watermark if the pipeline has no key, without which a sweep cannot
        tell them from rows that it has read.
        """
        found = self.session.row(
            self._text("behind", happened=self.happened), {"source": self.source.name}
        )
        if found["is_behind"] and not found["has_key"]:
            raise RunnerError(
                f"{self.file_name}: its oldest row, {found['oldest']}, is behind the watermark,"
                f" {found['watermark']}, and the pipeline has no key: no ingest would ever read it",
                "nothing was loaded; load it without --as-history, so that it arrives now",
            )
        self.is_behind = found["is_behind"]
