"""Named queries: `-- name --` in a .sql file beside this module, a sentence of purpose, the
statement.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path


@cache
def queries(file: str) -> dict[str, str]:
    """The queries of a file, by name."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    parts = re.split(r"^-- (\w+) --$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
