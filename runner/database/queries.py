"""Named queries: `-- name --` in a .sql file, then a sentence of purpose, then the statement."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@cache
def queries(file: str) -> dict[str, str]:
    """Return the queries of a file, by name; `file` is a path within the package."""
    text = (PACKAGE / file).read_text(encoding="utf-8")
    parts = re.split(r"^-- (\w+) --$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
