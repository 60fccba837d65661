"""Named queries in .sql files: a line `-- name --`, a comment with its purpose, the statement."""

import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def named_query(name: str) -> str:
    """Return a query by its file, within the package, and its name: `database/ledger.begin_run`."""
    file, _, query = name.partition(".")
    return queries(f"{file}.sql")[query]


@cache
def queries(file: str) -> dict[str, str]:
    """Return all queries of a file, by name."""
    text = (PACKAGE / file).read_text(encoding="utf-8")
    parts = re.split(r"^-- (\w+) --$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
