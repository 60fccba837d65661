"""What to forget: columns of a replica and their values, as they were typed."""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import product

from psycopg import sql

from runner.database.names import join
from runner.errors import UsageError, did_you_mean
from runner.ingest.columns import REPLICA_COLUMNS, Column
from runner.ingest.pipelines import PipelineDefinition

# PostgreSQL shows 64 bytes of a value at most when it says which row failed.
SHOWN_BYTES = 60
# The ends of a word; before it JSON may have an escape, such as \\n.
BEFORE = r"(^|[^[:alnum:]_]|\\[bfnrt]|\\u[0-9a-f]{4})"
AFTER = r"($|[^[:alnum:]_])"
HINT = "--key COLUMN=VALUE, of any column of the replica"


class Criteria:
    """Values of columns. A row meets them if it has, in each column, one of its values."""

    def __init__(
        self, definition: PipelineDefinition, stored: Sequence[Column], keys: Iterable[str]
    ) -> None:
        """`keys` are texts such as `user_id=42`, or a value alone where the key is one column.

        UsageError if there is no such column, or nothing to look for.
        """
        known = [column.name for column in stored if column.name not in REPLICA_COLUMNS]
        self.values: dict[str, list[str]] = {}
        for text in keys:
            column, is_named, value = text.partition("=")
            if not (is_named and column in known) and len(definition.key_columns) == 1:
                if is_named and re.fullmatch(r"\w+", column):
                    raise _unknown(definition, column, known)
                column, value = definition.key_columns[0], text
            if column not in known:
                raise _unknown(definition, column if is_named else text, known)
            if not value.strip():
                raise UsageError(f"--key {text} has no value", HINT)
            self.values.setdefault(column, []).append(value)
        if not self.values:
            raise UsageError("--key is missing: it says what to forget", HINT)

    def rows(self) -> sql.Composed:
        """Return the combinations of the values, as the rows of a `values` list."""
        combinations = product(*self.values.values())
        return join(sql.SQL("({})").format(join(map(sql.Literal, each))) for each in combinations)


def words(texts: Iterable[str]) -> list[str]:
    """Return patterns that find texts in messages, samples and errors, as whole words."""
    patterns = []
    for text in sorted(texts):
        start, end = _shown(text)
        in_json = json.dumps(start, ensure_ascii=False)[1:-1]
        patterns += [f"{BEFORE}{_escaped(form)}{end}" for form in {start, in_json}]
    return patterns


def fields(texts: Iterable[str]) -> list[str]:
    """Return patterns that find texts in lines of a CSV file, as whole fields."""
    forms = {form for text in texts for form in (text, f'"{text.replace(chr(34), chr(34) * 2)}"')}
    return [rf"(^|,)\s*{_escaped(form)}\s*(,|$)" for form in sorted(forms)]


def _unknown(definition: PipelineDefinition, column: str, known: Sequence[str]) -> UsageError:
    return UsageError(
        f"{definition.target_relation} has no column {column}",
        did_you_mean(column, known, f"{HINT}: {', '.join(known)}"),
    )


def _shown(value: str) -> tuple[str, str]:
    """Return how much of a value a message is sure to show, and the pattern that follows it."""
    if len(value.encode()) <= SHOWN_BYTES:
        return value, AFTER
    return value.encode()[:SHOWN_BYTES].decode(errors="ignore"), ""


def _escaped(text: str) -> str:
    """Return a PostgreSQL regular expression that matches exactly this text."""
    return re.sub(r"([^\w\u0080-\U0010ffff])", r"\\\1", text)
