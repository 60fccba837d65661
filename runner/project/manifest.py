"""Reads sql/manifest.toml and checks it against the files of the project. Needs no server."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.errors import StartError, did_you_mean
from runner.project.files import find, layer_files, read_text, read_toml
from runner.project.scripts import deletes_rows
from runner.project.sources import SourceMapping
from runner.project.sources import read as read_shape
from runner.project.template import FULL, INCREMENTAL

MANIFEST = "sql/manifest.toml"
MANIFEST_CHECK = Path("sql/manifest.check.sql")
# In the order in which data flow. Scripts fill the layers; pipelines and the ledger, the inputs.
LAYERS = ("warehouse", "reporting")
INPUTS = ("raw", "orchestrator")
PLAIN = "use lower-case letters, digits and _, beginning with a letter"
ENGINES = POSTGRES, CITUS = "postgres", "citus"
KEYS = ("needs", "state", "view", "restated", "tags")

Value = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True)
class Script:
    """One entry of the manifest: a script that fills the table of its name, or a view."""

    layer: str
    name: str
    needs: tuple[str, ...]
    state: str | None
    is_view: bool
    checks: tuple[Path, ...]
    observations: tuple[Path, ...] = ()
    is_restated: bool = False
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.layer}.{self.name}"

    @property
    def raw_needs(self) -> tuple[str, ...]:
        """The replicas that it needs, without `raw.`."""
        needs = (need.partition(".") for need in self.needs)
        return tuple(name for layer, _, name in needs if layer == INPUTS[0])

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the relations that it defines, its own first."""
        return (self.name, self.state) if self.state else (self.name,)

    @property
    def path(self) -> Path:
        """The file of its SQL, relative to the project; for a view, its definition."""
        folder = "schema" if self.is_view else "sql"
        return Path(folder, self.layer, f"{self.name}.sql")

    @property
    def definitions(self) -> tuple[Path, ...]:
        """The files of its tables' DDL, relative to the project."""
        return tuple(Path("schema", self.layer, f"{table}.sql") for table in self.tables)


@dataclass(frozen=True)
class Manifest:
    """A project: its scripts in the order of the file, its variables, its engine and, if any, its
    name. Its files are read once, and what follows from them is computed once.
    """

    project: Path
    variables: dict[str, Value]
    scripts: dict[str, Script]
    texts: dict[Path, str] = field(default_factory=dict, repr=False, compare=False)
    name: str | None = None
    sources: dict[str, SourceMapping] = field(default_factory=dict)
    engine: str = POSTGRES

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """A cache of the fingerprints of scripts, by key."""
        return {}

    @cached_property
    def functions(self) -> dict[Path, str]:
        """The files of functions that scripts share, with their texts."""
        paths = [path for layer in LAYERS for path in layer_files(self.project, layer)]
        return {path: self.read(find(self.project, path)) for path in paths}

    @property
    def has_months(self) -> bool:
        """Whether facts are partitioned by month."""
        return self.variables.get("monthly_facts") is True

    @cached_property
    def values(self) -> dict[str, Any]:
        """The values for all templates of the project: variables and sources."""
        sources = {name: shape.values() for name, shape in self.sources.items()}
        months = INCREMENTAL if self.has_months else FULL
        return {**self.variables, "monthly_facts": months, "source": sources}

    def fillers(self) -> dict[str, Script]:
        """Map each table, as `layer.table`, to the script that fills it, including state tables."""
        return {
            f"{script.layer}.{table}": script
            for script in self.scripts.values()
            for table in script.tables
        }

    def raw_needs(self) -> list[str]:
        """The replicas that any script needs, without `raw.`."""
        return sorted({name for script in self.scripts.values() for name in script.raw_needs})

    def read(self, path: Path) -> str:
        """Return the text of a file as it was when it was first read."""
        if path not in self.texts:
            self.texts[path] = read_text(self.project / path, path)
        return self.texts[path]


def load(project: Path) -> Manifest:
    """Read and check the manifest of a project; StartError names the first mistake."""
    hint = "an entry is [layer.script], then needs = [...]"
    content = read_toml(project / MANIFEST, Path(MANIFEST), hint)
    if content is None:
        hint = "run this in the folder of a project, or name one: python -m runner --project DIR"
        raise StartError(f"{MANIFEST} does not exist in {project}", hint)
    variables = content.pop("variables", {})
    if not isinstance(variables, dict):
        raise _wrong("variables is not a table", "write [variables]")
    for name, value in variables.items():
        check_variable(f"{MANIFEST}: variable {name}", value)
    own_name = content.pop("name", None)
    if own_name is not None and not _is_plain(own_name):
        raise _wrong("name is not a plain lower-case name", 'name = "miles"')
    engine = content.pop("engine", POSTGRES)
    if engine not in ENGINES:
        raise _wrong(f"engine {engine!r} is not known", f"known are {', '.join(ENGINES)}")
    monthly = variables.get("monthly_facts", False)
    if not isinstance(monthly, bool):
        raise _wrong("monthly_facts is neither true nor false", "monthly_facts = false")
    if monthly and engine == CITUS:
        raise _wrong("monthly_facts does not work with engine citus", "monthly_facts = false")
    shapes = content.pop("source", {})
    if not isinstance(shapes, dict):
        raise _wrong("source is not a table", "write [source.NAME]")
    sources = {
        name: read_shape(f"{MANIFEST}: [source.{name}]", each) for name, each in shapes.items()
    }
    scripts = {}
    for layer, entries in content.items():
        if layer not in LAYERS or not isinstance(entries, dict):
            raise _unknown(f"[{layer}]", layer, (*LAYERS, "variables", "source", "name", "engine"))
        files: dict[str, list[Path]] = {}  # by script, from one listing of the folder
        for path in sorted((project / "sql" / layer).glob("*.sql")):
            files.setdefault(path.name.partition(".")[0], []).append(path.relative_to(project))
        for name, entry in entries.items():
            script = _script(layer, name, entry, files.get(name, []))
            scripts[script.key] = script
    manifest = Manifest(project, variables, scripts, name=own_name, sources=sources, engine=engine)
    _check_needs(manifest)
    _check_files(manifest)
    _check_restated(manifest)
    return manifest


def check_variable(what: str, value: Any) -> None:
    """StartError if a template cannot be given a value of this type."""
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts) and not isinstance(
        value, int | float | bool
    ):
        hint = "a variable is a string, a number, a boolean or a list of strings"
        raise StartError(f"{what} is a {type(value).__name__}", hint)


def _script(layer: str, name: str, entry: Any, files: list[Path]) -> Script:
    where = f"[{layer}.{name}]"
    if not isinstance(entry, dict):
        raise _wrong(f"{layer}.{name} is not a table", f"write {where}")
    if not _is_plain(name):
        raise _wrong(f"{where} is not a plain lower-case name", PLAIN)
    for key in entry:
        if key not in KEYS:
            raise _unknown(f"{where} {key}", key, KEYS)
    needs, state = entry.get("needs"), entry.get("state")
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise _wrong(f"{where} has no list of needs", 'needs = ["raw.event_stream"]')
    if state is not None and not _is_plain(state):
        raise _wrong(f"{where} state is not a plain lower-case name", PLAIN)
    for key in ("view", "restated"):
        if not isinstance(entry.get(key, False), bool):
            raise _wrong(f"{where} {key} is neither true nor false")
    is_view, is_restated = entry.get("view", False), entry.get("restated", False)
    if is_restated and is_view:
        hint = "remove restated = true, or view = true"
        raise _wrong(f"{where} is a view, and only tables can be restated", hint)

    tags = entry.get("tags", [])
    if not isinstance(tags, list) or not all(map(_is_plain, tags)):
        raise _wrong(f"{where} tags are not plain lower-case names", 'tags = ["finance"]')

    checks, observations = (
        tuple(path for path in files if path.match(f"{name}.{pattern}"))
        for pattern in ("*check.sql", "*.observe.sql")
    )
    return Script(
        layer, name, tuple(needs), state, is_view, checks, observations, is_restated, tuple(tags)
    )


def _is_plain(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None


def _check_needs(manifest: Manifest) -> None:
    tables = manifest.fillers()
    for script in manifest.scripts.values():
        for name in script.tables:
            other = tables[f"{script.layer}.{name}"]
            if other is not script:
                raise _wrong(f"[{script.key}] and [{other.key}] fill {script.layer}.{name}")
    for script in manifest.scripts.values():
        for need in script.needs:
            layer = need.partition(".")[0]
            if layer not in INPUTS and need not in tables:
                raise _unknown(f"[{script.key}] needs {need}", need, tables)
            if script.layer == "reporting" and layer in INPUTS:
                problem = f"[{script.key}] needs {need}, but reports read the warehouse only"
                raise _wrong(problem, "bring it into a warehouse table first")
            if script.layer == "warehouse" and layer == "reporting":
                raise _wrong(f"[{script.key}] needs {need}, but the warehouse never reads reports")


def _check_files(manifest: Manifest) -> None:
    expected = set()
    for script in manifest.scripts.values():
        expected |= {script.path, *script.definitions, *script.checks, *script.observations}
    for path in sorted(expected):
        if not (manifest.project / path).is_file():
            raise _wrong(f"{path} does not exist", "write it, or remove its entry")
    for layer in LAYERS:
        for folder in ("sql", "schema"):
            for file in sorted((manifest.project / folder / layer).glob("*.sql")):
                path = file.relative_to(manifest.project)
                if path not in expected:
                    hint = f"declare it: [{layer}.{path.stem}]"
                    if "." in path.stem:
                        hint = "beside a script: <script>.check.sql, <script>.x.observe.sql"
                    raise StartError(f"{path} is not in {MANIFEST}", hint)


def _check_restated(manifest: Manifest) -> None:
    for script in manifest.scripts.values():
        if script.is_restated and deletes_rows(manifest.read(script.path)):
            raise _wrong(
                f"[{script.key}] is restated, but {script.path} deletes rows itself, and only a"
                " table that is computed whole can be compared with its last version",
                "remove restated, or compute the whole table",
            )


def _wrong(message: str, hint: str = "correct it there") -> StartError:
    return StartError(f"{MANIFEST}: {message}", hint)


def _unknown(what: str, name: str, known: Iterable[str]) -> StartError:
    known = sorted(known)
    few = f"{', '.join(known[:6])}{', ...' if known[6:] else ''}"
    hint = did_you_mean(name, known) or f"known are {few}"
    return _wrong(f"{what} is not known", hint)
