"""Erases rows of a replica and every trace of them, in one transaction. Queries: erase.sql."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from operator import add
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.database.names import column_of, join, relation
from runner.database.queries import named_query
from runner.database.session import QueryFailed, Session
from runner.database.tables import Equality
from runner.erasure.criteria import Criteria, fields, words
from runner.errors import RunnerError, UsageError
from runner.ingest.columns import RUN_ID, stored_columns
from runner.ingest.images import kept_columns
from runner.ingest.pipelines import PipelineDefinition
from runner.ingest.source import inspect_source
from runner.ingest.writer import DATA_ERRORS, template_values
from runner.project.template import render
from runner.repairs.undo import image_object

FILE = "erasure/erase.sql"
# An earlier version may not fit the table's columns of today: it is compared as text too.
IS_FORGOTTEN_IMAGE = (
    "(exists (select from pg_temp.forgotten as forgotten where {is_key})"
    " or exists (select from pg_temp.wanted as wanted where {is_wanted} or ({is_wanted_text})))"
)
# Texts that may show a value without belonging to a row: they are cleared, or deleted.
TEXTS = ("errors", "messages", "alerts", "samples", "restatements", "observations")


@dataclass(frozen=True, slots=True)
class Erased:
    """What is erased, or would be: rows of the replica, earlier versions of rows (`images`), rows
    that could not be stored, rejected lines of files, and texts that showed a value.
    """

    rows: int = 0
    images: int = 0
    rejects: int = 0
    lines: int = 0
    texts: int = 0

    def __add__(self, other: "Erased") -> "Erased":
        return Erased(*map(add, astuple(self), astuple(other)))

    @property
    def total(self) -> int:
        return sum(astuple(self))


@dataclass(frozen=True, slots=True)
class InSource:
    """How many such rows the source still has, or why that cannot be known."""

    rows: int = 0
    problem: str | None = None


class Eraser:
    """Erases the rows that meet some criteria, in the open transaction of a session."""

    def __init__(
        self, work: Session, definition: PipelineDefinition, keys: Sequence[str], project: Path
    ) -> None:
        """Look up the rows. UsageError if `keys` name no columns, or no values of their types."""
        stored = stored_columns(work, definition)
        if not stored:
            raise UsageError(
                f"{definition.target_relation} does not exist: nothing was loaded yet",
                "python -m runner pipelines list",
            )
        self.work = work
        self.project = project
        self.definition = definition
        self.criteria = Criteria(definition, stored, keys)
        self.stored = [column.name for column in stored if column.name != RUN_ID]
        self.equality = Equality(work, relation(definition.target_relation).as_string())
        self.values = self._values()
        try:
            with work.savepoint():
                self._run("wanted")
        except QueryFailed as error:
            if not error.is_one_of(*DATA_ERRORS):
                raise
            raise UsageError(
                f"--key: {error.reason}", "give a value of the column's type"
            ) from error
        self._run("forgotten")
        # The values as they were typed, and as the rows that are found spell them.
        self.texts = {text for values in self.criteria.values.values() for text in values}
        self._spelled("spelled")

    def in_source(self) -> InSource:
        """Count such rows in the source, as the next sweep would bring them back."""
        try:
            with self.work.savepoint():
                return self._in_source()
        except RunnerError as error:
            return InSource(problem=error.message)

    def erase(self) -> Erased:
        """Erase the rows. The tables built from them keep them until the next build, a full one."""
        erased = Erased(
            images=self._spelled("images"),
            rejects=self._spelled("rejects"),
            rows=self._spelled("rows"),
            lines=self._run("lines", fields=fields(self.texts)),
        )
        self._run("rebuild_in_full")
        return erased + self.erase_texts()

    def erase_texts(self) -> Erased:
        """Erase the values from texts: messages, samples of checks, errors and the like."""
        patterns = words(self.texts)
        return Erased(texts=sum(self._run(name, words=patterns) for name in TEXTS))

    def analyze(self) -> None:
        """Gather statistics again, since they hold common values of columns."""
        self._run("analyze")

    def _in_source(self) -> InSource:
        source = inspect_source(self.work, self.definition, self.project)
        names = template_values(source, self.stored, 0)
        values = {"source": source.relation, "source_columns": names["source_columns"]}
        known = {column.name for column in source.columns}
        if not known.issuperset(self.criteria.values):
            if not self.definition.key_columns:
                return InSource(
                    problem=f"it lacks one of the columns {', '.join(self.criteria.values)}"
                )
            found = self._count("source_keys", values)
        else:
            try:
                with self.work.savepoint():
                    found = self._count("source_rows", values)
            except QueryFailed as error:
                if not error.is_one_of(*DATA_ERRORS):
                    raise
                found = self._count("source_texts", values)
        if not found and source.hides_rows:
            return InSource(problem="row security hides rows of it from this role")
        return InSource(found)

    def _values(self) -> dict[str, Any]:
        definition, columns = self.definition, list(self.criteria.values)
        target, keys = relation(definition.target_relation), definition.key_columns
        same = self.equality.of_rows
        texts = {
            name: join(map(sql.Literal, values)) for name, values in self.criteria.values.items()
        }

        def each(text: str, separator: str = ", ") -> sql.Composed:
            """Format a text for each column: {0} and {1} are its name, quoted, {2} its values."""
            formatted = (
                sql.SQL(text).format(sql.Literal(name), sql.Identifier(name), texts[name])
                for name in columns
            )
            return join(formatted, separator)

        return {
            "target": target,
            "pipeline_id": definition.pipeline_id,
            "stored_keys": join(column_of("stored", key) for key in keys),
            "wanted_columns": each("stored.{1}"),
            "wanted_rows": self.criteria.rows(),
            "image_object": image_object(kept_columns(self.work, target)),
            "wanted_texts": each("concat(wanted.{1})"),
            "stored_texts": each("concat(stored.{1})"),
            "erased_texts": each("erased.texts ->> {0}"),
            "is_wanted": same(columns, "wanted", "stored"),
            "is_wanted_fresh": same(columns, "wanted", "fresh"),
            "is_key_of_fresh": same(keys, "forgotten", "fresh"),
            "is_forgotten_image": sql.SQL(IS_FORGOTTEN_IMAGE).format(
                is_key=same(keys, "forgotten", "(images.key_row)"),
                is_wanted=same(columns, "wanted", "(images.image)"),
                is_wanted_text=each("images.texts ->> {0} in (concat(wanted.{1}), {2})", " and "),
            ),
            "has_texts": each("concat(source.{1}) in ({2})", " and "),
        }

    def _count(self, name: str, values: dict[str, Any]) -> int:
        return int(self.work.query(self._text(name, values), None)[0]["rows"])

    def _spelled(self, name: str) -> int:
        """Run a statement that returns how each row spells the values; return how many rows."""
        rows = self.work.query(self._text(name, {}), None)
        self.texts.update(text for row in rows for text in row["spellings"] if text)
        return len(rows)

    def _run(self, name: str, **values: Any) -> int:
        return self.work.run(self._text(name, values))

    def _text(self, name: str, values: dict[str, Any]) -> str:
        return render(named_query(f"erasure/erase.{name}"), {**self.values, **values}, FILE)
