"""Files of a project: those that every project shares, its own where it has one, else the packaged
one; and those that are written for it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from runner.errors import RunnerError

PACKAGE = Path(__file__).parents[1]
# Installed, they lie inside the package: setup.cfg puts them there. In a clone they are where they
# are written, at its top level.
HOME = installed if (installed := PACKAGE / "shipped").is_dir() else PACKAGE.parent
SHARED = frozenset(
    map(
        Path,
        (
            "schema/orchestrator.sql",
            "schema/reporting.sql",
            "schema/roles.sql",
            "schema/warehouse.sql",
            "sql/ingest/append.sql",
            "sql/ingest/clock.sql",
            "sql/ingest/create_replica.sql",
            "sql/ingest/identity.sql",
            "sql/ingest/merge.sql",
            "sql/ingest/on_mariadb.sql",
            "sql/ingest/on_postgres.sql",
            "sql/ingest/undo.sql",
        ),
    )
)


def find(project: Path, path: Path) -> Path:
    """The file that stands for `path` in a project, whether there is one or not."""
    own = project / path
    return HOME / path if path in SHARED and not own.is_file() else own


def statement(project: Path, name: str) -> Path:
    """The file of a statement that pipelines share, such as `append` or `merge`."""
    return find(project, Path("sql", "ingest", f"{name}.sql"))


def layer_files(project: Path, layer: str) -> list[Path]:
    """What all tables of a layer share: schema/<layer>.sql, and beside it files of functions, such
    as schema/<layer>.k_means.sql.
    """
    path = Path("schema", f"{layer}.sql")
    return [
        *([path] if find(project, path).is_file() else []),
        *(
            file.relative_to(project)
            for file in sorted((project / "schema").glob(f"{layer}.*.sql"))
        ),
    ]


def put(file: Path, text: str, mode: int = 0o644) -> None:
    """Put a file in its place when all of it is written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as fresh:
            fresh.write(text)
        os.chmod(fresh.name, mode)
        os.replace(fresh.name, file)
    except OSError as error:
        raise RunnerError(f"{file} cannot be written: {error.strerror}") from error
