"""Finds and reads the files of a project, and packaged files that a project does without."""

import tomllib
from pathlib import Path
from typing import Any

from runner.errors import StartError
from runner.project.scripts import tables_created

PACKAGE = Path(__file__).parents[1]
# Packaged files lie inside an installed package, or at the top of a clone.
HOME = installed if (installed := PACKAGE / "shipped").is_dir() else PACKAGE.parent
SCHEMAS = ("orchestrator", "reporting", "roles", "warehouse")
STATEMENTS = (
    "append", "clock", "create_replica", "identity", "merge", "on_mariadb", "on_postgres", "undo"
)  # fmt: skip
SHARED = frozenset(
    {Path("schema", f"{name}.sql") for name in SCHEMAS}
    | {Path("sql", "ingest", f"{name}.sql") for name in STATEMENTS}
    | {path.relative_to(HOME) for path in (HOME / "schema/migrations").glob("*.sql")}
)


def find(project: Path, path: Path) -> Path:
    """Return the project's own file for `path`, or else the packaged one. It need not exist."""
    own = project / path
    return HOME / path if path in SHARED and not own.is_file() else own


def read_text(file: Path, name: Path | None = None) -> str:
    """Return a text. FileNotFoundError if there is none, StartError if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StartError(f"{name or file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        problem = f"{name or file}: not UTF-8: {error.reason}"
        raise StartError(problem, "save it as UTF-8") from error


def read_toml(file: Path, name: Path, hint: str | None = None) -> dict[str, Any] | None:
    """Return the content of a file, or None if there is none; StartError if it is not TOML."""
    try:
        return tomllib.loads(read_text(file, name))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StartError(f"{name}: {error}", hint) from error


def statement(project: Path, name: str) -> Path:
    """Return the file of an ingestion statement, such as `append` or `merge`."""
    return find(project, Path("sql", "ingest", f"{name}.sql"))


def layer_files(project: Path, layer: str) -> list[Path]:
    """Return schema/<layer>.sql, if it exists, and the files schema/<layer>.*.sql of functions."""
    path = Path("schema", f"{layer}.sql")
    functions = sorted((project / "schema").glob(f"{layer}.*.sql"))
    own = [file.relative_to(project) for file in functions]
    return [path, *own] if find(project, path).is_file() else own


def tables_of(project: Path, layer: str) -> list[str]:
    """Return the tables that schema/<layer>.sql, if it exists, creates under fixed names."""
    file = find(project, Path("schema", f"{layer}.sql"))
    return tables_created(read_text(file)) if file.is_file() else []
