"""Erases rows of a replica and all that remembers them, in one transaction. Queries: erase.sql."""

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
from runner.erasure.wanted import Wanted, fields, words
from runner.errors import RunnerError, UsageError
from runner.ingest.columns import RUN_ID, stored_columns
from runner.ingest.images import forms
from runner.ingest.pipelines import PipelineDefinition
from runner.ingest.source import inspect_source
from runner.ingest.writer import DATA_ERRORS, template_values
from runner.project.template import render
from runner.repairs.undo import image_object

FILE = "erase.sql"
# An image of an earlier shape of the table is compared as text.
IS_FORGOTTEN_IMAGE = (
    "(exists (select from pg_temp.forgotten as forgotten where {is_key})"
    " or exists (select from pg_temp.wanted as wanted where {is_wanted} or ({is_wanted_text})))"
)
# Places that may show a value without being about a row: they are emptied, or their rows erased.
TEXTS = ("errors", "messages", "alerts", "samples", "restatements", "observations")


@dataclass(frozen=True, slots=True)
class Erased:
    """What is erased, or would be: rows of the replica, images of what rows were, rows that could
    not be stored, rejected lines of files, and texts that showed a value.
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
    """How many such rows the source still has; where that cannot be known, why."""

    rows: int = 0
    problem: str | None = None


class Eraser:
    """Erases what one call is about, in the open transaction of a session."""

    def __init__(
        self, work: Session, definition: PipelineDefinition, keys: Sequence[str], project: Path
    ) -> None:
        """Look up the rows. UsageError if they are named by what the replica does not have."""
        stored = stored_columns(work, definition)
        if not stored:
            raise UsageError(
                f"{definition.target_relation} does not exist: nothing was ever loaded",
                "python -m runner pipelines list",
            )
        self.work = work
        self.project = project
        self.definition = definition
        self.wanted = Wanted(definition, stored, keys)
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
        # As they were typed, and as they are written wherever they are found.
        self.texts = {text for values in self.wanted.values.values() for text in values}
        self._spelled("spelled")

    def in_source(self) -> InSource:
        """Look whether the source still has such rows: the next sweep would bring them back."""
        try:
            with self.work.savepoint():
                return self._in_source()
        except RunnerError as error:
            return InSource(problem=error.message)

    def erase(self) -> Erased:
        """Erase them. What a build makes of them stays until the next, which fills all anew."""
        erased = Erased(
            images=self._spelled("images"),
            rejects=self._spelled("rejects"),
            rows=self._spelled("rows"),
            lines=self._run("lines", fields=fields(self.texts)),
        )
        self._run("fill_anew")
        return erased + self.erase_texts()

    def erase_texts(self) -> Erased:
        """Erase the values where they are no row of a source: in messages, samples and errors."""
        patterns = words(self.texts)
        return Erased(texts=sum(self._run(name, words=patterns) for name in TEXTS))

    def analyze(self) -> None:
        """Let statistics forget too: they hold common values of a column."""
        self._run("analyze")

    def _in_source(self) -> InSource:
        source = inspect_source(self.work, self.definition, self.project)
        names = template_values(source, self.stored, 0)
        values = {"source": source.relation, "source_columns": names["source_columns"]}
        known = {column.name for column in source.columns}
        if not known.issuperset(self.wanted.columns):
            if not self.definition.key_columns:
                return InSource(problem=f"it does not have all of {', '.join(self.wanted.columns)}")
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
        definition, columns = self.definition, self.wanted.columns
        target, keys = relation(definition.target_relation), definition.key_columns
        same = self.equality.of_rows
        texts = {
            name: join([sql.Literal(value) for value in values])
            for name, values in self.wanted.values.items()
        }
        return {
            "target": target,
            "pipeline_id": definition.pipeline_id,
            "stored_keys": join(column_of("stored", key) for key in keys),
            "wanted_columns": join(column_of("stored", name) for name in columns),
            "wanted_rows": self.wanted.rows(),
            "image_object": image_object(forms(self.work, target)),
            "wanted_texts": _texts("wanted", columns),
            "stored_texts": _texts("stored", columns),
            "erased_texts": sql.SQL("array[{}]").format(
                join(sql.SQL("erased.texts ->> {}").format(sql.Literal(name)) for name in columns)
            ),
            "is_wanted": same(columns, "wanted", "stored"),
            "is_wanted_fresh": same(columns, "wanted", "fresh"),
            "is_key_of_fresh": same(keys, "forgotten", "fresh"),
            "is_forgotten_image": sql.SQL(IS_FORGOTTEN_IMAGE).format(
                is_key=same(keys, "forgotten", "(images.key_row)"),
                is_wanted=same(columns, "wanted", "(images.image)"),
                is_wanted_text=join(
                    (
                        sql.SQL("images.texts ->> {} in (concat({}), {})").format(
                            sql.Literal(name), column_of("wanted", name), texts[name]
                        )
                        for name in columns
                    ),
                    " and ",
                ),
            ),
            "has_texts": join(
                (
                    sql.SQL("concat({}) in ({})").format(column_of("source", name), texts[name])
                    for name in columns
                ),
                " and ",
            ),
        }

    def _count(self, name: str, values: dict[str, Any]) -> int:
        return int(self.work.query(self._text(name, values), None)[0]["rows"])

    def _spelled(self, name: str) -> int:
        """Run a statement that tells how each row wrote the values; return how many rows it had."""
        rows = self.work.query(self._text(name, {}), None)
        self.texts.update(text for row in rows for text in row["spellings"] if text)
        return len(rows)

    def _run(self, name: str, **values: Any) -> int:
        return self.work.run(self._text(name, values))

    def _text(self, name: str, values: dict[str, Any]) -> str:
        return render(named_query(f"erasure/erase.{name}"), {**self.values, **values}, FILE)


def _texts(row: str, columns: Sequence[str]) -> sql.Composed:
    values = join(sql.SQL("concat({})").format(column_of(row, name)) for name in columns)
    return sql.SQL("array[{}]").format(values)
