"""Checks that scripts declare the tables that they read, and that their SQL can run on Citus."""

from collections.abc import Collection, Iterator

from runner.build.inspect.reads import tables_read, undeclared, unread
from runner.errors import RunnerError
from runner.project.graph import order
from runner.project.manifest import Manifest, Script
from runner.testing.distributed import problems


def lint(manifest: Manifest, keys: Collection[str] | None = None) -> list[str]:
    """Return a line, with its file, for each problem of all scripts, or of those in `keys`."""
    order(manifest)  # StartError if there is a cycle
    found = [
        problem
        for key, script in manifest.scripts.items()
        if keys is None or key in keys
        for problem in _problems(manifest, script)
    ]
    return found or [line for key, line in problems(manifest) if keys is None or key in keys]


def _problems(manifest: Manifest, script: Script) -> Iterator[str]:
    try:
        read = tables_read(manifest, script)
    except RunnerError as error:
        yield error.message
        return
    yield from undeclared(script, read)
    yield from unread(script, read)
