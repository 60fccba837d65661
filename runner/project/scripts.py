"""Which tables hold what is new: they are of the last build, and say nothing of the others."""

from __future__ import annotations

import re

from runner.project.graph import order
from runner.project.manifest import Manifest


def change_sets(manifest: Manifest) -> set[str]:
    """The tables that hold what is new, also after a full build: each build empties them, and fills
    them from the position of a pipeline or from such tables alone.
    """
    found: set[str] = set()
    for script in order(manifest):
        text = "" if script.is_view else manifest.read(script.path)
        in_full = "\n".join(
            line
            for line in text.splitlines()
            if not re.match(r"\s*(--|\{\{ incremental \}\})", line)
        )
        empties = re.search(r"delete from \{\{ this \}\}( as \w+)?\s*;", text)
        asks = re.search(r"\{\{ (after|through)\b", in_full)
        reads = {".".join(names) for names in re.findall(r"\{\{ (\w+) \}\}[.](\w+)", in_full)}
        if empties and (asks or reads <= found):
            found |= {f"{script.layer}.{table}" for table in script.tables}
    return found
